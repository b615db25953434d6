"""The composition root: wires the differ and runs it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeVar

from common.bus import Consumer
from common.clock import wall_now
from common.entities import EntityStore
from common.entities.proposed import ProposedStore
from common.errors import Transient
from common.jobs import Nudge
from common.ledger import Connection, Ledger, Recorded
from common.runtime import Parts, Runtime, Service, run
from common.subject_keys import SubjectKeys, subject_keys
from common.timers import Timers, WallTimers

from differ.adapters.lease import Lease
from differ.adapters.objectives import ObjectiveTable
from differ.adapters.projection import Known
from differ.adapters.records import LedgerRecords
from differ.adapters.tables import CaseTable, ClockTable, ReviewTable
from differ.api import notes, router
from differ.handlers import Differ
from differ.ports import Outside
from differ.settings import DifferSettings
from differ.workers import Previewer

NAME = "differ"
REALM_LOOK_S = 0.5
MEASURE_EVERY_S, MEASURE_AFTER_S = 0.05, 0.03
"""How long objectives that must be measured wait at most, and after what is handled last; both longer under load."""
QUIET_MOST_S = 0.15
"""However long measuring takes: what comes in batches from one client comes sooner one after the other."""
REST = 9
"""For how many times as long as measuring took nothing is measured after it, as long as more comes."""
T = TypeVar("T")
_log = logging.getLogger(__name__)


def assemble(ledger: Ledger, wall: Callable[[], datetime], keys: SubjectKeys | None = None) -> Differ:
    """The differ over real parts. `wall` is the wall clock."""
    return Differ(
        Outside(
            entities=EntityStore(NAME, keys),
            timers=Timers(NAME),
            cases=CaseTable(),
            records=LedgerRecords(ledger),
            clock=ClockTable(ledger),
            reviews=ReviewTable(),
            objectives=ObjectiveTable(),
            wall=wall,
        )
    )


def previewer(ledger: Ledger, wall: Callable[[], datetime], keys: SubjectKeys | None = None) -> Previewer:
    """What works out what proposals would change, over real parts."""
    records = LedgerRecords(ledger)
    return Previewer(records, records, ClockTable(ledger), lambda known: ProposedStore(NAME, known, keys), wall)


async def compose(runtime: Runtime) -> Parts:
    """The differ's parts. Waits until no other instance is active."""
    lease = Lease(runtime.settings.database_url.get_secret_value(), NAME)
    if not await lease.take(runtime.stop):
        return Parts(close=lease.release)
    keys = subject_keys(runtime.settings.subject_keys)
    differ = assemble(runtime.ledger, wall_now, keys)
    nudge, proposed = Nudge(), Nudge()
    duties = _Duties(runtime, differ, nudge)
    previews = _Previews(runtime, previewer(runtime.ledger, wall_now, keys), proposed)

    async def state(conn: Connection, batch: Sequence[Recorded]) -> None:
        with duties.held_up():
            if await differ.on_state(conn, batch) or differ.measures:
                nudge()

    async def declarations(conn: Connection, batch: Sequence[Recorded]) -> None:
        await differ.on_declarations(conn, batch)
        nudge()
        proposed()

    async def attestations(conn: Connection, batch: Sequence[Recorded]) -> None:
        if await differ.on_attestations(conn, batch) and differ.measures:
            nudge()

    return Parts(
        consumers=[
            Consumer(("state",), state),
            Consumer(("declarations",), declarations),
            Consumer(("attestations",), attestations),
            Consumer(("clock",), differ.on_clock),
        ],
        tasks={
            "lease": lease.keep,
            "reviews": duties.reviews,
            "deadlines": duties.deadlines,
            "previews": previews.run_until,
        },
        routers=[router(runtime.pool, differ)],
        notes=lambda: notes(runtime.pool, differ),
        close=lease.release,
    )


