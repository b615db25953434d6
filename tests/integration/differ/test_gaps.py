"""From observations to gaps and cases, on the findings example, with real handlers and a real ledger."""

from __future__ import annotations

from itertools import permutations

import pytest
from common.clock import instant, parse_instant
from common.events.auditor import ProofSeen
from support.differ_realm import START, DifferRealm, days, finding, retest

pytestmark = pytest.mark.integration
CASE = "money-findings-closed/F-1/1"


async def test_a_finding_past_due_opens_a_case_that_cites_what_was_observed(replay: DifferRealm) -> None:
    await replay.begin()
    seen = await replay.observe("finding", finding("F-1", completion_date="June 30, 2023"))
    await replay.deliver(seen)

    (event,) = await replay.gap_events()
    assert event.type == "trueup.gap.opened.v1"
    assert event.subject == f"gap/{CASE}"
    assert event.caseid == CASE
    assert event.streamversion == 1
    assert event.causationid == seen.event.id
    assert event.correlationid == seen.event.id
    assert event.asof == "2023-07-03T00:00:00Z"
    assert event.data["severity"] == "medium"
    (rule,) = event.data["rules"]
    assert (rule["name"], rule["status"]) == ("fixed", "missed")
    assert rule["due"] == "2023-07-01T04:00:00Z"  # the end of June in New York
    cited = {fact["name"]: (fact.get("value"), fact["event_id"]) for fact in rule["facts"]}
    assert cited["due"] == ("2023-06-30", seen.event.id)
    assert cited["position"] == ("in progress", seen.event.id)


async def test_on_track_and_not_selected_entities_open_nothing(replay: DifferRealm) -> None:
    await replay.begin()
    late_but_no_money = finding("F-2", completion_date="June 30, 2023", compliance_requirements="L")
    await replay.deliver(
        await replay.observe("finding", finding("F-1")), await replay.observe("finding", late_but_no_money)
    )
    assert await replay.said() == []


async def test_the_same_again_in_a_newer_observation_says_nothing(replay: DifferRealm) -> None:
    await replay.begin()
    row = finding("F-1", completion_date="June 30, 2023")
    await replay.deliver(await replay.observe("finding", row))
    await replay.deliver(await replay.observe("finding", row, START + days(1)))
    assert await replay.said() == ["opened"]


async def test_a_fact_that_changed_is_told_in_words(replay: DifferRealm) -> None:
    await replay.begin()
    await replay.deliver(await replay.observe("finding", finding("F-1", completion_date="June 30, 2023")))
    changed = finding("F-1", completion_date="June 15, 2023", repeat_finding="Y")
    await replay.deliver(await replay.observe("finding", changed, START + days(0.1)))
    last = (await replay.gap_events())[-1]
    assert last.type == "trueup.gap.changed.v1"
    assert last.data["changed"] == ["severity: medium → high", "due: 2023-06-30 → 2023-06-15"]


@pytest.mark.parametrize("order", list(permutations(range(3))))
async def test_retest_and_finding_in_any_order_come_to_the_same(replay: DifferRealm, order: tuple[int, ...]) -> None:
    await replay.begin()
    done = finding("F-1", corrective_action_status="Corrective action complete", completion_date="May 1, 2023")
    batch = [
        await replay.observe("finding", done),
        await replay.observe("retest", retest("R-1", "F-1", "failed", "2023-07-01")),
        await replay.observe("retest", retest("R-2", "F-1", "passed", "2023-07-02")),
    ]
    for index in order:
        await replay.deliver(batch[index])
    assert await replay.failing(CASE) == {}
    case = await replay.case(CASE)
    if case.gap is not None:  # it opened on the way, and closed for the retest that passed
        assert case.gap_closed is not None
        assert case.gap_closed.data.reason == "met"


async def test_a_failed_retest_alone_leaves_the_gap_open_and_cites_the_retest(replay: DifferRealm) -> None:
    await replay.begin()
    done = finding("F-1", corrective_action_status="Corrective action complete", completion_date="May 1, 2023")
    tested = await replay.observe("retest", retest("R-1", "F-1", "failed"))
    await replay.deliver(tested, await replay.observe("finding", done))
    (event,) = await replay.gap_events()
    facts = {fact["name"]: fact for rule in event.data["rules"] for fact in rule["facts"]}
    assert facts["retest.result"]["value"] == "failed"
    assert facts["retest.result"]["event_id"] == tested.event.id


