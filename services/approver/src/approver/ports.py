"""What the approver needs from outside."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from common.clock import RealmClock
from common.declarations.catalogue import Catalogue
from common.directory import Directory
from common.events.model import Fact
from common.ledger import Connection, NewEvent, Recorded
from common.service_keys import ServiceKeys

from approver.core.lines import CaseLine
from approver.core.proposals import Declarations


class People(Protocol):
    """The realm's directory as it is now."""

    def __call__(self) -> Directory: ...


class Trusted(Protocol):
    """The services' keys that are trusted now."""

    def __call__(self) -> ServiceKeys: ...


@dataclass(frozen=True, slots=True)
class Believed:
    """Whose signatures count, as the files beside the service have it now."""

    people: People
    service_keys: Trusted


@dataclass(frozen=True, slots=True)
class Realm:
    """The realm's declarations and clock. `version` counts the events of its own stream."""

    declarations: Declarations
    clock: RealmClock
    version: int


class Book(Protocol):
    """What the ledger says about the realm as a whole."""

    async def refresh(self, conn: Connection) -> Realm:
        """As committed now. `declarations` goes on with later refreshes: take from it what must not change.

        Raises `Transient` (`realm_missing`) before the realm was created.
        """
        ...


class Records(Protocol):
    """The ledger, as far as the approver reads and writes it."""

    async def cases(self, conn: Connection, cases: Sequence[str]) -> dict[str, list[Recorded]]:
        """All events of each case, in ledger order; a case without events is left out."""
        ...

    async def erasures(self, conn: Connection) -> list[Recorded]:
        """All events of the categories `erasure` and `erased`."""
        ...

    async def observed(self, conn: Connection, ref: tuple[str, str]) -> bool:
        """Whether the ledger holds anything about the entity (type, key)."""
        ...

    async def append(self, conn: Connection, requests: Sequence[Sequence[NewEvent]]) -> list[list[int]]:
        """Append, as the transaction's last statement, and answer the positions. Raises `Transient` when another
        decision came first, `Permanent` when the ledger will never take it."""
        ...


@dataclass(frozen=True, slots=True)
class Subject:
    """The entity of a case, under one desired state."""

    desired_state: str
    entity_type: str
    key: str


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a subject: `facts` count now; `told` is what its own attributes said when last reported;
    `exempt` are its rules that are to be left alone, each accepted or ignored."""

    facts: Mapping[str, Fact]
    told: Mapping[str, Fact]
    exempt: Mapping[str, str] = field(default_factory=dict)


class ReadFacts(Protocol):
    """A way to read the facts of subjects by name; none for one that is unknown or whose desired state is not
    active."""

    async def __call__(
        self, conn: Connection, catalogue: Catalogue, subjects: Iterable[Subject], asof: datetime
    ) -> Mapping[Subject, Known]: ...


class Facts(Protocol):
    """What is observed of entities."""

    async def lock(self, conn: Connection) -> None:
        """Take the approver's turn until the transaction ends: one decision at a time."""
        ...

    async def catch_up(self, conn: Connection, catalogue: Catalogue) -> None:
        """Take in what has been observed since the last time."""
        ...

    async def read(
        self, conn: Connection, catalogue: Catalogue, subjects: Iterable[Subject], asof: datetime
    ) -> Mapping[Subject, Known]:
        """What is known now, with relations, from the store: catch it up before anything rests on it."""
        ...

    async def reported(
        self, conn: Connection, catalogue: Catalogue, subjects: Iterable[Subject], asof: datetime
    ) -> Mapping[Subject, Known]:
        """What each subject's own row said when it was reported last. For lists only: nothing rests on it."""
        ...


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which cases are listed: all that match every field that is set; `mine` is a person's id, `keys` has one match
    at least."""

    stage: str | None = None
    mine: str | None = None
    desired_state: str | None = None
    keys: tuple[str, ...] | None = None
    planned: bool | None = None


class Lines(Protocol):
    """The projection: cases and tasks as lists."""

    async def write(self, conn: Connection, lines: Sequence[CaseLine]) -> None:
        """Replace the lines and tasks of these cases."""
        ...

    async def open_cases(self, conn: Connection, after: str, limit: int) -> list[str]:
        """The ids of cases that are not over, ascending, beyond `after`."""
        ...


class Lists(Protocol):
    """The projection as the API reads it, each answer as of one moment."""

    async def page(self, wanted: Wanted, after: str, limit: int) -> tuple[list[dict[str, Any]], int]:
        """The next lines (CaseLine as JSON) after the case `after`, and how many match in all."""
        ...

    async def tasks(self, limit: int) -> list[dict[str, Any]]:
        """All work by hand that waits for a person (TaskLine as JSON, with its case), by case and step."""
        ...


class Deadlines(Protocol):
    """When which case's ticket or grant runs out."""

    async def set(self, conn: Connection, due: Mapping[str, datetime | None]) -> None:
        """Set, move or (None) clear the deadline of each case."""
        ...
