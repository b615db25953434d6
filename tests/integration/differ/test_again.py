"""Doing it again: the same batch, a lost table, two differs, a crash in between. The ledger decides."""

from __future__ import annotations

import asyncio

import pytest
from common.errors import Transient
from support.differ_realm import START, DifferRealm, days, finding, retest

pytestmark = pytest.mark.integration
CASE = "money-findings-closed/F-1/1"
LATE = "June 30, 2023"


class Crash(Exception):
    pass


async def test_a_batch_that_was_rolled_back_gives_the_same_event_ids_again(replay: DifferRealm) -> None:
    await replay.begin()
    batch = [await replay.observe("finding", finding(f"F-{n}", completion_date=LATE)) for n in range(3)]
    planned: list[str] = []
    with pytest.raises(Crash):
        async with replay.pool.acquire() as conn, conn.transaction():
            await replay.differ.on_state(conn, batch)
            planned = [row[0] for row in await conn.fetch("SELECT id FROM ledger.events WHERE stream LIKE 'gap/%'")]
            raise Crash
    assert await replay.said() == []
    replay.restarted()
    await replay.deliver(*batch)
    assert [event.id for event in await replay.gap_events()] == planned
    assert len(planned) == 3


async def test_the_same_batch_twice_says_nothing_more(replay: DifferRealm) -> None:
    await replay.begin()
    batch = [
        await replay.observe("finding", finding("F-1", completion_date=LATE)),
        await replay.observe("retest", retest("R-1", "F-1")),
    ]
    await replay.deliver(*batch)
    before = await replay.gap_events()
    await replay.deliver(*batch)
    await replay.deliver(*reversed(batch))
    assert await replay.gap_events() == before


async def test_a_lost_table_is_made_good_from_the_ledger(replay: DifferRealm) -> None:
    """The differ's copy of its cases is gone; what it replays and what comes new fits the ledger all the same."""
    await replay.begin()
    late = finding("F-1", completion_date=LATE)
    done = {**late, "corrective_action_status": "Corrective action complete"}
    history = [
        await replay.observe("finding", late),
        await replay.observe("retest", retest("R-1", "F-1")),
    ]
    await replay.deliver(*history)
    await replay.deliver(await replay.observe("finding", done, START + days(0.1)))
    closed = await replay.close_case(CASE)
    await replay.deliver(closed)
    await replay.deliver(await replay.observe("finding", late, START + days(0.2)))
    assert await replay.said() == ["opened", "closed", "opened"]
    before = await replay.gap_events()

    await replay.pool.execute("DELETE FROM differ.cases")
    await replay.pool.execute("DELETE FROM differ.entities")
    replay.restarted()
    await replay.deliver(await replay.observe("finding", late, START + days(0.3)))
    assert await replay.gap_events() == before
    row = await replay.pool.fetchrow("SELECT occurrence, condition, stream_version FROM differ.cases")
    assert tuple(row) == (2, "gap", 1)


async def test_two_handlers_at_once_do_not_miss_each_others_change(replay: DifferRealm) -> None:
    """The finding is reported complete while its retest comes in: whoever is second sees both."""
    await replay.begin()
    late = finding("F-1", completion_date=LATE)
    await replay.deliver(await replay.observe("finding", late))
    done = await replay.observe(
        "finding", {**late, "corrective_action_status": "Corrective action complete"}, START + days(0.1)
    )
    tested = await replay.observe("retest", retest("R-1", "F-1"))
    await asyncio.gather(replay.deliver(done), replay.deliver(tested))
    assert (await replay.said())[-1] == "closed"
    assert await replay.failing(CASE) == {}


async def test_a_second_differ_with_an_old_view_is_put_right(replay: DifferRealm) -> None:
    await replay.begin()
    first, second = replay.differ, replay.restarted()
    replay.differ = first
    await replay.deliver(await replay.observe("finding", finding("F-1", completion_date=LATE)))
    await replay.pool.execute("UPDATE differ.cases SET occurrence = 0, condition = 'none', stream_version = 0")
    replay.differ = second
    seen = await replay.observe("finding", finding("F-1", completion_date="June 20, 2023"), START + days(0.1))
    with pytest.raises(Transient, match="version_conflict"):
        async with replay.pool.acquire() as conn, conn.transaction():
            await second.on_state(conn, [seen])
    await replay.deliver(seen)
    assert await replay.said() == ["opened", "changed"]
    assert [event.streamversion for event in await replay.gap_events()] == [1, 2]


async def test_nothing_is_lost_when_the_realm_is_not_there_yet(replay: DifferRealm) -> None:
    seen = await replay.observe("finding", finding("F-1", completion_date=LATE))
    with pytest.raises(Transient, match="realm_missing"):
        await replay.deliver(seen)
    await replay.begin()
    await replay.deliver(seen)
    assert await replay.said() == ["opened"]
