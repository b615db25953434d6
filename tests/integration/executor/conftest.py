"""The executor's worker on a realm of its own, with a target database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest
from cli.stack.realm import Realm
from common.current import Current
from common.runtime import install_schema
from executor import main as executor_main
from executor import workers
from executor.adapters.actions import ActionTable
from executor.adapters.sql import SqlTargets
from executor.ports import Targets
from executor.workers import Executor
from support import service_keys
from support.casework import people
from support.ground import Ground, ground_of


@pytest.fixture(scope="module")
async def ground(database: Realm) -> AsyncIterator[Ground]:
    async with ground_of(database) as made:
        await install_schema(made.pools["executor"], "executor")
        async with made.pools["executor"].acquire() as conn, conn.transaction():
            await executor_main.prepare(conn)
        yield made


@dataclass
class Site:
    """Where executors work. `look` is one worker's look at a case, as after a message."""

    ground: Ground
    parts: workers.Parts

    async def put(self, *cases: str) -> None:
        async with self.ground.pools["executor"].acquire() as conn, conn.transaction():
            await executor_main.QUEUE.put(conn, [(case, "test") for case in cases])

    async def look(self, case_id: str, targets: Targets | None = None) -> None:
        await self.put(case_id)
        await self.look_again(targets)

    async def look_again(self, targets: Targets | None = None) -> str:
        """Look at the case that has waited longest, and say which."""
        parts = replace(self.parts, targets=targets) if targets is not None else self.parts
        async with self.ground.pools["executor"].acquire() as conn:
            job = await executor_main.QUEUE.lease(conn, 60)
        assert job is not None, "nothing waits"
        await Executor(parts, 60).look(job)
        return job.case_id

    async def waits(self) -> bool:
        """Whether a worker would find something to look at now."""
        return (await executor_main.QUEUE.counts(self.ground.pools["executor"]))["waiting"] > 0


@pytest.fixture
async def site(ground: Ground) -> Site:
    async with ground.pools["executor"].acquire() as conn:
        await conn.execute("DELETE FROM executor.jobs")  # what an earlier test killed on purpose
    ledger = ground.ledger("executor")
    return Site(
        ground,
        workers.Parts(
            pool=ground.pools["executor"],
            ledger=ledger,
            current=Current(ledger),
            store=executor_main.STORE,
            queue=executor_main.QUEUE,
            directory=lambda: people()[0],
            signing=service_keys.signing_of("executor"),
            targets=SqlTargets({"ticketing": ground.target}),
            actions=ActionTable(),
            on_commit=lambda: None,
        ),
    )
