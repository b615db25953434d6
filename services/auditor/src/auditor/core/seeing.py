"""What the auditor sees of an entity: the proof and the rules, decided from its own reading of the observations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, cast

from common.declarations.catalogue import Catalogue
from common.declarations.evaluation import EntityView, evaluate, proof
from common.declarations.evaluation import Fact as Read
from common.declarations.values import Status
from common.entities import StoredEntity
from common.events.model import Fact, Value
from common.facts import entity_facts, facts_named
from common.ids import entity_stream
from common.objectives.population import NOT_MET, Stood, population_facts

from auditor.core.proving import WITHDRAWN

Standing = Literal["holds", "fails", "unknown", "gone"]


@dataclass(frozen=True, slots=True)
class Sight:
    """One entity under one desired state as of an instant.

    `standing`: `holds` when the proof is Met and no rule is Missed or Unknown; `fails` when a rule or the proof is
    Missed; `gone` when the entity was withdrawn or is known not to be selected, so that no rule applies to it;
    `unknown` otherwise. `failing` are the sentences of what is Missed. `facts` are those that the proof read.
    """

    standing: Standing
    version: str
    facts: tuple[Fact, ...]
    failing: tuple[str, ...] = ()
    reason: str = ""

    def observations(self) -> list[str]:
        """The ids of the observations that the facts were read from."""
        return list(dict.fromkeys(fact.event_id for fact in self.facts if fact.event_id))


def see(
    catalogue: Catalogue, desired_state: str, view: EntityView | None, stored: StoredEntity | None, asof: datetime
) -> Sight:
    """What holds for the entity at `asof`. `view` is None for what is withdrawn or was never observed.

    Raises `Permanent` when the desired state is not active or can't be decided.
    """
    state = catalogue.compiled(desired_state)
    if stored is not None and stored.withdrawn:
        return Sight("gone", state.version, (_withdrawn(stored),))
    if view is None:
        return Sight("unknown", state.version, (), reason="nothing is known of the entity")
    found = evaluate(state, view, asof)
    if found.selected.status is Status.MISSED:
        known = entity_facts(state, view, asof)
        reads = state.where.reads if state.where is not None else ()
        return Sight("gone", state.version, tuple(facts_named(known, reads)))
    proven = proof(state, view, asof)
    facts = tuple(_fact(item) for item in proven.facts if item.name not in ("today", "now"))
    failing = tuple(rule.says or rule.name for rule in found.rules if rule.status is Status.MISSED)
    if failing or proven.status is Status.MISSED:
        return Sight("fails", state.version, facts, failing, "" if failing else "the proof does not hold")
    unknown = [rule.reason for rule in found.failing if rule.status is Status.UNKNOWN] + (
        [] if proven.status is Status.MET else [proven.reason]
    )
    reason = "; ".join(dict.fromkeys(filter(None, (found.selected.reason, *unknown))))
    holds = found.selected.status is Status.MET and not unknown
    return Sight("holds" if holds else "unknown", state.version, facts, reason=reason)


def see_population(
    catalogue: Catalogue, desired_state: str, objectives: Iterable[str], stood: Mapping[str, Stood]
) -> Sight:
    """What holds for a whole population: of the `objectives` of its case, those still declared. What was said of them
    last is `stood`.

    `holds` when all are met, `gone` when none is declared any more. Raises what `see` raises.
    """
    state = catalogue.compiled(desired_state)
    declared = {objective.name for objective in state.objectives}
    facts = population_facts([name for name in objectives if name in declared], stood, state.version)
    told = tuple(facts.values())
    if not told:
        return Sight("gone", state.version, ())
    failing = [stood[name].data for name, fact in facts.items() if fact.value == NOT_MET]
    if failing:
        return Sight("fails", state.version, told, tuple(f"{one.says}; {one.wanted}." for one in failing))
    unknown = [f"{fact.name}: {fact.unknown}" for fact in told if fact.unknown is not None]
    return Sight("unknown" if unknown else "holds", state.version, told, reason="; ".join(unknown))


def _fact(read: Read) -> Fact:
    value = cast(Value, read.value)
    return Fact(name=read.name, value=value, stream=read.stream, event_id=read.event_id, unknown=read.unknown)


def _withdrawn(stored: StoredEntity) -> Fact:
    return Fact(name=WITHDRAWN, value=True, stream=entity_stream(*stored.ref), event_id=stored.event_id)
