"""Timers: things that must be looked at at an instant of the realm clock, with no message arriving.

They are rows of the service's own schema, written in the transaction of the decision that needs them, so that what
came due while the service was down fires when it starts again, each at its own instant, in order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from common.errors import Transient
from common.ledger import Connection

BATCH = 1_000
INSTANTS = 100
"""How many instants fire in one transaction at most, so that none lasts long and none commits for a single timer."""
LOOK_EVERY_S = 0.5
"""How late a timer fires at most that another transaction set while the task slept."""
ATTEMPTS = 6
BACKOFF_S = 0.05


@dataclass(frozen=True, slots=True)
class Timer:
    """Look at `subject` again at `instant` (aware). `name` tells the subject's timers apart."""

    subject: str
    name: str
    instant: datetime


Fire: TypeAlias = Callable[[Connection, datetime, Sequence[Timer]], Awaitable[None]]
"""Decides as of one instant for all timers of that instant, which are deleted already; it may set new ones."""


Step: TypeAlias = Callable[[Connection, datetime], Awaitable[int]]
"""Fires the earliest of what is due up to an instant, in order, in the caller's transaction; how many timers (0: none
is due)."""


class Timers:
    """The timers of one service. `schema` is the service's name and trusted: it becomes part of statements."""

    def __init__(self, schema: str) -> None:
        self._table = f"{schema}.timers"

    async def set(self, conn: Connection, timers: Iterable[Timer]) -> None:
        """Set each timer, or move it when it is set to another instant. The last of equal names counts."""
        rows = sorted({(t.subject, t.name): t.instant for t in timers}.items())
        if not rows:
            return
        await conn.execute(
            f"INSERT INTO {self._table} AS t (subject, name, instant) "  # noqa: S608
            "SELECT * FROM unnest($1::text[], $2::text[], $3::timestamptz[]) "
            "ON CONFLICT (subject, name) DO UPDATE SET instant = excluded.instant "
            "WHERE t.instant <> excluded.instant",
            [subject for (subject, _), _ in rows],
            [name for (_, name), _ in rows],
            [instant for _, instant in rows],
        )

    async def set_earlier(self, conn: Connection, timers: Iterable[Timer]) -> None:
        """As `set`, except that a timer which is due earlier already stays as it is.

        For looking again, not for deadlines as such: who looks too early sets it anew. It spares a write for every
        observation that moves the end of freshness on.
        """
        rows = sorted({(t.subject, t.name): t.instant for t in timers}.items())
        if not rows:
            return
        await conn.execute(
            f"INSERT INTO {self._table} AS t (subject, name, instant) "  # noqa: S608
            "SELECT u.s, u.n, u.i FROM unnest($1::text[], $2::text[], $3::timestamptz[]) AS u (s, n, i) "
            # OFFSET: for a thousand timers the server would read all there are.
            f"LEFT JOIN LATERAL (SELECT instant FROM {self._table} WHERE subject = u.s AND name = u.n OFFSET 0) k "
            "ON true WHERE k.instant IS NULL OR k.instant > u.i "
            "ON CONFLICT (subject, name) DO UPDATE SET instant = least(t.instant, excluded.instant)",
            [subject for (subject, _), _ in rows],
            [name for (_, name), _ in rows],
            [instant for _, instant in rows],
        )

    async def clear(self, conn: Connection, subject: str, name: str | None = None) -> None:
        """Forget one timer of `subject`, or all of them. Forgetting what is not set is no error."""
        await self.clear_all(conn, [subject], name)

    async def clear_all(self, conn: Connection, subjects: Sequence[str], name: str | None = None) -> None:
        """`clear` for many subjects in one statement."""
        await conn.execute(
            f"DELETE FROM {self._table} WHERE subject = ANY ($1::text[]) AND ($2::text IS NULL OR name = $2)",  # noqa: S608
            list(subjects),
            name,
        )

    async def due(self, conn: Connection, until: datetime, limit: int = BATCH) -> list[Timer]:
        """At most `limit` timers with an instant up to and including `until`, ascending."""
        rows = await conn.fetch(
            f"SELECT subject, name, instant FROM {self._table} WHERE instant <= $1 ORDER BY instant LIMIT $2",  # noqa: S608
            until,
            limit,
        )
        return _in_order(rows)

    async def due_among(
        self, conn: Connection, name: str, prefix: str, among: tuple[str, str | None], until: datetime, limit: int
    ) -> list[str]:
        """Of subjects that begin with `prefix` the first whose timer `name` has an instant up to and including
        `until`, without that prefix; `among`: those after the first, up to the second (None: all)."""
        after, last = among
        rows = await conn.fetch(
            f"SELECT subject FROM {self._table} WHERE name = $1 AND instant <= $2 AND starts_with(subject, $3) "  # noqa: S608
            "AND subject > $3 || $4 AND ($5::text IS NULL OR subject <= $3 || $5) ORDER BY subject LIMIT $6",
            name,
            until,
            prefix,
            after,
            last,
            limit,
        )
        return [str(row[0]).removeprefix(prefix) for row in rows]

    async def next(self, conn: Connection) -> datetime | None:
        """The earliest instant of all timers, None when none is set."""
        moment: datetime | None = await conn.fetchval(f"SELECT min(instant) FROM {self._table}")  # noqa: S608
        return moment

    async def next_of(self, conn: Connection, subject: str) -> datetime | None:
        """The earliest instant of one subject's timers, None when none is set."""
        # OFFSET: the server must go by the subject, not through all instants until it meets the subject.
        rows = f"SELECT instant FROM {self._table} WHERE subject = $1 OFFSET 0"  # noqa: S608
        moment: datetime | None = await conn.fetchval(f"SELECT min(instant) FROM ({rows}) AS own", subject)  # noqa: S608
        return moment

    async def take(
        self, conn: Connection, until: datetime, limit: int = BATCH, since: datetime | None = None
    ) -> list[Timer]:
        """Delete and return due timers, ascending: as `due`, and nobody else takes them (in one transaction).

        `since`: leave alone what is due before it. Who takes again and again in one transaction gives the instant
        that it has come to: the server would look over all that was taken before.
        """
        rows = await conn.fetch(
            f"WITH due AS (SELECT subject, name FROM {self._table} WHERE instant <= $1 "  # noqa: S608
            "AND instant >= coalesce($3, '-infinity'::timestamptz) "
            "ORDER BY instant LIMIT $2 FOR UPDATE) "
            f"DELETE FROM {self._table} AS t USING due WHERE t.subject = due.subject AND t.name = due.name "
            "RETURNING t.subject, t.name, t.instant",
            until,
            limit,
            since,
        )
        return _in_order(rows)

    async def fire_next(self, conn: Connection, until: datetime, fire: Fire, limit: int = BATCH) -> int:
        """Fire the earliest instant that is due, in the caller's transaction; returns how many timers fired.

        At most `limit` of one instant fire at once; the rest of it is due the next time. What `fire` sets for an
        instant that is due too fires later, in order.
        """
        first = await self.next(conn)
        if first is None or first > until:
            return 0
        taken = await self.take(conn, first, limit)
        if taken:
            await fire(conn, first, taken)
        return len(taken)

    def firing(self, fire: Fire) -> Step:
        """Fires instant by instant: each finds what the ones before it have set, moved and cleared."""

        async def step(conn: Connection, until: datetime) -> int:
            fired = 0
            for _ in range(INSTANTS):
                count = await self.fire_next(conn, until, fire)
                fired += count
                if not count or fired >= BATCH:
                    break
            return fired

        return step

    async def fire_all(self, conn: Connection, until: datetime, fire: Fire) -> int:
        """Fire everything due up to `until`, instant by instant, in the caller's one transaction (a replay clock
        that moved). `fire` must not set timers at or before its own instant, or this never ends."""
        fired = 0
        while count := await self.fire_next(conn, until, fire):
            fired += count
        return fired


