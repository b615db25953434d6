"""Whatever dies, and wherever: an action takes effect exactly once, or a person is told that nobody knows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import asyncpg
import pytest
from executor import main as executor_main
from executor.adapters.sql import SqlTargets
from executor.ports import InDoubt, NoEffect, Order, Unreachable
from executor.workers import Executor
from support.drafting import authorised
from support.ground import casework

pytestmark = pytest.mark.integration


class Killed(BaseException):
    """Stands for the end of the process: nothing catches it."""


class Dying(SqlTargets):
    """The real target, and a process that dies `before` or `after` the action, or can't reach it any more."""

    def __init__(self, dsns: Callable[[], dict[str, str]], how: str) -> None:
        super().__init__(dsns)
        self.how = how

    async def act(self, order: Order) -> dict[str, Any]:
        if self.how == "before":
            raise Killed
        receipt = await super().act(order)
        if self.how == "after":
            raise Killed
        if self.how == "lost":
            raise InDoubt("commit_in_doubt", "the connection broke during the commit")
        return receipt


class Away(SqlTargets):
    """A target that can't be reached."""

    async def receipt(self, _intent: Any) -> dict[str, Any] | None:
        raise Unreachable("target_unreachable", "away")

    async def act(self, _order: Order) -> dict[str, Any]:
        raise NoEffect("target_unreachable", "away")


@pytest.fixture
def killed(site: Any) -> Callable[..., Any]:
    async def kill(key: str, how: str) -> Any:
        """A case whose executor died; its lease has run out."""
        work = authorised(casework(key))
        await site.ground.bring(work)
        with pytest.raises(Killed):
            await site.look(work.id, Dying(lambda: {"ticketing": site.ground.target}, how))
        assert (await site.ground.types(work.id))[-2:] == ["execution.started", "action.intended"]
        await site.ground.pools["executor"].execute("UPDATE executor.jobs SET leased_until = clock_timestamp()")
        return work

    return kill


@pytest.mark.parametrize(("how", "effects"), [("before", 0), ("after", 1)])
async def test_a_crash_around_the_action_leaves_exactly_one_effect(
    site: Any, killed: Any, how: str, effects: int
) -> None:
    work = await killed(f"K-{how}", how)
    assert len(await site.ground.requests(work.id)) == effects
    await site.look_again()
    case = await site.ground.case(work.id)
    assert case.attempts[1].succeeded is not None
    assert len(await site.ground.requests(work.id)) == 1
    assert len(await site.ground.receipts(work.id)) == 1
    assert (await site.ground.types(work.id)).count("action.intended") == 1


@pytest.mark.parametrize("how", ["before", "after"])
async def test_a_target_that_cannot_be_asked_after_a_crash_halts_as_unknown(
    site: Any, killed: Any, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("executor.acting.PAUSES_S", (0, 0))
    work = await killed(f"U-{how}", how)
    before = len(await site.ground.requests(work.id))
    await site.look_again(Away(dict))
    case = await site.ground.case(work.id)
    assert case.attempts[1].unknown is not None
    assert case.halted.data.reason_code == "action_unknown"
    await site.look(work.id)  # the target is back, and nothing is tried again by itself
    assert len(await site.ground.requests(work.id)) == before
    assert (await site.ground.types(work.id))[-1] == "execution.halted"


async def test_a_target_that_is_away_before_anything_was_tried_fails_without_doubt(
    site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("executor.acting.PAUSES_S", (0, 0))
    work = authorised(casework("U-fresh"))
    await site.ground.bring(work)
    await site.look(work.id, Away(dict))
    case = await site.ground.case(work.id)
    assert case.attempts[1].failed.data.reason_code == "target_unreachable"


async def test_a_commit_in_doubt_is_settled_by_the_receipt(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("executor.acting.PAUSES_S", (0, 0))
    work = authorised(casework("U-doubt"))
    await site.ground.bring(work)
    await site.look(work.id, Dying(lambda: {"ticketing": site.ground.target}, "lost"))
    case = await site.ground.case(work.id)
    assert case.attempts[1].succeeded is not None
    assert len(await site.ground.requests(work.id)) == 1


async def test_two_attempts_at_once_have_one_effect(site: Any, killed: Any) -> None:
    """The first process is only believed dead: its transaction is still open when the second one acts."""
    work = await killed("K-open", "before")
    case = await site.ground.case(work.id)
    intent = case.attempts[1].intended.data
    slow = await asyncpg.connect(site.ground.target)
    transaction = slow.transaction()
    await transaction.start()
    await slow.execute(
        "INSERT INTO trueup_receipts (idempotency_key, case_id, plan, step) VALUES ($1, $2, $3, 1)",
        intent.idempotency_key, work.id, intent.plan,
    )  # fmt: skip
    await slow.execute("INSERT INTO requests (case_id, finding, ask) VALUES ($1, 'K-open', 'slow')", work.id)
    second = asyncio.create_task(site.look_again())
    await asyncio.sleep(0.5)
    assert not second.done()  # it waits for the first one's receipt
    await transaction.commit()
    await slow.close()
    await second
    assert [request["ask"] for request in await site.ground.requests(work.id)] == ["slow"]
    assert (await site.ground.case(work.id)).attempts[1].succeeded is not None


async def test_an_intention_whose_facts_changed_meanwhile_is_not_carried_out(site: Any, killed: Any) -> None:
    work = await killed("K-facts", "before")
    changed = casework("K-facts", completion_date="June 29, 2023")
    changed.reported = changed.reported.replace(day=2)
    await site.ground.put(changed.observations())
    await site.look_again()
    case = await site.ground.case(work.id)
    assert case.attempts[1].failed.data.reason_code == "digest_mismatch"
    assert case.halted.data.reason_code == "action_failed"
    assert await site.ground.requests(work.id) == []


async def test_a_worker_that_lost_its_lease_writes_nothing(site: Any) -> None:
    work = authorised(casework("K-lease"))
    await site.ground.bring(work)
    await site.put(work.id)
    late = await site.lease()
    assert late is not None
    await site.ground.pools["executor"].execute("UPDATE executor.jobs SET leased_until = clock_timestamp()")
    await site.look_again()  # somebody else has done it all
    before = await site.ground.types(work.id)
    await Executor(site.parts, 60).look(late)
    assert await site.ground.types(work.id) == before
    assert len(await site.ground.requests(work.id)) == 1


async def test_a_start_counts_again_and_takes_up_what_is_open(site: Any, killed: Any) -> None:
    work = await killed("K-start", "after")
    pool = site.ground.pools["executor"]
    await pool.execute("DELETE FROM executor.jobs")
    await pool.execute("DELETE FROM executor.actions")  # only a copy of what the ledger says
    async with pool.acquire() as conn, conn.transaction():
        await executor_main.resume(conn, site.parts.ledger, site.parts.current)
    open_cases = {
        row["case_id"] for row in await pool.fetch("SELECT case_id FROM executor.actions WHERE state = 'open'")
    }
    assert work.id in open_cases
    seen = {await site.look_again() for _ in range(len(open_cases))}
    assert work.id in seen
    assert (await site.ground.case(work.id)).attempts[1].succeeded is not None
    assert len(await site.ground.requests(work.id)) == 1
