"""What must hold of any ledger, as functions that fail where it doesn't: tests ask them of the real one, and of ones
that were broken on purpose."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import asyncpg
import pytest
from cli.stack.realm import Realm
from common.clock import instant, wall_now
from common.events import Event
from common.ledger import Appended, AppendRefused, Ledger, NewEvent, append, role_name

from support.ledgers import an_event, connected, name

WRITERS, TRANSACTIONS = 16, 12
Append = Callable[[Any, int], Awaitable[None]]
_WAITING = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' "
    "AND pid <> pg_backend_pid()"
)


async def write_events(connection: Any, events: int) -> None:
    await append(connection, [[NewEvent(an_event())] for _ in range(events)])


async def tailed(
    realm: Realm, write: Append = write_events, tail: str = "ledger.events"
) -> tuple[list[int], list[int]]:
    """What a tail reader saw while writers wrote, and what there is in the end.

    The reader asks again and again for what comes after the last position that it has seen. Each writer has
    transactions of its own, some slow to commit, some rolled back. The first of all is the slowest: it is not
    committed before either another one waits for its lock, or the reader has seen what came after it.
    """
    async with connected(realm, "observer", WRITERS + 2) as pool:
        start = await pool.fetchval(f"SELECT coalesce(max(position), -1) FROM {tail}")
        done, begun = asyncio.Event(), asyncio.Event()
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

        async def slowest() -> None:
            async with pool.acquire() as connection, connection.transaction():
                await write(connection, 1)
                begun.set()
                while not seen and not await pool.fetchval(_WAITING):
                    await asyncio.sleep(0.002)

        async def writer(number: int) -> None:
            await begun.wait()
            dice = random.Random(number)
            for _ in range(TRANSACTIONS):
                async with pool.acquire() as connection:
                    transaction = connection.transaction()
                    await transaction.start()
                    await write(connection, dice.randint(1, 5))
                    await asyncio.sleep(dice.random() * 0.004)
                    await (transaction.rollback() if dice.random() < 0.25 else transaction.commit())

        reading = asyncio.create_task(read())
        await asyncio.gather(slowest(), *(writer(number) for number in range(WRITERS)))
        done.set()
        await reading
        rows = await pool.fetch(f"SELECT position FROM {tail} WHERE position > $1 ORDER BY position", start)
        return seen, [row["position"] for row in rows]


async def nothing_is_skipped(realm: Realm) -> None:
    seen, there = await tailed(realm)
    assert len(there) > WRITERS * TRANSACTIONS
    assert seen == there
    assert there == list(range(there[0], there[0] + len(there)))


async def a_retry_is_adopted(realm: Realm) -> None:
    """What was stored is given back to who says the same id again, alone and beside something new."""
    first = an_event(data={"try": 1})
    async with connected(realm, "observer") as pool:
        ledger = Ledger(pool)
        [stored] = await ledger.append([[NewEvent(first)]])
        again = replace(first, time=instant(wall_now()), data={"try": 2})
        answers = await ledger.append([[NewEvent(again)], [NewEvent(an_event())]])
    assert isinstance(stored, Appended)
    assert answers[0] == Appended(stored.positions, True, (first.encode(),))
    assert answers[1] == Appended((stored.positions[0] + 1,))


TAKEN = {
    "an approval": an_event("approver"),
    "an approval under its own name": replace(an_event("approver"), source="planner"),
    "the approver's stream": an_event("planner", stream="approval/somebody/1"),
    "the approver's name": replace(an_event("planner"), source="approver"),
    "the approver's type": an_event("planner", type_="trueup.approval.given.v1"),
    "an unknown type": an_event("planner", type_="trueup.plan.approved.v1"),
    "a stream that begins like its own": an_event("planner", stream="plans/x"),
    "the realm": an_event("planner", stream="realm"),
}


async def taking_is_refused(realm: Realm, event: Event) -> None:
    """A planner that appends `event` is refused, for that one alone."""
    async with connected(realm, "planner") as pool:
        answers = await Ledger(pool).append([[NewEvent(event)], [NewEvent(an_event("planner"))]])
        assert isinstance(answers[0], AppendRefused)
        assert answers[0].reason_code == "forbidden_stream"
        assert isinstance(answers[1], Appended)
        assert await Ledger(pool).by_ids(pool, [(event.source, event.id)]) == []


BACKDOOR = """
CREATE FUNCTION ledger.backdoor(source text, stream text, type text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$INSERT INTO ledger.events (position, event, source, id, stream, version, type, recorded_at)
     VALUES (1000000, '{}', source, gen_random_uuid()::text, stream, 1, type, now())$$
"""
PAST_APPEND = [
    ("planner", "plan/x/y/1", "trueup.plan.drafted.v1", True),
    ("approver", "approval/x/y/1", "trueup.ticket.opened.v1", False),
    ("planner", "approval/x/y/1", "trueup.plan.drafted.v1", False),
    ("planner", "plan/x/y/1", "trueup.ticket.opened.v1", False),
]


async def the_table_checks(realm: Realm, source: str, stream: str, type_: str, allowed: bool) -> None:
    """An append that forgot to check writes no row that the planner, who called it, may not write."""
    admin = await asyncpg.connect(realm.admin_url)
    try:
        await admin.execute(f"SET ROLE {role_name(realm.name, 'owner')}")
        await admin.execute(BACKDOOR)
        await admin.execute(f"GRANT EXECUTE ON FUNCTION ledger.backdoor TO {role_name(realm.name, 'planner')}")
        async with connected(realm, "planner", size=1) as pool, pool.acquire() as connection:
            attempt = connection.transaction()
            await attempt.start()
            try:
                if allowed:
                    await connection.execute("SELECT ledger.backdoor($1, $2, $3)", source, stream, type_)
                else:
                    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
                        await connection.execute("SELECT ledger.backdoor($1, $2, $3)", source, stream, type_)
            finally:
                await attempt.rollback()
    finally:
        await admin.execute("DROP FUNCTION IF EXISTS ledger.backdoor")
        await admin.close()


async def of_many_one_wins(realm: Realm) -> None:
    """Of eight that expect the same version of a stream, one gets it, and the others are told that they did not."""
    stream = f"entity/thing/{name()}"
    async with connected(realm, "observer", 8) as pool:

        async def attempt() -> Appended | AppendRefused:
            async with pool.acquire() as connection, connection.transaction():
                [answer] = await append(connection, [[NewEvent(an_event(stream=stream), 1)]])
                return answer

        answers = await asyncio.gather(*(attempt() for _ in range(8)))
        assert sum(isinstance(answer, Appended) for answer in answers) == 1
        assert {answer.reason_code for answer in answers if isinstance(answer, AppendRefused)} == {"version_conflict"}
        assert len(await Ledger(pool).read_stream(pool, stream)) == 1
