"""What happens because time passes: deadlines, freshness, snapshots; with no message, and after downtime."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from common.clock import instant, parse_instant, wall_now
from common.events.differ import GapChanged, GapOpened
from common.timers import Timer, Timers, WallTimers
from support.casework import without_objectives
from support.differ_realm import FINDINGS, START, DifferRealm, days, finding, retest

pytestmark = pytest.mark.integration
CASE = "money-findings-closed/F-1/1"
END_OF_JULY = parse_instant("2023-08-01T04:00:00Z")  # in New York
TEXT = without_objectives(FINDINGS.read_text())
ALL_FINDINGS = TEXT.replace(""", where: "areas.matches('[ABC]')"}""", "}")
"""Selects by nothing that could be stale, so that the rules decide what staleness means."""


async def test_a_deadline_fires_at_its_own_instant_when_the_clock_passes_it(replay: DifferRealm) -> None:
    await replay.begin(TEXT)
    await replay.deliver(await replay.observe("finding", finding("F-1")))
    assert await replay.said() == []
    moved = await replay.clock_to(END_OF_JULY + days(2))
    await replay.deliver(moved)
    (event,) = await replay.gap_events()
    assert (event.type, event.asof) == ("trueup.gap.opened.v1", instant(END_OF_JULY))
    assert event.causationid == moved.event.id
    assert event.data["rules"][0]["due"] == instant(END_OF_JULY)


async def test_timers_of_one_advance_fire_in_order_each_as_of_its_own_instant(replay: DifferRealm) -> None:
    await replay.begin(ALL_FINDINGS)
    await replay.deliver(
        await replay.observe("finding", finding("F-2", completion_date="July 20, 2023")),
        await replay.observe("finding", finding("F-1", completion_date="July 10, 2023")),
    )
    await replay.deliver(await replay.clock_to(START + timedelta(days=100)))
    told = [(event.asof, event.data["key"], event.type.split(".")[2]) for event in await replay.gap_events()]
    assert told == [
        ("2023-07-11T04:00:00Z", "F-1", "opened"),
        ("2023-07-21T04:00:00Z", "F-2", "opened"),
        ("2023-08-07T00:00:00Z", "F-1", "undecided"),  # 35 days after 3 July: too old to decide by
        ("2023-08-07T00:00:00Z", "F-2", "undecided"),
    ]


async def test_a_deadline_that_passed_while_the_differ_was_down_fires_when_it_is_back(replay: DifferRealm) -> None:
    await replay.begin(TEXT)
    await replay.deliver(await replay.observe("finding", finding("F-1")))
    moved = await replay.clock_to(END_OF_JULY + days(1))  # nobody handles it
    replay.restarted()
    # What was observed meanwhile comes first, and is still decided as of the clock that the differ has handled.
    await replay.deliver(await replay.observe("finding", finding("F-2", completion_date="July 30, 2023")))
    assert await replay.said() == []
    await replay.deliver(moved)
    assert [(event.data["key"], event.asof) for event in await replay.gap_events()] == [
        ("F-2", "2023-07-31T04:00:00Z"),
        ("F-1", instant(END_OF_JULY)),
    ]


async def test_a_deadline_met_in_time_does_not_fire(replay: DifferRealm) -> None:
    await replay.begin(TEXT)
    await replay.deliver(await replay.observe("finding", finding("F-1")))
    await replay.deliver(await replay.clock_to(START + days(20)))
    done = finding("F-1", corrective_action_status="Corrective action complete")
    await replay.deliver(await replay.observe("retest", retest("R-1", "F-1")), await replay.observe("finding", done))
    await replay.deliver(await replay.clock_to(END_OF_JULY + days(1)))
    assert await replay.said() == []


async def test_a_stale_row_becomes_undecided_and_a_fresh_one_decides_again(replay: DifferRealm) -> None:
    await replay.begin(ALL_FINDINGS)
    await replay.deliver(await replay.observe("finding", finding("F-1", completion_date="June 30, 2023")))
    await replay.deliver(await replay.clock_to(START + days(35)))
    assert await replay.said() == ["opened", "undecided"]
    assert (await replay.failing(CASE))["fresh"] == "unknown"
    done = finding("F-1", corrective_action_status="Corrective action complete", completion_date="June 30, 2023")
    await replay.deliver(await replay.observe("retest", retest("R-1", "F-1")), await replay.observe("finding", done))
    assert await replay.said() == ["opened", "undecided", "closed"]


async def test_a_row_too_old_to_say_whether_it_is_selected_makes_its_case_undecided_and_is_counted(
    replay: DifferRealm,
) -> None:
    await replay.begin(TEXT)
    await replay.deliver(
        await replay.observe("finding", finding("F-1", completion_date="June 30, 2023")),
        await replay.observe("finding", finding("F-2", completion_date="December 31, 2023")),
    )
    await replay.deliver(await replay.clock_to(START + days(35)))
    assert await replay.said() == ["opened", "undecided"]
    counts = await replay.transact(replay.differ.counts)
    assert counts["money-findings-closed"] == {
        "open": 0,
        "undecided": 1,
        "selector_unknown": 1,
        "accepted": 0,
        "ignored": 0,
    }


async def test_a_gap_that_was_met_turns_undecided_when_the_row_is_stale(replay: DifferRealm) -> None:
    """Nobody looked for 35 days: met then says nothing about now."""
    await replay.begin(ALL_FINDINGS)
    await replay.deliver(await replay.observe("finding", finding("F-1", completion_date="December 31, 2023")))
    await replay.deliver(await replay.clock_to(START + days(34.9)))
    assert await replay.said() == []
    await replay.deliver(await replay.clock_to(START + days(35)))
    assert await replay.said() == ["undecided"]


async def test_a_snapshot_that_names_the_row_keeps_it_fresh(replay: DifferRealm) -> None:
    await replay.begin(ALL_FINDINGS)
    await replay.deliver(await replay.observe("finding", finding("F-1", completion_date="December 31, 2023")))
    await replay.deliver(await replay.clock_to(START + days(30)))
    await replay.deliver(await replay.snapshot("finding", START + days(30), "F-1"))
    await replay.deliver(await replay.clock_to(START + days(64)))
    assert await replay.said() == []
    await replay.deliver(await replay.clock_to(START + days(65)))
    assert await replay.said() == ["undecided"]


async def test_a_row_that_a_complete_snapshot_does_not_name_is_unknown_never_closed(replay: DifferRealm) -> None:
    await replay.begin(ALL_FINDINGS)
    late = [await replay.observe("finding", finding(f"F-{n}", completion_date="June 30, 2023")) for n in (1, 2)]
    await replay.deliver(*late)
    await replay.deliver(await replay.clock_to(START + days(2)))
    first = await replay.snapshot("finding", START + days(2), "F-2", part=1, parts=2)
    await replay.deliver(first)
    assert await replay.said(CASE) == ["opened"]  # the second part may name it
    await replay.deliver(await replay.snapshot("finding", START + days(2), "F-9", part=2, parts=2))
    assert await replay.said(CASE) == ["opened", "undecided"]
    assert await replay.said("money-findings-closed/F-2/1") == ["opened"]
    await replay.deliver(await replay.observe("finding", finding("F-1"), START + days(2.1)))
    assert await replay.said(CASE) == ["opened", "undecided", "closed"]


async def test_the_parts_of_a_snapshot_and_its_rows_may_come_in_any_order(replay: DifferRealm) -> None:
    await replay.begin(ALL_FINDINGS)
    await replay.deliver(await replay.clock_to(START + days(2)))
    parts = [await replay.snapshot("finding", START + days(2), f"F-{n}", part=n, parts=2) for n in (1, 2)]
    rows = [
        await replay.observe("finding", finding(f"F-{n}", completion_date="June 30, 2023"), START) for n in (1, 2, 3)
    ]
    await replay.deliver(parts[1])
    await replay.deliver(rows[2])
    await replay.deliver(parts[0])
    await replay.deliver(rows[0], rows[1])
    assert [await replay.failing(f"money-findings-closed/F-{n}/1") for n in (1, 2)] == [{"fixed": "missed"}] * 2
    assert set((await replay.failing("money-findings-closed/F-3/1")).values()) == {"unknown"}  # gone missing


async def test_by_the_wall_clock_deadlines_fire_without_a_message_and_after_downtime(walled: DifferRealm) -> None:
    """Each at its own instant, caused by what was last observed of the entity."""
    text = TEXT.replace("timezone: America/New_York", "timezone: UTC")
    await walled.begin(text)
    today = walled.wall.replace(hour=0, minute=0, second=0, microsecond=0)
    soon, later = (f"{day:%B} {day.day}, {day.year}" for day in (today + days(1), today + days(2)))
    seen = await walled.observe("finding", finding("F-1", completion_date=later), walled.wall)
    await walled.deliver(seen, await walled.observe("finding", finding("F-2", completion_date=soon), walled.wall))
    assert await walled.said() == []

    differ = walled.restarted()
    now = today + days(1.5)
    timers = WallTimers(walled.pool, Timers("differ"), differ.fire_due, lambda: now)
    assert await timers.fire_due() == 0
    now = today + days(9)
    assert await timers.fire_due() == 2
    events = await walled.gap_events()
    assert [(event.data["key"], event.asof) for event in events] == [
        ("F-2", instant(today + days(2))),
        ("F-1", instant(today + days(3))),
    ]
    assert events[1].causationid == seen.event.id
    assert await timers.fire_due() == 0


async def test_what_was_activated_before_its_day_counts_from_its_day_on_also_after_downtime(
    walled: DifferRealm,
) -> None:
    today = walled.wall.replace(hour=0, minute=0, second=0, microsecond=0)
    text = TEXT.replace("timezone: America/New_York", "timezone: UTC")
    begins = today + days(2)
    await walled.begin(text.replace("effective: 2023-07-01", f"effective: {begins:%Y-%m-%d}"))
    await walled.deliver(
        await walled.observe("finding", finding("F-1", completion_date="June 30, 2023"), walled.wall),
        await walled.observe("finding", finding("F-2"), walled.wall),
    )
    assert await walled.said() == []
    differ = walled.restarted()  # nothing of it is left but its tables
    now = today + days(1.9)
    timers = WallTimers(walled.pool, Timers("differ"), differ.fire_due, lambda: now)
    assert await timers.fire_due() == 0
    now = today + days(5)
    assert await timers.fire_due() > 0
    opened = {event.data["key"]: event.asof for event in await walled.gap_events()}
    assert opened == {"F-1": instant(begins), "F-2": instant(begins)}


async def test_the_wall_clocks_task_fires_what_another_transaction_sets_while_it_sleeps(walled: DifferRealm) -> None:
    await walled.begin(TEXT)
    fired: list[str] = []
    done = asyncio.Event()

    async def fire(_: Any, __: datetime, due: Sequence[Timer]) -> None:
        fired.extend(timer.subject for timer in due)
        done.set()

    timers = Timers("differ")
    running = asyncio.create_task(WallTimers(walled.pool, timers, timers.firing(fire), wall_now).run())
    await timers.set(walled.pool, [Timer("far", "x", wall_now() + days(1))])
    await asyncio.sleep(0)
    await timers.set(walled.pool, [Timer("near", "x", wall_now() + timedelta(milliseconds=20))])
    async with asyncio.timeout(30):
        await done.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert fired == ["near"]


HOLIDAYS = """\
---
apiVersion: trueup/v1alpha1
kind: HolidayCalendar
metadata: {name: us-federal}
spec:
  about: Days on which federal offices are closed.
  source: opm.gov, read on 3 July 2023
  from: 2023-01-01
  to: 2023-12-31
  days: [2023-07-04]
