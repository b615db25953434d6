"""What a ticket says and binds to."""

from __future__ import annotations

import pytest
from approver.core.reactions import react
from common.clock import parse_instant
from common.events.approver import TicketOpened
from support.casework import FINDINGS, catalogue_of
from support.desk import around, confirmed, draft, reacted, ticketed


def opened_ticket() -> TicketOpened:
    ticket = ticketed().case.ticket
    assert ticket is not None
    return ticket.data


def test_a_ticket_carries_the_plans_reasoning_and_binds_to_the_five_parts() -> None:
    walk = ticketed()
    ticket = walk.case.ticket
    assert ticket is not None
    data = ticket.data
    assert data.reasoning[0] == walk.plan.found
    assert [sentence.text for sentence in walk.plan.reasoning] == data.reasoning[2:]
    assert data.digest == data.parts.digest
    assert data.parts.plan == walk.plan.recompute_content_digest()
    assert data.parts.desired_state == walk.plan.version
    assert data.plan_event == walk.case.plan.event.id  # type: ignore[union-attr]


def test_the_ticket_asks_the_roles_of_the_policy_line_for_the_plans_risk() -> None:
    assert opened_ticket().chain.approve == {"compliance-lead": 1, "risk": 1}
    assert opened_ticket().chain.release == {"technology-operations": 1}


def test_the_ticket_expires_after_the_policys_five_business_days_on_the_realm_clock() -> None:
    # 3 July 2023 is a Monday; five business days later, at the same hour in New York.
    assert parse_instant(opened_ticket().expires) == parse_instant("2023-07-10T15:20:00Z")


def test_the_risk_assessment_says_what_is_touched_who_is_affected_what_if_it_fails_and_how_to_undo() -> None:
    found = opened_ticket().risk_assessment
    assert [line.partition(" ")[0] for line in found.touches] == ["ticketing", "policy-library"]
    assert "it-service" in found.affects and "head-of-controls" in found.affects
    assert "Management promised" in found.if_it_fails
    assert found.undo == [
        "1 request-evidence: Cancel the request.",
        "2 publish-procedure: Publish the previous version.",
    ]
    assert (found.risk, found.change_class) == ("medium", "normal")
    assert "publish-procedure" in found.set_by and "risk == 'medium'" in found.set_by


def test_a_plan_of_routine_steps_only_is_a_standard_change() -> None:
    walk = ticketed(completion_date="N/A")
    assert {step.level for step in walk.plan.steps} == {"L3"}
    assert walk.case.ticket is not None
    assert walk.case.ticket.data.risk_assessment.change_class == "standard"


def test_the_same_case_makes_the_same_ticket_with_the_same_event_id() -> None:
    walk = confirmed()
    first, second = draft(walk), draft(walk)
    react(first, around(walk))
    react(second, around(walk))
    assert [event.id for event in first.events] == [event.id for event in second.events] != []


@pytest.mark.parametrize("given", ["not confirmed", "facts changed", "declaration changed"])
def test_no_ticket_is_opened_for_a_plan_that_no_longer_stands(given: str) -> None:
    walk = confirmed()
    if given == "not confirmed":
        walk.report("2023-07-03 16:00", corrective_action_status="Corrective action complete")
        walk.open_gap()
    elif given == "facts changed":
        walk.report("2023-07-03 16:00", completion_date="June 29, 2023")
    else:
        walk.catalogue = catalogue_of(FINDINGS.read_text().replace("within: 120 days", "within: 90 days"))
    assert reacted(walk) == []
