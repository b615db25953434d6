"""The composition root: wires the planner and runs it."""

from __future__ import annotations

import asyncio

from common.bus import Consumer
from common.clock import wall_now
from common.current import Current
from common.directory import WatchedDirectory
from common.entities import EntityStore
from common.errors import Permanent
from common.jobs import JobQueue, Nudge, work
from common.runtime import Parts, Runtime, Service, Task, run
from common.service_keys import signing_of
from common.subject_keys import subject_keys

from planner import workers
from planner.adapters.playbook import PlaybookDrafter
from planner.adapters.projection import Known
from planner.adapters.tables import CaseTable
from planner.handlers import Handlers
from planner.settings import PlannerSettings
from planner.workers import Planner

NAME = "planner"
GATHER_S = 0.1
QUEUE = JobQueue(NAME)


async def compose(runtime: Runtime) -> Parts:
    """The planner over its real parts. Raises `Permanent` without a directory, or a key that is trusted."""
    settings = runtime.settings
    assert isinstance(settings, PlannerSettings)
    if settings.directory is None:
        raise Permanent("directory_missing", "TRUEUP_DIRECTORY does not say where the realm's directory is")
    nudge, signing = Nudge(), signing_of(NAME, settings, wall_now())
    directory = WatchedDirectory(settings.directory, settings.realm)
    async with runtime.pool.acquire() as conn, conn.transaction():
        await QUEUE.wake(conn)
    planner = Planner(
        workers.Parts(
            pool=runtime.pool,
            ledger=runtime.ledger,
            current=Current(runtime.ledger, directory),
            store=EntityStore(NAME, subject_keys(settings.subject_keys)),
            queue=QUEUE,
            drafter=PlaybookDrafter(),
            directory=directory,
            key=signing.key,
        )
    )

    async def worker(stop: asyncio.Event) -> None:
        await work(runtime.pool, QUEUE, planner.look, nudge, settings.lease_s, stop)

    handlers = Handlers(QUEUE, CaseTable(), nudge)
    tasks: dict[str, Task] = {f"worker-{number}": worker for number in range(1, settings.workers + 1)}
    return Parts(
        consumers=[
            Consumer(("gaps", "approvals", "attestations"), handlers.cases),
            Consumer(("declarations", "clock"), handlers.world),
        ],
        tasks=tasks,
        gather_s=GATHER_S,
    )


SERVICE = Service(
    name=NAME,
    compose=compose,
    settings=PlannerSettings,
    title="Trueup planner",
    description="Drafts one fix for a confirmed gap, with reasons and alternatives; it can do nothing else.",
    projection=Known,
)

if __name__ == "__main__":
    run(SERVICE)
