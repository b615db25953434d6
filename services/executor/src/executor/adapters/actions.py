"""The executor's count of actions, which the limits are checked against."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import date
from zoneinfo import ZoneInfo

from common.events.envelope import Event
from common.events.executor import ActionFailed, ActionIntended, ActionSucceeded, ActionUnknown
from common.ledger import Connection, Ledger

from executor.core.limits import Usage, realm_day

_STATES = {ActionSucceeded.TYPE: "succeeded", ActionFailed.TYPE: "failed", ActionUnknown.TYPE: "unknown"}
TYPES = (ActionIntended.TYPE, *_STATES)
_PAGE = 2_000


class ActionTable:
    """The count in `executor.actions`; see `ports.Actions`. With `prefix`: what is noted goes to the table whose name
    begins so (a rebuild)."""

    def __init__(self, prefix: str = "") -> None:
        self._table = f"executor.{prefix}actions"

    async def usage(self, conn: Connection, action: str, case_id: str, day: date) -> Usage:
        """How much of `action` counts against its limits. Takes the action's turn until the transaction ends, so that
        two workers can't both find the last place free."""
        key = int.from_bytes(hashlib.sha256(f"executor action {action}".encode()).digest()[:8], "big", signed=True)
        await conn.execute("SELECT pg_advisory_xact_lock($1)", key)
        row = await conn.fetchrow(
            "SELECT count(*) FILTER (WHERE case_id = $2), count(*) FILTER (WHERE realm_day = $3), "
            "count(*) FILTER (WHERE state = 'open') FROM executor.actions "
            "WHERE action = $1 AND state <> 'failed' AND (case_id = $2 OR realm_day = $3 OR state = 'open')",
            action,
            case_id,
            day,
        )
        return Usage(*row)

    async def note(self, conn: Connection, events: Sequence[Event], zone: ZoneInfo) -> None:
        """Take in execution events, in ledger order. Taking one in again changes nothing."""
        for event in events:
            if event.type == ActionIntended.TYPE:
                await conn.execute(
                    f"INSERT INTO {self._table} (intent, case_id, action, realm_day, state) "  # noqa: S608
                    "VALUES ($1, $2, $3, $4, 'open') ON CONFLICT DO NOTHING",
                    event.id,
                    event.caseid,
                    event.data["action"],
                    realm_day(event.asof, zone),
                )
            elif event.type in _STATES:
                # How an action ended is caused by its intention.
                await conn.execute(
                    f"UPDATE {self._table} SET state = $2 WHERE intent = $1",  # noqa: S608
                    event.causationid,
                    _STATES[event.type],
                )

    async def rebuild(self, conn: Connection, ledger: Ledger, zone: ZoneInfo) -> None:
        """Count again from the ledger, in the caller's transaction: what is stored is only a copy."""
        await conn.execute("DELETE FROM executor.actions")
        position = -1
        while page := await ledger.read_after(conn, position, _PAGE, source="executor", types=TYPES):
            await self.note(conn, [recorded.event for recorded in page], zone)
            position = page[-1].position