"""


async def test_a_case_opens_when_its_lead_begins_and_is_missed_when_its_deadline_passes(replay: DifferRealm) -> None:
    text = TEXT.replace("      by: due\n", "      by: due\n      lead: 3 business days\n", 1)
    text = text.replace("  timezone: America/New_York\n", "  timezone: America/New_York\n  holidays: us-federal\n", 1)
    await replay.begin(text + HOLIDAYS)
    await replay.deliver(await replay.observe("finding", finding("F-1", completion_date="July 7, 2023")))
    assert await replay.said() == []
    await replay.deliver(await replay.clock_to(START + days(2)))
    # Three business days before Friday 7 July; the 4th is a holiday, so Monday 3 July, when it begins in New York.
    (opened,) = await replay.gap_events()
    assert (opened.type, opened.asof) == ("trueup.gap.opened.v1", "2023-07-03T04:00:00Z")
    assert [(rule["status"], rule["due"]) for rule in opened.data["rules"]] == [("due_soon", "2023-07-08T04:00:00Z")]
    await replay.deliver(await replay.clock_to(START + days(6)))
    _, changed = await replay.gap_events()
    assert (changed.asof, changed.data["changed"]) == ("2023-07-08T04:00:00Z", ["fixed: due soon → missed"])
    confirmed, now = GapOpened.of(opened), GapChanged.of(changed)
    assert confirmed.digest == now.digest, "what was confirmed stays confirmed"


async def test_a_deadline_kept_during_its_lead_closes_the_case(replay: DifferRealm) -> None:
    await replay.begin(TEXT.replace("      by: due\n", "      by: due\n      lead: 10 days\n", 1))
    await replay.deliver(await replay.observe("finding", finding("F-1", completion_date="July 7, 2023")))
    assert await replay.failing(CASE) == {"fixed": "due_soon"}
    later = finding("F-1", completion_date="August 31, 2023")
    await replay.deliver(await replay.observe("finding", later, START + timedelta(hours=1)))
    assert await replay.said() == ["opened", "closed"]
