"""A gap that has to be met for a declared time before it closes: jumps, downtime, flips, another declaration."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from common.clock import instant
from common.events.differ import GapClosed, GapMet
from common.timers import Timers
from differ.main import SERVICE
from support.casework import without_objectives
from support.differ_realm import FINDINGS, START, DifferRealm, finding
from support.rebuilding import rebuilt

pytestmark = pytest.mark.integration
CASE = "money-findings-closed/F-1/1"
PLAIN = without_objectives(FINDINGS.read_text())
TEXT = PLAIN.replace("\n  verification:", "\n  steady: 2 hours\n  verification:", 1)
LATE = finding("F-1", completion_date="June 30, 2023")
AHEAD = finding("F-1", completion_date="July 31, 2023")
SOON = TEXT.replace("steady: 2 hours", "steady: 1 minute")
"""By the wall clock the ledger takes nothing that is not of about now."""
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


async def see(realm: DifferRealm, row: dict[str, object], at: datetime | None = None) -> None:
    """Reported as of now, or by the wall clock at `at`."""
    realm.wall = at or realm.wall
    when = (at or realm.asof) + realm.serial * timedelta(milliseconds=1)
    await realm.deliver(await realm.observe("finding", row, when))


async def go(realm: DifferRealm, hours: float) -> None:
    await realm.deliver(await realm.clock_to(START + hours * HOUR))


async def test_a_clock_that_jumps_closes_it_at_the_instant_at_which_it_had_lasted(replay: DifferRealm) -> None:
    await replay.begin(TEXT)
    await see(replay, LATE)
    await go(replay, 1)
    await see(replay, AHEAD)
    assert await replay.said() == ["opened", "met"]
    case = await replay.case(CASE)
    assert (case.stage, case.met is not None, case.gap_closed) == ("settling", True, None)
    assert (await rebuilt(replay.realm, SERVICE)).differences == []

    replay.restarted()
    await go(replay, 24)
    *_, closed = await replay.gap_events(CASE)
    data = GapClosed.of(closed)
    assert (closed.asof, data.reason) == (instant(START + 3 * HOUR), "met")
    assert data.steady is not None
    assert (data.steady.since, data.steady.until) == (instant(START + HOUR), closed.asof)
    assert (await rebuilt(replay.realm, SERVICE)).differences == []
    await see(replay, LATE)
    assert await replay.said() == ["opened", "met", "closed", "opened"], "it opens at once, whenever"


async def test_flips_are_one_gap_that_counts_them(replay: DifferRealm) -> None:
    await replay.begin(TEXT)
    for turn in range(5):
        await go(replay, turn + 0.1)
        await see(replay, LATE)
        await go(replay, turn + 0.5)
        await see(replay, AHEAD)
    assert await replay.said() == ["opened", *["met", "changed"] * 4, "met"]
    case = await replay.case(CASE)
    assert (case.flips, case.flips_since) == (4, instant(START + 1.1 * HOUR))
    digests = {item.data["rules"][0]["name"] for item in await replay.gap_events() if "rules" in item.data}
    assert digests == {"fixed"}
    await go(replay, 10)
    assert (await replay.gap_events())[-1].asof == instant(START + 6.5 * HOUR)


async def test_without_it_a_gap_closes_at_once_and_a_changed_one_counts_for_what_waits(replay: DifferRealm) -> None:
    await replay.begin(PLAIN)
    await see(replay, LATE)
    await see(replay, AHEAD)
    assert await replay.said() == ["opened", "closed"]
    await see(replay, LATE)
    await replay.deliver(*await replay.activate(TEXT))
    await replay.review()
    await see(replay, AHEAD)
    await replay.deliver(*await replay.activate(TEXT.replace("steady: 2 hours", "steady: 4 hours")))
    await replay.review()
    *_, first, second = [GapMet.of(event) for event in await replay.gap_events() if event.type == GapMet.TYPE]
    assert (first.since, second.since) == (instant(START), instant(START))
    assert (first.until, second.until) == (instant(START + 2 * HOUR), instant(START + 4 * HOUR))
    await go(replay, 3)
    assert (await replay.said())[-1] == "met"
    await replay.deliver(*await replay.activate(PLAIN))
    await replay.review()
    assert (await replay.said())[-1] == "closed"
    assert (await replay.gap_events())[-1].asof == instant(START + 3 * HOUR)


async def test_what_comes_due_while_it_waits_is_a_failure_and_nothing_closes(replay: DifferRealm) -> None:
    """The deadline passes within the time; and one that passes at the very instant at which it would close."""
    end = START + timedelta(days=1, hours=4)  # of 3 July in New York
    await replay.begin(TEXT)
    await see(replay, LATE)
    await replay.deliver(await replay.clock_to(end - 2 * HOUR))
    await see(replay, finding("F-1", completion_date="July 3, 2023"))
    assert await replay.said() == ["opened", "met"]
    await replay.deliver(await replay.clock_to(end + 24 * HOUR))
    assert await replay.said() == ["opened", "met", "changed"]
    assert (await replay.gap_events())[-1].asof == instant(end)


async def test_withdrawn_while_it_waits_it_closes_at_once_and_an_ended_case_waits_no_more(
    replay: DifferRealm,
) -> None:
    await replay.begin(TEXT)
    await see(replay, LATE)
    await see(replay, AHEAD)
    await replay.deliver(await replay.withdraw("finding", "F-1", START + HOUR))
    assert await replay.said() == ["opened", "met", "closed"]
    assert GapClosed.of((await replay.gap_events())[-1]).steady is None
    await replay.deliver(await replay.close_case(CASE))
    await go(replay, 10)
    assert await replay.said() == ["opened", "met", "closed"]


async def test_by_the_wall_clock_it_closes_as_of_its_instant_also_when_the_differ_was_down(
    walled: DifferRealm,
) -> None:
    await walled.begin(SOON)
    begun = walled.wall
    await see(walled, LATE, begun)
    await see(walled, {**AHEAD, "completion_date": "July 31, 2099"}, begun + MINUTE)
    assert await walled.said() == ["opened", "met"]

    walled.restarted()
    walled.wall = begun + 4 * MINUTE
    while await walled.transact(walled.differ.fire_due, walled.wall):
        pass
    *_, closed = await walled.gap_events(CASE)
    assert (closed.type, closed.asof) == (GapClosed.TYPE, instant(begun + 2 * MINUTE))
    async with walled.pool.acquire() as conn:
        upcoming = await Timers("differ").next(conn)
    assert upcoming is None or upcoming > walled.wall


@pytest.mark.parametrize("fails", [True, False])
async def test_what_is_reported_before_the_timer_fires_decides_it(walled: DifferRealm, fails: bool) -> None:
    """The differ was down over the instant; what came in meanwhile is handled first."""
    await walled.begin(SOON)
    begun = walled.wall
    await see(walled, LATE, begun)
    ahead = {**AHEAD, "completion_date": "July 31, 2099"}
    await see(walled, ahead, begun + MINUTE)
    walled.restarted()
    await see(walled, LATE if fails else {**ahead, "department": "Parks"}, begun + 4 * MINUTE)
    while await walled.transact(walled.differ.fire_due, walled.wall):
        pass
    *_, last = await walled.gap_events(CASE)
    if fails:
        assert (last.type.split(".")[2], last.asof) == ("changed", instant(begun + 4 * MINUTE))
    else:
        assert (last.type.split(".")[2], last.asof) == ("closed", instant(begun + 2 * MINUTE))


@pytest.mark.parametrize(("fails", "relayed"), [(True, True), (False, True), (True, False)])
async def test_before_it_closes_all_is_taken_in_that_was_observed_until_then(
    walled: DifferRealm, fails: bool, relayed: bool
) -> None:
    """Back after downtime the timer is due, and what was observed in time is still on its way."""
    await walled.begin(SOON)
    begun = walled.wall
    ahead = {**AHEAD, "completion_date": "July 31, 2099"}
    await see(walled, LATE, begun)
    await see(walled, ahead, begun + MINUTE)
    last = await walled.pool.fetchval("SELECT position FROM ledger.head")
    late = await walled.observe("finding", LATE if fails else {**ahead, "title": "x"}, begun + 1.5 * MINUTE)
    await walled.came(last, late.position if relayed else last)

    differ, walled.wall = walled.restarted(), begun + 4 * MINUTE
    while await walled.transact(differ.fire_due, walled.wall):
        pass
    assert (await walled.said())[-1] == "met", "it waits for what was observed"
    async with walled.pool.acquire() as conn:
        upcoming = await Timers("differ").next(conn)
    assert upcoming is not None
    assert upcoming > walled.wall

    await walled.deliver(late)
    *_, event = await walled.gap_events(CASE)
    if fails:
        assert (event.type.split(".")[2], event.asof) == ("changed", instant(walled.wall))
    else:
        assert (event.type.split(".")[2], event.asof) == ("closed", instant(begun + 2 * MINUTE))


async def test_what_is_observed_after_that_instant_holds_no_closing_up(walled: DifferRealm) -> None:
    await walled.begin(SOON)
    begun = walled.wall
    await see(walled, LATE, begun - 3 * MINUTE)
    await see(walled, {**AHEAD, "completion_date": "July 31, 2099"}, begun - 2 * MINUTE)
    last = await walled.pool.fetchval("SELECT position FROM ledger.head")
    other = await walled.observe("finding", finding("F-2"), begun)
    await walled.came(last, other.position)
    while await walled.transact(walled.differ.fire_due, walled.wall + MINUTE):
        pass
    *_, closed = await walled.gap_events(CASE)
    assert (closed.type, closed.asof) == (GapClosed.TYPE, instant(begun - MINUTE))
