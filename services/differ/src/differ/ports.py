"""What the differ needs of the outside, all of it within one database transaction of the caller's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from common.clock import RealmClock
from common.declarations.catalogue import Catalogue
from common.declarations.evaluation import CompiledDesiredState, EntityView
from common.entities import EntityStore
from common.entities.rows import Ref
from common.entities.sources import Reliability
from common.errors import Transient
from common.events.envelope import Event
from common.ledger import Connection, NewEvent
from common.objectives.blaming import Keyed
from common.objectives.contributing import Contribution, Passed
from common.timers import Timers

from differ.core.deciding import CaseKey, CaseState
from differ.core.measuring import Said
from differ.core.planning import Declared


class StaleCases(Transient):
    """The ledger knows more of these cases than the differ's copy: they are folded from the ledger next time."""

    def __init__(self, keys: Iterable[CaseKey]) -> None:
        self.keys = frozenset(keys)
        names = ", ".join("/".join(key) for key in sorted(self.keys))
        super().__init__("version_conflict", f"the ledger has moved on for {names}")


@dataclass(frozen=True, slots=True)
class Review:
    """All entities of `entity_type` after `after_key` are to be looked at, because of the event at `cause`. `since`:
    each was decided by the declarations at this position or later ones; None: that is not known."""

    desired_state: str
    entity_type: str
    after_key: str
    cause: int
    since: int | None = None


@dataclass(frozen=True, slots=True)
class Reviewed:
    """The version by which a population was last looked at, or is; and the position of the declarations then, where
    that is known."""

    version: str
    position: int | None


@dataclass(frozen=True, slots=True)
class Part:
    """What one entity contributes to one objective; None: nothing (any more)."""

    desired_state: str
    objective: str
    key: str
    contribution: Contribution | None


class Objectives(Protocol):
    """What everybody contributes to the objectives, and which of them must be measured again."""

    async def contribute(self, conn: Connection, parts: Sequence[Part]) -> set[str]:
        """Write down what these entities contribute now; returns the desired states of which something changed."""
        ...

    async def keep(self, conn: Connection, desired_state: str, objectives: Iterable[str]) -> None:
        """Forget what was contributed to objectives that are no longer declared."""
        ...

    async def contributions(
        self, conn: Connection, state: CompiledDesiredState, asof: datetime
    ) -> dict[str, tuple[list[Keyed], Passed]]:
        """By objective: what everybody contributes, by key; without those (only how many) of whom nothing counts as
        of `asof`, because it lies before the window."""
        ...

    async def mark(self, conn: Connection, desired_states: Iterable[str]) -> None:
        """These must be measured again."""
        ...

    async def marked(self, conn: Connection) -> list[str]:
        """The desired states that must be measured again and are not under review."""
        ...

    async def done(self, conn: Connection, desired_states: Iterable[str]) -> None:
        """These are measured."""
        ...

    async def said(self, conn: Connection, stream: str) -> Said | None:
        """What the ledger says last of the objective of a stream."""
        ...


class Cases(Protocol):
    """The differ's copy of its cases."""

    async def load(self, conn: Connection, keys: Iterable[CaseKey]) -> dict[CaseKey, CaseState]:
        """The latest occurrence of each; a case that never was is left out."""
        ...

    async def save(self, conn: Connection, cases: Sequence[CaseState]) -> None:
        """Write these states down in place of what was there."""
        ...

    async def said(
        self, conn: Connection, desired_state: str, entity_type: str, after: str, until: str | None, limit: int
    ) -> list[str]:
        """The first keys after `after` (up to `until`) of entities of which something is said: a case is open, what
        it misses is left alone, or it can't be told whether it is selected."""
        ...

    async def foreign(self, conn: Connection, desired_state: str, entity_type: str) -> list[Ref]:
        """The entities of another type that have an open case of this desired state."""
        ...

    async def counts(self, conn: Connection) -> dict[str, dict[str, int]]:
        """{desired state: {open, undecided, selector_unknown: how many}}."""
        ...


