"""The deterministic drafter: the declared playbook, applied to the facts of one case. No model, nothing canned."""

from __future__ import annotations

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from common.clock import instant, parse_instant
from common.declarations.periods import later_instant
from common.events.differ import FailingRule
from common.events.model import Fact
from common.events.planner import PlanDrafted, PlanWithheld, Prediction, Sentence
from common.objectives.population import POPULATION

from planner.core.alternatives import considered
from planner.core.situation import Situation
from planner.core.steps import Candidate, built, candidates, highest_risk, relied_on
from planner.core.wording import clipped, events_of, listed, moment_text, sentence, slot_text

NAME = "playbook/1"


def draft(situation: Situation) -> PlanDrafted | PlanWithheld:
    """The plan for the case as it is now, or why there is none.

    Withheld with `people_only`, `no_playbook`, `report_only` or `unknown_facts`. The same situation gives the same
    plan. Every step, reason and alternative cites events of the case or the observations its facts come from.
    """
    if situation.evaluation.people_only:
        condition = situation.state.spec.remediation.people_only or ""
        return _withheld(situation, "people_only", f"No agent drafts here: {condition} holds, or can't be decided.")
    if situation.state.spec.remediation.autonomy in ("L0", "L1"):
        return _withheld(situation, "report_only", "The declaration allows a report, and no plan.")
    possible = candidates(situation)
    if not possible:
        rules = listed(rule.name for rule in situation.gap.rules)
        return _withheld(situation, "no_playbook", f"The playbook has no step for {rules}.")
    chosen, left = chosen_of(situation, possible)
    if not chosen:
        return _withheld(situation, *_why_none(situation, possible))
    return _plan(situation, chosen, left)


def chosen_of(situation: Situation, possible: Sequence[Candidate]) -> tuple[list[Candidate], list[Candidate]]:
    """Which playbook steps are taken and which are left, each in the playbook's order.

    A step is taken when it may be drafted and can be filled in, and either asks only for evidence or relies on
    nothing that is unknown.
    """
    uncertain = any(fact.unknown for fact in relied_on(situation, ()))
    uncertain = uncertain or any(rule.status == "unknown" for rule in situation.gap.rules)
    taken = [
        one for one in possible if one.may_be_drafted and not one.unfilled and (one.gathers_evidence or not uncertain)
    ]
    return taken, [one for one in possible if one not in taken]


def _why_none(situation: Situation, possible: Sequence[Candidate]) -> tuple[str, str]:
    if not any(one.may_be_drafted for one in possible):
        return "report_only", f"{listed(dict.fromkeys(one.name for one in possible))} is for people to decide and do."
    unknown = _unknown_texts(situation)
    unfilled = [f"{one.name}: {one.unfilled}" for one in possible if one.unfilled]
    told = clipped("; ".join([*unknown, *unfilled]), 800)
    return "unknown_facts", f"No step may be taken on what is unknown: {told}."


def _unknown_texts(situation: Situation) -> list[str]:
    unknown = [fact.name for fact in relied_on(situation, ()) if fact.unknown]
    return [slot_text(name, situation.slots.get(name)) for name in unknown]


def _withheld(situation: Situation, reason_code: str, reason: str) -> PlanWithheld:
    return PlanWithheld(case=situation.case.id, gap_event=situation.gap_event, reason_code=reason_code, reason=reason)


def _plan(situation: Situation, chosen: list[Candidate], left: list[Candidate]) -> PlanDrafted:
    case, gap = situation.case, situation.gap
    number = case.plans_drafted + 1
    steps = built(situation, chosen)
    plan = PlanDrafted(
        case=case.id,
        plan=f"{case.id}/plan-{number}",
        number=number,
        gap_event=situation.gap_event,
        desired_state=gap.desired_state,
        version=situation.state.version,
        planner=NAME,
        found=" ".join(sentence(clipped(rule.says, 1000)) for rule in gap.rules),
        recommends=" ".join(f"{step.number}. {step.does}" for step in steps),
        reasoning=_reasoning(situation, chosen),
        steps=steps,
        alternatives=considered(situation, chosen, left),
        predictions=_predictions(situation),
        facts=relied_on(situation, chosen),
        risk=highest_risk(step.risk for step in steps),
        content_digest="",
    )
    return plan.model_copy(update={"content_digest": plan.recompute_content_digest()})