def _in_order(rows: Iterable[Any]) -> list[Timer]:
    return sorted((Timer(*row) for row in rows), key=lambda timer: (timer.instant, timer.subject, timer.name))


class WallTimers:
    """Fires timers as the wall clock reaches them: the background task of a service in a wall realm.

    `step` fires some of what is due in a transaction of its own, again and again until nothing is; what came due
    while the service was down fires first, each as of its own instant. A `Transient` error is tried again, a bounded
    number of times; then, and after any other error, `run` ends with it, having rolled back.
    """

    def __init__(self, pool: Any, timers: Timers, step: Step, now: Callable[[], datetime]) -> None:
        self._pool = pool
        self._timers = timers
        self._step = step
        self._now = now

    async def fire_due(self) -> int:
        """Fire all that is due now; returns how many timers fired."""
        fired = 0
        while count := await self._fire_some():
            fired += count
        return fired

    async def _fire_some(self) -> int:
        for attempt in range(ATTEMPTS):
            try:
                async with self._pool.acquire() as conn, conn.transaction():
                    return await self._step(conn, self._now())
            except Transient:
                if attempt + 1 == ATTEMPTS:
                    raise
                await asyncio.sleep(BACKOFF_S * 2**attempt)
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def run(self) -> None:
        """Until cancelled: fire what is due, sleep until the next one, at most `LOOK_EVERY_S`."""
        while True:
            await self.fire_due()
            upcoming = await self._timers.next(self._pool)
            left_s = LOOK_EVERY_S if upcoming is None else (upcoming - self._now()).total_seconds()
            await asyncio.sleep(min(LOOK_EVERY_S, max(0.0, left_s)))

    async def run_until(self, stop: asyncio.Event) -> None:
        """`run` until `stop` is set. Raises what `run` raises."""
        tasks = [asyncio.create_task(self.run()), asyncio.create_task(stop.wait())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if tasks[0].done():
                await tasks[0]
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
