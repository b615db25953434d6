"""The case of a whole population: an objective that is missed opens it, and only one that is met leaves it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from common.cases import Case
from common.clock import parse_instant
from common.events.differ import GapClosed, GapOpened, GapSnapshot, GapSuspended
from common.events.executor import ActionSucceeded
from support.differ_realm import FINDINGS, START, DifferRealm, days, finding, retest

pytestmark = pytest.mark.integration
TEXT = FINDINGS.read_text().replace("reach: 2023-12-31", "reach: 2023-07-10").replace("minimum: 10", "minimum: 20")
CASE = "money-findings-closed/*/1"
COMPLETE = "Corrective action complete"


async def opened(realm: DifferRealm) -> None:
    """Three findings are open after the day by which none was to be."""
    await realm.begin(TEXT)
    await realm.deliver(*[await realm.observe("finding", finding(f"F-{number}")) for number in range(1, 4)])
    await realm.measure()
    await realm.deliver(await realm.clock_to(parse_instant("2023-07-12T00:00:00Z")))


async def closed(realm: DifferRealm, *keys: str) -> None:
    for key in keys:
        done = finding(key, corrective_action_status=COMPLETE)
        await realm.deliver(
            await realm.observe("finding", done, realm.asof),
            await realm.observe("retest", retest(f"R-{key}", key, on="2023-07-11"), realm.asof),
        )
    await realm.measure()


async def test_a_missed_objective_opens_one_case_and_names_who_contributes(replay: DifferRealm) -> None:
    await opened(replay)
    case = await replay.case(CASE)
    assert case.gap is not None
    gap = case.gap.data
    assert (gap.entity_type, gap.key, gap.severity) == ("finding", "*", "medium")
    (rule,) = gap.rules
    assert (rule.name, rule.kind, rule.status) == ("none-open", "objective", "missed")
    assert rule.measured is not None
    assert (rule.measured.standing, rule.measured.says, rule.measured.path) == ("missed", "3 of 3", "0")
    assert [one.key for one in rule.measured.contributors] == ["F-1", "F-2", "F-3"]
    assert rule.measured.others == 0
    (fact,) = rule.facts
    assert (fact.name, fact.value) == ("none-open", "not met")
    measured = [event for event in await replay.events() if event.id == fact.event_id]
    assert [event.subject for event in measured] == ["objective/money-findings-closed/none-open"]
    assert case.gap.event.causationid == fact.event_id


async def test_the_case_follows_the_measure_and_closes_when_it_is_met(replay: DifferRealm) -> None:
    await opened(replay)
    digest = (await replay.case(CASE)).gap
    assert digest is not None
    await closed(replay, "F-1")
    await replay.deliver(await replay.clock_to(START + days(11)))
    changed = (await replay.case(CASE)).gap
    assert changed is not None
    assert changed.data.rules[0].says == "2 of 3; at most 0 wanted by 10 July 2023."
    assert changed.data.digest == digest.data.digest, "who confirmed the gap need not confirm that it got better"
    await closed(replay, "F-2", "F-3")
    assert (await replay.said(CASE))[-1] == "closed"
    (last,) = [event for event in await replay.gap_events(CASE) if event.type == GapClosed.TYPE]
    assert last.data["reason"] == "met"
    assert [(fact["name"], fact["value"]) for fact in last.data["facts"]] == [("none-open", "met")]


async def test_a_gap_that_closed_is_measured_daily_until_the_case_is_over(replay: DifferRealm) -> None:
    await opened(replay)
    await closed(replay, "F-1", "F-2", "F-3")
    await replay.deliver(await replay.clock_to(START + days(12)))
    streams = [event.subject for event in await replay.events() if event.type.endswith("objective.met.v1")]
    assert streams.count("objective/money-findings-closed/none-open") > 1
    await replay.deliver(await replay.close_case(CASE))
    await replay.measure()
    await replay.deliver(await replay.observe("finding", finding("F-9", completion_date="July 1, 2023")))
    await replay.measure()
    assert await replay.said("money-findings-closed/*/2") == ["opened"]


async def test_a_shrunken_population_is_an_alarm_and_closes_nothing(replay: DifferRealm) -> None:
    await opened(replay)
    for key in ("F-1", "F-2", "F-3"):
        moved = finding(key, compliance_requirements="L")  # it does not concern money any more
        await replay.deliver(await replay.observe("finding", moved))
    await replay.measure()
    assert "closed" not in await replay.said(CASE)
    assert await replay.failing(CASE) == {"none-open": "unknown"}

    data = [event.data for event in await replay.gap_events(CASE)][-1]
    assert "the population shrank from 3 to 0" in data["rules"][0]["says"]


async def test_a_shrinking_population_raises_an_alarm_though_no_case_was_open(replay: DifferRealm) -> None:
    await replay.begin(TEXT.replace("reach: 2023-07-10", "reach: 2023-08-31"))
    await replay.deliver(*[await replay.observe("finding", finding(f"F-{number}")) for number in range(1, 4)])
    await replay.measure()
    assert await replay.said(CASE) == [], "on track opens no case"
    await replay.deliver(
        await replay.observe("finding", finding("F-1", compliance_requirements="L"), START + timedelta(hours=1))
    )
    await replay.measure()
    assert await replay.said(CASE) == ["undecided"]


async def test_restarts_duplicates_and_measuring_again_say_nothing_twice(replay: DifferRealm) -> None:
    await opened(replay)
    before = [event.id for event in await replay.gap_events(CASE)]
    observed = await replay.observe("finding", finding("F-1"))
    await replay.deliver(observed)
    replay.restarted()
    await replay.deliver(observed)
    await replay.pool.execute("INSERT INTO differ.measures VALUES ('money-findings-closed') ON CONFLICT DO NOTHING")
    await replay.measure()
    assert [event.id for event in await replay.gap_events(CASE)] == before


async def test_a_copy_that_lost_the_case_finds_it_in_the_ledger(replay: DifferRealm) -> None:
    await opened(replay)
    before = await replay.said(CASE)
    assert before == ["opened", "changed"], "behind its path, then missed"
    await replay.pool.execute("DELETE FROM differ.cases WHERE key = '*'")
    await replay.pool.execute("INSERT INTO differ.measures VALUES ('money-findings-closed') ON CONFLICT DO NOTHING")
    await replay.measure()
    assert await replay.said(CASE) == before
    await closed(replay, "F-1", "F-2", "F-3")
    assert await replay.said(CASE) == [*before, "closed"]


async def test_another_objective_of_the_population_is_another_rule_of_its_case(replay: DifferRealm) -> None:
    await opened(replay)
    await replay.deliver(*await replay.activate(TEXT.replace("minimum: 20", "minimum: 1")))
    await replay.review()
    await replay.measure()
    late = finding("F-4", completion_date="July 5, 2023")
    await replay.deliver(await replay.observe("finding", late))
    await replay.measure()
    assert await replay.failing(CASE) == {"none-open": "missed", "on-time": "missed"}
    gap = (await replay.case(CASE)).gap
    assert gap is not None
    assert isinstance(gap.data, GapSnapshot)
    on_time = gap.data.rules[1].measured
    assert on_time is not None
    assert [(one.key, one.says) for one in on_time.contributors] == [("F-4", "is not met, since 6 July 2023")]


async def test_an_objective_that_is_met_and_missed_again_suspends_the_case_of_the_population(
    replay: DifferRealm,
) -> None:
    """Three times an action brings it to its target, and three times new findings undo that."""
    await opened(replay)
    await closed(replay, "F-2", "F-3")
    for day in range(12, 15):
        data = ActionSucceeded(case=CASE, plan="p", step=1, idempotency_key=f"k-{day}", receipt={})
        await replay.append("executor", f"execution/{CASE}", data, case=CASE)
        assert "suspended" not in await replay.said(CASE)
        await replay.deliver(await replay.clock_to(START + days(day)))
        await closed(replay, "F-1")
        assert (await replay.said(CASE))[-1] == "closed"
        again = finding("F-1", completion_date=f"July {day}, 2023")
        await replay.deliver(await replay.observe("finding", again, replay.asof + timedelta(hours=1)))
        await replay.measure()
        replay.restarted()
    *_, drift, said = await replay.gap_events(CASE)
    assert (drift.type, said.type, said.causationid) == (GapOpened.TYPE, GapSuspended.TYPE, drift.id)
    assert said.data["says"] == "none-open: mended 3 times and undone each time by finding F-1"
    case = Case.fold(CASE, enumerate(await replay.gap_events(CASE)))
    assert (case.stage, case.flips) == ("suspended", 3)

    # What is measured next is told as ever, and nobody is told twice of the same three times.
    await replay.deliver(await replay.observe("finding", finding("F-7", completion_date="July 1, 2023")))
    await replay.measure()
    await replay.deliver(await replay.clock_to(START + days(16)))
    assert (await replay.said(CASE))[-2:] == ["suspended", "changed"]