def _reasoning(situation: Situation, chosen: Sequence[Candidate]) -> list[Sentence]:
    sentences = [_rule_sentence(situation, number) for number in range(len(situation.gap.rules))]
    sentences += [_step_sentence(situation, number, one) for number, one in enumerate(chosen, 1)]
    return [*sentences, *_history(situation)]


def _rule_sentence(situation: Situation, index: int) -> Sentence:
    rule = situation.gap.rules[index]
    facts = situation.rule_facts(rule)
    seen = listed(slot_text(fact.name, situation.slots.get(fact.name)) for fact in facts)
    text = f"The rule {rule.name} {_status(rule, situation.state.zone)}" + (f": {seen}." if seen else ".")
    return Sentence(text=text, cites=_cites(situation, facts))


def _status(rule: FailingRule, zone: ZoneInfo) -> str:
    if rule.status == "missed":
        return "is missed"
    if rule.status == "due_soon" and rule.due is not None:
        return f"will be missed from {moment_text(parse_instant(rule.due), zone)}"
    return f"can't be decided ({clipped(rule.reason or 'unknown')})"


def _step_sentence(situation: Situation, number: int, one: Candidate) -> Sentence:
    facts = situation.facts_named(one.reads)
    rule = next(rule for rule in situation.gap.rules if rule.name == one.rule)
    used = listed(slot_text(name, situation.slots.get(name)) for name in one.reads)
    text = f"Step {number}, {one.name}, answers {one.rule}: {clipped(one.why or one.action.does)}"
    text = sentence(text) + (f" It is filled in from what is known: {used}." if used else "")
    return Sentence(text=text, cites=_cites(situation, [*situation.rule_facts(rule), *facts]))


def _history(situation: Situation) -> list[Sentence]:
    case, zone = situation.case, situation.state.zone
    told: list[Sentence] = []
    if case.confirmation is not None:
        decision = case.confirmation.data.decision
        comment = f': "{clipped(decision.comment)}"' if decision.comment else ""
        text = f"{decision.person}, {decision.role}, confirmed the gap{comment}"
        told.append(Sentence(text=sentence(text), cites=[case.confirmation.event.id]))
    if case.returned is not None:
        decision = case.returned.data.decision
        comment = f': "{clipped(decision.comment)}"' if decision.comment else " without a comment"
        text = f"{decision.person}, {decision.role}, sent the plan before this one back{comment}"
        told.append(Sentence(text=sentence(text), cites=[case.returned.event.id]))
    if case.failed_verification is not None and case.finished is not None:
        reason = clipped(case.failed_verification.data.reason)
        text = f"The plan before this one was carried out and did not hold: {reason}"
        cites = [case.finished.event.id, case.failed_verification.event.id]
        told.append(Sentence(text=sentence(text), cites=cites))
    unknown = _unknown_texts(situation)
    if unknown:
        facts = [fact for fact in relied_on(situation, ()) if fact.unknown]
        text = f"On {moment_text(situation.asof, zone)} this was not known: {'; '.join(unknown)}."
        told.append(Sentence(text=text, cites=_cites(situation, facts)))
    return told


def _predictions(situation: Situation) -> list[Prediction]:
    state, verification = situation.state, situation.state.spec.verification
    by = instant(later_instant(situation.asof, verification.within, state.zone, state.calendar, strict=False))
    conditions = {rule.name: rule.expect for rule in situation.state.spec.rules}
    found = [
        Prediction(expect=rule.name, says=f"The rule {rule.name} holds: {conditions[rule.name]}", by=by)
        for rule in situation.gap.rules
        if rule.name in conditions
    ]
    if situation.gap.key == POPULATION:
        names = listed(rule.name for rule in situation.gap.rules)
        told = f"{names} {'is' if len(situation.gap.rules) == 1 else 'are'} met when measured anew"
        return [Prediction(expect="proof", says=f"{told}, and for {verification.soak} after that", by=by)]
    proof = Prediction(
        expect="proof", says=f"The proof holds and lasts {verification.soak}: {situation.state.proof.source}", by=by
    )
    return [*found, proof]


def _cites(situation: Situation, facts: Sequence[Fact]) -> list[str]:
    return list(dict.fromkeys([situation.gap_event, *events_of(facts)]))
