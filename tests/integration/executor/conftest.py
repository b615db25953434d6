"""The executor's worker on a realm of its own, with a target database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from typing import Any

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
from planner.core import playbook
from planner.core.situation import Situation
from support.casework import Casework
from support.ground import Ground, casework, ground_of


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

    async def put(self, case_id: str) -> None:
        async with self.ground.pools["executor"].acquire() as conn, conn.transaction():
            await executor_main.QUEUE.put(conn, [(case_id, "test")])

    async def look(self, case_id: str, targets: Targets | None = None) -> None:
        await self.put(case_id)
        await self.look_again(targets)

    async def look_again(self, targets: Targets | None = None) -> None:
        """Look at whatever waits."""
        parts = replace(self.parts, targets=targets) if targets is not None else self.parts
        async with self.ground.pools["executor"].acquire() as conn:
            job = await executor_main.QUEUE.lease(conn, 60)
        assert job is not None, "nothing waits"
        await Executor(parts, 60).look(job)


@pytest.fixture
def site(ground: Ground) -> Site:
    from common.directory import Directory  # noqa: PLC0415
    from support.casework import people  # noqa: PLC0415

    directory, _ = people()
    assert isinstance(directory, Directory)
    ledger = ground.ledger("executor")
    return Site(
        ground,
        workers.Parts(
            pool=ground.pools["executor"],
            ledger=ledger,
            current=Current(ledger),
            store=executor_main.STORE,
            queue=executor_main.QUEUE,
            directory=directory,
            targets=SqlTargets({"ticketing": ground.target}),
            actions=ActionTable(),
            on_commit=lambda: None,
        ),
    )


@pytest.fixture
def authorised() -> Callable[..., Casework]:
    """A case with both gates passed, drafted by the real playbook; `row` changes the finding."""

    def make(key: str, **row: Any) -> Casework:
        work = casework(key, **row)
        return to_authorised(work)

    return make


def to_authorised(work: Casework) -> Casework:
    work.open_gap()
    work.confirm()
    draft = playbook.draft(
        Situation(
            case=work.case, catalogue=work.catalogue, evaluation=work.evaluation(), slots=work.slots(),
            facts=work.facts(), asof=work.asof,
        )
    )  # fmt: skip
    work.drafted(draft)  # type: ignore[arg-type]
    work.open_ticket()
    work.approve_all()
    work.authorise()
    return work
