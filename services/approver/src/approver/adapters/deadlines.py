"""When tickets and grants run out: timers of the approver's schema, one a case."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from common.ledger import Connection
from common.timers import Timer, Timers

NAME = "expiry"


class TimedDeadlines:
    """See `ports.Deadlines`."""

    def __init__(self, timers: Timers) -> None:
        self._timers = timers

    async def set(self, conn: Connection, due: Mapping[str, datetime | None]) -> None:
        over = [case for case, instant in due.items() if instant is None]
        if over:
            await self._timers.clear_all(conn, over, NAME)
        await self._timers.set(conn, [Timer(case, NAME, at) for case, at in due.items() if at is not None])
