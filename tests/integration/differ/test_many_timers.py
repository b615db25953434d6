"""A million pending timers: exactly those that are due fire, once, in order, each at its own instant, also after
downtime; and what is asked of them goes by an index."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from common.clock import instant, wall_now
from common.events.observer import EntityObserved
from common.ids import entity_stream
from common.timers import INSTANTS, Timer, Timers, WallTimers
from differ.handlers import FIRED_AT_ONCE
from support.casework import without_objectives
from support.differ_realm import FEEDS, FINDINGS, DifferRealm, days, finding

pytestmark = pytest.mark.integration
PENDING = 1_000_000
OVERDUE = 2_500
STATE = "money-findings-closed"
TEXT = without_objectives(FINDINGS.read_text()).replace("timezone: America/New_York", "timezone: UTC")
TIMERS = Timers("differ")


async def pend(realm: DifferRealm, begin: datetime, count: int, prefix: str, apart: timedelta) -> None:
    """`count` timers from `begin` on, one after the other, of findings that nobody has observed."""
    await realm.pool.execute(
        "INSERT INTO differ.timers SELECT $1 || n, $2, $3::timestamptz + n * $4::interval "
        "FROM generate_series(0, $5::int - 1) AS n",
        f"finding/{prefix}-", STATE, begin, apart, count, timeout=300,
    )  # fmt: skip


async def left(realm: DifferRealm) -> int:
    count: int = await realm.pool.fetchval("SELECT count(*) FROM differ.timers")
    return count


async def test_of_a_million_exactly_those_that_are_due_fire_once_and_in_order(walled: DifferRealm) -> None:
    assert 2 * max(FIRED_AT_ONCE, INSTANTS) < OVERDUE, "it takes several transactions"
    now = wall_now()
    apart = timedelta(microseconds=700)
    await pend(walled, now, PENDING, "later", timedelta(seconds=7))  # the first one is due now
    await pend(walled, now - days(3), OVERDUE, "missed", apart)
    fired: list[tuple[datetime, str]] = []

    async def fire(conn: Any, moment: datetime, due: Sequence[Timer]) -> None:
        assert {timer.instant for timer in due} == {moment}
        fired.extend((moment, timer.subject) for timer in due)
        if moment == now - days(3):  # what is set meanwhile takes its turn
            await TIMERS.set(conn, [Timer("finding/new", STATE, moment + 1.5 * apart)])

    timers = WallTimers(walled.pool, TIMERS, TIMERS.firing(fire), lambda: now)
    assert await timers.fire_due() == OVERDUE + 2
    expected = [(now - days(3) + number * apart, f"finding/missed-{number}") for number in range(OVERDUE)]
    expected.insert(2, (now - days(3) + 1.5 * apart, "finding/new"))
    assert fired == [*expected, (now, "finding/later-0")]
    assert await timers.fire_due() == 0
    assert await left(walled) == PENDING - 1


async def test_a_differ_that_was_down_opens_each_case_as_of_its_own_instant_beside_a_million(
    walled: DifferRealm,
) -> None:
    """Sixty deadlines on sixty days lie among thousands of timers of entities that are gone."""
    await walled.begin(TEXT)
    today = walled.wall.replace(hour=0, minute=0, second=0, microsecond=0)
    promised = {f"F-{number}": today + days(1 + (number * 7) % 60) for number in range(60)}
    rows = [finding(key, completion_date=f"{day:%B} {day.day}, {day.year}") for key, day in promised.items()]
    said = [
        (
            entity_stream("finding", row["reference"]),
            EntityObserved(
                entity_type="finding", key=row["reference"], feed=FEEDS["finding"], row=row,
                source_time=instant(walled.wall + days(40)), upstream_id=row["reference"], sequence=None,
            ),
        )
        for row in rows
    ]  # fmt: skip
    await walled.deliver(*await walled.append_all("observer", said))
    assert await walled.said() == []
    await pend(walled, today + days(62), PENDING, "later", timedelta(seconds=7))
    await pend(walled, today + days(1), OVERDUE, "gone", timedelta(minutes=30))
    differ = walled.restarted()
    timers = WallTimers(walled.pool, TIMERS, differ.fire_due, lambda: today + days(61.9))
    assert await timers.fire_due() >= OVERDUE + len(promised)
    opened = [(event.asof, event.data["key"]) for event in await walled.gap_events() if "opened" in event.type]
    assert sorted(opened) == sorted((instant(day + days(1)), key) for key, day in promised.items())
    asof = [event.asof for event in await walled.gap_events()]
    assert asof == sorted(asof), "in the ledger they are in the order of their instants"
    assert await timers.fire_due() == 0
    assert (
        await walled.pool.fetchval("SELECT count(*) FROM differ.timers WHERE subject LIKE 'finding/later%'")
        == PENDING
    )


class Explained:
    """A connection that has every statement explained instead of carried out."""

    def __init__(self, conn: Any) -> None:
        self._conn = conn
        self.plan = ""

    async def fetch(self, statement: str, *arguments: Any) -> list[Any]:
        rows = await self._conn.fetch(f"EXPLAIN {statement}", *arguments)
        self.plan = "\n".join(row[0] for row in rows)
        return []

    async def fetchval(self, statement: str, *arguments: Any) -> None:
        await self.fetch(statement, *arguments)


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
async def test_what_is_asked_of_a_million_timers_goes_by_an_index(walled: DifferRealm, mode: str) -> None:
    """Also by the plan that the server may keep for any arguments."""
    now = wall_now()
    await pend(walled, now, PENDING, "later", timedelta(seconds=7))
    async with walled.pool.acquire() as conn:
        await conn.execute("ANALYZE differ.timers")
        await conn.execute(f"SET plan_cache_mode = {mode}")
        explained = Explained(conn)
        await TIMERS.next(explained)
        assert "timers_by_instant" in explained.plan
        await TIMERS.due(explained, now)
        assert "timers_by_instant" in explained.plan
        await TIMERS.next_of(explained, "*")
        assert "timers_pkey" in explained.plan
        for since in (None, now):
            await TIMERS.take(explained, now, since=since)
            assert "timers_by_instant" in explained.plan
            assert "Seq Scan" not in explained.plan, explained.plan
