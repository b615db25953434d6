"""The planner's worker on a realm of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest
from cli.stack.realm import Realm
from common.current import Current
from common.entities import EntityStore
from planner import main as planner_main
from planner import workers
from planner.adapters.playbook import PlaybookDrafter
from planner.ports import Drafter
from planner.workers import Planner
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
    """Where planners work. `look` is one worker's look at a case, as after a message."""

    def planner(self, drafter: Drafter | None = None) -> Planner:
        return Planner(replace(self.parts, drafter=drafter) if drafter is not None else self.parts)

    async def look(self, case_id: str, drafter: Drafter | None = None) -> None:
        await self.put(case_id)
        job = await self.lease()
        assert job is not None
        await self.planner(drafter).look(job)


@pytest.fixture
async def site(ground: Ground) -> Site:
    ledger = ground.ledger("planner")
    parts = workers.Parts(
        pool=ground.pools["planner"],
        ledger=ledger,
        current=Current(ledger),
        store=EntityStore(planner_main.NAME),
        queue=planner_main.QUEUE,
        drafter=PlaybookDrafter(),
        directory=lambda: people()[0],
        key=lambda: service_keys.key("planner"),
    )
    made = Site(ground, "planner", planner_main.QUEUE, parts)
    await made.clear()
    return made
