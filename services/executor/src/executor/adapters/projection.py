"""Entities and the count of actions, rebuilt from the ledger (`trueup ledger rebuild executor`)."""

from __future__ import annotations

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from common.entities.projection import TABLES, EntityTables
from common.ledger import Connection, Ledger, Recorded
from common.projections import SHADOW, Table

from executor.adapters.actions import TYPES, ActionTable


class Known:
    """See `common.projections.Projection`. Jobs say what is to be done: they stay."""

    schema = "executor"
    tables: tuple[Table, ...] = (*TABLES, Table("actions", ("intent",)))

    def __init__(self, ledger: Ledger) -> None:
        self._entities = EntityTables(self.schema, ledger, behind=True)
        self._actions = ActionTable(SHADOW)
        self.begin, self.stage, self.settle = self._entities.begin, self._entities.stage, self._entities.settle
        self.turn, self.level = self._entities.turn, self._entities.level

    async def fold(self, conn: Connection, batch: Sequence[Recorded], slot: int | None = None) -> None:
        await self._entities.fold(conn, batch, slot)
        said = [item.event for item in batch if item.content[0] in TYPES]
        if said:
            zone = ZoneInfo((await self._entities.current.clock(conn)).timezone)
            await self._actions.note(conn, said, zone)
