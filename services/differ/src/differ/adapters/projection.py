"""Entities and cases, rebuilt from the ledger (`trueup ledger rebuild differ`)."""

from __future__ import annotations

from collections.abc import Sequence

from common.entities import EntityStore
from common.events.auditor import CaseClosed
from common.events.envelope import Event
from common.ledger import Connection, Ledger, Recorded
from common.projections import Table

from differ.adapters.records import LedgerRecords
from differ.adapters.tables import CaseTable
from differ.core.deciding import CaseKey


class Known:
    """See `common.projections.Projection`. Reviews, timers and the clock say what is to be done: they stay.

    Of a case, why its selector can't be decided is nowhere in the ledger; nor are cases that never were any.
    """

    schema = "differ"
    tables: tuple[Table, ...] = (
        Table("entities", ("entity_type", "key"), json=("row",)),
        Table("entity_links", ("entity_type", "through", "target", "key")),
        Table("snapshot_parts", ("feed", "entity_type", "snapshot", "part")),
        Table("complete_snapshots", ("feed", "entity_type")),
        Table("entity_progress", ("one",)),
        Table(
            "cases",
            ("desired_state", "key"),
            json=("gap",),
            kept=("selector_unknown",),
            beyond="condition = 'none' AND stream_version = 0",
        ),
    )

    def __init__(self, ledger: Ledger) -> None:
        self._records = LedgerRecords(ledger)

    async def turn(self, conn: Connection) -> None:
        """The entity store's, which all handlers take; the live links are then those of today's declarations."""
        catalogue, _ = await self._records.catalogue(conn)
        await EntityStore(self.schema).apply(conn, [], catalogue)

    async def fold(self, conn: Connection, prefix: str, batch: Sequence[Recorded]) -> None:
        catalogue, _ = await self._records.catalogue(conn)
        await EntityStore(self.schema, prefix=prefix).begin(conn)
        await EntityStore(self.schema, prefix=prefix).apply(conn, batch, catalogue)
        keys = {key: None for recorded in batch if (key := _case(recorded.event)) is not None}
        cases = [await self._records.fold(conn, key, ("", key[1])) for key in keys]
        await CaseTable(prefix).save(conn, cases)


def _case(event: Event) -> CaseKey | None:
    """The case that a gap event, or the end of a case, is about."""
    if event.caseid is None or not (event.source == "differ" or event.type == CaseClosed.TYPE):
        return None
    desired_state, key, _ = event.caseid.rsplit("/", 2)
    return desired_state, key
