"""The planner's worker on a realm of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest
from cli.stack.realm import Realm
from common.current import Current
from common.jobs import Job
from common.runtime import install_schema
from planner import main as planner_main
from planner import workers
from planner.adapters.playbook import PlaybookDrafter
from planner.ports import Drafter
from planner.workers import Planner
from support import service_keys
from support.ground import Ground, ground_of


@pytest.fixture(scope="module")
async def ground(database: Realm) -> AsyncIterator[Ground]:
    async with ground_of(database) as made:
        await install_schema(made.pools["planner"], "planner")
        async with made.pools["planner"].acquire() as conn, conn.transaction():
            await planner_main.prepare(conn)
        yield made


@dataclass
class Site:
    """Where planners work. `look` is one worker's look at a case, as after a message."""

    ground: Ground
    parts: workers.Parts

    async def put(self, *cases: str) -> None:
        async with self.ground.pools["planner"].acquire() as conn, conn.transaction():
            await planner_main.QUEUE.put(conn, [(case, "test") for case in cases])

    async def lease(self, lease_s: float = 60) -> Job | None:
        async with self.ground.pools["planner"].acquire() as conn:
            return await planner_main.QUEUE.lease(conn, lease_s)

    def planner(self, drafter: Drafter | None = None) -> Planner:
        return Planner(replace(self.parts, drafter=drafter) if drafter is not None else self.parts)

    async def look(self, case_id: str, drafter: Drafter | None = None) -> None:
        await self.put(case_id)
        job = await self.lease()
        assert job is not None
        await self.planner(drafter).look(job)


@pytest.fixture
async def site(ground: Ground) -> Site:
    async with ground.pools["planner"].acquire() as conn:
        await conn.execute("DELETE FROM planner.jobs")
    ledger = ground.ledger("planner")
    return Site(
        ground,
        workers.Parts(
            pool=ground.pools["planner"],
            ledger=ledger,
            current=Current(ledger),
            store=planner_main.STORE,
            queue=planner_main.QUEUE,
            drafter=PlaybookDrafter(),
            key=lambda: service_keys.key("planner"),
            on_commit=lambda: None,
        ),
    )
