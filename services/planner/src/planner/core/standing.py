"""Whether a case needs a draft now, and whether the draft that is open still stands. Level, not edge: the events
that led here are only hints, the folded case decides."""

from __future__ import annotations

from dataclasses import dataclass

from common.approvals import facts_digest
from common.cases import Case
from common.events.envelope import Event
from common.events.model import Fact
from common.events.planner import PlanDrafted, PlanSuperseded, PlanWithheld
from common.sealing import SHOWN, is_sealed

from planner.core.situation import Situation, gate_one_stands


@dataclass(frozen=True, slots=True)
class Need:
    """What the planner should do: take back the open plan (`supersede`), and draft (`draft`), or neither."""

    supersede: PlanSuperseded | None = None
    draft: bool = False


NOTHING = Need()


def without_declaration(case: Case, reason: str) -> Need:
    """What to do where the desired state is no longer active or can't be read: nothing open stands."""
    if case.plan is None or case.started is not None or case.closed is not None:
        return NOTHING
    return Need(_superseded(case.plan.data, "declaration_changed", reason))


def need(situation: Situation) -> Need:
    """What the case needs. One open plan a case: a draft is asked for only where none stands afterwards."""
    case = situation.case
    if case.gap is None or case.closed is not None:
        return NOTHING
    if case.plan is None:
        return Need(draft=_may_draft(situation))
    if case.started is not None:
        return _after_execution(situation, case.plan.data)
    if case.met is not None:  # it may fail again as it did: then the plan is still the answer
        return NOTHING
    supersede = _no_longer_stands(situation, case.plan.data)
    if supersede is None:
        return NOTHING
    return Need(supersede, draft=_may_draft(situation))


def is_news(situation: Situation, withheld: PlanWithheld) -> bool:
    """Whether `withheld` says something that the case does not say already."""
    said = situation.case.withheld
    return said is None or said.data != withheld


def cause_of(case: Case) -> Event:
    """The event that a draft answers: the newest of gap, confirmation, return and failed verification."""
    said = (case.gap, case.gap_closed, case.confirmation, case.dispute, case.returned, case.failed_verification)
    return max((one.position, one.event.id, one.event) for one in said if one is not None)[2]


def _may_draft(situation: Situation) -> bool:
    case = situation.case
    if _nothing_fails(case) or case.suspension is not None or not gate_one_stands(case):
        return False
    # A new version was activated and the differ has not spoken yet: what fails under it is not known.
    return situation.gap.version == situation.state.version


def _nothing_fails(case: Case) -> bool:
    """The gap has closed, or is met and has yet to close."""
    return case.gap_closed is not None or case.met is not None


def _after_execution(situation: Situation, plan: PlanDrafted) -> Need:
    """Executed and not held: a new plan, once people have confirmed what fails now. Halted: a person returns it."""
    case = situation.case
    if case.finished is None or case.failed_verification is None or _nothing_fails(case):
        return NOTHING
    if _may_draft(situation):
        return Need(draft=True)
    reason = "The plan was carried out and did not hold; what fails now must be confirmed before the next one."
    return Need(_superseded(plan, "verification_failed", reason))


def _no_longer_stands(situation: Situation, plan: PlanDrafted) -> PlanSuperseded | None:
    case = situation.case
    if case.gap_closed is not None:
        return _superseded(plan, "gap_closed", "The gap has closed; nothing is left to do.")
    if case.suspension is not None:
        return _superseded(plan, "suspended", f"The case is suspended: {case.suspension.data.says}.")
    if plan.version != situation.state.version:
        return _superseded(plan, "declaration_changed", "The declaration, or an action it uses, changed.")
    if not gate_one_stands(case):
        return _superseded(plan, "facts_changed", _why_gate_one_fell(situation))
    now = situation.facts_named(fact.name for fact in plan.facts)
    if facts_digest(now) != facts_digest(plan.facts):
        return _superseded(plan, "facts_changed", f"{'; '.join(_changes(plan.facts, now))}.")
    return None


def _why_gate_one_fell(situation: Situation) -> str:
    if situation.case.dispute is not None:
        return "The gap was disputed."
    rules = ", ".join(f"{rule.name} ({rule.status})" for rule in situation.gap.rules)
    return f"What fails is now {rules}; that has to be confirmed first."


def _changes(before: list[Fact], now: list[Fact]) -> list[str]:
    was = {fact.name: fact for fact in before}
    return [
        f"{fact.name} was {_shown(was[fact.name])} and is now {_shown(fact)}"
        for fact in now
        if (was[fact.name].value, was[fact.name].unknown is None) != (fact.value, fact.unknown is None)
    ]


def _shown(fact: Fact) -> str:
    if fact.unknown is not None:
        return "unknown"
    return SHOWN if is_sealed(fact.value) else repr(fact.value)


def _superseded(plan: PlanDrafted, reason_code: str, reason: str) -> PlanSuperseded:
    return PlanSuperseded(case=plan.case, plan=plan.plan, reason_code=reason_code, reason=reason)