class Records(Protocol):
    """The ledger."""

    async def append(self, conn: Connection, events: Sequence[NewEvent]) -> None:
        """Append each event on its own, as the transaction's last statement.

        Raises `StaleCases` when the ledger says something else about a case than the differ's copy.
        """
        ...

    async def fold(self, conn: Connection, key: CaseKey, ref: Ref) -> CaseState:
        """A case's latest occurrence, from its events alone."""
        ...

    async def history(self, conn: Connection, cases: Sequence[str]) -> dict[str, list[Event]]:
        """By case id, the events by which convergence is counted, in ledger order."""
        ...

    async def closed(self, conn: Connection, cases: Sequence[str]) -> set[str]:
        """Which of these case ids the auditor has closed."""
        ...

    async def behind(self, conn: Connection, instant: datetime) -> bool:
        """Whether something that was observed up to `instant` (by the wall clock) may not have been taken in yet."""
        ...

    async def causes(self, conn: Connection, ids: Iterable[str]) -> dict[str, Event]:
        """The observer's and the differ's own events with these ids, by id."""
        ...

    async def at(self, conn: Connection, position: int) -> Event:
        """The event at a position that is known to exist."""
        ...

    async def declared_at(self, conn: Connection) -> int:
        """The position of the last event that activated a declaration; -1: none."""
        ...

    async def catalogue(self, conn: Connection) -> tuple[Catalogue, int]:
        """The active declarations, and the position of the last event that made them (-1: none)."""
        ...

    async def catalogues(self, conn: Connection, since: int) -> list[Catalogue]:
        """The declarations that were active at the position `since`, and all that were after it until the active
        ones, which are left out."""
        ...


class Previews(Protocol):
    """The proposals in the ledger, and what was said of them."""

    async def proposed_until(self, conn: Connection) -> int:
        """The position of the last event about a declaration; -1: none."""
        ...

    async def proposals(self, conn: Connection) -> list[tuple[int, Event]]:
        """All events about declarations with their positions, in ledger order."""
        ...

    async def knows(self, conn: Connection, position: int) -> bool:
        """Whether the differ has taken in all that was observed before this position."""
        ...

    async def said(self, conn: Connection, proposals: Sequence[str]) -> dict[str, tuple[int, str]]:
        """By proposal: how often it was said what it would change, and beside what (a digest) the last time."""
        ...


class Proposed(Protocol):
    """Entities as one set of declarations reads them."""

    async def keys(self, conn: Connection, entity_type: str, after: str, limit: int) -> list[Ref]:
        """The next entities of a type by key."""
        ...

    async def seen(self, conn: Connection, refs: Iterable[Ref]) -> dict[Ref, EntityView]:
        """Those that are there."""
        ...


class ReadAs(Protocol):
    """Makes such a reading for one transaction."""

    def __call__(self, catalogue: Catalogue) -> Proposed: ...


class Clock(Protocol):
    """The realm clock as far as the differ has handled it."""

    async def read(self, conn: Connection) -> RealmClock:
        """Raises `Transient` (`realm_missing`) before the realm is created."""
        ...

    async def advance(self, conn: Connection, at: datetime) -> None:
        """Everything up to `at` has fired."""
        ...


class Reviews(Protocol):
    """Reviews under way, and which versions have been looked at."""

    async def reviewed(self, conn: Connection) -> dict[str, Reviewed]:
        """By desired state."""
        ...

    async def begin(self, conn: Connection, reviews: Sequence[Review], declared: Declared) -> None:
        """Note that these reviews, from the first entity on, are to be done by these declarations. What one that is
        under way has yet to do is done by the one that takes its place: the former's `since` counts."""
        ...

    async def any(self, conn: Connection) -> bool:
        """Whether a review is under way."""
        ...

    async def next(self, conn: Connection) -> Review | None:
        """One review under way, which nobody else works on until the transaction ends."""
        ...

    async def move(self, conn: Connection, review: Review, after_key: str | None) -> None:
        """Everything up to `after_key` is done; None: all of it is."""
        ...


class Answering(Protocol):
    """What the API asks the differ; `differ.handlers.Differ` answers."""

    async def counts(self, conn: Connection) -> dict[str, dict[str, int]]:
        """{desired state: {open, undecided, selector_unknown: how many}}."""
        ...

    async def sources(self, conn: Connection) -> list[Reliability]:
        """Every feed, and why it can't be relied on now."""
        ...


@dataclass(frozen=True, slots=True)
class Outside:
    """Everything that the differ needs of the outside."""

    entities: EntityStore
    timers: Timers
    cases: Cases
    records: Records
    clock: Clock
    reviews: Reviews
    objectives: Objectives
    wall: Callable[[], datetime]
