"""Durable work on cases: one row a case, leased to one worker at a time, in a service's own schema.

Handlers only put cases in; workers take them out and look at the whole case, so that ten hints about one case are
one piece of work. A worker that dies loses its lease after a while, and another one takes the case.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

from common.errors import Transient
from common.ledger import CLOCK_OFF, Connection
from common.ledger.progress import set_pending

MOST_ATTEMPTS = 6
SHORTEST_LOOK_S = 0.01
LONGEST_LOOK_S = 1.0
_LATER_S, _LONGEST_LATER_S = 0.2, 10.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """One case to look at. `attempts` counts this one; `generation` tells whether hints came in since."""

    case_id: str
    reason: str
    attempts: int
    generation: int
    token: str


class JobQueue:
    """`service` is the schema and trusted: it becomes part of statements.

    Every method works in the caller's transaction and keeps `ledger.work` true: what is neither done nor parked is
    pending. Within one transaction touch jobs before appending to the ledger.
    """

    def __init__(self, service: str) -> None:
        self._service = service
        self._table = f"{service}.jobs"

    async def put(self, conn: Connection, cases: Iterable[tuple[str, str]]) -> None:
        """Ask for a look at each case, for a reason in words. A case that waits already is looked at once; one
        that is being looked at is looked at again; one that is parked is taken up."""
        asked = sorted(dict(cases).items())
        if not asked:
            return
        await conn.execute(
            f"INSERT INTO {self._table} AS j (case_id, reason) SELECT * FROM unnest($1::text[], $2::text[]) "  # noqa: S608
            "ON CONFLICT (case_id) DO UPDATE SET generation = j.generation + 1, reason = excluded.reason, "
            "parked = NULL, not_before = clock_timestamp()",
            [case_id for case_id, _ in asked],
            [reason for _, reason in asked],
        )
        await self.recount(conn)

    async def lease(self, conn: Connection, lease_s: float) -> Job | None:
        """Take the case that has waited longest, for `lease_s` seconds; None when none is free."""
        token = secrets.token_hex(8)
        row = await conn.fetchrow(
            f"UPDATE {self._table} SET token = $1, attempts = attempts + 1, "  # noqa: S608
            "leased_until = clock_timestamp() + make_interval(secs => $2) WHERE case_id = ("
            f"SELECT case_id FROM {self._table} WHERE parked IS NULL AND not_before <= clock_timestamp() "
            "AND (leased_until IS NULL OR leased_until < clock_timestamp()) "
            "ORDER BY put_at, case_id LIMIT 1 FOR UPDATE SKIP LOCKED) "
            "RETURNING case_id, reason, attempts, generation",
            token,
            lease_s,
        )
        if row is None:
            return None
        return Job(row["case_id"], row["reason"], row["attempts"], row["generation"], token)

    async def renew(self, conn: Connection, job: Job, lease_s: float) -> None:
        """Keep the case for another `lease_s` seconds. Raises `Transient` (`lease_lost`): put it before what only
        the one worker who has the case may do, in the same transaction."""
        kept = await conn.fetchval(
            f"UPDATE {self._table} SET leased_until = clock_timestamp() + make_interval(secs => $3) "  # noqa: S608
            "WHERE case_id = $1 AND token = $2 RETURNING 1",
            job.case_id,
            job.token,
            lease_s,
        )
        if kept is None:
            raise Transient("lease_lost", f"another worker has {job.case_id} by now")

    async def done(self, conn: Connection, job: Job) -> None:
        """The case was looked at. Raises `Transient` (`lease_lost`) when somebody else has it by now."""
        gone = await conn.fetchval(
            f"DELETE FROM {self._table} WHERE case_id = $1 AND token = $2 AND generation = $3 RETURNING 1",  # noqa: S608
            job.case_id,
            job.token,
            job.generation,
        )
        if gone is None:
            await self._free(conn, job, "attempts = 0")
        await self.recount(conn)

    async def park(self, conn: Connection, job: Job, why: str) -> None:
        """Nothing can be done until somebody puts the case in again or wakes what waits for `why`."""
        await self._free(
            conn, job, "attempts = 0, parked = CASE WHEN generation = $3 THEN $4 END", job.generation, why
        )
        await self.recount(conn)

    async def later(self, conn: Connection, job: Job, after_s: float, error: str) -> None:
        """Look again in `after_s` seconds; the attempts so far count."""
        await self._free(
            conn, job, "not_before = clock_timestamp() + make_interval(secs => $3), error = $4", after_s, error
        )

    async def wake(self, conn: Connection) -> None:
        """Look again at every parked case. One that is just being put in needs no waking, and is not waited for."""
        woken = await conn.fetch(
            f"UPDATE {self._table} SET parked = NULL, generation = generation + 1, not_before = clock_timestamp() "  # noqa: S608
            f"WHERE case_id IN (SELECT case_id FROM {self._table} WHERE parked IS NOT NULL FOR UPDATE SKIP LOCKED) "
            "RETURNING 1"
        )
        if woken:
            await self.recount(conn)

    async def counts(self, conn: Connection) -> dict[str, int]:
        """How many cases wait, and how many are parked."""
        row = await conn.fetchrow(
            f"SELECT count(*) FILTER (WHERE parked IS NULL) AS waiting, count(parked) AS parked FROM {self._table}"  # noqa: S608
        )
        return dict(row)

    async def recount(self, conn: Connection) -> None:
        """Say in `ledger.work` how many cases are pending. The row is locked first: whoever changes jobs takes
        turns from there to its commit, and so counts what the others did."""
        await conn.execute(
            "INSERT INTO ledger.work AS w (service, pending) VALUES ($1, 0) "
            "ON CONFLICT (service) DO UPDATE SET pending = w.pending",
            self._service,
        )
        pending = await conn.fetchval(f"SELECT count(*) FROM {self._table} WHERE parked IS NULL")  # noqa: S608
        await set_pending(conn, self._service, pending)

    async def _free(self, conn: Connection, job: Job, change: str, *values: object) -> None:
        freed = await conn.fetchval(
            f"UPDATE {self._table} SET token = NULL, leased_until = NULL, {change} "  # noqa: S608
            "WHERE case_id = $1 AND token = $2 RETURNING 1",
            job.case_id,
            job.token,
            *values,
        )
        if freed is None:
            raise Transient("lease_lost", f"another worker has {job.case_id} by now")


class Nudge:
    """Wakes workers that would otherwise look rarely: the shortest look after news, ever longer ones without."""

    def __init__(self) -> None:
        self._news = asyncio.Event()
        self._look_s = SHORTEST_LOOK_S

    def __call__(self) -> None:
        """There may be work, now or as soon as the transaction that tells so commits."""
        self._look_s = SHORTEST_LOOK_S
        self._news.set()

    async def wait(self) -> None:
        """Until there is news, or it is time to look anyway."""
        self._news.clear()
        try:
            async with asyncio.timeout(self._look_s):
                await self._news.wait()
        except TimeoutError:
            self._look_s = min(self._look_s * 2, LONGEST_LOOK_S)

    @contextlib.asynccontextmanager
    async def at(self, event: asyncio.Event) -> AsyncIterator[None]:
        """Meanwhile `event` is news: who waits for work keeps nobody waiting who stops the service."""

        async def nudge() -> None:
            await event.wait()
            self()

        waiting = asyncio.create_task(nudge())
        try:
            yield
        finally:
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)

    async def calm(self, for_s: float, most_s: float, busy: Callable[[], bool] = lambda: False) -> None:
        """Until there was no news for `for_s` seconds and nobody is `busy`, at most for `most_s`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(most_s):
                while True:
                    self._news.clear()
                    try:
                        async with asyncio.timeout(for_s):
                            await self._news.wait()
                    except TimeoutError:
                        if not busy():
                            return


