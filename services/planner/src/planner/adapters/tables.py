"""The planner's own table of cases."""

from __future__ import annotations

from collections.abc import Iterable

from common.events import Event
from common.events.approver import GapConfirmed
from common.events.auditor import CaseClosed
from common.events.differ import GapOpened, GapUndecided
from common.ledger import Connection


class CaseTable:
    """See `ports.Cases`. With `prefix`: the table whose name begins so (a rebuild)."""

    TYPES = frozenset({GapOpened.TYPE, GapUndecided.TYPE, CaseClosed.TYPE})

    def __init__(self, prefix: str = "") -> None:
        self._table = f"planner.{prefix}cases"

    async def note(self, conn: Connection, events: Iterable[Event]) -> None:
        opened: dict[str, str] = {}
        closed: set[str] = set()
        for event in events:
            if event.type == CaseClosed.TYPE:
                closed.add(event.caseid or "")
            elif event.type in self.TYPES and event.caseid is not None:
                opened[event.caseid] = event.data["desired_state"]
        if opened:
            await conn.execute(
                f"INSERT INTO {self._table} (case_id, desired_state) "  # noqa: S608
                "SELECT * FROM unnest($1::text[], $2::text[]) ON CONFLICT DO NOTHING",
                list(opened),
                list(opened.values()),
            )
        if closed:
            await conn.execute(f"DELETE FROM {self._table} WHERE case_id = ANY ($1::text[])", list(closed))  # noqa: S608

    async def all(self, conn: Connection) -> list[str]:
        rows = await conn.fetch(f"SELECT case_id FROM {self._table}")  # noqa: S608
        return [row["case_id"] for row in rows]

    async def confirmed(self, conn: Connection, cases: Iterable[str]) -> set[str]:
        wanted = sorted(cases)
        if not wanted:
            return set()
        rows = await conn.fetch(
            "SELECT DISTINCT case_id FROM ledger.events WHERE case_id = ANY ($1::text[]) AND type = $2",
            wanted,
            GapConfirmed.TYPE,
        )
        return {row["case_id"] for row in rows}