class _Previews:
    """Says what each proposal would change, the newest first."""

    def __init__(self, runtime: Runtime, previewer: Previewer, nudge: Nudge) -> None:
        self._runtime, self._previewer, self._nudge = runtime, previewer, nudge

    async def run_until(self, stop: asyncio.Event) -> None:
        """Until told to stop: look for a proposal, work it out, say it."""
        async with self._nudge.at(stop):
            while not stop.is_set():
                try:
                    if await self._one():
                        continue
                except Transient as error:  # another instance said it, or there is no realm yet
                    _log.info("what a proposal would change is worked out again: %s", error)
                await self._nudge.wait()

    async def _one(self) -> bool:
        pool, previewer = self._runtime.pool, self._previewer
        async with pool.acquire() as conn, conn.transaction():
            task = await previewer.find(conn)
        if task is None:
            return False
        async with pool.acquire() as conn, conn.transaction(isolation="repeatable_read", readonly=True):
            asof, states = await previewer.work_out(conn, task)
        async with pool.acquire() as conn, conn.transaction():
            await previewer.say(conn, task, asof, states)
        return True


class _Duties:
    """What the differ does beside messages."""

    def __init__(self, runtime: Runtime, differ: Differ, nudge: Nudge) -> None:
        self._runtime = runtime
        self._differ = differ
        self._nudge = nudge
        self._in_hand = 0

    @contextmanager
    def held_up(self) -> Iterator[None]:
        """Meanwhile a batch is in hand: what is to be measured isn't all there yet."""
        self._in_hand += 1
        try:
            yield
        finally:
            self._in_hand -= 1

    async def reviews(self, stop: asyncio.Event) -> None:
        """Look at whole populations, a part at a time, after a declaration changed; measure those that changed."""
        if await self._realm(stop):
            await self._transact(self._differ.plan_reviews)
        took, ended = 0.0, time.monotonic()
        async with self._nudge.at(stop):
            while not stop.is_set():
                if await self._transact(self._differ.review):
                    continue
                # A batch rarely comes alone. Under load everything that came meanwhile is measured at once, for a
                # tenth of the time; as soon as nothing comes any more there is nothing to wait for.
                rested = time.monotonic() - ended >= REST * took
                quiet_s = MEASURE_AFTER_S if rested else max(MEASURE_AFTER_S, min(took, QUIET_MOST_S))
                await self._nudge.calm(quiet_s, max(MEASURE_EVERY_S, REST * took), lambda: self._in_hand > 0)
                if (measured := await self._measured()) is None:
                    await self._nudge.wait()
                else:
                    took, ended = measured, time.monotonic()

    async def _measured(self) -> float | None:
        """Measure what has changed. How many seconds that took, from when it had its turn; None: nothing had."""
        async with self._runtime.pool.acquire() as conn, conn.transaction():
            if not await self._differ.measurable(conn):
                return None
            began = time.monotonic()
            await self._differ.measure(conn)
        return time.monotonic() - began

    async def deadlines(self, stop: asyncio.Event) -> None:
        """On a wall clock, fire what comes due; a replay clock's timers fire when it moves."""
        if await self._realm(stop) != "wall":
            await stop.wait()
            return
        runtime = self._runtime
        timers = WallTimers(runtime.pool, Timers(NAME), self._differ.fire_due, wall_now)
        await timers.run_until(stop)

    async def _realm(self, stop: asyncio.Event) -> str:
        """The realm clock's mode, as soon as the approver has created the realm; "" when told to stop before."""
        while not stop.is_set():
            try:
                return await self._transact(self._differ.mode)
            except Transient as error:
                if error.reason_code != "realm_missing":
                    raise
            await asyncio.sleep(REALM_LOOK_S)
        return ""

    async def _transact(self, work: Callable[[Any], Awaitable[T]]) -> T:
        async with self._runtime.pool.acquire() as conn, conn.transaction():
            return await work(conn)


SERVICE = Service(
    name=NAME,
    compose=compose,
    settings=DifferSettings,
    projection=Known,
    title="Trueup differ",
    description="Finds where reality and the declared desired state differ, and opens and closes gaps.",
)

if __name__ == "__main__":
    run(SERVICE)
