"""The executor's worker on a realm of its own, with a target database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest
from cli.stack.realm import Realm
from common.current import Current
from common.entities import EntityStore
from executor import main as executor_main
from executor import workers
from executor.adapters.actions import ActionTable
from executor.adapters.sql import SqlTargets
from executor.ports import Targets
from executor.workers import Executor
from support import service_keys
from support.casework import people
from support.ground import Ground, ground_of
from support.workplace import Workplace


@pytest.fixture(scope="module")
async def ground(database: Realm) -> AsyncIterator[Ground]:
    async with ground_of(database) as made:
        yield made


@dataclass
class Site(Workplace[workers.Parts]):
    """Where executors work. `look` is one worker's look at a case, as after a message."""

    async def look(self, case_id: str, targets: Targets | None = None) -> None:
        await self.put(case_id)
        await self.look_again(targets)

    async def look_again(self, targets: Targets | None = None) -> str:
        """Look at the case that has waited longest, and say which."""
        parts = replace(self.parts, targets=targets) if targets is not None else self.parts
        job = await self.lease()
        assert job is not None, "nothing waits"
        await Executor(parts, 60).look(job)
        return job.case_id


@pytest.fixture
async def site(ground: Ground) -> Site:
    ledger = ground.ledger("executor")
    parts = workers.Parts(
        pool=ground.pools["executor"],
        ledger=ledger,
        current=Current(ledger),
        store=EntityStore(executor_main.NAME),
        subject_keys=None,
        queue=executor_main.QUEUE,
        directory=lambda: people()[0],
        signing=service_keys.signing_of("executor"),
        targets=SqlTargets(lambda: {"ticketing": ground.target}),
        actions=ActionTable(),
    )
    made = Site(ground, "executor", executor_main.QUEUE, parts)
    await made.clear()
    return made
