"""Which decisions are recorded, and which are refused with which reason code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from common import signing
from common.clock import instant
from common.directory import Directory
from common.errors import Refused
from common.events.approver import PlanAuthorised
from support.casework import having_left
from support.desk import decided, reacted, short, signed, ticketed
from support.walk import Walk, at, keys, opened


def refused(walk: Walk, kind: str, person: str, role: str, **more: Any) -> str:
    """The reason code with which a properly signed decision is refused."""
    with pytest.raises(Refused) as caught:
        decided(walk, *signed(walk, kind, person, role, **more))
    return caught.value.reason_code


def approved(walk: Walk) -> Walk:
    decided(walk, *signed(walk, "approve", "l.hansen", "compliance-lead"))
    decided(walk, *signed(walk, "approve", "r.osei", "risk"))
    return walk


# Gate 1


def test_a_confirmation_is_recorded_with_the_persons_signature() -> None:
    walk = opened()
    decision, signature = signed(walk, "confirm", "j.moreau", "head-of-compliance", comment="Draft exists.")
    assert decided(walk, decision, signature) == ["gap.confirmed"]
    event = walk.events[-1]
    assert (event.actor, event.signature) == ("person:j.moreau", signature)
    assert event.data["decision"]["comment"] == "Draft exists."
    assert event.causationid == walk.events[0].id


def test_a_gap_that_has_changed_since_is_not_confirmed() -> None:
    walk = opened()
    decision, signature = signed(walk, "confirm", "j.moreau", "head-of-compliance")
    walk.report("2023-07-03 16:00", corrective_action_status="Corrective action complete")
    walk.open_gap()
    with pytest.raises(Refused, match="stale_digest"):
        decided(walk, decision, signature)


def test_an_undecided_gap_needs_people_who_confirm_too() -> None:
    walk = opened(corrective_action_status="In parts, see below", completion_date="June 30, 2024")
    assert walk.case.stage == "undecided"
    approval = walk.decide("approve", "l.hansen", "compliance-lead", "0" * 64)
    with pytest.raises(Refused, match="wrong_stage"):
        decided(walk, *approval)
    assert decided(walk, *signed(walk, "confirm", "j.moreau", "head-of-compliance")) == ["gap.confirmed"]


def test_a_gap_that_nobody_can_see_any_more_is_not_confirmed() -> None:
    walk = opened()
    walk.close_gap()
    assert refused(walk, "confirm", "j.moreau", "head-of-compliance") == "wrong_stage"


def test_the_author_of_the_declaration_can_not_confirm_its_gaps() -> None:
    walk = opened()
    everybody = [
        person.model_copy(update={"roles": (*person.roles, "head-of-compliance")})
        for person in walk.directory.people.values()
    ]
    directory = Directory.of(walk.realm, everybody, ["playbook"])
    with pytest.raises(Refused, match="author_decides"):
        decided(walk, *signed(walk, "confirm", "c.adeyemi", "head-of-compliance"), directory=directory)


def test_a_dispute_stops_the_case_until_somebody_confirms_after_all() -> None:
    walk = opened()
    assert decided(walk, *signed(walk, "dispute", "j.moreau", "head-of-compliance")) == ["gap.disputed"]
    assert walk.case.stage == "disputed"
    decided(walk, *signed(walk, "confirm", "j.moreau", "head-of-compliance"))
    assert walk.case.confirmed


# Gate 2


def test_the_last_missing_approval_authorises_the_plan_once() -> None:
    walk = ticketed()
    assert decided(walk, *signed(walk, "approve", "l.hansen", "compliance-lead")) == ["approval.given"]
    assert decided(walk, *signed(walk, "approve", "r.osei", "risk")) == ["approval.given", "plan.authorised"]
    assert reacted(walk) == []
    assert short(walk.events).count("plan.authorised") == 1


def test_the_grant_is_for_exactly_the_plans_steps_within_the_policys_time() -> None:
    walk = ticketed()
    walk.asof = at("2023-07-05 10:12")
    approved(walk)
    event = walk.events[-1]
    data = PlanAuthorised.of(event)
    assert data.grant.steps == [1, 2] and data.grant.count == 2
    assert data.grant.actions == ["publish-procedure", "request-evidence"]
    assert data.grant.targets == ["finding/2022-090"]
    assert (data.grant.not_before, data.grant.expires) == ("2023-07-05T10:12:00Z", "2023-07-12T10:12:00Z")
    assert len(data.approvals) == 2 and data.approvals[-1] == event.causationid


def test_two_people_are_needed_for_two_roles_even_where_one_holds_both() -> None:
    walk = ticketed()
    both = [
        person.model_copy(update={"roles": (*person.roles, "compliance-lead", "risk")})
        for person in walk.directory.people.values()
    ]
    directory = Directory.of(walk.realm, both, ["playbook"])
    reacted(walk, directory=directory)  # the ticket is opened anew: who may decide has changed
    decided(walk, *signed(walk, "approve", "l.hansen", "compliance-lead"), directory=directory)
    with pytest.raises(Refused) as caught:
        decided(walk, *signed(walk, "approve", "l.hansen", "risk"), directory=directory)
    assert caught.value.reason_code == "already_decided"
    assert walk.case.authorisation is None


def test_who_took_a_part_that_no_longer_stands_can_not_take_another() -> None:
    walk = opened()
    everybody = [
        person.model_copy(update={"roles": (*person.roles, "risk", "head-of-compliance")})
        for person in walk.directory.people.values()
    ]
    directory = Directory.of(walk.realm, everybody, ["playbook"])
    decided(walk, *signed(walk, "dispute", "r.osei", "head-of-compliance"), directory=directory)
    decided(walk, *signed(walk, "confirm", "j.moreau", "head-of-compliance"), directory=directory)
    walk.draft()
    reacted(walk, directory=directory)
    with pytest.raises(Refused) as caught:
        decided(walk, *signed(walk, "approve", "r.osei", "risk"), directory=directory)
    assert caught.value.reason_code == "not_apart"
    assert decided(walk, *signed(walk, "approve", "p.nakamura", "risk"), directory=directory) == ["approval.given"]


def test_the_person_who_confirmed_can_not_approve() -> None:
    walk = ticketed()
    everybody = [
        person.model_copy(update={"roles": (*person.roles, "risk")}) for person in walk.directory.people.values()
    ]
    directory = Directory.of(walk.realm, everybody, ["playbook"])
    reacted(walk, directory=directory)
    with pytest.raises(Refused) as caught:
        decided(walk, *signed(walk, "approve", "j.moreau", "risk"), directory=directory)
    assert caught.value.reason_code == "not_apart"


CASES: dict[str, Callable[[Walk], str]] = {
    "stale_digest": lambda walk: refused(walk, "approve", "l.hansen", "compliance-lead", subject="0" * 64),
    "role_not_held": lambda walk: refused(walk, "approve", "l.hansen", "risk"),
    "role_not_needed": lambda walk: refused(walk, "approve", "a.lindqvist", "system-owner"),
    "wrong_stage": lambda walk: refused(walk, "release", "p.nakamura", "technology-operations", step=2),
}


@pytest.mark.parametrize("code", CASES)
def test_an_approval_is_refused_with(code: str) -> None:
    walk = ticketed()
    before = len(walk.events)
    assert CASES[code](walk) == code
    assert len(walk.events) == before


def test_a_second_approval_by_the_same_person_is_refused() -> None:
    walk = ticketed()
    decided(walk, *signed(walk, "approve", "l.hansen", "compliance-lead"))
    assert refused(walk, "approve", "l.hansen", "compliance-lead") == "already_decided"


def test_exactly_the_same_decision_again_is_refused() -> None:
    walk = ticketed()
    decision, signature = signed(walk, "approve", "l.hansen", "compliance-lead")
    decided(walk, decision, signature)
    with pytest.raises(Refused, match="already_decided"):
        decided(walk, decision, signature)


def test_a_confirmation_can_not_be_replayed_after_a_dispute() -> None:
    walk = opened()
    decision, signature = signed(walk, "confirm", "j.moreau", "head-of-compliance")
    decided(walk, decision, signature)
    first = walk.case.gap
    walk.report("2023-07-03 16:00", corrective_action_status="Corrective action complete")
    walk.open_gap()
    decided(walk, *signed(walk, "dispute", "j.moreau", "head-of-compliance"))
    walk.report("2023-07-03 17:00", corrective_action_status="Corrective action in progress")
    again = walk.open_gap()
    assert first is not None and walk.case.gap is not None
    assert again.id != first.event.id and walk.case.gap.data.digest == first.data.digest  # the signature would fit
    with pytest.raises(Refused, match="already_decided"):
        decided(walk, decision, signature)
    assert walk.case.dispute is not None


def test_a_decision_made_long_ago_is_refused() -> None:
    walk = ticketed()
    decision, _ = signed(walk, "approve", "l.hansen", "compliance-lead")
    old = decision.model_copy(update={"made_at": instant(walk.wall - timedelta(minutes=11))})
    with pytest.raises(Refused, match="decision_too_old"):
        decided(walk, old, signing.sign(old, keys()["l.hansen"]))


@pytest.mark.parametrize(
    ("signature", "code"),
    [
        ("", "signature_missing"),
        ("nonsense", "signature_invalid"),
        ("l.hansen:AAAA", "signature_invalid"),
    ],
)
def test_a_decision_that_is_not_properly_signed_is_refused(signature: str, code: str) -> None:
    walk = ticketed()
    decision, _ = signed(walk, "approve", "l.hansen", "compliance-lead")
    with pytest.raises(Refused, match=code):
        decided(walk, decision, signature)


def test_a_decision_signed_by_somebody_else_is_refused() -> None:
    walk = ticketed()
    decision, _ = signed(walk, "approve", "l.hansen", "compliance-lead")
    foreign = signing.sign(decision, keys()["r.osei"])
    with pytest.raises(Refused, match="signature_invalid"):
        decided(walk, decision, foreign)


@pytest.mark.parametrize("field", ["comment", "role", "case", "nonce"])
def test_a_signature_covers_every_word_of_the_decision(field: str) -> None:
    walk = ticketed()
    decision, signature = signed(walk, "approve", "l.hansen", "compliance-lead", comment="Yes.")
    values = {"comment": "Yes!", "role": "risk", "case": "other/1/1", "nonce": "another"}
    with pytest.raises(Refused):
        decided(walk, decision.model_copy(update={field: values[field]}), signature)


def test_an_agent_approves_nothing() -> None:
    walk = ticketed()
    decision, _ = signed(walk, "approve", "l.hansen", "compliance-lead")
    for name in ("playbook", "agent:playbook/1", "service:approver"):
        agents = decision.model_copy(update={"person": name})
        with pytest.raises(Refused, match="agent_identity"):
            decided(walk, agents, signing.sign(agents, keys()["l.hansen"]))


def test_a_decision_for_another_realm_is_refused() -> None:
    walk = ticketed()
    decision, _ = signed(walk, "approve", "l.hansen", "compliance-lead")
    foreign = decision.model_copy(update={"realm": "production"})
    with pytest.raises(Refused, match="wrong_realm"):
        decided(walk, foreign, signing.sign(foreign, keys()["l.hansen"]))


def test_a_refusal_keeps_the_case_open_until_somebody_returns_the_plan() -> None:
    walk = ticketed()
    assert decided(walk, *signed(walk, "refuse", "r.osei", "risk", comment="Not before the audit.")) == [
        "approval.refused"
    ]
    assert walk.case.stage == "refused"
    assert refused(walk, "approve", "l.hansen", "compliance-lead") == "wrong_stage"
    assert decided(walk, *signed(walk, "return", "l.hansen", "compliance-lead")) == ["plan.returned"]
    assert (walk.case.stage, walk.case.plan) == ("to-plan", None)


# At Level 2


def test_a_release_is_a_fourth_persons_and_counts_once() -> None:
    walk = approved(ticketed())
    assert decided(walk, *signed(walk, "release", "p.nakamura", "technology-operations", 2)) == ["release.given"]
    assert refused(walk, "release", "m.duarte", "technology-operations", step=2) == "already_decided"
    assert refused(walk, "release", "m.duarte", "technology-operations", step=1) == "role_not_needed"
    assert refused(walk, "release", "m.duarte", "technology-operations", step=9) == "outside_grant"


def test_an_outcome_is_reported_by_who_did_the_work_about_that_task() -> None:
    walk = approved(ticketed())
    walk.start()
    walk.intend(1)
    walk.succeed(1)
    decided(walk, *signed(walk, "release", "p.nakamura", "technology-operations", 2))
    walk.intend(2)
    assert refused(walk, "outcome", "p.nakamura", "technology-operations", step=2, result="done") == "not_apart"
    assert refused(walk, "outcome", "k.weber", "it-service", step=2, result="done") == "role_not_needed"
    wrong = {"result": "done", "subject": "0" * 32}
    assert refused(walk, "outcome", "k.weber", "head-of-controls", step=2, **wrong) == "stale_digest"
    done = signed(walk, "outcome", "k.weber", "head-of-controls", 2, result="not_done", comment="No access.")
    assert decided(walk, *done) == ["outcome.recorded"]
    assert refused(walk, "outcome", "k.weber", "head-of-controls", step=2, result="done") == "wrong_stage"


def test_a_person_who_has_left_the_directory_decides_nothing() -> None:
    walk = ticketed()
    decision, signature = signed(walk, "approve", "l.hansen", "compliance-lead")
    people = {name: person for name, person in walk.directory.people.items() if name != "l.hansen"}
    for fewer, code in (
        (replace(walk.directory, people=people), "person_unknown"),
        (having_left(walk.directory, "l.hansen", instant(walk.wall + timedelta(days=9))), "person_left"),
    ):
        with pytest.raises(Refused, match=code):
            decided(walk, decision, signature, directory=fewer)