async def try_again(pool: Any, queue: JobQueue, job: Job, error: Exception) -> None:
    """End a look that failed in a way that may pass: look again with growing pauses, and park the case, saying so,
    when that has failed too often. A clock that is off is waited for: it gets right again without anything coming in.
    """
    _log.warning("%s: %s; attempt %d of %d", job.case_id, error, job.attempts, MOST_ATTEMPTS)
    code = error.reason_code if isinstance(error, Transient) else ""
    if code == "lease_lost":
        return
    async with pool.acquire() as conn, conn.transaction():
        if job.attempts >= MOST_ATTEMPTS and code != CLOCK_OFF:
            await queue.park(conn, job, f"gave up after {job.attempts} attempts: {error}"[:500])
        else:
            pause = min(_LATER_S * 2 ** min(job.attempts, 10), _LONGEST_LATER_S)
            await queue.later(conn, job, pause, str(error)[:500])


async def work(
    pool: Any,
    queue: JobQueue,
    look: Callable[[Job], Awaitable[None]],
    nudge: Nudge,
    lease_s: float,
    stop: asyncio.Event,
) -> None:
    """Until `stop` is set: lease a case and `look` at it, one after the other, keeping the lease while that takes.

    `look` must end the job (`done`, `park` or `later`). What it raises ends this; the lease then runs out by itself.
    """
    async with nudge.at(stop):
        while not stop.is_set():
            await _work_once(pool, queue, look, nudge, lease_s)


async def _work_once(
    pool: Any, queue: JobQueue, look: Callable[[Job], Awaitable[None]], nudge: Nudge, lease_s: float
) -> None:
    async with pool.acquire() as conn:
        job = await queue.lease(conn, lease_s)
    if job is None:
        await nudge.wait()
        return
    keeping = asyncio.create_task(_keep(pool, queue, job, lease_s))
    try:
        await look(job)
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)


async def _keep(pool: Any, queue: JobQueue, job: Job, lease_s: float) -> None:
    """Renew the lease until cancelled. A renewal that fails is not tried again: the fence in `look` notices."""
    while True:
        await asyncio.sleep(lease_s / 3)
        async with pool.acquire() as conn:
            await queue.renew(conn, job, lease_s)
