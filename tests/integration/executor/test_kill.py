"""The executor as a process, killed by SIGKILL between intention and action, and between action and outcome."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cli.stack.realm import Realm
from executor.main import QUEUE
from support.drafting import authorised
from support.ground import Ground, casework, ground_of
from support.processes import ServiceProcess, until

pytestmark = [pytest.mark.integration, pytest.mark.kill]


@pytest.fixture(scope="module")
async def ground(realm: Realm) -> AsyncIterator[Ground]:
    async with ground_of(realm) as made:
        yield made


@pytest.mark.parametrize(("failpoint", "effects"), [("executor.after_intent", 0), ("executor.after_action", 1)])
async def test_a_killed_executor_goes_on_and_the_action_happens_once(
    ground: Ground, tmp_path: Path, failpoint: str, effects: int
) -> None:
    work = casework(failpoint.rpartition("_")[2])
    work.realm = ground.realm.name
    await ground.bring(authorised(work))
    service = ServiceProcess("executor", ground, tmp_path).start(f"{failpoint}=1")
    try:
        pool = ground.pools["executor"]
        await until(lambda: pool.fetchval("SELECT to_regclass('executor.jobs') IS NOT NULL"), service.log)
        async with pool.acquire() as conn, conn.transaction():
            await QUEUE.put(conn, [(work.id, "test")])
        assert await service.death() == -9
        assert (await ground.types(work.id))[-1] == "action.intended"
        assert len(await ground.requests(work.id)) == effects

        service.start()

        async def ended() -> bool:
            return (await ground.types(work.id))[-1] == "action.succeeded"

        await until(ended, service.log)
        assert len(await ground.requests(work.id)) == 1
        assert len(await ground.receipts(work.id)) == 1
        assert (await ground.types(work.id)).count("action.intended") == 1
    finally:
        service.stop()
