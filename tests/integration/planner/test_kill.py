"""The planner as a process, killed by SIGKILL with a draft in its hands."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cli.stack.realm import Realm
from planner.main import QUEUE
from support.ground import Ground, casework, ground_of
from support.processes import ServiceProcess, until

pytestmark = [pytest.mark.integration, pytest.mark.kill]


@pytest.fixture(scope="module")
async def ground(realm: Realm) -> AsyncIterator[Ground]:
    async with ground_of(realm) as made:
        yield made


async def test_a_killed_planners_case_is_drafted_once_by_the_next_process(ground: Ground, tmp_path: Path) -> None:
    work = casework("K-1")
    work.realm = ground.realm.name
    work.open_gap()
    work.confirm()
    await ground.bring(work)
    service = ServiceProcess("planner", ground, tmp_path).start("planner.before_append=1")
    try:
        pool = ground.pools["planner"]
        await until(lambda: pool.fetchval("SELECT to_regclass('planner.jobs') IS NOT NULL"), service.log)
        async with pool.acquire() as conn, conn.transaction():
            await QUEUE.put(conn, [(work.id, "test")])
        assert await service.death() == -9
        assert "plan.drafted" not in await ground.types(work.id)
        assert await ground.pending("planner") == 1  # nothing is lost: the case still waits

        service.start()

        async def drafted() -> bool:
            return "plan.drafted" in await ground.types(work.id) and not await ground.pending("planner")

        await until(drafted, service.log)
        assert (await ground.types(work.id)).count("plan.drafted") == 1
    finally:
        service.stop()
