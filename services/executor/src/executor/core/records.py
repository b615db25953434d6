"""What the executor writes down: each event's data, from the case and what just happened."""

from __future__ import annotations

from dataclasses import dataclass

from common.cases import Attempt, Case, Said
from common.errors import Refused
from common.events.approver import OutcomeRecorded, ReleaseGiven
from common.events.executor import (
    ActionFailed,
    ActionIntended,
    ActionSucceeded,
    ActionUnknown,
    ExecutionFinished,
    ExecutionHalted,
    ExecutionStarted,
)
from common.events.planner import Step
from common.ids import event_id


@dataclass(frozen=True, slots=True)
class Granted:
    """What the executor acts on: plan, five-part digest, and the PlanAuthorised event's id."""

    plan: str
    digest: str
    authorisation: str


def granted(case: Case) -> Granted:
    """The grant that was consumed, or is about to be. It stays the one consumed when it is taken back later.

    Raises ValueError for a case that never had one.
    """
    if case.started is not None:
        data = case.started.data
        return Granted(data.plan, data.digest, data.authorisation)
    if case.authorisation is None:
        raise ValueError(f"the plan of {case.id} is not authorised")
    given = case.authorisation
    return Granted(given.data.plan, given.data.digest, given.event.id)


def started(case: Case, checks: list[str]) -> ExecutionStarted:
    grant = granted(case)
    return ExecutionStarted(
        case=case.id, plan=grant.plan, digest=grant.digest, authorisation=grant.authorisation, checks=checks
    )


def key_of(case: Case, step: Step) -> str:
    """The idempotency key of a step: the same for the same step of the same plan under the same grant, always."""
    grant = granted(case)
    return event_id("trueup.action", case.id, grant.plan, grant.authorisation, str(step.number))


def intended(case: Case, step: Step, release: Said[ReleaseGiven] | None) -> ActionIntended:
    return ActionIntended(
        case=case.id,
        plan=granted(case).plan,
        step=step.number,
        action=step.action,
        system=step.system,
        provider=step.provider,
        target=step.target,
        parameters=step.parameters,
        idempotency_key=key_of(case, step),
        release=release.event.id if release is not None else None,
    )


def succeeded(intent: ActionIntended, receipt: dict[str, object], outcome: str | None = None) -> ActionSucceeded:
    return ActionSucceeded(
        case=intent.case,
        plan=intent.plan,
        step=intent.step,
        idempotency_key=intent.idempotency_key,
        receipt=receipt,
        outcome=outcome,
    )


def failed(intent: ActionIntended, reason_code: str, reason: str) -> ActionFailed:
    return ActionFailed(
        case=intent.case,
        plan=intent.plan,
        step=intent.step,
        idempotency_key=intent.idempotency_key,
        reason_code=reason_code,
        reason=reason,
    )


def unknown(intent: ActionIntended, reason: str) -> ActionUnknown:
    return ActionUnknown(
        case=intent.case,
        plan=intent.plan,
        step=intent.step,
        idempotency_key=intent.idempotency_key,
        reason=reason,
    )


def of_outcome(attempt: Attempt, outcome: Said[OutcomeRecorded]) -> ActionSucceeded | ActionFailed:
    """A manual step's end, as the person who did it says."""
    intent, decision = attempt.intended.data, outcome.data.decision
    if decision.result != "done":
        reason = decision.comment or f"{decision.person} says that it was not done"
        return failed(intent, "not_done", reason)
    receipt: dict[str, object] = {"by": decision.person, "role": decision.role, "comment": decision.comment}
    return succeeded(intent, receipt, outcome.event.id)


def finished(case: Case) -> ExecutionFinished:
    grant = granted(case)
    return ExecutionFinished(case=case.id, plan=grant.plan, digest=grant.digest, steps=len(case.attempts))


def halted(case: Case, reason_code: str, reason: str) -> ExecutionHalted:
    grant = granted(case)
    return ExecutionHalted(case=case.id, plan=grant.plan, digest=grant.digest, reason_code=reason_code, reason=reason)


def halted_by(case: Case, refusal: Refused) -> ExecutionHalted:
    """The halt that a refused check brings about; the refusal's code stays."""
    return halted(case, refusal.reason_code, refusal.message)
