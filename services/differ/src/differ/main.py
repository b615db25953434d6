"""The composition root: wires the differ and runs it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from importlib import resources

from common.entities import EntityStore
from common.ledger import Connection, Ledger
from common.timers import Timers

from differ.adapters.records import LedgerRecords
from differ.adapters.tables import CaseTable, ClockTable, ReviewTable
from differ.handlers import Differ, Outside

SCHEMA = "differ"


async def prepare(conn: Connection) -> None:
    """Create what is missing of the differ's tables, as its own role."""
    await conn.execute(resources.files("differ").joinpath("schema.sql").read_text("utf-8"))
    await conn.execute(EntityStore(SCHEMA).ddl)
    await conn.execute(Timers(SCHEMA).ddl)


def assemble(ledger: Ledger, wall: Callable[[], datetime]) -> Differ:
    """The differ over real parts. `wall` is the wall clock."""
    return Differ(
        Outside(
            entities=EntityStore(SCHEMA),
            timers=Timers(SCHEMA),
            cases=CaseTable(),
            records=LedgerRecords(ledger),
            clock=ClockTable(ledger),
            reviews=ReviewTable(),
            wall=wall,
        )
    )
