"""Objectives over a population, through the differ's real handlers: measured on change and by the clock."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pytest
from common.clock import instant, parse_instant
from common.events import Event, typed
from common.events.differ import ObjectiveSnapshot
from support.differ_realm import FINDINGS, START, DifferRealm, days, finding, retest

pytestmark = pytest.mark.integration
TEXT = (
    FINDINGS.read_text()
    .replace("reach: 2023-12-31", "reach: 2023-08-31")
    .replace("window: rolling 90 days", "window: rolling 30 days")
    .replace("minimum: 10", "minimum: 2")
)
COMPLETE = "Corrective action complete"


async def said(realm: DifferRealm, name: str) -> list[tuple[str, ObjectiveSnapshot]]:
    """(asof, data) of all that was said of an objective."""
    stream = f"objective/money-findings-closed/{name}"
    found: list[Event] = [event for event in await realm.events() if event.subject == stream]
    data = [typed(event) for event in found]
    assert [event.streamversion for event in found] == list(range(1, len(found) + 1))
    return [(event.asof, one) for event, one in zip(found, data, strict=True) if isinstance(one, ObjectiveSnapshot)]


async def standings(realm: DifferRealm, name: str) -> list[str]:
    return [data.standing for _, data in await said(realm, name)]


async def closed(realm: DifferRealm, key: str, at: Any = None) -> None:
    """Fixed, and shown by a retest."""
    done = finding(key, corrective_action_status=COMPLETE)
    tested = retest(f"R-{key}", key, on="2023-07-02")
    await realm.deliver(await realm.observe("finding", done, at), await realm.observe("retest", tested, at))


async def test_an_objective_is_measured_from_its_baseline_to_its_target(replay: DifferRealm) -> None:
    await replay.begin(TEXT)
    await replay.measure()
    assert await standings(replay, "on-time") == ["undecided"]
    assert await standings(replay, "none-open") == ["undecided"]  # of nobody nothing is told

    for number in range(1, 5):
        await replay.deliver(await replay.observe("finding", finding(f"F-{number}")))
    await replay.measure()
    asof, open_ = (await said(replay, "none-open"))[-1]
    assert (open_.standing, open_.value, open_.population, open_.unknown) == ("on track", "4/1", 4, 0)
    assert open_.says == "4 of 4"
    assert open_.wanted == "at most 0 wanted by 31 August 2023"
    assert open_.baseline is not None
    assert (asof, open_.baseline.at, open_.baseline.value) == (instant(START), instant(START), "4/1")

    await replay.deliver(await replay.observe("finding", finding("F-5")))
    await replay.measure()
    begun = (await said(replay, "none-open"))[-1][1].baseline
    assert begun is not None
    assert (begun.value, begun.population) == ("5/1", 5), "a first day's import is one, however it is cut"
    await replay.deliver(await replay.clock_to(START + days(1)))
    asof, open_ = (await said(replay, "none-open"))[-1]
    assert (asof, open_.standing) == ("2023-07-03T04:00:00Z", "behind")  # midnight in New York: a straight line falls
    await closed(replay, "F-1", START + days(1))
    await replay.measure()
    assert (await standings(replay, "none-open"))[-1] == "on track"
    await closed(replay, "F-2", START + days(1))
    await replay.measure()
    _, open_ = (await said(replay, "none-open"))[-1]
    assert open_.value == "4/1", "the same standing is not said twice a day"
    assert open_.baseline == begun, "another day moves it no more"
    await replay.deliver(await replay.clock_to(START + days(30)))
    assert (await standings(replay, "none-open"))[-1] == "behind"  # a straight line has come to 2.5


async def test_a_dated_target_is_missed_when_its_day_is_over(replay: DifferRealm) -> None:
    await replay.begin(TEXT.replace("reach: 2023-08-31", "reach: 2023-07-20"))
    await replay.deliver(await replay.observe("finding", finding("F-1", completion_date="August 15, 2024")))
    await replay.measure()
    await replay.deliver(await replay.clock_to(parse_instant("2023-09-03T00:00:00Z")))
    found = [(asof, data.standing) for asof, data in await said(replay, "none-open")]
    assert found == [
        ("2023-07-03T00:00:00Z", "undecided"),
        ("2023-07-03T00:00:00Z", "on track"),
        ("2023-07-03T04:00:00Z", "behind"),
        ("2023-07-21T04:00:00Z", "missed"),
        ("2023-08-07T04:00:00Z", "undecided"),  # the row is 35 days old, and says nothing any more
    ]


async def test_deadlines_count_on_their_own_days_and_leave_the_window_by_the_clock(replay: DifferRealm) -> None:
    await replay.begin(TEXT)
    await replay.deliver(
        await replay.observe("finding", finding("F-1", completion_date="July 10, 2023")),
        await replay.observe("finding", finding("F-2", completion_date="July 12, 2023")),
    )
    await closed(replay, "F-3")
    await replay.measure()
    await replay.deliver(await replay.clock_to(parse_instant("2023-09-03T00:00:00Z")))
    found = [(asof[:10], data.standing, data.says) for asof, data in await said(replay, "on-time")]
    assert [line for line in found if line[1] != "undecided"] == [
        ("2023-07-13", "missed", "0 % of 2 in the last 30 days"),
        ("2023-08-01", "missed", "33.3 % of 3 in the last 30 days"),
    ]
    assert found[-1][1] == "undecided", "of too few nothing is decided, and nothing is met"


async def test_a_population_that_shrinks_meets_nothing_and_closes_nothing(replay: DifferRealm) -> None:
    await replay.begin(TEXT)
    await replay.deliver(*[await replay.observe("finding", finding(f"F-{number}")) for number in range(1, 4)])
    await closed(replay, "F-1", START + timedelta(hours=1))
    await replay.measure()
    assert await standings(replay, "none-open") == ["undecided", "on track"]
    for key in ("F-2", "F-3"):
        moved = finding(key, compliance_requirements="L")  # it does not concern money any more
        await replay.deliver(await replay.observe("finding", moved, START + timedelta(hours=2)))
    await replay.measure()
    _, last = (await said(replay, "none-open"))[-1]
    assert (last.standing, last.value) == ("undecided", "0/1")
    assert last.reason == "the population shrank from 3 to 1"


async def test_the_baseline_stays_when_something_else_is_declared_anew(replay: DifferRealm) -> None:
    await replay.begin(TEXT)
    await replay.deliver(await replay.observe("finding", finding("F-1")))
    await replay.measure()
    (_, before), *_ = reversed(await said(replay, "none-open"))
    await replay.deliver(*await replay.activate(TEXT.replace("plus: 60 days", "plus: 61 days")))
    await replay.review()
    await replay.measure()
    _, same = (await said(replay, "none-open"))[-1]
    assert (same.baseline, same.definition) == (before.baseline, before.definition)
    assert same.version != before.version
    replay.asof += days(1)
    await replay.deliver(*await replay.activate(TEXT.replace("reach: 2023-08-31", "reach: 2023-12-31")))
    await replay.review()
    await replay.measure()
    _, other = (await said(replay, "none-open"))[-1]
    assert other.definition != before.definition
    await replay.deliver(*await replay.activate(TEXT.replace("none-open", "all-closed")))
    await replay.review()
    await replay.measure()
    names = await replay.pool.fetch("SELECT DISTINCT objective FROM differ.contributions ORDER BY 1")
    assert [row[0] for row in names] == ["all-closed", "on-time"]


@pytest.mark.parametrize("seed", range(4))
async def test_measured_bit_by_bit_is_measured_at_once(replay: DifferRealm, seed: int) -> None:
    """Any order, repetitions and late arrivals, measured in between or not: the same contributions."""
    chance = random.Random(seed)
    await replay.begin(TEXT)
    events = []
    for _ in range(30):
        key, at = f"F-{chance.randint(1, 6)}", START - timedelta(minutes=chance.randint(0, 9))
        if chance.random() < 0.6:
            status = chance.choice([COMPLETE, "Corrective action in progress", "see below"])
            changes = {"corrective_action_status": status, "completion_date": f"July {chance.randint(1, 28)}, 2023"}
            areas = chance.choice(["C", "C", "L", ""])
            events.append(await replay.observe("finding", finding(key, compliance_requirements=areas, **changes), at))
        else:
            events.append(await replay.observe("retest", retest(f"R-{key}", key, on="2023-07-02"), at))
    for event in chance.sample(events, len(events)) + chance.choices(events, k=10):
        await replay.deliver(event)
        if chance.random() < 0.3:
            await replay.measure()
    await replay.measure()
    await replay.deliver(await replay.clock_to(START + days(40)))
    ran = await contributions(replay)
    assert ran, "nothing contributes"
    # A review looks at everybody once.
    await replay.pool.execute("DELETE FROM differ.contributions")
    await replay.pool.execute("DELETE FROM differ.reviewed")
    await replay.transact(replay.differ.plan_reviews)
    await replay.review()
    assert await contributions(replay) == ran


async def contributions(realm: DifferRealm) -> list[Any]:
    rows = await realm.pool.fetch("SELECT c::text FROM differ.contributions c ORDER BY 1")
    return [row[0] for row in rows]
