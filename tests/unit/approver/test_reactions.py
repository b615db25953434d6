"""What voids an approval, what does not, and what runs out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from approver.core.reactions import deadline, expire, react
from common import signing
from common.clock import parse_instant
from common.declarations.catalogue import Catalogue
from common.directory import Directory, Person
from common.errors import Refused
from common.events import Event
from common.events.approver import ApprovalVoided, TicketOpened
from common.events.planner import PlanDrafted, PlanSuperseded
from common.service_keys import ServiceKey
from support import service_keys
from support.casework import FINDINGS, catalogue_of, once
from support.desk import around, confirmed, decided, draft, keep, reacted, short, signed, ticketed
from support.walk import Walk, at

TEXT = FINDINGS.read_text()


@once
def approved() -> Walk:
    walk = ticketed()
    decided(walk, *signed(walk, "approve", "l.hansen", "compliance-lead"))
    decided(walk, *signed(walk, "approve", "r.osei", "risk"))
    return walk


@once
def half_approved() -> Walk:
    walk = ticketed()
    decided(walk, *signed(walk, "approve", "l.hansen", "compliance-lead"))
    return walk


def changed(walk: Walk) -> list[str]:
    """What the last void says has changed."""
    voided = [event for event in walk.events if event.type == ApprovalVoided.TYPE]
    return ApprovalVoided.of(voided[-1]).changed


@pytest.mark.parametrize("stage", [half_approved, approved])
def test_a_changed_fact_voids_the_approvals_and_says_which(stage: Callable[[], Walk]) -> None:
    walk = stage()
    walk.report("2023-07-03 16:00", completion_date="June 29, 2023")
    walk.open_gap()
    assert reacted(walk) == ["approval.voided"]
    assert "due was '2023-06-30' and is now '2023-06-29'" in changed(walk)
    assert walk.case.authorisation is None and walk.case.ticket is None


def test_while_nothing_fails_no_plan_is_put_before_people_and_again_when_it_fails_as_it_did() -> None:
    walk = half_approved()
    walk.report("2023-07-03 16:00", completion_date="July 29, 2023")
    walk.meet_gap(walk.asof + timedelta(hours=2))
    assert reacted(walk) == ["approval.voided"]
    walk.report("2023-07-03 16:10", completion_date="June 30, 2023")
    assert reacted(walk) == [], "it is met, as far as is known"
    walk.open_gap()
    assert reacted(walk) == ["ticket.opened"]
    assert walk.case.stage == "to-approve"


def test_a_fact_that_the_plan_does_not_rely_on_voids_nothing() -> None:
    walk = half_approved()
    walk.report("2023-07-03 16:00", auditee_remark="We are on it.", federal_program="Another programme")
    walk.open_gap()
    assert reacted(walk) == []
    assert len(walk.case.approvals) == 1


def test_the_same_row_seen_again_voids_nothing() -> None:
    walk = half_approved()
    walk.report("2023-07-03 16:00")
    walk.open_gap()
    assert reacted(walk) == []


def test_a_changed_policy_voids_and_asks_again() -> None:
    walk = half_approved()
    walk.catalogue = catalogue_of(TEXT.replace("expires: 5 business days", "expires: 3 business days"))
    assert reacted(walk) == ["approval.voided", "ticket.opened"]
    assert changed(walk) == ["the approval policy findings-approvals changed"]
    assert walk.case.approvals == []


def test_another_desired_states_policy_voids_nothing() -> None:
    walk = half_approved()
    other = TEXT.replace("money-findings-closed", "other-findings-closed").replace("findings-approvals", "others")
    before = walk.catalogue
    walk.catalogue = before.with_documents(
        document for key, document in catalogue_of(other).documents.items() if key not in before.documents
    )
    assert len(walk.catalogue.documents) > len(before.documents)
    assert reacted(walk) == []


def test_a_changed_declaration_voids_and_waits_for_another_plan() -> None:
    walk = half_approved()
    walk.catalogue = catalogue_of(TEXT.replace("within: 120 days", "within: 90 days"))
    assert reacted(walk) == ["approval.voided"]
    assert changed(walk) == ["the declaration of the desired state, or of an action it uses, changed"]


def test_a_changed_directory_voids_and_asks_again_only_if_it_changes_who_may_decide() -> None:
    walk = half_approved()
    people = walk.directory.people
    stranger = Person(id="x.new", name="X. New", roles=("gardener",), key="eA==")
    with_stranger = Directory(walk.realm, {**people, "x.new": stranger})
    assert reacted(walk, directory=with_stranger) == []
    second = stranger.model_copy(update={"roles": ("risk",)})
    assert reacted(walk, directory=Directory(walk.realm, {**people, "x.new": second})) == [
        "approval.voided",
        "ticket.opened",
    ]
    assert changed(walk) == ["who may decide changed (the directory, or the policy line that applies)"]


def test_another_rule_that_fails_voids_because_nobody_confirmed_that() -> None:
    walk = approved()
    walk.report("2023-07-03 16:00", completion_date="Soon")
    walk.open_gap()
    assert reacted(walk) == ["approval.voided"]
    assert any("no longer what was confirmed" in words for words in changed(walk))


def test_what_the_planner_withdraws_is_voided_with_its_reason_once() -> None:
    walk = half_approved()
    data = PlanSuperseded(case=walk.id, plan=walk.plan.plan, reason_code="facts_changed", reason="due changed")
    walk.add(data, "planner", "service:planner")
    assert reacted(walk) == ["approval.voided"]
    assert changed(walk) == ["the plan was withdrawn: due changed"]
    assert reacted(walk) == []


def test_a_new_plan_gets_a_ticket_of_its_own_after_the_old_ones_void() -> None:
    walk = half_approved()
    data = PlanSuperseded(case=walk.id, plan=walk.plan.plan, reason_code="facts_changed", reason="due changed")
    walk.add(data, "planner", "service:planner")
    walk.draft()
    assert reacted(walk) == ["approval.voided", "ticket.opened"]
    assert walk.case.ticket is not None
    assert walk.case.ticket.data.plan == walk.plan.plan


def test_what_has_begun_is_not_voided() -> None:
    walk = approved()
    walk.start()
    walk.report("2023-07-03 16:00", completion_date="June 29, 2023")
    walk.open_gap()
    assert reacted(walk) == []


def test_a_refused_plan_stays_refused_whatever_changes() -> None:
    walk = half_approved()
    decided(walk, *signed(walk, "refuse", "r.osei", "risk"))
    walk.catalogue = catalogue_of(TEXT.replace("expires: 5 business days", "expires: 3 business days"))
    assert reacted(walk) == []
    assert walk.case.stage == "refused"


def test_a_policy_that_goes_missing_is_said_and_not_guessed() -> None:
    walk = ticketed()
    documents = {key: item for key, item in walk.catalogue.documents.items() if key[0] != "ApprovalPolicy"}
    made = draft(walk)
    walk.catalogue = Catalogue(documents, authors=walk.catalogue.authors)
    assert "money-findings-closed" in react(made, around(walk))
    assert made.events == []


# Time


def expired(walk: Walk, asof: str) -> list[str]:
    made = draft(walk, at(asof))
    expire(made)
    return short(keep(walk, made))


def test_a_ticket_runs_out_at_its_instant_and_not_before() -> None:
    walk = half_approved()
    assert deadline(walk.case) == parse_instant("2023-07-10T15:20:00Z")
    assert expired(walk, "2023-07-10 15:19") == []
    assert expired(walk, "2023-07-10 15:20") == ["plan.expired"]
    assert walk.case.stage == "expired" and deadline(walk.case) is None
    assert expired(walk, "2023-07-11 15:20") == []


def test_a_grant_runs_out_and_what_was_authorised_is_so_no_longer() -> None:
    walk = ticketed()
    walk.asof = at("2023-07-05 10:12")
    decided(walk, *signed(walk, "approve", "l.hansen", "compliance-lead"))
    decided(walk, *signed(walk, "approve", "r.osei", "risk"))
    assert expired(walk, "2023-07-10 15:20") == []  # the ticket's own time no longer counts
    assert expired(walk, "2023-07-12 10:12") == ["plan.expired"]
    assert walk.case.authorisation is None


def test_what_has_begun_does_not_run_out() -> None:
    walk = approved()
    walk.start()
    assert deadline(walk.case) is None
    assert expired(walk, "2024-01-01 00:00") == []


def test_an_expired_plan_can_be_returned_and_drafted_again() -> None:
    walk = half_approved()
    expired(walk, "2023-07-10 15:20")
    assert decided(walk, *signed(walk, "return", "r.osei", "risk")) == ["plan.returned"]
    assert walk.case.stage == "to-plan"


# The plan is the planner's, the ticket the approver's own: the database login alone does not show it.


@pytest.mark.parametrize("kind", ["missing", "foreign", "unknown"])
def test_a_plan_that_the_planner_did_not_sign_gets_no_ticket(kind: str) -> None:
    walk = confirmed()
    assert walk.events[-1].type == PlanDrafted.TYPE
    walk.events[-1] = walk.ledger[-1] = stolen(walk.events[-1], kind)
    made = draft(walk)
    told = react(made, around(walk))
    assert (made.events, made.case.stage) == ([], "to-approve")
    assert "trueup.plan.drafted.v1" in told


def test_a_ticket_that_the_approver_did_not_sign_is_neither_approved_nor_authorised() -> None:
    walk = half_approved()
    index = next(n for n, event in enumerate(walk.ledger) if event.type == TicketOpened.TYPE)
    place = walk.events.index(walk.ledger[index])
    walk.events[place] = walk.ledger[index] = stolen(walk.ledger[index], "missing")
    with pytest.raises(Refused, match="service_signature_missing"):
        decided(walk, *signed(walk, "approve", "r.osei", "risk"))
    walk.approve("r.osei", "risk")  # as if the login had recorded the approval as well
    assert reacted(walk) == []
    assert walk.case.authorisation is None
    assert decided(walk, *signed(walk, "return", "r.osei", "risk")) == ["plan.returned"]  # the way out


def stolen(event: Event, kind: str) -> Event:
    """The event as somebody would write it who has the service's login and not its key."""
    bare = replace(event, signature=None)
    secrets = {"foreign": service_keys.private_keys()["executor"], "unknown": signing.new_key()}
    if kind == "missing":
        return bare
    return ServiceKey.of(event.source, secrets[kind]).signed(bare, event.streamversion or 1)
