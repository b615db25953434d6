"""Positions, fences, and whether the realm is at rest."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest
from cli.stack.realm import Realm
from common.errors import Transient
from common.ledger import Appended, Ledger, NewEvent, progress
from common.ledger.progress import Move
from common.topics import SERVICES
from support.ledgers import an_event, connected

pytestmark = pytest.mark.integration
FENCED = {
    "positions": "('differ', 'state', 6, {})",
    "relays": "('differ', {})",
    "published": "('differ', 'gaps', 6, {})",
}


@pytest.fixture(autouse=True)
async def _ten_events(ledger: Ledger, observer: Any) -> None:
    """Nobody has handled what is not there."""
    if await ledger.head(observer) < 0:
        await ledger.append([[NewEvent(an_event()) for _ in range(10)]])


async def test_an_inbox_moves_once(database: Realm) -> None:
    async with connected(database, "differ") as pool:
        async with pool.acquire() as connection, connection.transaction():
            await progress.advance(connection, "differ", {("state", 0): Move(None, 3), ("clock", 0): Move(None, 4)})
            await progress.advance(connection, "differ", {("state", 0): Move(3, 7), ("state", 1): Move(None, 5)})
        before = {("state", 0): 7, ("state", 1): 5, ("clock", 0): 4}
        assert await progress.handled(pool, "differ") == before
        for stale in (Move(3, 9), Move(None, 9)):
            with pytest.raises(Transient) as caught:
                async with pool.acquire() as connection, connection.transaction():
                    await progress.advance(connection, "differ", {("state", 1): Move(5, 9), ("state", 0): stale})
            assert caught.value.reason_code == "inbox_moved"
        assert await progress.handled(pool, "differ") == before


async def test_two_relays_do_not_get_past_each_other(database: Realm) -> None:
    async with connected(database, "executor") as pool, pool.acquire() as connection:
        await progress.set_relayed(connection, "executor", Move(None, 3), {("executions", 1): 3})
        await progress.set_relayed(connection, "executor", Move(3, 8), {("executions", 1): 5, ("executions", 2): 8})
        for stale in (Move(None, 9), Move(3, 9)):
            with pytest.raises(Transient) as caught:
                await progress.set_relayed(connection, "executor", stale, {("executions", 1): 9})
            assert caught.value.reason_code == "relay_moved"
        assert await progress.relayed(pool, "executor") == 8
        found = await progress.published(pool)
        assert (found["executions", 1], found["executions", 2]) == (5, 8)


@pytest.mark.parametrize("table", FENCED)
async def test_how_far_a_service_has_come_only_grows_up_to_the_head(database: Realm, table: str) -> None:
    """Set back, it would do everything twice; set forward, it would pass over what is to come."""
    async with connected(database, "differ", size=1) as pool:
        head = await Ledger(pool).head(pool)
        for beyond in (head + 1, 2**62, -2):
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="progress_fenced"):
                await pool.execute(f"INSERT INTO ledger.{table} VALUES {FENCED[table].format(beyond)}")
        await pool.execute(f"INSERT INTO ledger.{table} VALUES {FENCED[table].format(3)}")
        for wrong in (2, -1, head + 1):
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="progress_fenced"):
                await pool.execute(f"UPDATE ledger.{table} SET position = $1 WHERE service = 'differ'", wrong)
        for key in ("service = 'planner'", *(("topic = 'plans'", "partition = 0") if table != "relays" else ())):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await pool.execute(f"UPDATE ledger.{table} SET {key} WHERE service = 'differ'")
        await pool.execute(f"UPDATE ledger.{table} SET position = $1 WHERE service = 'differ'", head)


async def test_an_administrator_sets_relays_back(database: Realm) -> None:
    admin: Any = await asyncpg.connect(database.admin_url)
    try:
        async with admin.transaction():
            await progress.republish(admin)
        assert await progress.relayed(admin, "differ") == -1
    finally:
        await admin.close()


async def test_rest_needs_relays_consumers_and_work_to_be_done(database: Realm) -> None:
    async with connected(database, "planner") as planner, connected(database, "auditor") as auditor:
        assert (await progress.progress(planner)).unrelayed.get("planner", 0) == 0
        [answer] = await Ledger(planner).append([[NewEvent(an_event("planner"))]])
        assert isinstance(answer, Appended)
        [position] = answer.positions
        assert "planner: 1 events not on the bus yet" in (await progress.quiescent(planner))[1]

        async with planner.acquire() as connection:
            await progress.set_relayed(connection, "planner", Move(None, position), {("plans", 2): position})
            await progress.set_pending(connection, "planner", 2)
            await progress.add_pending(connection, "planner", -1)
        at_rest, behind = await progress.quiescent(planner)
        assert not at_rest
        assert {"planner: 1 pending", "auditor: plans not handled yet"} <= set(behind)
        assert (await progress.lag(planner))["auditor"]["plans"] == position + 1

        async with planner.acquire() as connection:
            await progress.add_pending(connection, "planner", -1)
        async with auditor.acquire() as connection:
            await progress.advance(connection, "auditor", {("plans", 2): Move(None, position)})
        behind = (await progress.quiescent(planner))[1]
        assert not [line for line in behind if line.startswith(("planner:", "auditor: plans"))]
        assert await progress.pending(planner) == {"planner": 0}


async def test_everybody_done_is_rest(database: Realm) -> None:
    """Last in this module: whatever the tests before left behind is caught up with."""
    async with connected(database, "approver") as approver:
        assert not (await progress.quiescent(approver))[0]
        for service in SERVICES:
            async with connected(database, service) as pool:
                await _catch_up(pool, service)
        assert await progress.quiescent(approver) == (True, [])


async def _catch_up(pool: Any, service: str) -> None:
    head = await Ledger(pool).head(pool)
    async with pool.acquire() as connection:
        await progress.set_relayed(connection, service, Move(await progress.relayed(pool, service), head), {})
        known = await progress.handled(pool, service)
        last = {at: Move(known.get(at), position) for at, position in (await progress.published(pool)).items()}
        await progress.advance(connection, service, last)
        await progress.set_pending(connection, service, 0)
