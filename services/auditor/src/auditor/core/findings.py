"""How it was checked, what went wrong on the way, and what nobody knows."""

from __future__ import annotations

from collections.abc import Iterable

from common.declarations.models import DesiredState
from common.events.approver import ApprovalRefused, ApprovalVoided, GapDisputed, PlanExpired, PlanReturned
from common.events.auditor import VerificationFailed, VerificationInconclusive
from common.events.executor import ActionFailed, ActionUnknown, ExecutionHalted
from common.events.model import EventData
from common.events.planner import PlanSuperseded

from auditor.core import proving
from auditor.core.evidence import Record
from auditor.core.sentences import Sentence, says
from auditor.core.telling import decided, described
from auditor.core.wording import bounded, counted, day, listed, moment, plain, quoted, sentence_case, unended

MOST_INCIDENTS = 6


def checked(record: Record) -> Iterable[Sentence]:
    """Which later observations met the proof, and that it held for the soak."""
    case = record.case
    proof, passed = case.proof, case.verification
    if proof is None or passed is None:
        raise ValueError(f"case {case.id} has no passed verification")
    yield from described(record, proof.data.facts)
    if case.gap_closed is not None:
        yield says(_gap_closed(case.gap_closed.data.reason, case.gap_closed.event.asof), case.gap_closed.event.id)
    yield from _proof(record)
    yield from _newer(record)
    yield says(f"It had to hold until {moment(proof.data.soak_until)}, and did", passed.event.id)
    if case.closed is not None:
        how = "after the plan was carried out" if case.closed.data.how == "remedied" else "without a plan of Trueup's"
        yield says(f"The case was closed on {day(case.closed.event.asof)} as {case.closed.data.how}: {how}",
                   case.closed.event.id)  # fmt: skip


def _gap_closed(reason: str, asof: str) -> str:
    words = {
        "met": "no rule of the case failed any more",
        "withdrawn": "the source withdrew the entity, so that its rules no longer apply",
        "not_selected": "the declaration no longer selects the entity, so that its rules no longer apply",
        "declaration_changed": "the declaration changed, and under it no rule fails",
    }
    return f"On {day(asof)} {words[reason]}"


def _proof(record: Record) -> Iterable[Sentence]:
    proof = record.case.proof
    assert proof is not None
    state = record.spec("DesiredState", record.wrong.data.desired_state, proof.position)
    if isinstance(state, DesiredState):
        activation = record.activation("DesiredState", record.wrong.data.desired_state, proof.position)
        expression = state.verification.proof
        wanted = state.done if expression == "done" else expression
        yield says(
            f"The proof that the declaration asks for, {quoted(wanted)}, was first seen on {day(proof.event.asof)} by "
            "the auditor, a service of its own that reads the observations itself",
            proof.event.id,
            activation.event.id if activation else None,
        )


def _newer(record: Record) -> Iterable[Sentence]:
    finished = record.finished
    if finished is None:
        return
    newer = proving.newer(record)
    number = sentence_case(counted(len(newer), "observation"))
    yield says(
        f"{number} that it rests on {'is' if len(newer) == 1 else 'are'} later than the execution, in the ledger as well "
        "as at the source",
        finished.event.id,
        *newer,
    )


def unknown(record: Record) -> Iterable[Sentence]:
    """Refusals, failures, delays; then the limits of what the records can show."""
    yield from _incidents(record)
    yield from _unknown_facts(record)
    gap = record.wrong
    closed = record.case.closed or gap
    observations = sorted({fact.event_id for rule in gap.data.rules for fact in rule.facts if fact.event_id})
    yield says(
        "Trueup saw what the sources reported, not the things themselves: whether a report is true is for its source",
        *observations,
        closed.event.id,
    )
    by_hand = [said.event.id for case in record.executions for said in case.outcomes.values()]
    if by_hand:
        yield says("For what was done by hand there is the word of the person who did it, and what was observed later",
                   *by_hand)  # fmt: skip
    yield says("Whether the change had effects elsewhere was not looked for: this version does not watch for them",
               closed.event.id)  # fmt: skip


def _incidents(record: Record) -> Iterable[Sentence]:
    told = [sentence for said in record.said if (sentence := _incident(record, said.event.id, said.data)) is not None]
    if not told:
        yield says("No plan was refused, no step failed and no verification had to be repeated", _last(record))
    yield from told[-MOST_INCIDENTS:]
    if len(told) > MOST_INCIDENTS:
        cites = [event_id for sentence in told[:-MOST_INCIDENTS] for event_id in sentence.cites]
        yield says(f"Before that, {counted(len(cites), 'more such record')} stood in the case", *cites)


def _last(record: Record) -> str:
    return (record.case.closed or record.wrong).event.id


def _incident(record: Record, event_id: str, data: EventData) -> Sentence | None:
    asof = record.by_id[event_id].event.asof
    on = f"On {day(asof)}"
    match data:
        case ApprovalRefused():
            return says(decided(record, data.decision, asof, "refused a plan"), event_id)
        case PlanReturned():
            return says(decided(record, data.decision, asof, "sent a plan back"), event_id)
        case GapDisputed():
            return says(decided(record, data.decision, asof, "disputed the gap"), event_id)
        case PlanSuperseded():
            return says(f"{on} a draft was replaced: {unended(plain(data.reason, 160))}", event_id)
        case ApprovalVoided():
            changed = unended(plain("; ".join(data.changed), 200))
            return says(f"{on} the approvals given so far became void: {changed}", event_id)
        case PlanExpired():
            return says(f"{on} the time to decide, or to act, ran out for a plan", event_id)
        case ExecutionHalted() | ActionFailed() | VerificationFailed() | VerificationInconclusive():
            words = {
                ExecutionHalted: "an execution halted",
                ActionFailed: "a step failed without effect",
                VerificationFailed: "a verification failed",
                VerificationInconclusive: "a verification remained without result",
            }
            return says(f"{on} {words[type(data)]}: {unended(plain(data.reason, 200))}", event_id)
        case ActionUnknown():
            return says(f"{on} nobody could say whether a step took effect: {unended(plain(data.reason))}", event_id)
    return None


def _unknown_facts(record: Record) -> Iterable[Sentence]:
    passed = record.case.verification
    if passed is None:
        return
    missing = [fact for fact in passed.data.facts if fact.unknown is not None]
    if missing:
        told = [f"{plain(fact.name, 60)} ({unended(plain(fact.unknown or '', 100))})" for fact in missing]
        yield says(f"Not known when the case was closed: {listed(bounded(told, 4))}", passed.event.id)
