"""The whole population as the subject of a case: its facts are where its objectives stand. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from common.declarations.values import Slot, Unknown
from common.events.differ import ObjectiveSnapshot
from common.events.envelope import Event
from common.events.model import Fact
from common.objectives.scope import SCOPE

POPULATION = "*"
"""The key of a population: no entity has it."""
MET, NOT_MET = "met", "not met"


@dataclass(frozen=True, slots=True)
class Stood:
    """What was said last of an objective, and the event that says so."""

    data: ObjectiveSnapshot
    event: Event


def whole(entity_type: str, key: str) -> str:
    """What people call the subject of a population's case; empty for one entity's."""
    return f"Every {entity_type} together" if key == POPULATION else ""


def fact_of(stood: Stood) -> Fact:
    """Whether the objective is met, as a fact: what plans for a population rely on.

    The measure itself moves every day; it is evidence of the case, and no fact that an approval falls with.
    """
    data = stood.data
    unknown = (data.reason or "it is undecided") if data.standing == "undecided" else None
    value = None if unknown is not None else MET if data.standing == "met" else NOT_MET
    return Fact(
        name=data.objective, value=value, stream=stood.event.subject, event_id=stood.event.id, unknown=unknown
    )


def population_facts(objectives: Iterable[str], stood: Mapping[str, Stood], version: str) -> dict[str, Fact]:
    """By objective: whether it is met. What was not measured under this version of the declaration is Unknown."""
    facts = {}
    for name in objectives:
        known = stood.get(name)
        measured = known is not None and known.data.version == version
        facts[name] = fact_of(known) if known and measured else Fact(name=name, unknown="it was not measured yet")
    return facts


def population_slots(facts: Mapping[str, Fact]) -> dict[str, Slot]:
    """The facts as templates and texts read them."""
    return {
        name: Unknown("undecided", fact.unknown) if fact.unknown is not None else str(fact.value)
        for name, fact in facts.items()
    }


def template_slots(stood: Stood | None, asof: datetime, zone: ZoneInfo) -> dict[str, Slot]:
    """What the playbook of one objective is filled in with (`SCOPE`)."""
    today: date = asof.astimezone(zone).date()
    clock: dict[str, Slot] = {"today": today, "now": asof}
    if stood is None:
        return {name: Unknown("absent", "it was not measured yet") for name in SCOPE} | clock
    data = stood.data
    told: dict[str, Slot] = {"objective": data.objective, "measured": data.says, "wanted": data.wanted}
    return {**told, "population": data.population, **clock}
