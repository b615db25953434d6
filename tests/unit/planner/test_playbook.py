"""Nothing canned: what the plan says and cites follows from the facts of the case."""

from __future__ import annotations

from common.approvals import facts_digest
from common.events.approver import PlanReturned
from common.events.planner import PlanDrafted
from hypothesis import given, settings
from hypothesis import strategies as st
from support.casework import FINDINGS, Casework, catalogue_of
from support.drafting import confirmed, drafted, withheld

RETEST = {
    "id": "RT-1",
    "finding": "2022-090",
    "result": "passed",
    "team": "internal-audit",
    "tested_on": "2023-06-20",
    "samples": "25",
}
WORDS = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=30)


def cites(plan: PlanDrafted) -> set[str]:
    sentences = [one.cites for one in plan.reasoning] + [one.cites for one in plan.alternatives]
    return {cite for cited in sentences for cite in cited}


def test_a_late_fix_is_answered_by_the_steps_of_its_playbook() -> None:
    plan = drafted(confirmed())
    assert [(step.action, step.level, step.risk) for step in plan.steps] == [
        ("request-evidence", "L3", "low"),
        ("publish-procedure", "L2", "medium"),
    ]
    assert plan.risk == "medium"
    assert plan.found == "Management promised 30 June 2023 and has not reported the fix complete."
    assert plan.steps[0].parameters["due"] == "2023-07-17"
    assert plan.steps[1].parameters["reason"] == "Promised for 30 June 2023, still in progress."
    assert {step.target for step in plan.steps} == {"finding/2022-090"}
    assert plan.content_digest == plan.recompute_content_digest()


def test_what_is_due_soon_is_answered_before_it_is_late() -> None:
    work = Casework(
        catalogue=catalogue_of(FINDINGS.read_text().replace("by: due\n", "by: due\n      lead: 30 days\n", 1))
    )
    work.row = {**work.row, "completion_date": "July 20, 2023"}
    work.open_gap()
    work.confirm()
    plan = drafted(work)
    assert [step.action for step in plan.steps] == ["request-evidence", "publish-procedure"]
    assert "The rule fixed will be missed from 21 July 2023: " in plan.reasoning[0].text
    nothing = next(one for one in plan.alternatives if one.name == "do nothing")
    assert "fixed would be missed from 21 July 2023" in nothing.reason


def test_the_plan_relies_on_the_facts_of_rules_and_parameters() -> None:
    plan = drafted(confirmed())
    assert {fact.name for fact in plan.facts} == {"position", "due", "title", "number"}
    assert all(fact.unknown is None and fact.event_id for fact in plan.facts)


@settings(max_examples=20)
@given(title=WORDS, day=st.integers(1, 28), weakness=st.sampled_from(["Y", "N"]), department=WORDS)
def test_changing_any_fact_of_a_finding_changes_the_plan_and_what_it_cites(
    title: str, day: int, weakness: str, department: str
) -> None:
    before = confirmed()
    changes = {"title": title, "completion_date": f"June {day}, 2023", "material_weakness": weakness}
    after = confirmed(**changes, department=department)
    one, two = drafted(before), drafted(after)
    # The observation is another one, so every citation of it changes.
    observed = {event.id for event in before.observations()}
    assert observed <= cites(one)
    assert not observed & cites(two)
    assert one.content_digest != two.content_digest
    # And what the plan says follows the fact.
    assert " ".join(title.split()) in two.steps[0].parameters["ask"]
    assert two.found == f"Management promised {day} June 2023 and has not reported the fix complete."
    nothing = next(item for item in two.alternatives if item.name == "do nothing")
    assert f"since {day + 1} " in nothing.reason or "since 1 July 2023" in nothing.reason
    severity = "high"  # the finding is a repeat in both
    assert f"severity {severity}" in nothing.reason
    same = (title, day) == (before.row["title"], 30)
    assert (facts_digest(one.facts) == facts_digest(two.facts)) == same


@settings(max_examples=20)
@given(
    status=st.sampled_from(["Corrective action in progress", "Corrective action complete", "Complete?", ""]),
    date=st.sampled_from(["June 30, 2023", "N/A", "April 3, 2023", ""]),
    retested=st.booleans(),
)
def test_every_citation_is_an_event_of_the_case_and_there_are_two_alternatives_with_reasons(
    status: str, date: str, retested: bool
) -> None:
    work = Casework(retests=[RETEST] if retested else [])
    work.row = {**work.row, "corrective_action_status": status, "completion_date": date}
    if not work.evaluation().failing:
        return
    work.open_gap()
    work.confirm()
    plan = drafted(work)
    known = {event.id for event in work.events} | {event.id for event in work.observations()}
    assert cites(plan) <= known
    assert all(one.cites for one in plan.reasoning)
    assert len(plan.alternatives) >= 2
    assert len({one.name for one in plan.alternatives}) == len(plan.alternatives)
    assert all(one.reason and one.cites for one in plan.alternatives)
    assert {one.expect for one in plan.predictions} == {rule.name for rule in work.evaluation().failing} | {"proof"}


