"""What was done: each step, with the target's receipt or the person's own word."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from common.cases import Attempt, Case
from common.declarations.models import ActionType
from common.events.planner import Step

from auditor.core.evidence import Record
from auditor.core.sentences import Sentence, says
from auditor.core.telling import decided
from auditor.core.wording import bounded, counted, day, listed, moment, plain, sentence_case, unended

MOST_STEPS = 6


def done(record: Record) -> Iterable[Sentence]:
    """What the executor intended and what came of it, step by step."""
    for earlier in record.executions[:-1]:
        yield from _earlier(earlier)
    case = record.carried
    if case is None or case.plan is None:
        nothing = record.case.closed or record.wrong
        yield says("Trueup changed nothing", nothing.event.id)
        return
    steps = {step.number: step for step in case.plan.data.steps}
    for number, attempt in sorted(case.attempts.items())[:MOST_STEPS]:
        yield from _step(record, case, steps[number], attempt)
    if len(case.attempts) > MOST_STEPS:
        more = [attempt.intended.event.id for _, attempt in sorted(case.attempts.items())[MOST_STEPS:]]
        yield says(f"{len(more)} more steps were carried out", *more)
    if case.finished is not None:
        ended = moment(case.finished.event.asof)
        yield says(f"With that the plan was carried out in full, on {ended}", case.finished.event.id)
    elif case.halted is not None:
        reason = unended(plain(case.halted.data.reason, 200))
        yield says(f"The execution halted ({case.halted.data.reason_code}): {reason}", case.halted.event.id)
    yield from _undo(record, case)


def _earlier(case: Case) -> Iterable[Sentence]:
    ended = case.finished or case.halted
    if case.started is not None:
        told = f"An earlier plan was carried out on {day(case.started.event.asof)} and did not bring the proof"
        yield says(told, case.started.event.id, ended.event.id if ended else None)


def _step(record: Record, case: Case, step: Step, attempt: Attempt) -> Iterable[Sentence]:
    what = f"step {step.number} ({plain(step.action, 60)}, on {plain(step.target, 100)} in {plain(step.system, 60)})"
    intended = attempt.intended.event
    if attempt.failed is not None:
        reason = unended(plain(attempt.failed.data.reason, 160))
        yield says(f"{sentence_case(what)} failed and had no effect: {reason}", intended.id, attempt.failed.event.id)
    elif attempt.unknown is not None:
        reason = unended(plain(attempt.unknown.data.reason, 160))
        yield says(f"Nobody can say whether {what} took effect: {reason}", intended.id, attempt.unknown.event.id)
    elif attempt.succeeded is not None:
        outcome = case.outcomes.get(step.number)
        by_hand = step.provider == "manual" and outcome is not None
        if by_hand and outcome is not None:
            told = decided(
                record, outcome.data.decision, outcome.event.asof, f"carried out {what} by hand and said so"
            )
            yield says(told, intended.id, outcome.event.id, attempt.succeeded.event.id)
        else:
            receipt = _receipt(attempt.succeeded.data.receipt)
            when = moment(attempt.succeeded.event.asof)
            yield says(
                f"{sentence_case(what)} was carried out on {when}{receipt}", intended.id, attempt.succeeded.event.id
            )


def _receipt(receipt: dict[str, Any]) -> str:
    """What the target wrote down about it; names that only identify the action stay in the record."""
    told = []
    if isinstance(written := receipt.get("recorded_at"), str):
        told.append(f"written on {_instant(written)} by its own clock")
    if isinstance(rows := receipt.get("rows"), int):
        told.append(f"for {counted(rows, 'row')}")
    others = sorted(set(receipt) - {"recorded_at", "rows", "system", "idempotency_key"})
    told += [f"{plain(name, 40)} {plain(str(receipt[name]), 60)}" for name in others]
    return f"; the target's receipt: {listed(bounded(told, 3))}" if told else ""


def _instant(text: str) -> str:
    try:
        return moment(text)
    except ValueError:
        return plain(text, 40)


def _undo(record: Record, case: Case) -> Iterable[Sentence]:
    if case.authorisation is None or case.plan is None:
        return
    grant = case.authorisation.data.grant
    yield says(
        f"The grant allowed {'this step' if grant.count == 1 else f'these {grant.count} steps'} on "
        f"{plain(listed(grant.targets), 120)}, to be begun by {moment(grant.expires)}, and nothing else",
        case.authorisation.event.id,
    )
    final = [
        step.action
        for step in case.plan.data.steps
        if isinstance(spec := record.spec("ActionType", step.action, case.authorisation.position), ActionType)
        and not spec.reversible
    ]
    if final:
        yield says(f"What {plain(listed(final), 120)} did can't be undone", case.plan.event.id)
