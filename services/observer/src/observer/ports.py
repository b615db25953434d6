"""What the observer needs of the outside, all of it within one database transaction of the caller's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from common.clock import RealmClock
from common.events.envelope import Event
from common.ledger import Answer as LedgerAnswer
from common.ledger import Connection, Recorded

from observer.core.rejections import Rejection
from observer.core.snapshots import SnapshotRow


class Records(Protocol):
    """The ledger, and the observer's own tables beside it. `connection` is in a READ COMMITTED transaction."""

    async def declarations(self, connection: Connection, after: int) -> list[Recorded]:
        """All events of the category `declaration` after this position, in ledger order."""
        ...

    async def clock(self, connection: Connection) -> RealmClock:
        """The realm's clock. Raises `Transient` (`realm_missing`) before the realm is created."""
        ...

    async def stored(self, connection: Connection, ids: Sequence[str]) -> Mapping[str, Recorded]:
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

    async def append(self, connection: Connection, requests: Sequence[Sequence[Event]]) -> list[LedgerAnswer]:
        """Append each request, all or nothing, at the streams' next versions. The transaction's last statement."""
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


SnapshotName = tuple[str, str, str]
"""(feed, entity type, snapshot id)."""

Row = Mapping[str, Any]
