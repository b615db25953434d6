"""Entities and cases, rebuilt from the ledger (`trueup ledger rebuild differ`)."""

from __future__ import annotations

from collections.abc import Sequence

from common.entities.projection import TABLES, EntityTables
from common.events import BY_SERVICE
from common.events.auditor import CaseClosed
from common.ledger import Connection, Ledger, Recorded
from common.projections import SHADOW, Table

from differ.adapters.records import LedgerRecords
from differ.adapters.tables import CaseTable
from differ.core.deciding import CaseKey

_OF_CASES = {CaseClosed.TYPE, *(model.TYPE for model in BY_SERVICE["differ"] if model.CATEGORY == "gap")}


class Known:
    """See `common.projections.Projection`. Reviews, timers and the clock say what is to be done: they stay.

    Of a case, why its selector can't be decided is nowhere in the ledger; nor are cases that never were any.
    """

    schema = "differ"
    tables: tuple[Table, ...] = (
        *TABLES,
        Table(
            "cases",
            ("desired_state", "key"),
            json=("gap",),
            kept=("selector_unknown", "exempt"),
            beyond="condition = 'none' AND stream_version = 0",
        ),
    )

    def __init__(self, ledger: Ledger) -> None:
        self._records = LedgerRecords(ledger)
        self._entities = EntityTables(self.schema, ledger, behind=False)
        self._cases = CaseTable(SHADOW)
        self.begin, self.stage, self.settle = self._entities.begin, self._entities.stage, self._entities.settle
        self.turn, self.level = self._entities.turn, self._entities.level

    async def fold(self, conn: Connection, batch: Sequence[Recorded], slot: int | None = None) -> None:
        await self._entities.fold(conn, batch, slot)
        keys = {key: None for recorded in batch if (key := _case(recorded)) is not None}
        await self._cases.save(conn, await self._records.folded(conn, {key: ("", key[1]) for key in keys}))


def _case(recorded: Recorded) -> CaseKey | None:
    """The case that a gap event, or the end of a case, is about."""
    if recorded.content[0] not in _OF_CASES:
        return None
    desired_state, key, _ = (recorded.event.caseid or "").rsplit("/", 2)
    return desired_state, key
