"""The executor's own checks, from the events alone: before it starts, before each step, and of each outcome.

The rules are `common.approvals`, the same the approver asked; here they are asked again, about what was recorded
and about the facts as the executor folds them itself. What may not be done raises `Refused` with a stable code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from common.approvals import (
    chain_for,
    check_execution,
    check_exempt,
    check_resumed,
    check_services,
    check_step,
    digest_parts,
    parts_taken,
    refuse,
    what_changed,
)
from common.cases import Case, Said
from common.clock import parse_instant
from common.declarations.catalogue import Catalogue
from common.declarations.models import ActionType
from common.directory import Directory
from common.events.approver import OutcomeRecorded, ReleaseGiven
from common.events.executor import ActionIntended
from common.events.model import Fact
from common.events.planner import PlanDrafted, Step
from common.facts import attribute_values, facts_named
from common.service_keys import ServiceKeys
from common.signing import check_signature


@dataclass(frozen=True, slots=True)
class Scene:
    """What everything is checked against: the realm as the executor sees it now. `facts` are the entity's,
    `doubts` say why the sources they come from can't be relied on, `exempt` which rules are to be left alone."""

    catalogue: Catalogue
    directory: Directory
    service_keys: ServiceKeys
    facts: Mapping[str, Fact]
    asof: datetime
    doubts: tuple[str, ...] = ()
    exempt: Mapping[str, str] = field(default_factory=dict)


def checked_start(case: Case, scene: Scene) -> list[str]:
    """What was checked before the execution starts, in words; `Refused` when something does not hold."""
    if case.plan is None:
        raise refuse("gate2_missing")
    plan, signed = case.plan.data, check_services(case, scene.service_keys)
    check_exempt(case, scene.exempt)
    check_resumed(case, scene.directory)
    for step in plan.steps:
        check_sources(step, scene)
    told = check_execution(
        case, scene.catalogue, scene.directory, _plan_facts(plan, scene), attribute_values(scene.facts), scene.asof
    )
    for step in plan.steps:
        action_of(case, step, scene)
    return [signed, *told, "every step is in the catalogue, on this case's own entity, with the facts it needs"]


def checked_step(case: Case, step: Step, scene: Scene) -> Said[ReleaseGiven] | None:
    """The release that `step` consumes, None at Level 3. `Refused` when it may not be done now; with
    `release_missing` it may be done later."""
    check_standing(case, step, scene)
    return check_step(case, step, scene.catalogue, scene.directory, scene.asof)


def check_standing(case: Case, step: Step, scene: Scene) -> None:
    """Raise `Refused` unless what was approved still holds, and the grant with it, and `step` is in both.

    Asked before each step, and again before a step that was intended and perhaps not done is done after all. Who
    signed what is asked first: nothing else in the case can be relied on before that.
    """
    check_services(case, scene.service_keys)
    if case.expiry is not None:
        raise refuse("grant_expired")
    if case.plan is None or case.ticket is None or case.authorisation is None or case.gap is None:
        raise refuse("gate2_missing", "the authorisation was taken back")
    check_exempt(case, scene.exempt)
    check_resumed(case, scene.directory)
    check_sources(step, scene)
    plan, ticket = case.plan.data, case.ticket.data
    facts = _plan_facts(plan, scene)
    chain = chain_for(scene.catalogue, scene.directory, plan, case.gap.data.severity, attribute_values(scene.facts))
    now = digest_parts(scene.catalogue, chain, plan, facts)
    if now.digest != ticket.digest:
        changed = "; ".join(what_changed(ticket, now, plan.facts, facts))
        raise refuse("digest_mismatch", f"what was approved no longer holds: {changed}")
    if scene.asof >= parse_instant(case.authorisation.data.grant.expires):
        raise refuse("grant_expired")
    action_of(case, step, scene)


def check_sources(step: Step, scene: Scene) -> None:
    """Raise `Refused` where a source can't be relied on, unless the step only gathers evidence."""
    action = scene.catalogue.actions.get(step.action)
    if scene.doubts and (action is None or action.when_unknown != "allowed"):
        told = f"{'; '.join(scene.doubts)}; {step.action} does more than ask"
        raise refuse("source_in_doubt", told, "Mend the source: see trueup status.")


def action_of(case: Case, step: Step, scene: Scene) -> ActionType:
    """The action of `step` as it is declared, if the step is what the declaration allows for this case, now."""
    if case.gap is None:
        raise refuse("gate1_missing")
    gap = case.gap.data
    action = scene.catalogue.actions.get(step.action)
    allowed = scene.catalogue.desired_states[gap.desired_state].remediation.allowed(gap.key)
    if action is None or step.action not in allowed:
        raise refuse("outside_catalogue", f"{step.action} is not an action of {gap.desired_state}")
    declared = (action.system, action.provider, set(action.parameters))
    if (step.system, step.provider, set(step.parameters)) != declared:
        raise refuse("outside_catalogue", f"step {step.number} is not {step.action} as it is declared")
    if step.target != f"{gap.entity_type}/{gap.key}":
        raise refuse("outside_grant", f"step {step.number} is for {step.target}, which is not this case's entity")
    if step.level not in ("L2", "L3") or step.level > scene.catalogue.effective_level(gap.desired_state, step.action):
        raise refuse("level_too_high", f"step {step.number} may not run at {step.level}")
    names = [fact.name for rule in gap.rules for fact in rule.facts]
    unknown = [fact.name for fact in facts_named(scene.facts, names) if fact.unknown is not None]
    if unknown and action.when_unknown != "allowed":
        raise refuse("unknown_facts", f"{', '.join(unknown)} is unknown, and {step.action} does more than ask")
    return action


def check_outcome(case: Case, outcome: Said[OutcomeRecorded], intended: Said[ActionIntended], scene: Scene) -> None:
    """Raise `Refused` unless a person who may has signed how this very task went, and the executor the task."""
    check_services(case, scene.service_keys)
    decision = outcome.data.decision
    # The work is done: who has left since did say so.
    person, key = scene.directory.decided(decision.person, outcome.event.time)
    check_signature(decision, outcome.event.signature, key)
    if decision.realm != scene.directory.realm:
        raise refuse("wrong_realm")
    if decision.case != case.id:
        raise refuse("wrong_case")
    same = decision.subject == intended.event.id and decision.step == intended.data.step
    if decision.kind != "outcome" or decision.result is None or not same:
        raise refuse("digest_mismatch", f"{decision.person} speaks of another task")
    owner = scene.catalogue.systems[intended.data.system].owner
    if decision.role not in person.roles or decision.role != owner:
        raise refuse("role_not_held", f"the work on {intended.data.system} is {owner}'s")
    if parts_taken(case, scene.catalogue).get(decision.person) != "implementer":
        raise refuse("not_apart", f"{decision.person} takes two parts in the case")


def _plan_facts(plan: PlanDrafted, scene: Scene) -> list[Fact]:
    return facts_named(scene.facts, [fact.name for fact in plan.facts])
