"""The proof, decided again from what is on record: by the auditor before it says so, and by every verifier."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from common.clock import parse_instant
from common.declarations.catalogue import Catalogue
from common.declarations.computing import Happened, merged, ordered_events
from common.declarations.expressions import MET, Outcome
from common.declarations.models import EntityType
from common.declarations.periods import later_instant
from common.declarations.values import Row, Slot, Status, Unknown, from_json, to_json
from common.events.differ import GapSnapshot
from common.events.model import Fact, Value
from common.events.planner import PlanDrafted
from common.objectives import population
from common.sealing import is_sealed

from auditor.core.evidence import Record

STALE = "stale since"
WITHDRAWN = "withdrawn"
"""The fact that stands for an EntityWithdrawn: its rules no longer apply."""


@dataclass(frozen=True, slots=True)
class Again:
    """An entity read again: the row, or what the events of a case come to, and its attributes."""

    spec: EntityType
    row: Row
    values: Mapping[str, Slot]

    def value(self, name: str) -> object:
        """The attribute `name` (`position`, `retest.result`), as JSON; None when it can't be read. What is sealed
        stays as it is stored: it takes no key to see that a fact is the row's."""
        attribute = name.rpartition(".")[2]
        if attribute in self.spec.sensitive_attributes:
            stored = self.row.get(self.spec.attributes[attribute].column)
            return stored if is_sealed(stored) else None
        return to_json(self.values.get(attribute, Unknown("absent", "there is no such attribute")))


def read_again(catalogue: Catalogue, entity_type: str, row: Row) -> Again:
    """An observed row. Raises KeyError when no EntityType for it is in force."""
    return Again(catalogue.entity_types[entity_type], row, catalogue.readers[entity_type].read(row).values)


def read_case_again(catalogue: Catalogue, entity_type: str, events: Sequence[Happened]) -> Again:
    """A case of these events, in any order. Raises KeyError when no EntityType for it is in force."""
    row = merged(ordered_events(events))
    return Again(catalogue.entity_types[entity_type], row, catalogue.readers[entity_type].read_case(events).values)


def prove_again(catalogue: Catalogue, desired_state: str, facts: Sequence[Fact], asof: datetime) -> Outcome:
    """Whether `verification.proof` of the desired state in force holds for these facts. Facts that are missing are
    Unknown. Raises `Permanent` when the declaration can't be decided, ValueError for a value of another type."""
    return _again(catalogue, desired_state, facts, asof)[0]


def applies_again(catalogue: Catalogue, desired_state: str, facts: Sequence[Fact], asof: datetime) -> bool:
    """Whether the rules still apply by these facts: not when one says `withdrawn`, nor when the selector is Missed.
    Raises what `prove_again` raises."""
    if any(fact.name == WITHDRAWN for fact in facts):
        return False
    return _again(catalogue, desired_state, facts, asof)[1].status is not Status.MISSED


def _again(
    catalogue: Catalogue, desired_state: str, facts: Sequence[Fact], asof: datetime
) -> tuple[Outcome, Outcome]:
    """The proof and the selector, decided."""
    state = catalogue.compiled(desired_state)
    scope = state.language.scope
    slots: dict[str, Slot] = {name: Unknown("absent", f"{name} is not among the facts") for name in scope}
    for fact in facts:
        if fact.name in scope:
            slots[fact.name] = _slot(fact, scope[fact.name])
    slots["today"] = asof.astimezone(state.zone).date()
    slots["now"] = asof
    bound = state.language.bind(slots)
    selected = MET if state.where is None else state.language.decide(state.where, bound)
    return state.language.decide(state.proof, bound), selected


def _slot(fact: Fact, kind: str) -> Slot:
    if fact.unknown is not None:
        return Unknown("stale" if fact.unknown.startswith(STALE) else "absent", fact.unknown)
    return from_json(fact.value, kind)  # type: ignore[arg-type]  # list[str] is JSON; kind is a ValueType


def population_again(
    catalogue: Catalogue, desired_state: str, rules: Iterable[str], facts: Sequence[Fact]
) -> tuple[Outcome, bool]:
    """Whether every objective among a case's `rules` is met by these facts, and whether any is still declared."""
    declared = {objective.name for objective in catalogue.compiled(desired_state).objectives}
    asked = [name for name in rules if name in declared]
    met = {fact.name for fact in facts if fact.value == population.MET}
    missing = [name for name in asked if name not in met]
    outcome = Outcome(Status.MISSED, f"{', '.join(missing)} is not met") if missing else MET
    return outcome, bool(asked)


def soak_end(catalogue: Catalogue, desired_state: str, proven: datetime) -> datetime:
    """When a proof first seen at `proven` has held for the declared soak (days of the declared zone and calendar)."""
    state = catalogue.compiled(desired_state)
    return later_instant(proven, state.spec.verification.soak, state.zone, state.calendar, strict=False)


def within_end(catalogue: Catalogue, desired_state: str, finished: datetime) -> datetime:
    """Until when the proof must come after an execution that finished at `finished`."""
    state = catalogue.compiled(desired_state)
    return later_instant(finished, state.spec.verification.within, state.zone, state.calendar, strict=False)


def known_before(records: Iterable[object]) -> dict[str, Value]:
    """What the gap and the plan of a case had already known: fact name → value."""
    known: dict[str, Value] = {}
    for data in records:
        facts: list[Fact] = []
        if isinstance(data, GapSnapshot):
            facts = [fact for rule in data.rules for fact in rule.facts]
        elif isinstance(data, PlanDrafted):
            facts = list(data.facts)
        known |= {fact.name: fact.value for fact in facts if fact.unknown is None}
    return known


def not_newer(facts: Iterable[Fact], known: Mapping[str, Value], newer: Iterable[str]) -> list[str]:
    """The facts that changed since `known` and were not read from one of the observations `newer`."""
    later = set(newer)
    return [
        fact.name
        for fact in facts
        if fact.event_id is not None
        and fact.event_id not in later
        and (fact.name not in known or known[fact.name] != fact.value)
    ]


def is_newer(position: int, source_time: str, finished_position: int, finished_asof: str) -> bool:
    """Whether an observation is later than the end of an execution: in the ledger, and by its source's own time."""
    return position > finished_position and parse_instant(source_time) > parse_instant(finished_asof)


def unchanged_only(record: Record) -> list[str]:
    """The facts of a case's proof that changed without having been observed after the execution."""
    finished, proof = record.finished, record.case.proof
    if finished is None or proof is None:
        return []
    known = known_before(said.data for said in record.said if said.position < finished.position)
    return not_newer(proof.data.facts, known, newer(record))


def newer(record: Record) -> list[str]:
    """The ids of the proof's observations and measures that are later than the execution."""
    finished, proof = record.finished, record.case.proof
    if finished is None or proof is None:
        return []
    ids = dict.fromkeys(fact.event_id for fact in proof.data.facts if fact.event_id)
    found = [(event_id, dated) for event_id in ids if (dated := record.dated(event_id)) is not None]
    return [
        event_id
        for event_id, (position, source_time) in found
        if is_newer(position, source_time, finished.position, finished.event.asof)
    ]
