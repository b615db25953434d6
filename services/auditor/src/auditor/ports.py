"""What the auditor needs of the outside."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from common.declarations.catalogue import Catalogue
from common.declarations.evaluation import EntityView
from common.entities import Ref, StoredEntity
from common.events.envelope import Event
from common.ledger import Connection, Recorded
from pydantic import BaseModel

from auditor.core.attestation import Attestation
from auditor.core.deciding import Story


@dataclass(frozen=True, slots=True)
class Known:
    """What is stored of one entity: its view (None when withdrawn or never observed) and its stored row."""

    view: EntityView | None
    stored: StoredEntity | None


class Entities(Protocol):
    """The auditor's own reading of the observations."""

    async def catch_up(self, conn: Connection, catalogue: Catalogue) -> set[Ref]:
        """Read up to the ledger's head, taking this store's turn until the transaction ends; what has changed."""
        ...

    async def known(self, conn: Connection, catalogue: Catalogue, ref: Ref) -> Known:
        """What is known of an entity now."""
        ...


class Records(Protocol):
    """The ledger."""

    async def cases(self, conn: Connection, case_ids: Iterable[str]) -> dict[str, list[Recorded]]:
        """All events of each case, in ledger order; a case without events is left out."""
        ...

    async def events(self, conn: Connection, ids: Iterable[str]) -> list[Recorded]:
        """The events with these ids, whoever wrote them, in ledger order; those that don't exist are left out."""
        ...

    async def declarations(self, conn: Connection) -> list[Recorded]:
        """Everything that was proposed and activated, in ledger order."""
        ...

    async def realm(self, conn: Connection) -> list[Recorded]:
        """The event that created the realm."""
        ...

    async def append(self, conn: Connection, requests: Sequence[Sequence[Event]]) -> None:
        """Append, each event with its `streamversion` as the expected one; the transaction's last statement.

        Raises `Transient` (`version_conflict`) when somebody else wrote to a case first, `Permanent` otherwise.
        """
        ...


class Cases(Protocol):
    """The projection of cases."""

    async def save(self, conn: Connection, cases: Sequence[tuple[Story, Event]]) -> None:
        """Write each case's line as it stands, beside its newest event."""
        ...

    async def watched(self, conn: Connection, refs: Iterable[Ref]) -> list[str]:
        """The cases of these entities that an observation may decide, in a stable order."""
        ...

    async def all_watched(self, conn: Connection, after: str, limit: int) -> list[str]:
        """At most `limit` watched cases with an id after `after`, ascending."""
        ...


class Attestations(Protocol):
    """The documents."""

    async def keep(self, conn: Connection, document: Attestation, how: str, raw: bytes) -> None:
        """Store the document unless it is there."""
        ...


class CaseLine(BaseModel):
    """One case of the list. `rules` are those that fail, or failed when it was last seen to."""

    case: str
    desired_state: str
    entity_type: str
    key: str
    occurrence: int
    severity: str
    stage: str
    rules: list[str]
    opened: str
    changed: str
    how: str | None


class AttestationLine(BaseModel):
    """One attestation of the list."""

    case: str
    digest: str
    issued: str
    how: str
    simulated: bool
    bytes: int


class Reading(Protocol):
    """What the API reads. Nothing here writes."""

    async def cases(
        self, stage: str | None, desired_state: str | None, key: str | None, after: str, limit: int
    ) -> tuple[list[CaseLine], int]:
        """At most `limit` cases after `after`, by id; and how many match in all."""
        ...

    async def counts(self) -> tuple[dict[str, int], dict[str, str]]:
        """Cases by stage, and why closed ones have no attestation yet."""
        ...

    async def case(self, case_id: str) -> list[Recorded]:
        """All events of a case, in ledger order."""
        ...

    async def at(self, positions: list[int]) -> list[Recorded]:
        """The events at these positions; those that don't exist are left out."""
        ...

    async def by_id(self, event_id: str) -> Recorded | None:
        """The event with this id, whoever wrote it."""
        ...

    async def causes(self, recorded: Recorded) -> tuple[list[Recorded], bool]:
        """From the event's cause to the root, and whether the root was reached."""
        ...

    async def cited(self, recorded: Recorded) -> list[Recorded]:
        """The other events that this one's facts and reasons rest on."""
        ...

    async def attestations(self, after: str, limit: int) -> tuple[list[AttestationLine], int]:
        """At most `limit` attestations after the case `after`; and how many there are."""
        ...

    async def document(self, case_id: str) -> tuple[str, bytes] | None:
        """(digest, the file byte for byte) of a case's attestation."""
        ...


class Alarms(Protocol):
    """Timers of cases, on the realm clock."""

    async def set(self, conn: Connection, wanted: Mapping[str, Mapping[str, datetime]]) -> None:
        """Make the timers of each of these cases exactly those given, by name."""
        ...
