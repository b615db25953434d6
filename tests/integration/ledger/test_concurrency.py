"""Many at once: no gap, no skip, one winner, nothing twice."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest
from cli.stack.realm import Realm
from common.ledger import Appended, AppendRefused, Ledger, NewEvent, append
from support.ledgers import an_event, connected, name

pytestmark = pytest.mark.integration

WRITERS, TRANSACTIONS = 16, 12
Append = Callable[[Any, int], Awaitable[None]]


async def _oracle(realm: Realm, write: Append, tail: str) -> tuple[list[int], list[int]]:
    """What a tail reader saw while writers wrote, and what there is in the end.

    Each writer has transactions of its own, some slow to commit, some rolled back; the reader asks again and
    again for what comes after the last position that it has seen.
    """
    async with connected(realm, "observer", WRITERS + 1) as pool:
        start = await pool.fetchval(f"SELECT coalesce(max(position), -1) FROM {tail}")
        done = asyncio.Event()
        seen: list[int] = []

        async def read() -> None:
            last = start
            while True:
                finished = done.is_set()
                rows = await pool.fetch(f"SELECT position FROM {tail} WHERE position > $1 ORDER BY position", last)
                seen.extend(row["position"] for row in rows)
                last = seen[-1] if seen else start
                if finished and not rows:
                    return

        async def writer(number: int) -> None:
            dice = random.Random(number)
            for _ in range(TRANSACTIONS):
                async with pool.acquire() as connection:
                    transaction = connection.transaction()
                    await transaction.start()
                    await write(connection, dice.randint(1, 5))
                    await asyncio.sleep(dice.random() * 0.004)
                    await (transaction.rollback() if dice.random() < 0.25 else transaction.commit())

        reading = asyncio.create_task(read())
        await asyncio.gather(*(writer(number) for number in range(WRITERS)))
        done.set()
        await reading
        rows = await pool.fetch(f"SELECT position FROM {tail} WHERE position > $1 ORDER BY position", start)
        return seen, [row["position"] for row in rows]


async def test_a_tail_reader_never_skips_what_commits_late(database: Realm) -> None:
    async def write(connection: Any, events: int) -> None:
        await append(connection, [[NewEvent(an_event())] for _ in range(events)])

    seen, there = await _oracle(database, write, "ledger.events")
    assert len(there) > WRITERS * TRANSACTIONS
    assert seen == there
    assert there == list(range(there[0], there[0] + len(there)))


async def test_the_oracle_would_notice(database: Realm) -> None:
    """The same reader skips when positions come from a sequence, as most event stores have it."""
    async with connected(database, "observer") as pool:
        await pool.execute("CREATE TABLE naive (position bigserial)")

    async def write(connection: Any, events: int) -> None:
        await connection.execute("INSERT INTO naive SELECT FROM generate_series(1, $1::int)", events)

    seen, there = await _oracle(database, write, "observer.naive")
    assert len(seen) < len(there)


async def test_of_many_that_expect_the_same_version_one_wins(database: Realm) -> None:
    async with connected(database, "observer", 8) as pool:
        stream = f"entity/thing/{name()}"

        async def attempt() -> Appended | AppendRefused:
            async with pool.acquire() as connection, connection.transaction():
                [answer] = await append(connection, [[NewEvent(an_event(stream=stream), 1)]])
                return answer

        answers = await asyncio.gather(*(attempt() for _ in range(8)))
        assert sum(isinstance(answer, Appended) for answer in answers) == 1
        assert {answer.reason_code for answer in answers if isinstance(answer, AppendRefused)} == {"version_conflict"}
        assert len(await Ledger(pool).read_stream(pool, stream)) == 1


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
