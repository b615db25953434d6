"""Entities and open cases, rebuilt from the ledger (`trueup ledger rebuild planner`)."""

from __future__ import annotations

from collections.abc import Sequence

from common.entities.projection import TABLES, EntityTables
from common.ledger import Connection, Ledger, Recorded
from common.projections import SHADOW, Table

from planner.adapters.tables import CaseTable


class Known:
    """See `common.projections.Projection`. Jobs say what is to be done: they stay."""

    schema = "planner"
    tables: tuple[Table, ...] = (*TABLES, Table("cases", ("case_id",)))

    def __init__(self, ledger: Ledger) -> None:
        self._entities = EntityTables(self.schema, ledger, behind=True)
        self._cases = CaseTable(SHADOW)
        self.begin, self.stage, self.settle = self._entities.begin, self._entities.stage, self._entities.settle
        self.turn, self.level = self._entities.turn, self._entities.level

    async def fold(self, conn: Connection, batch: Sequence[Recorded], slot: int | None = None) -> None:
        await self._entities.fold(conn, batch, slot)
        await self._cases.note(conn, [item.event for item in batch if item.content[0] in CaseTable.TYPES])
