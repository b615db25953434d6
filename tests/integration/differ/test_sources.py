"""A source that went quiet or dropped rows: everything it reported is Unknown, until it speaks or they come in."""

from __future__ import annotations

from datetime import timedelta

import pytest
from common.clock import instant
from common.events.observer import Doubt, SourceCounted, SourceJudged
from common.ids import source_stream
from common.timers import Timers, WallTimers
from differ import api
from support.differ_realm import FINDINGS, START, DifferRealm, days, finding, retest

pytestmark = pytest.mark.integration
CASE = "money-findings-closed/F-1/1"
LATE = finding("F-1", completion_date="June 30, 2023")
SOURCES = """
---
apiVersion: trueup/v1alpha1
kind: Source
metadata: {name: audit-tracker}
spec: {about: The tracker of findings., quietAfter: 3 days}
---
apiVersion: trueup/v1alpha1
kind: Source
metadata: {name: control-testing}
spec: {about: Plans and results of control tests., quietAfter: 20 days}
"""
DECLARED = FINDINGS.read_text().replace(""", where: "areas.matches('[ABC]')"}""", "}") + SOURCES


async def judge(realm: DifferRealm, feed: str, *doubts: Doubt) -> None:
    await realm.deliver(
        await realm.append("observer", source_stream(feed), SourceJudged(feed=feed, doubts=list(doubts)))
    )


async def notes(realm: DifferRealm) -> list[str]:
    return await api.notes(realm.pool, realm.differ)


async def test_a_quiet_source_makes_its_entities_unknown_at_its_own_instant_and_speaking_mends_it(
    replay: DifferRealm,
) -> None:
    await replay.begin(DECLARED)
    await replay.deliver(await replay.observe("retest", retest("R-1", "F-9")))
    await replay.deliver(await replay.observe("finding", LATE))
    assert (await replay.failing(CASE))["fixed"] == "missed"
    await replay.deliver(await replay.clock_to(START + days(5)))
    last = (await replay.gap_events(CASE))[-1]
    assert (last.type, last.asof) == ("trueup.gap.undecided.v1", instant(START + days(3)))
    (fresh,) = [rule for rule in last.data["rules"] if rule["name"] == "fresh"]
    assert fresh["reason"] == "source_quiet: audit-tracker has said nothing since 2023-07-03 00:00 UTC"
    assert fresh["says"] == "The source of finding F-1 can't be relied on."
    (note,) = await notes(replay)
    assert note.startswith("source audit-tracker: source_quiet: nothing since 2023-07-03")

    # Another finding is reported: the source is not quiet, and F-1 is what it was.
    await replay.deliver(await replay.observe("finding", finding("F-2")))
    await replay.review()
    assert (await replay.failing(CASE))["fixed"] == "missed"
    assert await notes(replay) == []


async def test_an_open_case_says_that_its_source_is_in_doubt_also_where_it_may_no_longer_be_selected(
    replay: DifferRealm,
) -> None:
    """The selector reads what the source reported: whether the entity belongs to it is Unknown, and so is the gap."""
    await replay.begin(FINDINGS.read_text() + SOURCES)
    await replay.deliver(await replay.observe("retest", retest("R-1", "F-9")))
    await replay.deliver(await replay.observe("finding", LATE))
    before = await replay.failing(CASE)
    await replay.deliver(await replay.clock_to(START + days(5)))
    last = (await replay.gap_events(CASE))[-1]
    assert (last.type, last.asof) == ("trueup.gap.undecided.v1", instant(START + days(3)))
    assert set((await replay.failing(CASE)).values()) == {"unknown"}
    assert (await replay.case(CASE)).stage == "undecided"
    (fixed,) = [rule for rule in last.data["rules"] if rule["name"] == "fixed"]
    assert "source_quiet: audit-tracker has said nothing since 2023-07-03 00:00 UTC" in fixed["reason"]
    counts = (await replay.transact(replay.differ.counts))["money-findings-closed"]
    assert (counts["open"], counts["undecided"], counts["selector_unknown"]) == (0, 1, 0)

    await replay.deliver(await replay.observe("finding", finding("F-2")))
    await replay.review()
    assert await replay.failing(CASE) == before
    assert await replay.said(CASE) == ["opened", "undecided", "opened"]


