"""The state machine of a case, step by step; the walk is told by tests/support/casework.py, with real signatures."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from common.clock import instant
from common.events.executor import ExecutionStarted
from support.casework import Casework
from support.drafting import drafted


@pytest.fixture
def work() -> Casework:
    work = Casework()
    work.open_gap()
    return work


def approved(work: Casework) -> Casework:
    work.confirm()
    work.drafted(drafted(work))
    work.open_ticket()
    work.approve_all()
    work.authorise()
    return work


def test_the_stages_follow_what_has_happened(work: Casework) -> None:
    seen = [work.case.stage]
    work.confirm()
    seen.append(work.case.stage)
    work.drafted(drafted(work))
    seen.append(work.case.stage)
    work.open_ticket()
    work.approve_all()
    seen.append(work.case.stage)
    work.authorise()
    seen.append(work.case.stage)
    assert seen == ["to-confirm", "to-plan", "to-approve", "to-approve", "authorised"]


def test_a_release_given_before_the_start_still_holds_after_it(work: Casework) -> None:
    approved(work)
    ticket = work.case.ticket
    assert ticket is not None
    given = work.release(2)
    authorisation = work.case.authorisation
    assert authorisation is not None
    started = ExecutionStarted(
        case=work.id,
        plan=work.plan.plan,
        digest=ticket.data.digest,
        authorisation=authorisation.event.id,
        checks=[],
    )
    work.add(started, "executor", "service:executor")
    assert work.case.executing
    assert work.case.releases[2].event == given


def test_what_fails_changing_takes_the_confirmation_back_until_the_plan_is_authorised(work: Casework) -> None:
    work.confirm()
    assert work.case.confirmed
    work.row["corrective_action_status"] = "Managements opinion is that corrective action is not required"
    work.open_gap()
    assert not work.case.confirmed
    assert work.case.stage == "to-confirm"


@pytest.mark.parametrize(("reason", "flips"), [("met", 1), ("withdrawn", 1), ("accepted", 0), ("ignored", 0)])
def test_a_gap_that_was_accepted_and_comes_back_is_not_flapping(work: Casework, reason: Any, flips: int) -> None:
    work.close_gap(reason)
    work.open_gap()
    assert (work.case.flips, work.case.stage) == (flips, "to-confirm")


def test_events_of_another_case_or_out_of_order_are_refused(work: Casework) -> None:
    case = work.case
    with pytest.raises(ValueError, match="comes after"):
        case.apply(0, work.events[0])
    other = Casework(row={**work.row, "reference": "2022-091"})
    with pytest.raises(ValueError, match="belongs to"):
        case.apply(5, other.open_gap())


def test_what_is_met_and_has_yet_to_last_is_the_same_gap_that_says_so(work: Casework) -> None:
    work.confirm()
    work.meet_gap(work.asof + timedelta(hours=2))
    assert (work.case.stage, work.case.confirmed, work.case.flips) == ("settling", True, 0)
    first = work.asof = work.asof + timedelta(hours=1)
    work.open_gap()
    assert (work.case.stage, work.case.met, work.case.confirmed) == ("to-plan", None, True)
    work.meet_gap(work.asof + timedelta(hours=2))
    work.asof += timedelta(hours=1)
    work.open_gap()
    assert (work.case.flips, work.case.flips_since) == (2, instant(first))
    work.meet_gap(work.asof + timedelta(hours=2))
    work.close_gap()
    assert (work.case.stage, work.case.met, work.case.flips) == ("to-verify", None, 2)
