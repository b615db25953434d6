"""What the observer needs of the outside."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeVar

from common.clock import RealmClock
from common.events.envelope import Event
from common.events.observer import Doubt
from common.ledger import Answer as LedgerAnswer
from common.ledger import Connection, Recorded
from common.sealing import Subject

from observer.core.completeness import Heard, Held, Run, Total
from observer.core.observations import Answer, Incoming
from observer.core.rejections import Headers, Rejection
from observer.core.settling import Stored
from observer.core.snapshots import Report, SnapshotRow
from observer.core.sources import EntityRules

T = TypeVar("T")
SnapshotName = tuple[str, str, str]
"""(feed, entity type, snapshot id)."""


class Records(Protocol):
    """The ledger, and the observer's own tables beside it. `connection` is in a READ COMMITTED transaction."""

    async def declarations(self, connection: Connection, after: int) -> list[Recorded]:
        """All events of the category `declaration` after this position, in ledger order."""
        ...

    async def clock(self, connection: Connection) -> RealmClock:
        """The realm's clock. Raises `Transient` (`realm_missing`) before the realm is created."""
        ...

    async def stored(self, connection: Connection, ids: Sequence[str]) -> Mapping[str, Stored]:
        """The observer's own events with these ids, by id; what isn't stored is left out."""
        ...

    async def histories(
        self, connection: Connection, streams: Sequence[str], limit: int
    ) -> Mapping[str, Sequence[Event]]:
        """The last `limit` events of each stream, newest first; a stream without events is left out."""
        ...

    async def quarantine(self, connection: Connection, rejections: Sequence[Rejection]) -> None:
        """Keep what was refused; what is kept already stays as it is, erased payloads erased."""
        ...

    async def erasure(self, connection: Connection, subject: Subject) -> list[Event]:
        """What was asked, approved and done about the erasure of one subject, in ledger order."""
        ...

    async def erased(self, connection: Connection) -> list[Event]:
        """Every ErasureDone."""
        ...

    async def erase_payloads(self, connection: Connection, subject: Subject) -> int:
        """Erase the payloads of refused messages about the subject, or that hold its key; how many."""
        ...

    async def append(self, connection: Connection, requests: Sequence[Sequence[Event]]) -> list[LedgerAnswer]:
        """Append each request, all or nothing, at the streams' next versions. The transaction's last statement."""
        ...

    async def counted(self, connection: Connection) -> set[str]:
        """The feeds of which there is a control total."""
        ...

    async def note_work(self, connection: Connection) -> None:
        """Note that completeness must be judged anew, so that a clock waits for it."""
        ...

    async def keep_snapshot_rows(
        self, connection: Connection, snapshot: SnapshotName, rows: Sequence[SnapshotRow]
    ) -> None:
        """Remember rows of a snapshot until its report. A key that is there already takes the new row."""
        ...

    async def snapshot_rows(self, connection: Connection, snapshot: SnapshotName) -> list[SnapshotRow]:
        """What is remembered of a snapshot."""
        ...

    async def forget_snapshot(self, connection: Connection, snapshot: SnapshotName) -> None:
        """Drop what is remembered of this snapshot, and of all that were abandoned more than a week ago."""
        ...


class Judgements(Protocol):
    """What completeness is judged by: the ledger, and what was counted of it up to where it was judged last."""

    async def begin(self, connection: Connection) -> tuple[int, int]:
        """Take the turn until the transaction ends; up to which position it was judged, and the ledger's head."""
        ...

    async def clock(self, connection: Connection) -> RealmClock:
        """The realm's clock. Raises `Transient` (`realm_missing`) before the realm is created."""
        ...

    async def numberings(self, connection: Connection) -> dict[str, int | None]:
        """The feeds whose numbers are watched, with the last number that was there before."""
        ...

    async def number(self, connection: Connection, feed: str, since: int) -> int | None:
        """Watch the numbers of a feed from after the position `since` on; the highest there was until then."""
        ...

    async def unnumber(self, connection: Connection, feeds: Sequence[str]) -> None:
        """Watch the numbers of these feeds no longer."""
        ...

    async def tail(self, connection: Connection, after: int, head: int, feeds: Iterable[str]) -> list[Heard]:
        """What these feeds said in the positions after `after` up to `head`, and every control total there."""
        ...

    async def runs(self, connection: Connection, feed: str) -> list[Run]:
        """The numbers that came."""
        ...

    async def keep_runs(self, connection: Connection, feed: str, runs: Sequence[Run]) -> None:
        """Keep these in place of what was there."""
        ...

    async def totals(self, connection: Connection) -> list[tuple[Total, Held | None]]:
        """The control totals that count, with what is held; None where it must be counted again."""
        ...

    async def keep_totals(self, connection: Connection, totals: Sequence[tuple[Total, Held | None]]) -> None:
        """Keep these in place of what was there."""
        ...

    async def held(self, connection: Connection, total: Total) -> Held:
        """What the ledger holds as of the total's instant. Reads all of the type: seconds, for a million."""
        ...

    async def judgements(self, connection: Connection) -> dict[str, list[Doubt]]:
        """What was said last, by feed."""
        ...

    async def say(
        self, connection: Connection, events: Sequence[Event], judgements: Mapping[str, Sequence[Doubt]], until: int
    ) -> None:
        """Keep that everything up to `until` is judged, and append. The transaction's last statement."""
        ...


class Recording(Protocol):
    """The one path by which messages are recorded; `observer.handlers.Recorder` is it. All of it works inside the
    caller's transaction, has its effect when that commits, and may be done again."""

    async def refresh(self, connection: Connection) -> None:
        """Learn the latest declarations and the latest clock from the ledger."""
        ...

    def rules(self) -> EntityRules:
        """The active entity types, as of the last `refresh`."""
        ...

    def latest(self) -> datetime:
        """The last source time that is believed now, by the clock as of the last `refresh`."""
        ...

    async def record(
        self,
        connection: Connection,
        incoming: Sequence[Incoming],
        sender: str | None = None,
        snapshot: str | None = None,
    ) -> list[Answer]:
        """Record each message, or its rejection; the answers are in order."""
        ...

    async def reject(self, connection: Connection, item: Incoming, reason_code: str, reason: str) -> None:
        """Record that a message failed in a way that no check foresaw."""
        ...

    async def report(self, connection: Connection, report: Report) -> list[int]:
        """Record the end of a snapshot; returns the positions of its events. Raises `Refused`."""
        ...


class Transactions(Protocol):
    """Runs work in READ COMMITTED transactions of its own."""

    async def __call__(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """What `work` returns, committed. Work that fails in a way that may pass is done again, a bounded time."""
        ...


@dataclass(frozen=True, slots=True)
class Refusal:
    """A rejection as the quarantine lists it. `number` orders them; `data` is the ObservationRejected event's.

    `payload` is None when it was too large to keep, and when it was `erased`; `headers` are kept and erased with it.
    """

    number: int
    id: str
    data: Mapping[str, Any]
    refused_at: datetime
    erased: bool
    payload: bytes | None = None
    headers: Headers = ()


class Quarantine(Protocol):
    """What was refused, for those who sent it and those who look after it."""

    async def refusals(self, feed: str | None, after: int, limit: int) -> list[Refusal]:
        """At most `limit` refusals, oldest first, after the number `after`, without payloads; of one feed, or all."""
        ...

    async def refusal(self, feed: str | None, identity: str) -> Refusal | None:
        """One refusal with its payload; None when there is none, or it is another feed's."""
        ...

    async def erase(self, feed: str | None, identity: str) -> bool:
        """Delete the payload for good; what was refused and why stays. False when there is no such refusal."""
        ...
