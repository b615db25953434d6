"""The evidence of one case: numbered records, and what can be read from them.

Everything an attestation says is read from here, by the auditor when it issues and by whoever verifies.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from common.cases import Case, Said
from common.declarations.catalogue import Catalogue
from common.declarations.loader import parse_spec
from common.declarations.models import DesiredState, EntityType, Spec
from common.directory import Person
from common.events import typed
from common.events.approver import DeclarationActivated, DeclarationProposed, PlanReturned, RealmCreated
from common.events.differ import GapSnapshot, ObjectiveSnapshot
from common.events.envelope import Event
from common.events.executor import ExecutionFinished, ExecutionStarted
from common.events.model import EventData, Fact
from common.events.observer import EntityObserved, EntityWithdrawn
from common.events.planner import PlanSuperseded
from common.service_keys import ServiceKeys

D = TypeVar("D", bound=EventData)
Observed = EntityObserved | EntityWithdrawn
_REPLACED = {PlanSuperseded.TYPE, PlanReturned.TYPE}
"""After these, what a plan did is history of the case, and no longer the case's own plan."""


@dataclass(frozen=True, slots=True)
class Exhibit:
    """Record number `n` (from 1) of the index: one event of the ledger, its position and its exact bytes."""

    n: int
    position: int
    event: Event
    raw: bytes


def numbered(records: Iterable[tuple[int, bytes]]) -> tuple[Exhibit, ...]:
    """Exhibits in ascending positions. Raises `Permanent` for bytes that are no event."""
    return tuple(
        Exhibit(n, position, Event.decode(raw), raw) for n, (position, raw) in enumerate(sorted(records), start=1)
    )


