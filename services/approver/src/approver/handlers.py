"""What the approver does when something has happened. Each handler runs in one open transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from common.ledger import Connection, Recorded
from common.timers import Timer, Timers

from approver.desk import Desk
from approver.ports import Lines

CASE_TOPICS = ("gaps", "plans", "executions", "attestations")
CHUNK = 200


class Handlers:
    """`timers` are those of the approver's schema."""

    def __init__(self, desk: Desk, lines: Lines, timers: Timers) -> None:
        self._desk = desk
        self._lines = lines
        self._timers = timers

    async def cases(self, conn: Connection, batch: Sequence[Recorded]) -> None:
        """Something happened in these cases: a gap, a plan, an execution, a verification."""
        touched = {recorded.event.caseid for recorded in batch}
        await self._desk.review(conn, sorted(case for case in touched if case is not None))

    async def declarations(self, conn: Connection, _batch: Sequence[Recorded]) -> None:
        """Declarations became active: what was approved under the former ones may no longer hold."""
        await self.all_cases(conn)

    async def clock(self, conn: Connection, _batch: Sequence[Recorded]) -> None:
        """A replay clock moved: what ran out on the way does so now, each at its own instant."""
        situation = await self._desk.look(conn)
        if situation.clock.mode == "replay":
            await self._timers.fire_all(conn, situation.when.asof, self.expire)

    async def expire(self, conn: Connection, instant: datetime, due: Sequence[Timer]) -> None:
        """The time of these cases' tickets or grants ran out at `instant`."""
        await self._desk.expire(conn, [timer.subject for timer in due], instant)

    async def all_cases(self, conn: Connection) -> None:
        """Look at every open case again."""
        chunk = await self.chunk(conn, "")
        while len(chunk) == CHUNK:
            chunk = await self.chunk(conn, chunk[-1])

    async def chunk(self, conn: Connection, after: str) -> list[str]:
        """Look at the next `CHUNK` open cases after `after` again; which they were, in order."""
        cases = await self._lines.open_cases(conn, after, CHUNK)
        if cases:
            await self._desk.review(conn, cases)
        return cases
