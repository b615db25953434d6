"""The composition root: wires the executor and runs it."""

from __future__ import annotations

import asyncio
from zoneinfo import ZoneInfo

from common.bus import Consumer
from common.clock import wall_now
from common.current import Current
from common.directory import WatchedDirectory
from common.entities import EntityStore
from common.errors import Permanent, Transient
from common.jobs import JobQueue, Nudge, work
from common.ledger import Connection, Ledger
from common.runtime import Parts, Runtime, Service, Task, run
from common.service_keys import signing_of
from common.subject_keys import subject_keys
from common.waiting import until_set

from executor import workers
from executor.adapters.actions import ActionTable
from executor.adapters.projection import Known
from executor.adapters.sql import SqlTargets
from executor.core.targets import without_address
from executor.handlers import Handlers
from executor.settings import ExecutorSettings, watched_targets
from executor.workers import Executor

NAME = "executor"
WAKE_S = 60.0
REALM_S = 0.2
QUEUE = JobQueue(NAME)
ACTIONS = ActionTable()


async def resume(conn: Connection, ledger: Ledger, current: Current) -> None:
    """Count the actions again, and put every case back in whose action was intended and has no outcome."""
    clock = await current.clock(conn)
    await ACTIONS.rebuild(conn, ledger, ZoneInfo(clock.timezone))
    open_cases = await conn.fetch("SELECT DISTINCT case_id FROM executor.actions WHERE state = 'open'")
    await QUEUE.put(conn, [(row["case_id"], "the executor started") for row in open_cases])
    await QUEUE.wake(conn)


async def compose(runtime: Runtime) -> Parts:
    """The executor over its real parts."""
    settings = runtime.settings
    assert isinstance(settings, ExecutorSettings)
    if settings.directory is None:
        raise Permanent("directory_missing", "TRUEUP_DIRECTORY does not say where the realm's directory is")
    directory = WatchedDirectory(settings.directory, settings.realm)
    current, nudge = Current(runtime.ledger, directory), Nudge()
    targets = watched_targets(settings.targets)
    keys = subject_keys(settings.subject_keys)
    executor = Executor(
        workers.Parts(
            pool=runtime.pool,
            ledger=runtime.ledger,
            current=current,
            store=EntityStore(NAME, keys),
            subject_keys=keys,
            queue=QUEUE,
            directory=directory,
            signing=signing_of(NAME, settings, wall_now()),
            targets=SqlTargets(targets),
            actions=ACTIONS,
        ),
        settings.lease_s,
    )
    ready = asyncio.Event()

    async def start(stop: asyncio.Event) -> None:
        """Once, as soon as there is a realm; then wake now and then what a wall clock's new day may let go on."""
        while not stop.is_set() and not await _there_is_a_realm(runtime, current):
            await until_set(stop, most_s=REALM_S)
        if not stop.is_set():
            async with runtime.pool.acquire() as conn, conn.transaction():
                await resume(conn, runtime.ledger, current)
            ready.set()
        while not stop.is_set():
            await until_set(stop, most_s=WAKE_S)
            async with runtime.pool.acquire() as conn, conn.transaction():
                await QUEUE.wake(conn)

    async def worker(stop: asyncio.Event) -> None:
        while not ready.is_set() and not stop.is_set():
            await nudge.wait()
        await work(runtime.pool, QUEUE, executor.look, nudge, settings.lease_s, stop)

    async def notes() -> list[str]:
        if not ready.is_set():
            return []
        async with runtime.pool.acquire() as conn:
            return without_address(await current.catalogue(conn), targets()) + current.refused

    handlers = Handlers(QUEUE, nudge)
    tasks: dict[str, Task] = {f"worker-{number}": worker for number in range(1, settings.workers + 1)}
    return Parts(
        consumers=[Consumer(("approvals",), handlers.approvals), Consumer(("declarations", "clock"), handlers.world)],
        tasks={"start": start, **tasks},
        notes=notes,
    )


async def _there_is_a_realm(runtime: Runtime, current: Current) -> bool:
    """Whether the approver has created the realm; at the first start of all, everybody waits for that."""
    try:
        async with runtime.pool.acquire() as conn:
            await current.clock(conn)
    except Transient as error:
        if error.reason_code != "realm_missing":
            raise
        return False
    return True


SERVICE = Service(
    name=NAME,
    compose=compose,
    settings=ExecutorSettings,
    title="Trueup executor",
    description="Carries out exactly what was approved, after checking everything itself.",
    projection=Known,
)

if __name__ == "__main__":
    run(SERVICE)
