"""Many at once: no gap, no skip, one winner, nothing twice."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import pytest
from cli.stack.realm import Realm
from common.ledger import Appended, AppendRefused, Ledger, NewEvent, append
from support.ledger_oracles import nothing_is_skipped, of_many_one_wins, tailed
from support.ledgers import an_event, connected, kept_waiting, name

pytestmark = pytest.mark.integration


async def test_a_tail_reader_never_skips_what_commits_late(database: Realm) -> None:
    await nothing_is_skipped(database)


async def test_the_oracle_would_notice(database: Realm) -> None:
    """The same reader skips when positions come from a sequence, as most event stores have it."""
    async with connected(database, "observer") as pool:
        await pool.execute("CREATE TABLE IF NOT EXISTS naive (position bigserial)")

    async def write(connection: Any, events: int) -> None:
        await connection.execute("INSERT INTO naive SELECT FROM generate_series(1, $1::int)", events)

    seen, there = await tailed(database, write, "observer.naive")
    assert len(seen) < len(there)


async def test_of_many_that_expect_the_same_version_one_wins(database: Realm) -> None:
    await of_many_one_wins(database)


async def test_a_connection_that_breaks_after_the_commit_costs_nothing(database: Realm) -> None:
    """The client never heard of the commit; it tries again with the same ids and adopts what is there."""
    events = [an_event() for _ in range(20)]
    requests = [[NewEvent(event)] for event in events]
    connection = await asyncpg.connect(database.url("observer"))
    await append(connection, requests)
    connection.terminate()
    async with connected(database, "observer") as pool:
        head = await Ledger(pool).head(pool)
        answers = await Ledger(pool).append(requests)
        assert all(isinstance(answer, Appended) and answer.duplicate for answer in answers)
        assert await Ledger(pool).head(pool) == head


async def test_a_backend_that_is_killed_mid_transaction_leaves_no_gap(database: Realm) -> None:
    admin = await asyncpg.connect(database.admin_url)
    victim = await asyncpg.connect(database.url("observer"))
    lost = an_event()
    await victim.execute("BEGIN")
    await append(victim, [[NewEvent(lost)]])
    await admin.execute("SELECT pg_terminate_backend($1)", victim.get_server_pid())
    async with connected(database, "observer") as pool:
        head = await Ledger(pool).head(pool)
        [answer] = await Ledger(pool).append([[NewEvent(an_event())]])
        assert answer == Appended((head + 1,))
        assert await Ledger(pool).by_ids(pool, [("observer", lost.id)]) == []
    await admin.close()


async def test_who_is_kept_waiting_by_an_open_transaction_is_told_and_readers_go_on(database: Realm) -> None:
    async with (
        connected(database, "differ") as idle,
        connected(database, "observer") as pool,
        idle.acquire() as holder,
        pool.acquire() as waiter,
    ):
        await holder.execute("BEGIN")
        await append(holder, [[NewEvent(an_event("differ"))]])
        await waiter.execute("SET lock_timeout = '100ms'")
        with pytest.raises(asyncpg.LockNotAvailableError):
            await append(waiter, [[NewEvent(an_event())]])
        assert await Ledger(pool).head(pool) >= -1
        await holder.execute("ROLLBACK")
        [answer] = await append(waiter, [[NewEvent(an_event())]])
        assert isinstance(answer, Appended)
        await waiter.execute("RESET lock_timeout")


@pytest.mark.parametrize("expected", [None, 2, 1])
@pytest.mark.parametrize("together", [1, 3])
async def test_who_waited_for_another_at_the_same_stream_comes_after_it(
    database: Realm, expected: int | None, together: int
) -> None:
    """What the one who waits has read of the ledger is older than what it appends after."""
    stream = f"entity/thing/{name()}"
    async with connected(database, "observer") as pool, pool.acquire() as first, pool.acquire() as second:
        await first.execute("BEGIN")
        await append(first, [[NewEvent(an_event(stream=stream))]])
        events = [NewEvent(an_event(stream=stream), expected), *(NewEvent(an_event()) for _ in range(together - 1))]
        waiting = asyncio.create_task(append(second, [events]))
        await kept_waiting(pool, second)
        await first.execute("COMMIT")
        [answer] = await waiting
        ledger = Ledger(pool)
        if expected == 1:
            assert isinstance(answer, AppendRefused) and answer.reason_code == "version_conflict"
        else:
            assert isinstance(answer, Appended)
            assert await ledger.head(pool) == answer.positions[-1]
        rows = await pool.fetch("SELECT version FROM ledger.events WHERE stream = $1 ORDER BY position", stream)
        assert [row["version"] for row in rows] == ([1] if expected == 1 else [1, 2])


async def test_what_is_appended_alone_is_told_and_by_nobody_s_login_is_not_taken(database: Realm) -> None:
    told: asyncio.Queue[str] = asyncio.Queue()
    admin = await asyncpg.connect(database.admin_url)
    await admin.add_listener("ledger_observer", lambda *heard: told.put_nowait(heard[2]))
    async with connected(database, "observer") as pool:
        head = await Ledger(pool).head(pool)
        assert await admin.fetchval("SELECT ledger.append_one($1)", an_event().encode().decode()) is None
        assert await Ledger(pool).head(pool) == head, "an administrator is no service: no event, and no position"
        await append(pool, [[NewEvent(an_event())]])
        async with asyncio.timeout(30):
            assert await told.get() == "ledger_observer"
    await admin.close()