async def test_a_source_declared_says_nothing_of_cases_until_it_is_in_doubt(replay: DifferRealm) -> None:
    await replay.begin(DECLARED.removesuffix(SOURCES))
    await replay.deliver(await replay.observe("retest", retest("R-1", "F-9")))
    await replay.deliver(await replay.observe("finding", LATE))
    before = await replay.gap_events(CASE)
    await replay.deliver(*await replay.activate(SOURCES))
    await replay.review()
    assert await replay.gap_events(CASE) == before
    await replay.deliver(await replay.clock_to(START + days(5)))
    assert (await replay.gap_events(CASE))[-1].asof == instant(START + days(3)), (
        "the timer stands since it is declared"
    )


async def test_a_control_total_is_a_word_too(replay: DifferRealm) -> None:
    await replay.begin(DECLARED)
    await replay.deliver(await replay.observe("finding", LATE))
    said = SourceCounted(
        feed="audit-tracker", entity_type="finding", as_of=instant(START + days(2)), rows=1, upstream_id="t"
    )
    await replay.deliver(await replay.append("observer", source_stream("audit-tracker"), said))
    await replay.deliver(await replay.clock_to(START + days(4)))
    assert (await replay.failing(CASE))["fixed"] == "missed"


async def test_dropped_rows_make_entities_unknown_until_they_are_in(replay: DifferRealm) -> None:
    await replay.begin(DECLARED)
    await replay.deliver(await replay.observe("retest", retest("R-1", "F-9")))
    await replay.deliver(await replay.observe("finding", LATE))
    before = await replay.failing(CASE)
    doubt = Doubt(reason_code="rows_missing", since=instant(START), says="2 rows were counted", entity_type="finding")
    await judge(replay, "audit-tracker", doubt)
    await replay.review()
    assert set((await replay.failing(CASE)).values()) == {"unknown"}
    assert await notes(replay) == [
        "source audit-tracker: rows_missing: finding: 2 rows were counted; what it reported is Unknown"
    ]
    text = api.exposition(await replay.transact(replay.differ.sources)).decode()
    assert 'trueup_source_reliable{source="audit-tracker"} 0.0' in text
    assert 'trueup_source_reliable{source="control-testing"} 1.0' in text
    assert 'trueup_source_doubts{reason_code="rows_missing",source="audit-tracker"} 1.0' in text
    await judge(replay, "audit-tracker")
    await replay.review()
    assert await replay.failing(CASE) == before


async def test_that_a_quiet_source_reports_nothing_is_not_known_either(replay: DifferRealm) -> None:
    """A finding that is said to be complete has no retest: once the tests' source is quiet, nobody knows."""
    await replay.begin(DECLARED.replace("quietAfter: 3 days", "quietAfter: 60 days"))
    await replay.deliver(await replay.observe("retest", retest("R-1", "F-9")))
    done = finding("F-1", corrective_action_status="Corrective action complete")
    await replay.deliver(await replay.observe("finding", done))
    assert (await replay.failing(CASE))["shown"] == "missed"
    await replay.deliver(await replay.clock_to(START + days(21)))
    assert (await replay.failing(CASE))["shown"] == "unknown"
    last = (await replay.gap_events(CASE))[-1]
    assert last.asof == instant(START + days(20))


async def test_it_goes_quiet_while_the_differ_is_down_and_it_finds_out_when_it_is_back(walled: DifferRealm) -> None:
    walled.asof = walled.wall
    quiet = walled.wall + timedelta(seconds=2)
    await walled.begin(DECLARED.replace("2023-07-01", "2020-01-01"))
    await walled.deliver(await walled.observe("finding", LATE, at=quiet - days(3)))
    assert (await walled.failing(CASE))["fixed"] == "missed"
    walled.wall += timedelta(seconds=5)
    walled.restarted()
    await WallTimers(walled.pool, Timers("differ"), walled.differ.fire_due, lambda: walled.wall).fire_due()
    assert set((await walled.failing(CASE)).values()) == {"unknown"}
    assert (await walled.gap_events(CASE))[-1].asof == instant(quiet), "at its own instant, not when it came back"
