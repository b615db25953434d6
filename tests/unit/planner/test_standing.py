"""Which cases need a draft, and which drafts still stand."""

from __future__ import annotations

from datetime import timedelta

from common.events.approver import GapDisputed
from common.events.auditor import VerificationFailed
from common.events.differ import GapSuspended
from common.events.executor import ExecutionFinished, ExecutionStarted
from planner.core.standing import NOTHING, Need, cause_of, need
from support.casework import FINDINGS, Casework, catalogue_of
from support.drafting import authorised, confirmed, drafted, situation


def planned(**changes: object) -> Casework:
    work = confirmed(**changes)
    work.drafted(drafted(work))
    return work


def needed(work: Casework) -> Need:
    return need(situation(work))


def test_nothing_is_drafted_before_the_gap_is_confirmed() -> None:
    work = Casework()
    work.open_gap()
    assert needed(work) == NOTHING


def test_a_confirmed_gap_is_drafted_for_and_a_draft_that_stands_is_left_alone() -> None:
    work = confirmed()
    assert needed(work) == Need(draft=True)
    work.drafted(drafted(work))
    assert needed(work) == NOTHING  # one open plan a case


def test_a_confirmation_of_other_rules_is_no_confirmation() -> None:
    work = confirmed()
    work.row["corrective_action_status"] = "Corrective action complete"  # now `shown` fails, not `fixed`
    work.open_gap()
    assert needed(work) == NOTHING


def test_changed_facts_of_the_same_rules_supersede_and_draft_again() -> None:
    work = planned()
    work.row["completion_date"] = "June 29, 2023"
    work.open_gap()
    found = needed(work)
    assert found.supersede is not None
    assert found.supersede.reason_code == "facts_changed"
    assert "due was '2023-06-30' and is now '2023-06-29'" in found.supersede.reason
    assert found.draft


def test_a_fact_that_only_a_parameter_reads_counts_too() -> None:
    work = planned()
    work.row["title"] = "Another title"
    found = needed(work)
    assert found.supersede is not None
    assert "title was" in found.supersede.reason


def test_a_fact_that_the_plan_does_not_rely_on_voids_nothing() -> None:
    work = planned()
    work.row["prior_references"] = "2020-001"
    assert needed(work) == NOTHING


def test_the_same_seen_again_in_a_newer_observation_changes_nothing() -> None:
    work = planned()
    work.row["a_new_column"] = "whatever"
    assert needed(work) == NOTHING


def test_changed_rules_supersede_and_wait_for_people_to_confirm_again() -> None:
    work = authorised()
    work.row["corrective_action_status"] = "Corrective action complete"
    work.open_gap()
    found = needed(work)
    assert found.supersede is not None
    assert found.supersede.reason_code == "facts_changed"
    assert not found.draft
    work.add(found.supersede, "planner", "service:planner")
    assert work.case.stage == "to-confirm"
    work.confirm()
    assert needed(work) == Need(draft=True)


def test_a_closed_gap_supersedes_a_plan_that_has_not_started() -> None:
    work = planned()
    work.close_gap()
    found = needed(work)
    assert found.supersede is not None
    assert (found.supersede.reason_code, found.draft) == ("gap_closed", False)


def test_a_new_version_supersedes_and_waits_for_the_differ() -> None:
    work = planned()
    work.catalogue = catalogue_of(FINDINGS.read_text().replace("soak: 30 days", "soak: 31 days"))
    found = needed(work)
    assert found.supersede is not None
    assert (found.supersede.reason_code, found.draft) == ("declaration_changed", False)
    work.add(found.supersede, "planner", "service:planner")
    assert needed(work) == NOTHING
    work.open_gap()  # the differ has spoken: another version, so people confirm again
    assert needed(work) == NOTHING
    work.confirm()
    assert needed(work) == Need(draft=True)


def test_a_dispute_supersedes() -> None:
    work = planned()
    gap = work.case.gap
    assert gap is not None
    decision, signature = work.decide("dispute", "j.moreau", "head-of-compliance", gap.data.digest)
    data = GapDisputed(case=work.id, gap_event=gap.event.id, decision=decision)
    work.add(data, "approver", "person:j.moreau", signature=signature)
    found = needed(work)
    assert found.supersede is not None
    assert not found.draft


def finished() -> Casework:
    work = authorised()
    grant = work.case.authorisation
    assert grant is not None
    plan, digest = grant.data.plan, grant.data.digest
    work.add(
        ExecutionStarted(case=work.id, plan=plan, digest=digest, authorisation=grant.event.id, checks=[]),
        "executor", "service:executor",
    )  # fmt: skip
    assert needed(work) == NOTHING  # what has started runs to its end
    work.row["title"] = "Another title"
    assert needed(work) == NOTHING
    work.add(ExecutionFinished(case=work.id, plan=plan, digest=digest, steps=2), "executor", "service:executor")
    assert needed(work) == NOTHING  # to be verified
    failed = VerificationFailed(case=work.id, reason_code="failed_again", reason="fixed fails again", facts=[])
    work.add(failed, "auditor", "service:auditor")
    return work


def test_a_plan_that_did_not_hold_is_followed_by_another_one() -> None:
    work = finished()
    assert needed(work) == Need(draft=True)
    again = drafted(work)
    assert again.number == 2
    assert any("did not hold: fixed fails again" in one.text for one in again.reasoning)
    assert cause_of(work.case).id == work.events[-1].id


def test_a_plan_that_did_not_hold_waits_for_a_confirmation_of_what_fails_now() -> None:
    work = finished()
    work.row["corrective_action_status"] = "Corrective action complete"
    work.open_gap()
    found = needed(work)
    assert found.supersede is not None
    assert (found.supersede.reason_code, found.draft) == ("verification_failed", False)
    work.add(found.supersede, "planner", "service:planner")
    assert work.case.stage == "to-confirm"


def suspended(work: Casework) -> Casework:
    says = "fixed: mended 3 times and undone each time (position) by feed:audit-tracker"
    work.add(GapSuspended(case=work.id, desired_state="s", cycles=[], says=says), "differ", "service:differ")
    return work


def test_in_a_suspended_case_nothing_is_drafted_and_no_draft_stands() -> None:
    assert needed(suspended(confirmed())) == NOTHING
    found = needed(suspended(planned()))
    assert found.supersede is not None
    assert (found.supersede.reason_code, found.draft) == ("suspended", False)
    assert "by feed:audit-tracker" in found.supersede.reason


def test_what_is_met_and_may_fail_again_is_neither_drafted_for_nor_is_its_draft_withdrawn() -> None:
    work = confirmed()
    work.meet_gap(work.asof + timedelta(hours=2))
    assert needed(work) == NOTHING
    work.open_gap()
    assert needed(work) == Need(draft=True)

    work = planned()
    late, work.row = work.row, {**work.row, "completion_date": "July 20, 2023"}
    work.meet_gap(work.asof + timedelta(hours=2))
    assert needed(work) == NOTHING
    work.row = late
    work.open_gap()
    assert needed(work) == NOTHING, "as it failed before: the plan stands"
    work.meet_gap(work.asof + timedelta(hours=2))
    work.close_gap()
    found = needed(work)
    assert found.supersede is not None
    assert (found.supersede.reason_code, found.draft) == ("gap_closed", False)


def test_a_plan_that_did_not_hold_is_not_followed_by_another_while_nothing_fails() -> None:
    work = finished()
    work.open_gap()
    assert needed(work).draft
    work.meet_gap(work.asof + timedelta(hours=2))
    assert needed(work) == NOTHING
