"""An entity store as a part of a service's projection, for `common.projections`."""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Sequence

from common.current import Current
from common.entities.following import Following
from common.entities.piling import Piles
from common.entities.rows import told_apart
from common.entities.store import EntityStore
from common.events.observer import SourceCounted, SourceJudged, SourceReported
from common.ledger import Connection, Ledger, Recorded
from common.projections import SHADOW, Table

TABLES = (
    Table("entities", ("entity_type", "key"), json=("row",)),
    Table("entity_events", ("entity_type", "key", "event_id"), json=("row",)),
    Table("entity_links", ("entity_type", "through", "target", "key")),
    Table("snapshot_parts", ("feed", "entity_type", "snapshot", "part")),
    Table("complete_snapshots", ("feed", "entity_type")),
    Table("sources", ("feed",), json=("doubts",)),
    Table("entity_progress", ("one",)),
)
_LATER = (SourceReported.TYPE, SourceCounted.TYPE, SourceJudged.TYPE)
_AT_ONCE = 500


class EntityTables:
    """The store of the service `schema`. `behind`: it is caught up from the ledger when something is to be decided,
    and is rebuilt as far as it has come; else it takes in what the service handles, and is rebuilt whole."""

    def __init__(self, schema: str, ledger: Ledger, *, behind: bool) -> None:
        self.current = Current(ledger)
        self._taking = Current(ledger)
        """Asked while others may ask `current`."""
        self._turn = asyncio.Lock()
        self._ledger = ledger
        self._live, self._rebuilt = EntityStore(schema), EntityStore(schema, prefix=SHADOW)
        self._piles = Piles(f"{schema}.{SHADOW}")
        self._behind = behind
        self._until = -1
        self._later = array("q")

    async def begin(self, conn: Connection, slots: int) -> None:
        """See `Projection.begin`."""
        await self._rebuilt.begin(conn)
        await self._piles.begin(conn, slots)
        self._until = await self._live.reached(conn)

    async def turn(self, conn: Connection) -> None:
        """See `Projection.turn`."""
        await self._live.lock(conn)

    async def stage(self, conn: Connection, slot: int, after: int, until: int) -> list[Recorded]:
        """See `Projection.stage`. What is said of snapshots and feeds is about entities that wait in the piles: it is
        read again at the end."""
        staged = min(until, self._until) if self._behind else until
        read = await self._piles.stage(conn, slot, after, until, staged)
        observations, others = told_apart(recorded for recorded in read if recorded.position <= staged)
        self._later.extend(item.position for item in others if item.content[0] in _LATER)
        await self._piles.add(conn, slot, observations)
        if self._piles.full(slot):
            async with self._turn, conn.transaction():
                await self._piles.take(conn, [slot], (await self._taking.catalogue(conn)).logs)
        return read

    async def fold(self, conn: Connection, batch: Sequence[Recorded], slot: int | None) -> None:
        """See `Projection.fold`. What came with a slot is in its pile, or will be read again."""
        if self._behind:
            batch = [recorded for recorded in batch if recorded.position <= self._until]
        if slot is None:
            await self._rebuilt.fill(conn, batch, await self.current.catalogue(conn))

    async def settle(self, conn: Connection) -> None:
        """See `Projection.settle`."""
        catalogue = await self._taking.catalogue(conn)
        await self._piles.end(conn, catalogue.logs)
        later = sorted(self._later)
        for start in range(0, len(later), _AT_ONCE):
            batch = await self._ledger.read_positions(conn, later[start : start + _AT_ONCE])
            await self._rebuilt.fill(conn, batch, catalogue)
        await self._rebuilt.fill(conn, [], catalogue)  # links, which would be made while the tables are locked

    async def level(self, conn: Connection, position: int) -> None:
        """See `Projection.level`. The links of both become those of today's declarations."""
        catalogue = await self.current.catalogue(conn)
        if self._behind:
            reached = min(await self._live.reached(conn), position)
            await Following(self._rebuilt, self._ledger).changes(conn, catalogue, since=self._until, until=reached)
        await self._live.apply(conn, [], catalogue)
        await self._rebuilt.apply(conn, [], catalogue)
