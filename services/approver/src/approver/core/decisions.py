"""What a person decides about a case: checked by the one gate, recorded, and what follows from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from common.approvals import admit, check_exempt
from common.cases import Case
from common.clock import parse_instant
from common.errors import Refused
from common.events import Event, EventData
from common.events.approver import (
    ApprovalGiven,
    ApprovalRefused,
    CaseResumed,
    Decision,
    GapConfirmed,
    GapDisputed,
    OutcomeRecorded,
    PlanReturned,
    ReleaseGiven,
)

from approver.core.drafting import Draft, Signed
from approver.core.reactions import check_signed, react
from approver.core.surroundings import Surroundings

MADE_WITHIN = timedelta(minutes=10)
MAX_COMMENT = 4_000
_NEEDS_GAP = frozenset({"confirm", "approve", "release"})
_GO_ON = frozenset({"approve", "release"})
"""What lets a plan go on. Refusing it and sending it back stay possible, whoever wrote it."""


def nonces(events: Iterable[Event]) -> frozenset[str]:
    """The nonces of all decisions recorded in `events`."""
    found = (event.data.get("decision") for event in events)
    return frozenset(str(decision["nonce"]) for decision in found if isinstance(decision, dict))


def decide(draft: Draft, signed: Signed, used: frozenset[str], around: Surroundings) -> None:
    """Record the decision and what follows from it, or raise `Refused` with the gate's reason code.

    `used` are the nonces of the case's earlier decisions: none counts twice, not even after it was taken back.
    """
    decision = signed.decision
    check_fresh(decision, used, draft.when.time)
    if decision.kind in _GO_ON:
        check_signed(draft, around)
    if decision.kind in _NEEDS_GAP:
        check_exempt(draft.case, around.exempt)
    admit(decision, signed.signature, draft.case, around.catalogue, around.directory, around.attributes)
    data, cause = _RECORDS[decision.kind](draft.case, decision)
    actor = f"person:{decision.person}"
    draft.add(data, cause, decision.person, decision.nonce, actor=actor, signature=signed.signature)
    react(draft, around)


def check_fresh(decision: Decision, used: frozenset[str], now: datetime) -> None:
    """Raise `Refused` for a decision that was used before, was not made just now, or rambles.

    `now` is the wall clock. Codes: `already_decided`, `decision_too_old`, `malformed_request`.
    """
    if decision.nonce in used:
        raise Refused("already_decided", "exactly this decision is recorded already", "Look at the case again.")
    if not decision.nonce or len(decision.nonce) > 100 or len(decision.comment) > MAX_COMMENT:
        raise Refused("malformed_request", f"a nonce is needed, and comments have at most {MAX_COMMENT} characters")
    try:
        made_at = parse_instant(decision.made_at)
    except ValueError as error:
        raise Refused("malformed_request", f"made_at is {decision.made_at!r}, not an instant with a zone") from error
    if abs(now - made_at) > MADE_WITHIN:
        raise Refused(
            "decision_too_old",
            f"the decision was made at {decision.made_at}, more than {MADE_WITHIN.seconds // 60} minutes from now",
            "Decide again. If this repeats, check your computer's clock.",
        )


def _gap_event(case: Case) -> Event:
    if case.gap is None:
        raise ValueError(f"case {case.id} has no gap")
    return case.gap.event


def _ticket_event(case: Case) -> Event:
    if case.ticket is None:
        raise ValueError(f"case {case.id} has no ticket")
    return case.ticket.event


def _plan(case: Case) -> str:
    if case.plan is None:
        raise ValueError(f"case {case.id} has no plan")
    return case.plan.data.plan


def _confirmed(case: Case, decision: Decision) -> tuple[EventData, Event]:
    gap = _gap_event(case)
    return GapConfirmed(case=case.id, gap_event=gap.id, decision=decision), gap


def _disputed(case: Case, decision: Decision) -> tuple[EventData, Event]:
    gap = _gap_event(case)
    return GapDisputed(case=case.id, gap_event=gap.id, decision=decision), gap


def _approved(case: Case, decision: Decision) -> tuple[EventData, Event]:
    return ApprovalGiven(case=case.id, plan=_plan(case), decision=decision), _ticket_event(case)


def _refused(case: Case, decision: Decision) -> tuple[EventData, Event]:
    return ApprovalRefused(case=case.id, plan=_plan(case), decision=decision), _ticket_event(case)


def _returned(case: Case, decision: Decision) -> tuple[EventData, Event]:
    ends = (case.halted, case.refusal, case.expiry)
    why = next((said.event for said in ends if said is not None), _ticket_event(case))
    return PlanReturned(case=case.id, plan=_plan(case), decision=decision), why


def _released(case: Case, decision: Decision) -> tuple[EventData, Event]:
    cause = case.authorisation.event if case.authorisation else _ticket_event(case)
    return ReleaseGiven(case=case.id, plan=_plan(case), step=decision.step or 0, decision=decision), cause


def _outcome(case: Case, decision: Decision) -> tuple[EventData, Event]:
    step = decision.step or 0
    intent = case.attempts[step].intended.event
    data = OutcomeRecorded(case=case.id, plan=_plan(case), step=step, intent=intent.id, decision=decision)
    return data, intent


def _resumed(case: Case, decision: Decision) -> tuple[EventData, Event]:
    if case.suspension is None:
        raise ValueError(f"case {case.id} is not suspended")
    suspended = case.suspension.event
    return CaseResumed(case=case.id, suspended=suspended.id, decision=decision), suspended


_RECORDS: dict[str, Callable[[Case, Decision], tuple[EventData, Event]]] = {
    "confirm": _confirmed,
    "dispute": _disputed,
    "resume": _resumed,
    "approve": _approved,
    "refuse": _refused,
    "return": _returned,
    "release": _released,
    "outcome": _outcome,
}
