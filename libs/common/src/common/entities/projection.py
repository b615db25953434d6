"""An entity store as a part of a service's projection, for `common.projections`."""

from __future__ import annotations

from collections.abc import Sequence

from common.current import Current
from common.entities.following import Following
from common.entities.store import EntityStore
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


class EntityTables:
    """The store of the service `schema`. `behind`: it is caught up from the ledger when something is to be decided,
    and is rebuilt as far as it has come; else it takes in what the service handles, and is rebuilt whole."""

    def __init__(self, schema: str, ledger: Ledger, *, behind: bool) -> None:
        self.current = Current(ledger)
        self._ledger = ledger
        self._live, self._rebuilt = EntityStore(schema), EntityStore(schema, prefix=SHADOW)
        self._behind = behind
        self._until = -1
        self._slots = 0

    async def begin(self, conn: Connection, slots: int) -> None:
        """See `Projection.begin`."""
        await self._rebuilt.begin(conn)
        await self._rebuilt.staging.create(conn, slots)
        self._slots = slots
        self._until = await self._live.reached(conn)

    async def end(self, conn: Connection) -> None:
        """See `Projection.end`."""
        await self._rebuilt.staging.drop(conn, self._slots)

    async def turn(self, conn: Connection) -> None:
        """See `Projection.turn`."""
        await self._live.lock(conn)

    async def stage(self, conn: Connection, slot: int, after: int, until: int) -> list[Recorded]:
        """See `Projection.stage`."""
        staged = min(until, self._until) if self._behind else until
        return await self._rebuilt.staging.stage(conn, slot, after, until, staged)

    async def fold(self, conn: Connection, batch: Sequence[Recorded], slot: int | None) -> None:
        """See `Projection.fold`."""
        if self._behind:
            batch = [recorded for recorded in batch if recorded.position <= self._until]
        if batch or slot is not None:
            await self._rebuilt.fill(conn, batch, await self.current.catalogue(conn), slot)

    async def level(self, conn: Connection, position: int) -> None:
        """See `Projection.level`. The links of both become those of today's declarations."""
        catalogue = await self.current.catalogue(conn)
        if self._behind:
            reached = min(await self._live.reached(conn), position)
            await Following(self._rebuilt, self._ledger).changes(conn, catalogue, since=self._until, until=reached)
        await self._live.apply(conn, [], catalogue)
        await self._rebuilt.apply(conn, [], catalogue)
