"""Entities and the lines of cases, rebuilt from the ledger (`trueup ledger rebuild approver`)."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from common.cases import Case
from common.directory import Directory
from common.entities.projection import TABLES, EntityTables
from common.errors import Permanent
from common.events import BY_SERVICE
from common.ledger import Connection, Ledger, Recorded
from common.projections import SHADOW, Table
from common.service_keys import ServiceKeys

from approver.adapters.lines import PostgresLines
from approver.adapters.records import cases_of
from approver.core.lines import line
from approver.core.surroundings import Surroundings

_OBSERVED = {model.TYPE for model in BY_SERVICE["observer"]}
_log = logging.getLogger(__name__)


class Lists:
    """See `common.projections.Projection`. Timers say what is to be done: they stay.

    For whom a case waits is also a matter of the directory, which is no part of the ledger, and what is shown beside
    it one of the day it was last looked at: `people` and `body` are taken over. A line that is not there is made with
    nobody in it; the approver fills it in when it looks at the case again, at its next start at the latest.
    """

    schema = "approver"
    tables: tuple[Table, ...] = (
        *TABLES,
        Table("cases", ("case_id",), kept=("people", "body")),
        Table("tasks", ("case_id", "step"), kept=("body",)),
    )

    def __init__(self, ledger: Ledger) -> None:
        self._entities = EntityTables(self.schema, ledger, behind=True)
        self._lines = PostgresLines(SHADOW)
        self.begin, self.stage, self.settle = self._entities.begin, self._entities.stage, self._entities.settle
        self.turn, self.level = self._entities.turn, self._entities.level

    async def fold(self, conn: Connection, batch: Sequence[Recorded], slot: int | None = None) -> None:
        await self._entities.fold(conn, batch, slot)
        others = (recorded.event for recorded in batch if recorded.content[0] not in _OBSERVED)
        cases = sorted({event.caseid for event in others if event.caseid is not None})
        if not cases:
            return
        catalogue = await self._entities.current.catalogue(conn)
        around = Surroundings(catalogue, Directory.of("", ()), ServiceKeys.of("", ()), {})
        lines = []
        for name, items in (await cases_of(conn, cases)).items():
            try:
                case = Case.fold(name, ((item.position, item.event) for item in items))
                made = line(case, items[0].event.asof, around)
            except Permanent as error:  # the approver passes it over, too
                _log.error("%s is passed over, nothing can be decided in it: %s", name, error)
                continue
            lines += [made] if made is not None else []
        await self._lines.write(conn, lines)