class Record:
    """One case's exhibits, read. Raises ValueError, KeyError or pydantic's ValidationError for what is no case."""

    def __init__(
        self, case_id: str, exhibits: Sequence[Exhibit], people: Iterable[Person], service_keys: ServiceKeys
    ) -> None:
        self.exhibits = tuple(exhibits)
        self.service_keys = service_keys
        self.people = {person.id: person for person in people}
        self.said: tuple[Said[Any], ...] = tuple(
            Said(item.position, item.event, typed(item.event)) for item in self.exhibits
        )
        self.by_id = {item.event.id: said for item, said in zip(self.exhibits, self.said, strict=True)}
        self._numbers = {item.event.id: item.n for item in self.exhibits}
        self._own = [(item.position, item.event) for item in self.exhibits if item.event.caseid == case_id]
        self.case = Case.fold(case_id, self._own)
        if self.case.gap is None:
            raise ValueError(f"no gap of case {case_id} is among the records")

    def all(self, model: type[D]) -> list[Said[D]]:
        """The records of one type (subtypes too), in order."""
        return [said for said in self.said if isinstance(said.data, model)]

    def numbers(self, ids: Iterable[str]) -> list[int]:
        """The numbers of these events in the index, ascending; ids that are not in it are left out."""
        return sorted({self._numbers[event_id] for event_id in ids if event_id in self._numbers})

    def observation(self, event_id: str | None) -> Said[Observed] | None:
        """The observation with this id, when it is in evidence."""
        said = self.by_id.get(event_id or "")
        return said if said is not None and isinstance(said.data, EntityObserved | EntityWithdrawn) else None

    @cached_property
    def streams(self) -> dict[str, list[Said[EntityObserved]]]:
        """The observations by the stream that they stand on, in ledger order: of a case, its events."""
        found: dict[str, list[Said[EntityObserved]]] = {}
        for said in self.all(EntityObserved):
            found.setdefault(said.event.subject, []).append(said)
        return found

    def measure(self, event_id: str | None) -> Said[ObjectiveSnapshot] | None:
        """The measure of an objective with this id, when it is in evidence."""
        said = self.by_id.get(event_id or "")
        return said if said is not None and isinstance(said.data, ObjectiveSnapshot) else None

    def dated(self, event_id: str) -> tuple[int, str] | None:
        """(position, when) of what a fact was read from: the source's time of an observation, or as of when an
        objective was measured."""
        if (measure := self.measure(event_id)) is not None:
            return measure.position, measure.event.asof
        observed = self.observation(event_id)
        return None if observed is None else (observed.position, observed.data.source_time)

    @cached_property
    def activations(self) -> list[Said[DeclarationActivated]]:
        """All that came into force, in order."""
        return self.all(DeclarationActivated)

    def activation(self, kind: str, name: str, before: int) -> Said[DeclarationActivated] | None:
        """The activation of the declaration that was in force just before ledger position `before`."""
        found = [
            said
            for said in self.activations
            if (said.data.kind, said.data.name) == (kind, name) and said.position < before
        ]
        return found[-1] if found else None

    def proposal(self, activation: Said[DeclarationActivated]) -> Said[DeclarationProposed] | None:
        """The proposal that the activation put in force."""
        wanted = (activation.data.proposal, activation.data.kind, activation.data.name)
        for said in self.all(DeclarationProposed):
            if (said.data.proposal, said.data.kind, said.data.name) == wanted:
                return said
        return None

    def spec(self, kind: str, name: str, before: int) -> Spec | None:
        """The declaration in force before position `before`, read."""
        found = self.activation(kind, name, before)
        return None if found is None else parse_spec(kind, name, found.data.spec).model

    def catalogue_at(self, position: int) -> Catalogue:
        """The declarations in force just before `position`, of those among the records."""
        known = sum(said.position < position for said in self.activations)
        while len(self._catalogues) <= known:
            self._catalogues.append(self._catalogues[-1].apply(self.activations[len(self._catalogues) - 1].data))
        return self._catalogues[known]

    @cached_property
    def _catalogues(self) -> list[Catalogue]:
        """The catalogue after each activation; the first one is empty."""
        return [Catalogue(timezone=self.realm.timezone if self.realm else "UTC")]

    def name_of(self, person: str) -> str:
        """The person's name; the id where the people's list does not have them."""
        known = self.people.get(person)
        return known.name if known else person

    @cached_property
    def realm(self) -> RealmCreated | None:
        created = self.all(RealmCreated)
        return created[0].data if created else None

    @cached_property
    def end(self) -> int:
        """The position after the last record."""
        return self.exhibits[-1].position + 1

    def case_before(self, position: int) -> Case:
        """The case as it stood just before ledger position `position`."""
        return Case.fold(self.case.id, [(at, event) for at, event in self._own if at < position])

    @cached_property
    def executions(self) -> list[Case]:
        """The case as it stood when each of its executions had ended, in order. (What a plan did stays done when
        another draft replaces it, which the case's fold forgets.)"""
        ended = []
        for started in self.all(ExecutionStarted):
            end = started.position
            for at, event in self._own:
                if at > end and event.data.get("plan") == started.data.plan:
                    if event.type in _REPLACED:
                        break
                    end = at
            ended.append(self.case_before(end + 1))
        return ended

    @cached_property
    def carried(self) -> Case | None:
        """The case as it stood after its last execution; None when nothing was executed."""
        return self.executions[-1] if self.executions else None

    @cached_property
    def finished(self) -> Said[ExecutionFinished] | None:
        """The end of the last execution that finished."""
        found = self.all(ExecutionFinished)
        return found[-1] if found else None

    @cached_property
    def wrong(self) -> Said[GapSnapshot]:
        """The gap as it was decided upon: planned, else confirmed, else as it was last seen."""
        case = self.carried or self.case
        named = [case.plan.data.gap_event] if case.plan else []
        named += [case.confirmation.data.gap_event] if case.confirmation else []
        for event_id in named:
            said = self.by_id.get(event_id)
            if said is not None and isinstance(said.data, GapSnapshot):
                return said
        assert self.case.gap is not None
        return self.case.gap

    @cached_property
    def desired_state(self) -> DesiredState | None:
        """The desired state as it was when the gap was decided upon."""
        found = self.spec("DesiredState", self.wrong.data.desired_state, self.wrong.position)
        return found if isinstance(found, DesiredState) else None

    def entity_type(self, name: str, before: int) -> EntityType | None:
        found = self.spec("EntityType", name, before)
        return found if isinstance(found, EntityType) else None

    @cached_property
    def simulated(self) -> list[Said[Observed]]:
        """The observations that a demo made up."""
        found = [self.observation(said.event.id) for said in self.said]
        return [said for said in found if said is not None and said.data.simulated]


def facts_cited(events: Iterable[EventData]) -> set[str]:
    """The ids of the events that these records of a case rest on: observations, and what a plan's reasons cite."""
    ids: set[str] = set()
    for data in events:
        for fact in _facts(data):
            if fact.event_id is not None:
                ids.add(fact.event_id)
        for cited in (*getattr(data, "reasoning", ()), *getattr(data, "alternatives", ())):
            ids.update(getattr(cited, "cites", ()))
    return ids


def _facts(data: EventData) -> Iterable[Fact]:
    yield from getattr(data, "facts", ())
    if isinstance(data, GapSnapshot):
        for rule in data.rules:
            yield from rule.facts
