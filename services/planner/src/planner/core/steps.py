"""From the playbook to steps: which actions answer the failing rules, with what parameters, at which level."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from common.declarations import templates
from common.declarations.catalogue import PlaybookStep as Filled
from common.declarations.models import LEVELS, ActionType
from common.declarations.models import Step as PlaybookStep
from common.declarations.values import Unknown, to_json
from common.events.model import Fact
from common.events.planner import Level, Risk, Step
from common.objectives.population import POPULATION

from planner.core.situation import Situation

MOST_STEPS = 20
_RISKS: tuple[Risk, ...] = ("low", "medium", "high")
_LEVELS: dict[str, Level] = {"L1": "L1", "L2": "L2", "L3": "L3"}


@dataclass(frozen=True, slots=True)
class Candidate:
    """One playbook step that answers a failing rule, before it is decided whether it may be taken.

    `reads` are the variables its parameters name. `unfilled` says which parameter can't be filled and why; it is
    empty when all can. A parameter is never guessed.
    """

    rule: str
    name: str
    action: ActionType
    level: Level
    reads: tuple[str, ...]
    parameters: dict[str, Any]
    why: str
    unfilled: str

    @property
    def gathers_evidence(self) -> bool:
        """Whether the action may be taken on what is unknown: it asks, and changes nothing that a rule reads."""
        return self.action.when_unknown == "allowed"

    @property
    def may_be_drafted(self) -> bool:
        """Level 1 and below is for people: the planner reports, and drafts nothing."""
        return LEVELS.index(self.level) >= LEVELS.index("L2")


def candidates(situation: Situation) -> list[Candidate]:
    """The playbook's steps for the failing rules, in the rules' order, each once.

    Only actions that the declaration lists and the catalogue has: nothing outside it can be named.
    """
    remediation = situation.state.spec.remediation
    found: list[Candidate] = []
    for rule in situation.gap.rules:
        declared = remediation.playbook.get(rule.name, ())
        if any(step.action not in situation.catalogue.actions for step in declared):
            continue
        filled = situation.catalogue.playbook(situation.gap.desired_state, rule.name, situation.step_slots(rule.name))
        for step, made in zip(declared, filled, strict=True):
            candidate = _candidate(situation, step, made)
            same = any((candidate.name, candidate.parameters) == (one.name, one.parameters) for one in found)
            if step.action in situation.allowed and not same:
                found.append(candidate)
    return found[:MOST_STEPS]


def level_of(situation: Situation, action: str) -> Level:
    """The lowest of what declaration, action and system allow; L0 counts as L1: nothing is drafted."""
    return _LEVELS.get(situation.catalogue.effective_level(situation.gap.desired_state, action), "L1")


def _candidate(situation: Situation, step: PlaybookStep, made: Filled) -> Candidate:
    action = situation.catalogue.actions[step.action]
    missing = [f"{name} (the playbook does not give it)" for name in action.parameters if name not in made.parameters]
    missing += [f"{name} ({value.reason})" for name, value in made.parameters.items() if isinstance(value, Unknown)]
    return Candidate(
        rule=made.rule,
        name=step.action,
        action=action,
        level=level_of(situation, step.action),
        reads=tuple(dict.fromkeys(_reads(step, situation))),
        parameters={name: to_json(value) for name, value in made.parameters.items()},
        why=made.why,
        unfilled=", ".join(missing),
    )


def _reads(step: PlaybookStep, situation: Situation) -> Iterable[str]:
    """The attributes that a step's texts name. What an objective's step quotes of the measure moves every day: the
    plan says it, and does not rely on it."""
    if situation.gap.key == POPULATION:
        return
    for template in (*step.parameters.values(), step.why):
        for text in template if isinstance(template, tuple) else (template,):
            if isinstance(text, str):
                yield from templates.parse(text, situation.state.language.scope).reads


def relied_on(situation: Situation, chosen: Sequence[Candidate]) -> list[Fact]:
    """The facts that a plan of the chosen steps relies on: those of the failing rules, those its parameters name."""
    names = [fact.name for rule in situation.gap.rules for fact in rule.facts]
    names += [name for candidate in chosen for name in candidate.reads]
    return situation.facts_named(names)


def built(situation: Situation, chosen: Sequence[Candidate]) -> list[Step]:
    """The chosen candidates as numbered steps on the case's entity."""
    gap = situation.gap
    return [
        Step(
            number=number,
            action=candidate.name,
            does=candidate.action.does,
            system=candidate.action.system,
            provider=candidate.action.provider,
            target=f"{gap.entity_type}/{gap.key}",
            parameters=candidate.parameters,
            risk=candidate.action.risk,
            level=candidate.level,
            undo=candidate.action.undo or "It can't be undone.",
            why=_why(situation, candidate),
        )
        for number, candidate in enumerate(chosen, 1)
    ]


def highest_risk(risks: Iterable[Risk]) -> Risk:
    """The highest of at least one risk class."""
    return max(risks, key=_RISKS.index)


def _why(situation: Situation, candidate: Candidate) -> str:
    says = next(rule.says for rule in situation.gap.rules if rule.name == candidate.rule)
    return candidate.why or f"It answers the rule {candidate.rule}: {says}"
