"""An entity's attributes as events write them down. Planner, approver and executor compare plans with these. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import cast

from common.declarations.evaluation import CompiledDesiredState, EntityView, Related, evaluate, slots_of
from common.declarations.expressions import CLOCK
from common.declarations.values import Slot, Unknown, to_json
from common.events.model import Fact, Value
from common.sealing import is_sealed

TITLES = ("title", "name", "subject")
"""The attributes that say in words what an entity is, the best first."""


def entity_facts(state: CompiledDesiredState, view: EntityView, asof: datetime) -> dict[str, Fact]:
    """Every variable that a rule or template of `state` may read, by name, as of `asof`: its value or why there is
    none, and the observation it was read from. The clock (`today`, `now`) is not a fact."""
    slots = slots_of(state, view, asof)
    return {name: _fact(name, slots[name], view) for name in state.language.scope if name not in CLOCK}


def last_told(state: CompiledDesiredState, view: EntityView, asof: datetime) -> dict[str, Fact]:
    """The entity's own attributes as they were last reported, however long ago: for people who want to know what the
    entity is. Nothing is decided by these."""
    origin = replace(view.origin, fresh_until=None) if view.origin is not None else None
    alone = replace(view, origin=origin, related={})
    slots = slots_of(state, alone, asof)
    return {name: _fact(name, slots[name], alone) for name in state.attributes}


def source_doubts(state: CompiledDesiredState, entity: EntityView, asof: datetime) -> tuple[str, ...]:
    """Why the sources that `state` reads of the entity can't be relied on as of `asof`; none where they can."""
    origin = entity.origin
    found = []
    if origin is not None and origin.because and origin.fresh_until is not None and asof >= origin.fresh_until:
        found.append(origin.because)
    limits = (entity.limits[name] for name in state.relations_read if name in entity.limits)
    return tuple(dict.fromkeys((*found, *(limit.reason for limit in limits if asof >= limit.at))))


def exemptions(state: CompiledDesiredState, view: EntityView, asof: datetime) -> dict[str, str]:
    """The rules that are missed and open no case as of `asof`: rule -> accepted or ignored."""
    if not state.clauses:
        return {}
    return {rule.name: rule.exempt.kind for rule in evaluate(state, view, asof).exempt if rule.exempt is not None}


def facts_named(facts: Mapping[str, Fact], names: Iterable[str]) -> list[Fact]:
    """The facts `names`, each once, in the given order; one that the entity does not have is Unknown."""
    missing = "the entity has no such attribute"
    return [facts.get(name) or Fact(name=name, unknown=missing) for name in dict.fromkeys(names) if name not in CLOCK]


def title_of(facts: Mapping[str, Fact]) -> str:
    """What people call the entity: the first known attribute of `TITLES`; empty where there is none."""
    found = (facts[name].value for name in TITLES if name in facts)
    return next((value for value in found if isinstance(value, str) and not is_sealed(value)), "")


def attribute_values(facts: Mapping[str, Fact]) -> dict[str, Value]:
    """The facts as plain values; None where unknown. Approval policies are routed by these."""
    return {name: fact.value for name, fact in facts.items()}


def _fact(name: str, slot: Slot, view: EntityView) -> Fact:
    relation, _, attribute = name.partition(".")
    related = view.related.get(relation)
    if attribute:
        origin = related.origin if isinstance(related, Related) else None
    else:
        origin = None if name in view.related else view.origin
    return Fact(
        name=name,
        value=cast(Value, to_json(slot)),
        stream=origin.stream if origin else None,
        event_id=origin.event_id if origin else None,
        unknown=slot.reason if isinstance(slot, Unknown) else None,
    )
