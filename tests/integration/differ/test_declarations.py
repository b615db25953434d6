"""A declaration that is activated looks at the whole population again, old rows included."""

from __future__ import annotations

import pytest
from differ import rounds
from support.differ_realm import FINDINGS, START, DifferRealm, days, finding, retest

pytestmark = pytest.mark.integration
LATE = "June 30, 2023"


async def test_rows_observed_before_any_declaration_are_decided_when_it_comes(replay: DifferRealm) -> None:
    await replay.deliver(await replay.create())
    seen = [
        await replay.observe("finding", finding("F-1", completion_date=LATE)),
        await replay.observe(
            "finding",
            finding("F-2", completion_date=LATE, corrective_action_status="Corrective action complete"),
        ),
        await replay.observe("retest", retest("R-1", "F-2")),
    ]
    await replay.deliver(*seen)
    assert await replay.said() == []
    activated = await replay.activate(FINDINGS.read_text())
    await replay.deliver(*activated)
    await replay.review()
    (event,) = await replay.gap_events()  # the retest of F-2 was linked, too
    assert event.data["key"] == "F-1"
    assert event.causationid == activated[-1].event.id


async def test_a_changed_rule_opens_closes_and_changes_cases(replay: DifferRealm) -> None:
    await replay.begin()
    await replay.deliver(
        await replay.observe("finding", finding("F-1", completion_date=LATE)),
        await replay.observe("finding", finding("F-2", completion_date="July 10, 2023", repeat_finding="Y")),
        await replay.observe("finding", finding("F-3", completion_date=LATE, repeat_finding="Y")),
    )
    assert await replay.said() == ["opened", "opened"]
    text = FINDINGS.read_text().replace("areas.matches('[ABC]')", "areas.matches('[ABC]') && repeat")
    text = text.replace("expect: known(due)", "expect: position != 'in progress'")
    await replay.deliver(*await replay.activate(text))
    await replay.review()
    told = {event.data["case"].split("/")[1]: event for event in (await replay.gap_events())[2:]}
    assert {key: event.type.split(".")[2] for key, event in told.items()} == {
        "F-1": "closed",
        "F-2": "opened",
        "F-3": "changed",
    }
    assert told["F-1"].data["reason"] == "declaration_changed"
    assert told["F-3"].data["changed"] == ["the declaration changed", "dated: missed"]


async def test_a_review_goes_on_where_it_was_when_the_differ_stopped(
    replay: DifferRealm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "REVIEW_BATCH", 2)
    await replay.deliver(await replay.create())
    await replay.deliver(
        *[await replay.observe("finding", finding(f"F-{n}", completion_date=LATE)) for n in range(5)]
    )
    await replay.deliver(*await replay.activate(FINDINGS.read_text()))
    assert await pending(replay) == 1
    assert await replay.transact(replay.differ.review) == 1
    assert len(await replay.said()) == 2
    replay.restarted()
    await replay.review()
    assert await replay.said() == ["opened"] * 5
    await replay.measure()
    assert await pending(replay) == 0


async def test_activating_the_same_again_looks_at_nothing(replay: DifferRealm) -> None:
    await replay.begin()
    await replay.deliver(await replay.observe("finding", finding("F-1", completion_date=LATE)))
    await replay.measure()
    await replay.deliver(*await replay.activate(FINDINGS.read_text()))
    assert await pending(replay) == 0
    assert await replay.said() == ["opened"]


async def test_a_desired_state_for_another_type_closes_the_cases_of_the_former(replay: DifferRealm) -> None:
    await replay.begin()
    await replay.deliver(await replay.observe("finding", finding("F-1", completion_date=LATE)))
    start = FINDINGS.read_text().index("kind: DesiredState")
    end = FINDINGS.read_text().index("---", start)
    await replay.deliver(*await replay.activate("apiVersion: trueup/v1alpha1\n" + OTHER_TYPE))
    await replay.review()
    assert end > start
    last = (await replay.gap_events())[-1]
    assert (last.type, last.data["reason"]) == ("trueup.gap.closed.v1", "declaration_changed")


async def test_a_declaration_in_force_later_counts_from_its_day_on(replay: DifferRealm) -> None:
    await replay.begin(FINDINGS.read_text().replace("effective: 2023-07-01", "effective: 2023-07-05"))
    await replay.deliver(await replay.observe("finding", finding("F-1", completion_date=LATE)))
    assert await replay.said() == []
    await replay.deliver(await replay.clock_to(START + days(3)))
    assert [(event.asof, event.type) for event in await replay.gap_events()] == [
        ("2023-07-05T04:00:00Z", "trueup.gap.opened.v1")
    ]


async def pending(replay: DifferRealm) -> int:
    count: int = await replay.pool.fetchval("SELECT pending FROM ledger.work WHERE service = 'differ'")
    return count


OTHER_TYPE = """kind: DesiredState
metadata: {name: money-findings-closed}
spec:
  statement: Every retest passes.
  basis: Standard
  owner: head-of-compliance
  effective: 2023-07-01
  selector: {entity: retest}
  done: result == 'passed'
  severity: {medium: otherwise}
  expectations:
    - {name: passes, expect: result == 'passed', says: It failed.}
  verification: {proof: done, soak: 1 day, within: 10 days}
  remediation: {autonomy: L1}
"""
