"""The line of each case, rebuilt from the ledger (`trueup ledger rebuild auditor`)."""

from __future__ import annotations

from collections.abc import Sequence

from common.errors import Permanent
from common.ledger import Connection, Recorded
from common.projections import Table

from auditor.adapters.records import histories
from auditor.adapters.tables import CaseTable
from auditor.core.deciding import Story


class CaseLines:
    """See `common.projections.Projection`. Documents, timers and jobs are no lines: they stay as they are."""

    schema = "auditor"
    tables: tuple[Table, ...] = (Table("cases", ("case_id",)),)

    async def turn(self, conn: Connection) -> None:
        """Handlers take none: each folds its case anew, and the tables' lock keeps them out."""

    async def fold(self, conn: Connection, prefix: str, batch: Sequence[Recorded]) -> None:
        cases = {event.caseid for event in (recorded.event for recorded in batch) if event.caseid is not None}
        lines = []
        for case_id, history in (await histories(conn, sorted(cases))).items():
            try:
                story = Story.fold(case_id, [(recorded.position, recorded.event) for recorded in history])
            except Permanent:  # a spoilt case: the handlers pass it over, too, and say so
                continue
            if story.case.gap is not None:
                lines.append((story, history[-1].event))
        await CaseTable(prefix).save(conn, lines)
