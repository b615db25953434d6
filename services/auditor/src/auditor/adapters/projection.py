"""Entities and the line of each case, rebuilt from the ledger (`trueup ledger rebuild auditor`)."""

from __future__ import annotations

from collections.abc import Sequence

from common.entities.projection import TABLES, EntityTables
from common.errors import Permanent
from common.events import BY_SERVICE
from common.ledger import Connection, Ledger, Recorded
from common.projections import SHADOW, Table

from auditor.adapters.records import histories
from auditor.adapters.tables import CaseTable
from auditor.core.deciding import Story

_OBSERVED = {model.TYPE for model in BY_SERVICE["observer"]}


class CaseLines:
    """See `common.projections.Projection`. Documents, timers and jobs are no lines: they stay as they are."""

    schema = "auditor"
    tables: tuple[Table, ...] = (*TABLES, Table("cases", ("case_id",)))

    def __init__(self, ledger: Ledger) -> None:
        self._entities = EntityTables(self.schema, ledger, behind=True)
        self._cases = CaseTable(SHADOW)
        self.begin, self.stage, self.settle = self._entities.begin, self._entities.stage, self._entities.settle
        self.level = self._entities.level

    async def turn(self, conn: Connection) -> None:
        """The entity store's, which all handlers take."""
        await self._entities.turn(conn)

    async def fold(self, conn: Connection, batch: Sequence[Recorded], slot: int | None = None) -> None:
        await self._entities.fold(conn, batch, slot)
        others = (recorded.event for recorded in batch if recorded.content[0] not in _OBSERVED)
        cases = {event.caseid for event in others if event.caseid is not None}
        lines = []
        for case_id, history in (await histories(conn, sorted(cases))).items():
            try:
                story = Story.fold(case_id, [(recorded.position, recorded.event) for recorded in history])
            except Permanent:  # a spoilt case: the handlers pass it over, too, and say so
                continue
            if story.case.gap is not None:
                lines.append((story, history[-1].event))
        await self._cases.save(conn, lines)
