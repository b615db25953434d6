"""The executor trusts nobody: whatever is missing, forged, changed, used or out of time is refused with its code."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from common import signing
from common.clock import parse_instant
from common.errors import Refused
from common.events import Event
from common.events.approver import (
    ApprovalGiven,
    Decision,
    GapConfirmed,
    GapDisputed,
    PlanAuthorised,
    TicketOpened,
)
from common.events.planner import PlanDrafted
from executor.core.checks import checked_start
from support.casework import FINDINGS, Casework, catalogue_of, people
from support.drafting import authorised, drafted
from support.forging import changed, resigned, scene, started, with_decision, without


def refused(work: Casework, **changes: Any) -> str:
    """The code with which the start is refused."""
    with pytest.raises(Refused) as caught:
        checked_start(work.case, scene(work, **changes))
    assert caught.value.message
    return caught.value.reason_code


def test_a_case_with_both_gates_is_started_and_says_what_was_checked() -> None:
    checks = checked_start(authorised().case, scene(authorised()))
    assert len(checks) >= 5


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (GapConfirmed, "gate1_missing"),
        (TicketOpened, "gate2_missing"),
        (PlanAuthorised, "gate2_missing"),
        (ApprovalGiven, "quorum_incomplete"),
        (PlanDrafted, "gate2_missing"),
    ],
)
def test_without_the_record_of_a_gate_nothing_runs(kind: type, code: str) -> None:
    assert refused(without(authorised(), kind)) == code


def test_one_approval_less_than_the_quorum_is_not_enough() -> None:
    work = authorised()
    last = [event for event in work.events if event.type == ApprovalGiven.TYPE][-1]
    work.events.remove(last)
    assert refused(work) == "quorum_incomplete"


def test_a_disputed_gap_is_not_confirmed() -> None:
    work = authorised()
    gap = work.case.gap
    assert gap is not None
    decision, signature = work.decide("dispute", "j.moreau", "head-of-compliance", gap.data.digest)
    data = GapDisputed(case=work.id, gap_event=gap.event.id, decision=decision)
    work.add(data, "approver", "person:j.moreau", signature=signature)
    assert refused(work) == "gate1_missing"


@pytest.mark.parametrize("kind", [GapConfirmed, ApprovalGiven])
def test_a_decision_without_a_signature_does_not_count(kind: type) -> None:
    assert refused(changed(authorised(), kind, lambda event: replace(event, signature=None))) == "signature_missing"


@pytest.mark.parametrize("kind", [GapConfirmed, ApprovalGiven])
def test_a_foreign_signature_does_not_count(kind: type) -> None:
    def foreign(event: Event) -> Event:
        decision = Decision.model_validate(event.data["decision"])
        encoded = signing.sign(decision, people()[1]["m.duarte"]).partition(":")[2]
        return replace(event, signature=f"{decision.person}:{encoded}")

    assert refused(changed(authorised(), kind, foreign)) == "signature_invalid"


@pytest.mark.parametrize("kind", [GapConfirmed, ApprovalGiven])
def test_a_decision_changed_after_signing_does_not_count(kind: type) -> None:
    forged = changed(authorised(), kind, lambda event: with_decision(event, comment="and something else"))
    assert refused(forged) == "signature_invalid"


def test_a_person_without_the_role_does_not_count() -> None:
    def by_somebody_else(event: Event) -> Event:
        return resigned(event, "m.duarte") if event.data["decision"]["role"] == "risk" else event

    assert refused(changed(authorised(), ApprovalGiven, by_somebody_else)) == "role_not_held"


def test_an_agent_identity_fills_no_quorum() -> None:
    def by_agent(event: Event) -> Event:
        return with_decision(event, person="playbook")

    assert refused(changed(authorised(), ApprovalGiven, by_agent)) == "agent_identity"


def test_a_person_unknown_to_the_executors_directory_does_not_count() -> None:
    work = authorised()
    directory = work.directory
    fewer = replace(directory, people={k: v for k, v in directory.people.items() if k != "r.osei"})
    # Who may decide is part of the digest, so that leaving alone is noticed first.
    assert refused(work, directory=fewer) == "digest_mismatch"


def test_a_decision_for_another_case_does_not_count() -> None:
    def other(event: Event) -> Event:
        return resigned(event, event.data["decision"]["person"], case="money-findings-closed/2022-091/1")

    assert refused(changed(authorised(), ApprovalGiven, other)) == "wrong_case"


def test_a_decision_for_another_realm_does_not_count() -> None:
    def other(event: Event) -> Event:
        return resigned(event, event.data["decision"]["person"], realm="elsewhere")

    assert refused(changed(authorised(), GapConfirmed, other)) == "wrong_realm"


def test_an_approval_of_another_digest_does_not_count() -> None:
    def other(event: Event) -> Event:
        return resigned(event, event.data["decision"]["person"], subject="0" * 64)

    assert refused(changed(authorised(), ApprovalGiven, other)) == "digest_mismatch"


def test_one_person_under_two_roles_is_one_person() -> None:
    work = authorised()
    keys = people()[1]
    everybody = {**work.directory.people}
    both = everybody["l.hansen"].model_copy(update={"roles": ("compliance-lead", "risk")})
    assert keys["l.hansen"]
    directory = replace(work.directory, people={**everybody, "l.hansen": both})

    class Realm(Casework):
        @property
        def directory(self) -> Any:
            return directory

    made = Realm()
    made.open_gap()
    made.confirm()
    made.drafted(drafted(made))
    made.open_ticket()
    made.approve("l.hansen", "compliance-lead")
    made.approve("l.hansen", "risk")
    made.authorise()
    assert refused(made) == "not_apart"


def test_who_confirmed_the_gap_before_another_did_does_not_approve_its_plan() -> None:
    work = authorised()
    everybody = {**work.directory.people}
    both = everybody["l.hansen"].model_copy(update={"roles": ("compliance-lead", "head-of-compliance")})
    directory = replace(work.directory, people={**everybody, "l.hansen": both})

    class Realm(Casework):
        @property
        def directory(self) -> Any:
            return directory

    made = Realm()
    made.open_gap()
    made.confirm("l.hansen")
    made.confirm()
    made.drafted(drafted(made))
    made.open_ticket()
    made.approve("l.hansen", "compliance-lead")
    made.approve("r.osei", "risk")
    made.authorise()
    assert refused(made) == "not_apart"


def test_a_plan_that_was_altered_is_not_what_was_approved() -> None:
    def alter(event: Event) -> Event:
        first, *others = event.data["steps"]
        steps = [{**first, "parameters": {**first["parameters"], "ask": "Send the keys"}}, *others]
        return replace(event, data={**event.data, "steps": steps})

    assert refused(changed(authorised(), PlanDrafted, alter)) == "digest_mismatch"


def test_a_ticket_that_claims_another_digest_is_refused() -> None:
    def alter(event: Event) -> Event:
        return replace(event, data={**event.data, "parts": {**event.data["parts"], "facts": "0" * 64}})

    assert refused(changed(authorised(), TicketOpened, alter)) == "digest_mismatch"


def test_a_fact_changed_since_the_approval_stops_it() -> None:
    work = authorised()
    work.row["completion_date"] = "June 29, 2023"
    with pytest.raises(Refused, match="due was '2023-06-30' and is now '2023-06-29'") as caught:
        checked_start(work.case, scene(work))
    assert caught.value.reason_code == "digest_mismatch"


def test_a_fact_that_has_become_unknown_stops_it() -> None:
    work = authorised()
    later = work.asof + timedelta(days=40)  # the finding was not reported again: everything about it is stale
    work.asof = later
    assert refused(work) == "digest_mismatch"


def test_the_same_facts_from_a_newer_observation_do_not() -> None:
    work = authorised()
    work.row["another_column"] = "new"
    assert checked_start(work.case, scene(work))


def test_a_changed_declaration_stops_it() -> None:
    text = FINDINGS.read_text().replace("soak: 30 days", "soak: 3 days")
    assert refused(authorised(), catalogue=catalogue_of(text)) == "version_changed"


def test_a_changed_statement_of_an_action_stops_it() -> None:
    text = FINDINGS.read_text().replace("insert into requests", "insert into other_requests")
    assert refused(authorised(), catalogue=catalogue_of(text)) == "version_changed"


def test_a_changed_policy_stops_it() -> None:
    text = FINDINGS.read_text().replace("expires: 5 business days", "expires: 50 business days")
    assert refused(authorised(), catalogue=catalogue_of(text)) == "digest_mismatch"


def test_a_closed_gap_stops_it() -> None:
    work = authorised()
    work.close_gap()
    assert refused(work) == "gap_closed"


def test_a_grant_that_has_expired_is_not_used() -> None:
    work = authorised()
    grant = work.case.authorisation
    assert grant is not None
    expires = parse_instant(grant.data.grant.expires)
    assert refused(work, asof=expires) == "grant_expired"
    assert checked_start(work.case, scene(work, asof=expires - timedelta(seconds=1)))


def test_a_grant_is_used_once() -> None:
    work = authorised()
    started(work)
    assert refused(work) == "already_consumed"


@pytest.mark.parametrize(
    "grant",
    [
        {"steps": [1]},
        {"steps": [1, 2, 3], "count": 3},
        {"targets": ["finding/2022-091"]},
        {"actions": ["request-evidence"]},
        {"count": 1},
    ],
)
def test_a_plan_outside_its_grant_is_not_run(grant: dict[str, Any]) -> None:
    def alter(event: Event) -> Event:
        return replace(event, data={**event.data, "grant": {**event.data["grant"], **grant}})

    assert refused(changed(authorised(), PlanAuthorised, alter)) == "outside_grant"


def rewritten(**fields: Any) -> Casework:
    """A case that people approved although its first step says something that no declaration allows."""
    work = Casework()
    work.open_gap()
    work.confirm()
    plan = drafted(work)
    steps = [plan.steps[0].model_copy(update=fields), *plan.steps[1:]]
    plan = plan.model_copy(update={"steps": steps})
    work.drafted(plan.model_copy(update={"content_digest": plan.recompute_content_digest()}))
    work.open_ticket()
    work.approve_all()
    work.authorise()
    return work


def test_a_target_outside_the_case_is_refused_whoever_approved_it() -> None:
    assert refused(rewritten(target="finding/2022-091")) == "outside_grant"


def test_an_action_dressed_as_another_is_refused_whoever_approved_it() -> None:
    assert refused(rewritten(provider="manual")) == "outside_catalogue"
    assert refused(rewritten(parameters={"ask": "x", "due": "2023-07-17", "more": "y"})) == "outside_catalogue"


def test_a_level_above_what_is_declared_is_refused_whoever_approved_it() -> None:
    work = Casework()
    work.open_gap()
    work.confirm()
    plan = drafted(work)
    steps = [plan.steps[0], plan.steps[1].model_copy(update={"level": "L3"})]
    plan = plan.model_copy(update={"steps": steps})
    work.drafted(plan.model_copy(update={"content_digest": plan.recompute_content_digest()}))
    work.open_ticket()
    work.approve_all()
    work.authorise()
    assert refused(work) == "level_too_high"


def test_acting_on_what_is_unknown_is_refused_whoever_approved_it() -> None:
    known = authorised().plan
    work = Casework()
    work.row = {**work.row, "completion_date": "N/A"}
    work.open_gap()
    work.confirm()
    plan = drafted(work)
    acting = known.steps[1].model_copy(update={"number": len(plan.steps) + 1})
    plan = plan.model_copy(update={"steps": [*plan.steps, acting], "risk": "medium"})
    work.drafted(plan.model_copy(update={"content_digest": plan.recompute_content_digest()}))
    work.open_ticket()
    work.approve_all()
    work.authorise()
    assert refused(work) == "unknown_facts"
