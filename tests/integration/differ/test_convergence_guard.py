"""What actions mend and another undoes is counted from the ledger; after so many times the case is suspended."""

from __future__ import annotations

import pytest
from common.cases import Case
from common.clock import instant
from common.events.executor import ActionSucceeded
from differ import handlers
from differ.main import SERVICE
from support.casework import without_objectives
from support.differ_realm import FINDINGS, START, DifferRealm, days, finding, retest
from support.rebuilding import rebuilt

pytestmark = pytest.mark.integration
CASE = "money-findings-closed/F-1/1"
NEXT = "money-findings-closed/F-1/2"
LATE = finding("F-1", completion_date="June 30, 2023")
COMPLETE = {**LATE, "corrective_action_status": "Corrective action complete"}


DATED = """\
apiVersion: trueup/v1alpha1
kind: EntityType
metadata: {name: door}
spec:
  about: A door that is to be locked, and is for some days.
  source: guards
  key: id
  attributes:
    from: {from: from, read: yyyy-MM-dd}
    to: {from: to, read: yyyy-MM-dd}
    again: {from: again, read: yyyy-MM-dd}
---
apiVersion: trueup/v1alpha1
kind: DesiredState
metadata: {name: doors-locked}
spec:
  statement: Doors are locked.
  basis: Policy
  owner: somebody
  effective: 2023-07-01
  timezone: UTC
  selector: {entity: door}
  done: today >= from && today < to || today >= again
  severity: {medium: otherwise}
  expectations:
    - {name: locked, expect: done, says: "Open until {from}."}
  verification: {proof: done, soak: 1 day, within: 30 days}
  remediation: {autonomy: L1, suspendAfter: {cycles: 1, within: 30 days}}
"""


async def act(realm: DifferRealm, case: str = CASE) -> None:
    data = ActionSucceeded(case=case, plan="p", step=1, idempotency_key="k", receipt={})
    await realm.append("executor", f"execution/{case}", data, case=case)


async def turn(realm: DifferRealm, day: float, case: str = CASE) -> None:
    """An action, what it mended is seen, and then the tracker says again what it said before."""
    await act(realm, case)
    await realm.deliver(await realm.observe("finding", COMPLETE, START + days(day)))
    await realm.deliver(await realm.observe("finding", LATE, START + days(day + 0.01)))


async def begin(realm: DifferRealm, text: str | None = None) -> None:
    await realm.begin(text)
    await realm.deliver(await realm.observe("retest", retest("R-1", "F-1")))
    await realm.deliver(await realm.observe("finding", LATE))


async def test_the_third_drift_suspends_the_case_and_names_who_undid_it(replay: DifferRealm) -> None:
    await begin(replay)
    await turn(replay, 0.1)
    await turn(replay, 0.2)
    assert "suspended" not in await replay.said(CASE)
    replay.restarted()
    await turn(replay, 0.3)
    *_, drift, said = await replay.gap_events(CASE)
    assert (drift.type, said.type) == ("trueup.gap.opened.v1", "trueup.gap.suspended.v1")
    assert said.causationid == drift.id
    assert said.data["says"] == "fixed: mended 3 times and undone each time (position) by feed:audit-tracker"
    assert [cycle["writer"] for cycle in said.data["cycles"]] == ["feed:audit-tracker"] * 3
    case = Case.fold(CASE, enumerate(await replay.gap_events(CASE)))
    assert (case.stage, case.flips) == ("suspended", 3)

    # What is observed next is told as ever, and nobody is told twice of the same three times.
    await replay.deliver(await replay.observe("finding", {**LATE, "material_weakness": "Y"}, START + days(0.4)))
    assert (await replay.said(CASE))[-2:] == ["suspended", "changed"]
    assert (await rebuilt(replay.realm, SERVICE)).differences == []


async def test_it_counts_over_occurrences_and_as_declared(replay: DifferRealm) -> None:
    text = FINDINGS.read_text().replace(
        "    autonomy: L3", "    suspendAfter: {cycles: 2, within: 30 days}\n    autonomy: L3"
    )
    assert "suspendAfter" in text
    await begin(replay, text)
    await turn(replay, 0.1)
    await act(replay)
    await replay.deliver(await replay.observe("finding", COMPLETE, START + days(0.2)))
    await replay.deliver(await replay.close_case(CASE))
    await replay.deliver(await replay.observe("finding", LATE, START + days(0.3)))
    assert await replay.said(NEXT) == ["opened", "suspended"]
    assert (await replay.gap_events(NEXT))[-1].asof == instant(START)


async def test_flapping_without_any_action_is_one_case_that_says_so(replay: DifferRealm) -> None:
    await begin(replay)
    for number in range(1, 6):
        await replay.deliver(await replay.observe("finding", COMPLETE, START + days(number / 10)))
        await replay.deliver(await replay.observe("finding", LATE, START + days(number / 10 + 0.01)))
    case = await replay.case(CASE)
    assert (case.stage, case.flips) == ("to-confirm", 5)
    assert {event.caseid for event in await replay.gap_events()} == {CASE}
    assert case.gap is not None
    digests = {event.data["version"] for event in await replay.gap_events(CASE)}
    assert len(digests) == 1, "what was confirmed once is what fails again"


async def test_a_case_that_a_deadline_suspends_is_suspended_before_any_later_deadline_is_decided(
    replay: DifferRealm,
) -> None:
    """Both deadlines fire by one message; what is said stays in the order of its instants."""
    await begin(replay, without_objectives(FINDINGS.read_text()))
    await turn(replay, 0.1)
    await turn(replay, 0.2)
    await act(replay)
    again, other = (
        finding(key, completion_date=day) for key, day in (("F-1", "July 10, 2023"), ("F-2", "July 20, 2023"))
    )
    await replay.deliver(await replay.observe("finding", again, START + days(0.3)))
    await replay.deliver(await replay.observe("finding", other, START + days(0.3)))
    before = len(await replay.gap_events())
    await replay.deliver(await replay.clock_to(START + days(20)))
    told = [
        (event.asof, event.data.get("key", "F-1"), event.type.split(".")[2]) for event in await replay.gap_events()
    ]
    assert told[before:] == [
        ("2023-07-11T04:00:00Z", "F-1", "opened"),
        ("2023-07-11T04:00:00Z", "F-1", "suspended"),
        ("2023-07-21T04:00:00Z", "F-2", "opened"),
    ]


@pytest.mark.parametrize("at_once", [1, 1_000], ids=["each by itself", "together"])
async def test_what_closes_and_opens_again_in_one_jump_of_the_clock_is_a_cycle(
    replay: DifferRealm, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(handlers, "FIRED_AT_ONCE", at_once)
    case = "doors-locked/D-1/1"
    await replay.begin(DATED)
    row = {"id": "D-1", "from": "2023-07-06", "to": "2023-07-08", "again": "2023-07-20"}
    await replay.deliver(await replay.observe("door", row))
    assert await replay.said(case) == ["opened"]
    await act(replay, case)
    await replay.deliver(await replay.clock_to(START + days(10)))
    *_, drift, said = await replay.gap_events(case)
    assert [event.asof for event in await replay.gap_events(case)][1:] == [
        "2023-07-06T00:00:00Z",
        "2023-07-08T00:00:00Z",
        "2023-07-08T00:00:00Z",
    ]
    assert (drift.type, said.type) == ("trueup.gap.opened.v1", "trueup.gap.suspended.v1")
    assert said.data["says"] == "locked: mended once and undone again by nobody: no attribute is another than before"
    assert (await rebuilt(replay.realm, SERVICE)).differences == []
