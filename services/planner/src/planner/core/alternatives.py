"""What else could be done in this case, and why it is not what the plan recommends. Every reason is computed."""

from __future__ import annotations

from collections.abc import Sequence

from common.clock import parse_instant
from common.declarations.values import Status
from common.events.differ import FailingRule
from common.events.planner import Alternative

from planner.core.situation import Situation
from planner.core.steps import Candidate, level_of
from planner.core.wording import clipped, events_of, listed, moment_text, sentence, slot_text

MOST_ALTERNATIVES = 12


def considered(situation: Situation, chosen: Sequence[Candidate], left: Sequence[Candidate]) -> list[Alternative]:
    """At least two, in a stable order. `left` are playbook steps that were not taken."""
    found = [
        *_evidence_only(situation, chosen),
        *_left_out(situation, left),
        *_other_actions(situation, chosen, left),
        *_fewer(situation, chosen),
    ]
    return [*found[: MOST_ALTERNATIVES - 2], _do_nothing(situation), _dispute(situation)]


def _evidence_only(situation: Situation, chosen: Sequence[Candidate]) -> list[Alternative]:
    asking = [candidate.name for candidate in chosen if candidate.gathers_evidence]
    acting = [candidate.name for candidate in chosen if not candidate.gathers_evidence]
    if not asking or not acting:
        return []
    reason = (
        f"{listed(asking)} gathers evidence and changes nothing; {_now(situation)} would stay as it is, "
        f"and {listed(_rule_names(situation))} would go on failing without {listed(acting)}."
    )
    return [Alternative(name="only gather evidence", actions=asking, reason=reason, cites=_cites(situation))]


def _left_out(situation: Situation, left: Sequence[Candidate]) -> list[Alternative]:
    return [
        Alternative(
            name=f"also {candidate.name}",
            actions=[candidate.name],
            reason=sentence(_why_left(situation, candidate)),
            cites=_cites(situation),
        )
        for candidate in left
    ]


def _why_left(situation: Situation, candidate: Candidate) -> str:
    if not candidate.may_be_drafted:
        return f"{candidate.name} is at {candidate.level}: people do it, nothing is drafted for it"
    if candidate.unfilled:
        return f"{candidate.name} can't be filled in: {clipped(candidate.unfilled, 400)}"
    unknown = [fact.name for rule in situation.gap.rules for fact in situation.rule_facts(rule) if fact.unknown]
    unknown += [name for name in candidate.reads if (fact := situation.facts.get(name)) and fact.unknown]
    names = listed(dict.fromkeys(unknown))
    return f"{candidate.name} does more than ask, and {names or 'a fact'} is unknown: it may not act on that"


def _other_actions(situation: Situation, chosen: Sequence[Candidate], left: Sequence[Candidate]) -> list[Alternative]:
    remediation = situation.state.spec.remediation
    taken = {candidate.name for candidate in (*chosen, *left)}
    found = []
    for name in situation.allowed:
        action = situation.catalogue.actions.get(name)
        if action is None or name in taken:
            continue
        answers = [rule for rule, steps in remediation.playbook.items() if any(step.action == name for step in steps)]
        failing = listed(_rule_names(situation))
        meant = (
            f"the playbook keeps it for {listed(answers)}, and what fails is {failing}"
            if answers
            else f"the playbook gives it for no rule, and what fails is {failing}"
        )
        system = situation.catalogue.systems[action.system]
        weight = f"{action.risk} risk on {action.system}{' (financial)' if system.financial else ''}"
        reason = f"{action.does} Not taken: {meant}; it is {weight}, at {level_of(situation, name)}."
        found.append(Alternative(name=name, actions=[name], reason=reason, cites=_cites(situation)))
    return found


def _fewer(situation: Situation, chosen: Sequence[Candidate]) -> list[Alternative]:
    """Leaving the last step away, where there are several and that is not the evidence-only alternative."""
    if len(chosen) < 2 or {one.gathers_evidence for one in chosen} == {True, False}:
        return []
    kept, dropped = chosen[:-1], chosen[-1]
    rule = next(rule for rule in situation.gap.rules if rule.name == dropped.rule)
    reason = (
        f"Without {dropped.name} nothing answers the rest of the rule {rule.name}: {clipped(rule.says)} "
        f"Now {_facts_text(situation, [rule])}."
    )
    cites = [situation.gap_event, *events_of(situation.rule_facts(rule))]
    return [
        Alternative(
            name=f"leave out {dropped.name}",
            actions=[candidate.name for candidate in kept],
            reason=reason,
            cites=list(dict.fromkeys(cites)),
        )
    ]


def _do_nothing(situation: Situation) -> Alternative:
    since = [_since(situation, rule) for rule in situation.gap.rules]
    ahead = [
        f"{rule.name} from {moment_text(rule.due, situation.state.zone)}"
        for rule in situation.evaluation.rules
        if rule.status in (Status.PENDING, Status.SOON) and rule.due is not None
    ]
    more = f" If nothing changes, {listed(ahead)} will fail too." if ahead else ""
    reason = f"{'; '.join(since)}; the case would stay open at severity {situation.gap.severity}.{more}"
    return Alternative(name="do nothing", actions=[], reason=reason, cites=_cites(situation))


def _since(situation: Situation, rule: FailingRule) -> str:
    zone = situation.state.zone
    decided = {result.name: result for result in situation.evaluation.rules}.get(rule.name)
    if rule.status == "unknown":
        return f"{rule.name} would stay undecided ({clipped(rule.reason or 'unknown')})"
    if rule.status == "due_soon" and rule.due is not None:
        return f"{rule.name} would be missed from {moment_text(parse_instant(rule.due), zone)}"
    if decided is not None and decided.due is not None and decided.due <= situation.asof:
        days = (situation.asof - decided.due).days
        return f"{rule.name} has been missed since {moment_text(decided.due, zone)} ({days} days)"
    return f"{rule.name} is missed, as recorded on {moment_text(parse_instant(situation.gap_said.event.asof), zone)}"


def _dispute(situation: Situation) -> Alternative:
    confirmation = situation.case.confirmation
    if confirmation is None:
        return Alternative(
            name="treat it as no gap",
            actions=[],
            reason=f"Nobody disputed it, and {_now(situation)}.",
            cites=_cites(situation),
        )
    decision = confirmation.data.decision
    reason = f"{decision.person} confirmed as {decision.role} that the gap is real, and {_now(situation)} still."
    cites = list(dict.fromkeys([confirmation.event.id, *_cites(situation)]))
    return Alternative(name="treat it as no gap", actions=[], reason=reason, cites=cites)


def _now(situation: Situation) -> str:
    return _facts_text(situation, situation.gap.rules) or "what is recorded"


def _facts_text(situation: Situation, rules: Sequence[FailingRule]) -> str:
    names = dict.fromkeys(fact.name for rule in rules for fact in situation.rule_facts(rule))
    return listed(slot_text(name, situation.slots.get(name)) for name in names)


def _rule_names(situation: Situation) -> list[str]:
    return [rule.name for rule in situation.gap.rules]


def _cites(situation: Situation) -> list[str]:
    facts = [fact for rule in situation.gap.rules for fact in situation.rule_facts(rule)]
    return list(dict.fromkeys([situation.gap_event, *events_of(facts)]))