def test_alternatives_are_computed_from_the_facts() -> None:
    plan = drafted(confirmed(completion_date="June 1, 2023"))
    by_name = {one.name: one for one in plan.alternatives}
    assert "fixed has been missed since 2 June 2023 (31 days)" in by_name["do nothing"].reason
    assert "proven from 1 August 2023 will fail too" in by_name["do nothing"].reason
    assert "position is in progress and due is 1 June 2023" in by_name["only gather evidence"].reason
    assert by_name["only gather evidence"].actions == ["request-evidence"]
    assert "j.moreau confirmed as head-of-compliance" in by_name["treat it as no gap"].reason
    later = confirmed(completion_date="April 3, 2023")  # sixty days after that have passed too
    nothing = next(one for one in drafted(later).alternatives if one.name == "do nothing")
    assert "proven has been missed since 3 June 2023" in nothing.reason
    assert "will fail too" not in nothing.reason


def test_an_action_that_the_playbook_keeps_for_another_rule_is_set_aside_with_that_reason() -> None:
    plan = drafted(confirmed())
    retest = next(one for one in plan.alternatives if one.name == "request-retest")
    assert "keeps it for proven, and what fails is fixed" in retest.reason


def test_unknown_facts_leave_only_evidence_gathering() -> None:
    plan = drafted(confirmed(completion_date="N/A"))
    assert {step.action for step in plan.steps} == {"request-evidence"}
    assert "due" in {fact.name for fact in plan.facts if fact.unknown}
    left = {one.name: one.reason for one in plan.alternatives}
    assert "publish-procedure can't be filled in" in left["also publish-procedure"]
    assert any("due is unknown" in one.text for one in plan.reasoning)


def test_an_acting_step_is_left_out_where_a_rule_is_undecided() -> None:
    text = FINDINGS.read_text().replace("completion_date, read", "nowhere, read")
    work = Casework(catalogue=catalogue_of(text))
    work.open_gap()
    work.confirm()
    plan = drafted(work)
    assert {step.action for step in plan.steps} <= {"request-evidence", "request-retest"}
    left = next(one for one in plan.alternatives if one.name == "also publish-procedure")
    assert "due" in left.reason


def test_nothing_that_may_be_done_on_unknown_facts_is_withheld() -> None:
    text = FINDINGS.read_text().replace("whenUnknown: allowed", "whenUnknown: refused")
    work = Casework(catalogue=catalogue_of(text))
    work.row = {**work.row, "completion_date": "N/A"}
    work.open_gap()
    work.confirm()
    found = withheld(work)
    assert found.reason_code == "unknown_facts"
    assert "due is unknown" in found.reason


def test_people_only_findings_are_not_drafted_for() -> None:
    found = withheld(confirmed(department="Redacted"))
    assert found.reason_code == "people_only"


def test_people_only_that_cannot_be_decided_counts_as_people_only() -> None:
    assert withheld(confirmed(department="")).reason_code == "people_only"


def test_a_declaration_at_level_one_gets_a_report_only() -> None:
    text = FINDINGS.read_text().replace("autonomy: L3                                 #", "autonomy: L1  #")
    work = Casework(catalogue=catalogue_of(text))
    work.open_gap()
    work.confirm()
    assert withheld(work).reason_code == "report_only"


def test_a_rule_without_a_playbook_is_withheld() -> None:
    lines = [line for line in FINDINGS.read_text().splitlines() if line]
    start = lines.index("      fixed:")
    end = lines.index("      proven:")
    work = Casework(catalogue=catalogue_of("\n".join(lines[:start] + lines[end:])))
    work.open_gap()
    work.confirm()
    found = withheld(work)
    assert (found.reason_code, found.reason) == ("no_playbook", "The playbook has no step for fixed.")


def test_no_step_on_a_production_financial_system_is_above_level_two() -> None:
    text = FINDINGS.read_text().replace(
        "about: Requests to people., owner: it-service, production: true, financial: false",
        "about: Requests to people., owner: it-service, production: true, financial: true",
    )
    work = Casework(catalogue=catalogue_of(text))
    work.open_gap()
    work.confirm()
    assert {step.level for step in drafted(work).steps} == {"L2"}


def test_a_returned_plan_is_drafted_again_with_the_persons_words() -> None:
    work = confirmed()
    work.drafted(drafted(work))
    work.open_ticket()
    ticket = work.case.ticket
    assert ticket is not None
    decision, signature = work.decide(
        "return", "l.hansen", "compliance-lead", ticket.data.digest, comment="Ask for the drawdowns too."
    )
    returned = PlanReturned(case=work.id, plan=work.plan.plan, decision=decision)
    event = work.add(returned, "approver", "person:l.hansen", signature=signature)
    again = drafted(work)
    assert again.number == 2
    assert again.plan.endswith("/plan-2")
    told = next(one for one in again.reasoning if "sent the plan before this one back" in one.text)
    assert "Ask for the drawdowns too." in told.text
    assert told.cites == [event.id]


def test_hostile_words_from_upstream_stay_words() -> None:
    title = "'); drop table requests; -- {position} {{today}}" + "\n" + "x" * 5_000
    plan = drafted(confirmed(title=title))
    assert "{position}" in plan.steps[0].parameters["ask"]  # not filled in a second time
    assert max(len(one.text) for one in plan.reasoning) < 2_000
    assert max(len(one.reason) for one in plan.alternatives) < 3_000
