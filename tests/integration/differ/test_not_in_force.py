"""What is observed before a declaration is in force: nothing is read of it, and it is decided when that is."""

from __future__ import annotations

import pytest
from common.clock import instant, parse_instant
from common.entities import EntityStore
from common.events import Event
from common.events.differ import ObjectiveMissed
from differ import handlers
from support.differ_realm import FINDINGS, START, DifferRealm, days, finding

pytestmark = pytest.mark.integration
STATE = "money-findings-closed"
CASE = f"{STATE}/F-1/1"
TEXT = FINDINGS.read_text()
PUT_OFF = TEXT.replace("effective: 2023-07-01", "effective: 2023-07-10")
IN_FORCE = parse_instant("2023-07-10T04:00:00Z")  # in New York
LATE = {"completion_date": "June 30, 2023"}


async def timers(realm: DifferRealm) -> dict[str, str]:
    """By entity, when it is looked at again."""
    rows = await realm.pool.fetch("SELECT subject, instant FROM differ.timers WHERE subject <> '*'")
    return {row["subject"]: instant(row["instant"]) for row in rows}


async def contributors(realm: DifferRealm) -> set[str]:
    return {row[0] for row in await realm.pool.fetch("SELECT DISTINCT key FROM differ.contributions")}


async def test_it_is_decided_as_of_the_instant_at_which_the_declaration_comes_into_force(replay: DifferRealm) -> None:
    await replay.begin(PUT_OFF)
    await replay.deliver(
        await replay.observe("finding", finding("F-1", **LATE)), await replay.observe("finding", finding("F-2"))
    )
    assert await timers(replay) == dict.fromkeys(("finding/F-1", "finding/F-2"), instant(IN_FORCE))
    assert await replay.transact(replay.differ.measure) == 0 and await contributors(replay) == set()
    assert await replay.events() == []
    await replay.deliver(await replay.clock_to(IN_FORCE))
    (opened,) = await replay.gap_events(CASE)
    assert (opened.type, opened.asof) == ("trueup.gap.opened.v1", instant(IN_FORCE))
    assert await contributors(replay) == {"F-1", "F-2"}


async def test_nothing_is_read_of_it_before(replay: DifferRealm, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    views = EntityStore.views

    async def counted(
        self: EntityStore, conn: object, catalogue: object, refs: object, known: object = None
    ) -> object:
        asked.extend(refs)  # type: ignore[arg-type]
        return await views(self, conn, catalogue, refs, known)  # type: ignore[arg-type]

    monkeypatch.setattr(EntityStore, "views", counted)
    await replay.begin(PUT_OFF)
    await replay.deliver(await replay.observe("finding", finding("F-1", **LATE)))
    assert asked == []
    await replay.deliver(await replay.clock_to(IN_FORCE))
    assert asked[0] == ("finding", "F-1")


async def test_an_observation_closes_the_case_of_a_declaration_that_was_put_off(replay: DifferRealm) -> None:
    await replay.begin()
    await replay.deliver(await replay.observe("finding", finding("F-1", **LATE)))
    await replay.deliver(*await replay.activate(PUT_OFF))
    again = await replay.observe("finding", finding("F-1", **LATE), sequence=1)
    await replay.deliver(again)  # before the review comes to it
    assert await replay.said(CASE) == ["opened", "closed"]
    await replay.review()
    assert await replay.said(CASE) == ["opened", "closed"]
    await replay.deliver(await replay.clock_to(IN_FORCE + days(1)))
    assert await replay.said(CASE) == ["opened", "closed", "opened"]
    assert (await replay.gap_events(CASE))[-1].asof == instant(IN_FORCE)


async def test_the_review_takes_back_what_was_contributed_also_when_an_observation_came_first(
    replay: DifferRealm,
) -> None:
    await replay.begin()
    await replay.deliver(
        await replay.observe("finding", finding("F-1")), await replay.observe("finding", finding("F-2"))
    )
    assert await contributors(replay) == {"F-1", "F-2"}
    await replay.deliver(*await replay.activate(PUT_OFF))
    await replay.deliver(await replay.observe("finding", finding("F-1", title="Another"), sequence=1))
    await replay.review()
    assert await contributors(replay) == set()
    await replay.deliver(await replay.clock_to(IN_FORCE))
    assert await contributors(replay) == {"F-1", "F-2"}


async def test_its_objectives_are_measured_as_soon_as_it_is_in_force(replay: DifferRealm) -> None:
    await replay.begin(PUT_OFF)
    await replay.deliver(await replay.observe("finding", finding("F-1", **LATE)))
    await replay.measure()
    assert [event for event in await replay.events() if event.subject.startswith("objective/")] == []
    assert START < IN_FORCE
    await replay.deliver(await replay.clock_to(IN_FORCE + days(0.5)))
    measured = await measures(replay)
    assert measured and {event.asof for event in measured} == {instant(IN_FORCE)}


async def measures(realm: DifferRealm) -> list[Event]:
    return [event for event in await realm.events() if event.subject.startswith("objective/")]


async def test_they_are_measured_when_all_is_decided_that_comes_at_that_instant(
    replay: DifferRealm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever order the database finds equal instants in, and though not all of them fire at once."""
    monkeypatch.setattr(handlers, "FIRED_AT_ONCE", 2)
    await replay.begin(PUT_OFF)
    assert await replay.pool.fetchval("SELECT count(*) FROM differ.timers WHERE subject = '*'") == 1, "set first"
    keys = [f"F-{number}" for number in range(5)]
    await replay.deliver(*[await replay.observe("finding", finding(key, **LATE)) for key in keys])
    await replay.deliver(await replay.clock_to(IN_FORCE))
    (first, *_) = await measures(replay)
    assert first.type == ObjectiveMissed.TYPE and first.data["value"] == f"{len(keys)}/1"
