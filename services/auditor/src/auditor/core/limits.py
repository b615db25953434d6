"""What went wrong on the way, and what the records can't show."""

from __future__ import annotations

from collections.abc import Iterable

from common.cases import Said
from common.events.approver import ApprovalRefused, ApprovalVoided, GapDisputed, PlanExpired, PlanReturned
from common.events.auditor import VerificationFailed, VerificationInconclusive
from common.events.differ import GapSnapshot
from common.events.executor import ActionFailed, ActionUnknown, ExecutionHalted
from common.events.model import EventData
from common.events.planner import PlanSuperseded

from auditor.core.evidence import Record
from auditor.core.sentences import Sentence, says
from auditor.core.telling import decided
from auditor.core.wording import bounded, counted, day, listed, plain, unended

MOST_INCIDENTS = 6
_DECIDED: dict[type[EventData], str] = {
    ApprovalRefused: "refused a plan",
    PlanReturned: "sent a plan back",
    GapDisputed: "disputed the gap",
}
_REASONED: dict[type[EventData], str] = {
    PlanSuperseded: "a draft was replaced",
    ExecutionHalted: "an execution halted",
    ActionFailed: "a step failed without effect",
    ActionUnknown: "nobody could say whether a step took effect",
    VerificationFailed: "a verification failed",
    VerificationInconclusive: "a verification remained without a result",
}
_SETBACKS = {*_DECIDED, *_REASONED, ApprovalVoided, PlanExpired}


def unknown(record: Record) -> Iterable[Sentence]:
    """Refusals, failures, changes on the way; then the limits of what the records can show."""
    yield from _incidents(record)
    yield from _unknown_facts(record)
    closed = record.case.closed or record.wrong
    observations = sorted({fact.event_id for rule in record.wrong.data.rules for fact in rule.facts if fact.event_id})
    yield says(
        "Trueup saw what the sources reported, not the things themselves: it can't say whether a report was true",
        *observations,
        closed.event.id,
    )
    by_hand = [said.event.id for case in record.executions for said in case.outcomes.values()]
    if by_hand:
        told = "That the work by hand was done rests on the word of the person who did it, and on what was seen later"
        yield says(told, *by_hand)
    passed = record.case.verification
    watched = passed is not None and passed.data.effects is not None and passed.data.effects.watched
    if record.executions and not watched:
        told = "Whether the change had effects elsewhere was not looked for: the declaration names none to watch"
        yield says(told, closed.event.id)


def _incidents(record: Record) -> Iterable[Sentence]:
    told = [sentence for said in record.said if (sentence := _incident(record, said)) is not None]
    if not any(type(said.data) in _SETBACKS for said in record.said):
        smooth = "No plan was refused or replaced, no step failed, and no verification had to be repeated"
        yield says(smooth, (record.case.closed or record.wrong).event.id)
    yield from told[-MOST_INCIDENTS:]
    if len(told) > MOST_INCIDENTS:
        cites = [event_id for sentence in told[:-MOST_INCIDENTS] for event_id in sentence.cites]
        yield says(f"Before that there were {counted(len(cites), 'more such record')}", *cites)


def _incident(record: Record, said: Said[EventData]) -> Sentence | None:
    data, event_id = said.data, said.event.id
    on = f"On {day(said.event.asof)}"
    told = ""
    if isinstance(data, ApprovalRefused | PlanReturned | GapDisputed):
        told = decided(record, data.decision, said.event.asof, _DECIDED[type(data)])
    elif type(data) in _REASONED:
        told = f"{on} {_REASONED[type(data)]}: {unended(plain(str(data.model_dump()['reason']), 200))}"
    elif isinstance(data, ApprovalVoided):
        told = f"{on} the approvals given so far became void: {unended(plain('; '.join(data.changed)))}"
    elif isinstance(data, PlanExpired):
        told = f"{on} the time to decide, or to act, ran out for a plan"
    elif isinstance(data, GapSnapshot) and said.position > record.wrong.position:
        failing = [f'"{plain(rule.name, 60)}" ({unended(plain(rule.says, 120))})' for rule in data.rules]
        told = f"{on} the rules that failed were {listed(bounded(failing, 3))}"
    return says(told, event_id) if told else None


def _unknown_facts(record: Record) -> Iterable[Sentence]:
    passed = record.case.verification
    missing = [fact for fact in passed.data.facts if fact.unknown is not None] if passed else []
    if passed is not None and missing:
        told = [f"{plain(fact.name, 60)} ({unended(plain(fact.unknown or '', 100))})" for fact in missing]
        yield says(f"Not known when the case was closed: {listed(bounded(told, 4))}", passed.event.id)