async def test_a_retest_that_names_another_finding_now_concerns_both(replay: DifferRealm) -> None:
    await replay.begin()
    done = {"corrective_action_status": "Corrective action complete", "completion_date": "May 1, 2023"}
    await replay.deliver(
        await replay.observe("finding", finding("F-1", **done)),
        await replay.observe("finding", finding("F-2", **done)),
        await replay.observe("retest", retest("R-1", "F-1")),
    )
    other = "money-findings-closed/F-2/1"
    assert (await replay.failing(CASE), set(await replay.failing(other))) == ({}, {"shown", "proven"})
    await replay.deliver(await replay.observe("retest", retest("R-1", "F-2"), START + days(0.1)))
    assert (set(await replay.failing(CASE)), await replay.failing(other)) == ({"shown", "proven"}, {})


async def test_an_unreadable_date_is_undecided_and_a_readable_one_decides(replay: DifferRealm) -> None:
    await replay.begin()
    parts = finding("F-1", corrective_action_status="see the answers below", completion_date="July 31, 2023")
    await replay.deliver(await replay.observe("finding", parts))
    (event,) = await replay.gap_events()
    assert event.type == "trueup.gap.undecided.v1"
    assert {rule["status"] for rule in event.data["rules"]} == {"unknown"}
    assert 'corrective_action_status "see the answers below" is not in its table' in event.data["rules"][0]["reason"]
    clear = finding("F-1", completion_date="June 30, 2023")
    await replay.deliver(await replay.observe("finding", clear, START + days(0.1)))
    assert await replay.said() == ["undecided", "opened"]
    assert await replay.failing(CASE) == {"fixed": "missed"}


async def test_an_attribute_that_becomes_unreadable_never_closes_a_gap(replay: DifferRealm) -> None:
    await replay.begin()
    late = finding("F-1", completion_date="June 30, 2023")
    await replay.deliver(await replay.observe("finding", late))
    await replay.deliver(
        await replay.observe("finding", {**late, "corrective_action_status": "?"}, START + days(0.1))
    )
    assert await replay.said() == ["opened", "undecided"]
    assert set((await replay.failing(CASE)).values()) == {"unknown"}


async def test_an_unknown_selector_opens_nothing_makes_what_is_open_undecided_and_is_counted(
    replay: DifferRealm,
) -> None:
    await replay.begin()
    late = finding("F-1", completion_date="June 30, 2023")
    await replay.deliver(await replay.observe("finding", late))
    blank = {"compliance_requirements": ""}
    await replay.deliver(
        await replay.observe("finding", {**late, **blank}, START + days(0.1)),
        await replay.observe("finding", finding("F-2", completion_date="June 30, 2023", **blank)),
    )
    assert await replay.said() == ["opened", "undecided"]
    assert await replay.failing(CASE) == {"fixed": "unknown"}
    (rule,) = (await replay.gap_events(CASE))[-1].data["rules"]
    assert rule["reason"].startswith("it can't be told whether it is selected: areas")
    counts = await replay.transact(replay.differ.counts)
    assert counts == {
        "money-findings-closed": {"open": 0, "undecided": 1, "selector_unknown": 1, "accepted": 0, "ignored": 0}
    }


async def test_known_not_selected_closes(replay: DifferRealm) -> None:
    await replay.begin()
    late = finding("F-1", completion_date="June 30, 2023")
    await replay.deliver(await replay.observe("finding", late))
    seen = await replay.observe("finding", {**late, "compliance_requirements": "L"}, START + days(0.1))
    await replay.deliver(seen)
    last = (await replay.gap_events())[-1]
    assert (last.type, last.data["reason"]) == ("trueup.gap.closed.v1", "not_selected")
    assert [(fact["name"], fact["value"], fact["event_id"]) for fact in last.data["facts"]] == [
        ("areas", "L", seen.event.id)
    ]


async def test_withdrawn_closes_and_an_older_row_arriving_late_does_not_reopen(replay: DifferRealm) -> None:
    await replay.begin()
    late = finding("F-1", completion_date="June 30, 2023")
    await replay.deliver(await replay.observe("finding", late, START))
    await replay.deliver(await replay.withdraw("finding", "F-1", START + days(0.2)))
    assert (await replay.gap_events())[-1].data["reason"] == "withdrawn"
    await replay.deliver(await replay.observe("finding", late, START + days(0.1)))
    assert await replay.said() == ["opened", "closed"]
    await replay.deliver(await replay.observe("finding", late, START + days(0.3)))
    assert await replay.said() == ["opened", "closed", "opened"]
    assert (await replay.gap_events())[-1].caseid == CASE  # nobody closed the case: the same occurrence


async def test_only_the_auditors_word_ends_an_occurrence(replay: DifferRealm) -> None:
    await replay.begin()
    late = finding("F-1", completion_date="June 30, 2023")
    done = {**late, "corrective_action_status": "Corrective action complete"}
    await replay.deliver(await replay.observe("finding", late))
    await replay.deliver(await replay.observe("retest", retest("R-1", "F-1")))
    await replay.deliver(await replay.observe("finding", done, START + days(0.1)))
    seen = ProofSeen(case=CASE, version="1", facts=[], soak_until=instant(START))
    proof = await replay.append("auditor", f"attestation/{CASE}", seen, case=CASE)
    closed = await replay.close_case(CASE)
    assert await replay.transact(replay.differ.on_attestations, [proof]) is False, (
        "nothing is to be measured for that"
    )
    assert await replay.transact(replay.differ.on_attestations, [proof, closed]) is True
    assert await replay.said() == ["opened", "closed"]
    await replay.deliver(await replay.observe("finding", late, START + days(0.2)))
    last = (await replay.gap_events())[-1]
    assert (last.type, last.caseid, last.streamversion) == ("trueup.gap.opened.v1", "money-findings-closed/F-1/2", 1)
    assert last.data["occurrence"] == 2


async def test_a_failure_before_the_auditors_message_arrives_begins_the_next_occurrence(replay: DifferRealm) -> None:
    await replay.begin()
    late = finding("F-1", completion_date="June 30, 2023")
    done = {**late, "corrective_action_status": "Corrective action complete"}
    await replay.deliver(await replay.observe("retest", retest("R-1", "F-1")))
    await replay.deliver(await replay.observe("finding", late))
    await replay.deliver(await replay.observe("finding", done, START + days(0.1)))
    closed = await replay.close_case(CASE)  # in the ledger, and still on the bus
    await replay.deliver(await replay.observe("finding", late, START + days(0.2)))
    assert (await replay.gap_events())[-1].caseid == "money-findings-closed/F-1/2"
    await replay.deliver(closed)
    assert await replay.said() == ["opened", "closed", "opened"]


async def test_a_case_closed_while_its_gap_had_opened_again_goes_on_as_the_next(replay: DifferRealm) -> None:
    await replay.begin()
    late = finding("F-1", completion_date="June 30, 2023")
    await replay.deliver(await replay.observe("finding", late))
    await replay.deliver(await replay.close_case(CASE))
    assert await replay.said() == ["opened", "opened"]
    assert await replay.failing("money-findings-closed/F-1/2") == {"fixed": "missed"}


async def test_several_cases_in_one_batch_get_their_own_causes(replay: DifferRealm) -> None:
    await replay.begin()
    batch = [await replay.observe("finding", finding(f"F-{n}", completion_date="June 30, 2023")) for n in range(5)]
    await replay.deliver(*batch)
    events = await replay.gap_events()
    assert {event.data["key"]: event.causationid for event in events} == {
        item.event.data["key"]: item.event.id for item in batch
    }


async def test_findings_of_the_past_count_as_of_the_realm_clock(replay: DifferRealm) -> None:
    """The realm lives in 2023, whatever year it is outside."""
    await replay.begin()
    await replay.deliver(await replay.observe("finding", finding("F-1", completion_date="July 3, 2023")))
    assert await replay.said() == []
    await replay.deliver(await replay.clock_to(parse_instant("2023-07-04T03:59:59Z")))
    assert await replay.said() == []
    await replay.deliver(await replay.clock_to(parse_instant("2023-07-04T04:00:00Z")))
    assert await replay.said() == ["opened"]
