"""Forgeries with everything made again that can be: each fails the check that names what is wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from common import signing
from common.canonical import digest
from common.events import approver, auditor, differ, executor, observer, planner
from common.events.approver import Decision
from support import walk as walks
from support.casework import AUTHOR
from support.walk import Walk, at, directory, keys

from .forging import altered, failures, forged, index_of, issued, original, resealed

pytestmark = pytest.mark.law  # each forgery is of a whole attestation or bundle


@pytest.fixture(scope="module")
def walk() -> Walk:
    return walks.closed()


def without(walk: Walk, index: int) -> list[Any]:
    return [event for n, event in enumerate(walk.ledger) if n != index]


def test_the_walk_itself_passes(walk: Walk) -> None:
    assert failures(forged(walk, walk.ledger), directory=directory()) == set()


def test_an_edited_narrative_fails() -> None:
    document = original()
    text = document.narrative.replace("R. Osei (risk) approved", "R. Osei (risk) gladly approved")
    assert text != document.narrative
    assert failures(resealed(replace(document, narrative=text))) == {"narrative"}


def test_an_edited_statement_fails() -> None:
    document = original()
    statement = {**document.head["statement"], "severity": "low"}
    assert failures(resealed(document, statement=statement)) == {"statement"}


@pytest.mark.parametrize("name", ["realm", "issued", "simulated", "declarations"])
def test_an_edited_head_fails(name: str) -> None:
    document = original()
    other = {"realm": "prod", "issued": "2023-10-21T12:00:00Z", "simulated": False, "declarations": []}
    change: dict[str, Any] = {name: other[name]}
    assert "head" in failures(resealed(document, **change))


@pytest.mark.parametrize("nth", [0, 1])
def test_leaving_out_an_approval_fails_gate_2(walk: Walk, nth: int) -> None:
    events = without(walk, index_of(walk, approver.ApprovalGiven.TYPE, nth))
    assert "gate_2" in failures(forged(walk, events))


def test_leaving_out_an_approval_and_its_mention_fails_gate_2(walk: Walk) -> None:
    gone = walk.ledger[index_of(walk, approver.ApprovalGiven.TYPE, 1)].id
    events = altered(
        walk,
        index_of(walk, approver.PlanAuthorised.TYPE),
        lambda data: {**data, "approvals": [other for other in data["approvals"] if other != gone]},
    )
    assert "gate_2" in failures(forged(walk, [event for event in events if event.id != gone]))


def test_asking_fewer_people_fails_the_five_parts(walk: Walk) -> None:
    """The ticket's chain is bound by the digest that was signed."""
    index = index_of(walk, approver.TicketOpened.TYPE)
    events = altered(walk, index, lambda data: {**data, "chain": {**data["chain"], "approve": {"risk": 1}}})
    assert "five_parts" in failures(forged(walk, events))


def test_leaving_out_the_confirmation_fails_gate_1(walk: Walk) -> None:
    events = without(walk, index_of(walk, approver.GapConfirmed.TYPE))
    assert "gate_1" in failures(forged(walk, events))


@pytest.mark.parametrize("index", [n for n, event in enumerate(walks.closed().ledger) if event.caseid])
def test_leaving_out_any_event_of_the_case_is_noticed(walk: Walk, index: int) -> None:
    """Without new stream versions the gap in the stream shows, or the file can't be made at all."""
    document = original()
    exhibits = [item for item in document.exhibits if item.event.id != walk.ledger[index].id]
    assert len(exhibits) == len(document.exhibits) - 1
    numbered = [replace(item, n=n) for n, item in enumerate(exhibits, start=1)]
    assert failures(resealed(document, numbered))


def test_swapped_signatures_fail(walk: Walk) -> None:
    events = list(walk.ledger)
    first, second = (index_of(walk, approver.ApprovalGiven.TYPE, nth) for nth in (0, 1))
    events[first] = replace(walk.ledger[first], signature=walk.ledger[second].signature)
    events[second] = replace(walk.ledger[second], signature=walk.ledger[first].signature)
    assert "signatures" in failures(forged(walk, events))


@pytest.mark.parametrize(
    "event_type",
    [
        approver.DeclarationProposed.TYPE,
        approver.DeclarationActivated.TYPE,
        approver.GapConfirmed.TYPE,
        approver.ApprovalGiven.TYPE,
        approver.ReleaseGiven.TYPE,
        approver.OutcomeRecorded.TYPE,
    ],
)
def test_no_decision_goes_without_its_signature_or_with_other_words(walk: Walk, event_type: str) -> None:
    index = index_of(walk, event_type)
    events = list(walk.ledger)
    events[index] = replace(events[index], signature=None)
    assert "signatures" in failures(forged(walk, events))
    words = altered(walk, index, lambda data: {**data, "decision": {**data["decision"], "comment": "With pleasure."}})
    assert "signatures" in failures(forged(walk, words))


def resigned(walk: Walk, index: int, person: str, role: str) -> list[Any]:
    """The decision at `index` made by somebody else, with a signature that is really theirs."""
    events = list(walk.ledger)
    event = events[index]
    decision = Decision.model_validate({**event.data["decision"], "person": person, "role": role})
    events[index] = replace(
        event,
        data={**event.data, "decision": decision.model_dump(mode="json", exclude_none=True)},
        signature=signing.sign(decision, keys()[person]),
        actor=f"person:{person}",
    )
    return events


def test_one_person_in_two_parts_fails(walk: Walk) -> None:
    """The releaser carries out the step, or the confirmer approves, each with a valid signature."""
    outcome = index_of(walk, approver.OutcomeRecorded.TYPE)
    assert "apart" in failures(forged(walk, resigned(walk, outcome, "p.nakamura", "head-of-controls")))
    approval = index_of(walk, approver.ApprovalGiven.TYPE)
    assert {"apart", "gate_2"} <= failures(forged(walk, resigned(walk, approval, "j.moreau", "compliance-lead")))


def test_a_part_in_a_plan_that_no_longer_stands_counts_too() -> None:
    """Who releases approved the plan that was replaced before: two parts in one case."""
    walk = walks.opened()
    walk.asof = at("2023-07-03 15:20")
    walk.confirm()
    walk.draft()
    walk.open_ticket()
    walk.approve("l.hansen", "compliance-lead")
    walk.supersede("facts_changed", "The title changed.")
    walk.draft()
    walk.open_ticket()
    walk.approve("l.hansen", "compliance-lead")
    walk.approve("r.osei", "risk")
    walk.authorise()
    walk.start()
    walk.intend(1)
    walk.succeed(1)
    walk.release(2)
    walk.intend(2)
    walk.outcome(2)
    walk.succeed(2)
    walk.finish()
    walk.asof = at("2023-07-20 12:00")
    walk.report("2023-07-20 09:00", corrective_action_status=walks.COMPLETE)
    walk.retest("2023-07-20 09:00")
    walk.close_gap()
    walk.prove("2023-08-19T12:00:00Z")
    walk.asof = at("2023-08-19 12:00")
    walk.end()
    assert failures(forged(walk, walk.ledger)) == set()
    first = index_of(walk, approver.ApprovalGiven.TYPE)
    assert "apart" in failures(forged(walk, resigned(walk, first, "p.nakamura", "compliance-lead")))


def test_an_author_who_activates_fails(walk: Walk) -> None:
    own = Walk(catalogue=walk.catalogue)
    own.found()
    own.declare(activator=AUTHOR)
    events = [*own.ledger, *walk.ledger[len(own.ledger) :]]
    assert "declarations" in failures(forged(walk, events))


@pytest.mark.parametrize(
    ("person", "check"), [("t.brandt", "declarations"), ("r.osei", "apart"), ("j.moreau", "apart")]
)
def test_who_wrote_commits_and_takes_another_part_fails(walk: Walk, person: str, check: str) -> None:
    """Who activated it, approved a plan or confirmed a gap of it wrote none of the commits that it is made of."""
    events = [
        replace(event, data={**event.data, "wrote": {"people": [person]}})
        if event.type == approver.DeclarationActivated.TYPE
        else event
        for event in walk.ledger
    ]
    assert check in failures(forged(walk, events))


def test_an_origin_that_nobody_signed_fails(walk: Walk) -> None:
    git = {"repository": "d", "branch": "main", "path": "", "commit": "c" * 40, "authors": []}
    events = [
        replace(event, data={**event.data, "git": git}) if event.type == approver.DeclarationProposed.TYPE else event
        for event in walk.ledger
    ]
    assert "declarations" in failures(forged(walk, events))


def test_an_approval_after_the_execution_fails_the_order(walk: Walk) -> None:
    events = list(walk.ledger)
    approval = events.pop(index_of(walk, approver.ApprovalGiven.TYPE, 1))
    started = next(n for n, event in enumerate(events) if event.type == executor.ExecutionStarted.TYPE)
    events.insert(started + 1, approval)
    assert "order" in failures(forged(walk, events))


def test_an_approval_of_something_else_fails(walk: Walk) -> None:
    """The plan's content is bound: another step under the same signatures does not pass."""
    index = index_of(walk, planner.PlanDrafted.TYPE)

    def other(data: dict[str, Any]) -> dict[str, Any]:
        data = {**data, "steps": [{**data["steps"][0], "parameters": {"ask": "nothing"}}, *data["steps"][1:]]}
        plan = planner.PlanDrafted.model_validate(data)
        return {**data, "content_digest": plan.recompute_content_digest()}

    assert {"five_parts", "grant"} <= failures(forged(walk, altered(walk, index, other)))


def test_facts_that_nobody_observed_fail(walk: Walk) -> None:
    index = index_of(walk, planner.PlanDrafted.TYPE)

    def other(data: dict[str, Any]) -> dict[str, Any]:
        return {**data, "facts": [{**fact, "value": "complete"} for fact in data["facts"]]}

    assert {"five_parts", "facts"} <= failures(forged(walk, altered(walk, index, other)))


def test_an_observation_changed_afterwards_fails(walk: Walk) -> None:
    row = {"corrective_action_status": "Corrective action complete"}
    index = index_of(walk, observer.EntityObserved.TYPE)
    events = altered(walk, index, lambda data: {**data, "row": {**data["row"], **row}})
    assert "facts" in failures(forged(walk, events))


def test_another_declaration_fails(walk: Walk) -> None:
    """A shorter soak, written into the declaration afterwards, is not what its author signed."""
    events = list(walk.ledger)
    for n, event in enumerate(events):
        if event.data.get("kind") == "DesiredState":
            spec = {**event.data["spec"], "verification": {"proof": "done", "soak": "1 day", "within": "120 days"}}
            new = digest({"kind": "DesiredState", "name": event.data["name"], "spec": spec})
            events[n] = replace(event, data={**event.data, "spec": spec, "digest": new})
    assert {"declarations", "five_parts", "soak"} <= failures(forged(walk, events))


def test_an_action_outside_the_approved_parameters_fails_the_grant(walk: Walk) -> None:
    index = index_of(walk, executor.ActionIntended.TYPE)
    events = altered(walk, index, lambda data: {**data, "target": "finding/2022-001"})
    assert "grant" in failures(forged(walk, events))


def test_a_step_without_its_release_fails_the_grant(walk: Walk) -> None:
    gone = walk.ledger[index_of(walk, approver.ReleaseGiven.TYPE)].id
    index = index_of(walk, executor.ActionIntended.TYPE, 1)
    events = altered(walk, index, lambda data: {name: value for name, value in data.items() if name != "release"})
    assert "grant" in failures(forged(walk, [event for event in events if event.id != gone]))


def test_a_step_after_the_grant_expired_fails() -> None:
    walk = walks.closed()
    index = index_of(walk, executor.ActionIntended.TYPE, 1)
    events = list(walk.ledger)
    events[index] = replace(events[index], asof="2023-07-11T00:00:00Z")
    assert "grant" in failures(forged(walk, events))


def test_a_step_that_nobody_did_fails(walk: Walk) -> None:
    outcome = index_of(walk, approver.OutcomeRecorded.TYPE)
    assert "done" in failures(forged(walk, without(walk, outcome)))
    succeeded = index_of(walk, executor.ActionSucceeded.TYPE)
    assert "done" in failures(forged(walk, without(walk, succeeded)))


def test_a_soak_that_was_too_short_fails() -> None:
    walk = walks.proven()
    walk.asof = at("2023-10-20 11:59")
    walk.end()
    assert failures(issued(walk).encode()) == {"soak"}


def test_a_soak_end_that_was_moved_fails() -> None:
    walk = walks.proven()
    walk.asof = at("2023-09-25 12:00")
    walk.end()

    def sooner(data: dict[str, Any]) -> dict[str, Any]:
        return {**data, "soak_until": "2023-09-25T12:00:00Z"}

    events = altered(walk, index_of(walk, auditor.ProofSeen.TYPE), sooner)
    passed = index_of(walk, auditor.VerificationPassed.TYPE)
    events[passed] = replace(events[passed], data=sooner(events[passed].data))
    assert failures(forged(walk, events)) == {"soak"}


def test_a_rule_that_failed_during_the_soak_fails_it() -> None:
    walk = walks.proven()
    walk.asof = at("2023-09-30 12:00")
    walk.report("2023-09-30 09:00", corrective_action_status="Corrective action in progress")
    walk.open_gap(differ.GapOpened)
    walk.report("2023-10-01 09:00", corrective_action_status=walks.COMPLETE)
    walk.close_gap()
    walk.asof = at("2023-10-20 12:00")
    walk.end()
    assert failures(issued(walk).encode()) == {"soak"}


def test_a_proof_from_before_the_execution_fails() -> None:
    """The retest passed in June and the finding was complete: nothing newer was seen."""
    walk = walks.opened()
    walk.retest("2023-06-01 00:00")
    walk.asof = at("2023-07-03 15:20")
    walk.confirm()
    walk.draft()
    walk.open_ticket()
    walk.approve_all()
    walk.report("2023-07-03 15:20", corrective_action_status=walks.COMPLETE)
    walk.authorise()
    walk.start()
    walk.intend(1)
    walk.succeed(1)
    walk.release(2)
    walk.intend(2)
    walk.outcome(2)
    walk.succeed(2)
    walk.finish()
    walk.close_gap()
    walk.prove("2023-08-02T15:20:00Z")
    walk.asof = at("2023-08-02 15:20")
    walk.end()
    assert failures(issued(walk).encode()) == {"proof"}


def test_a_proof_that_does_not_hold_fails(walk: Walk) -> None:
    index = index_of(walk, auditor.ProofSeen.TYPE)

    def worse(data: dict[str, Any]) -> dict[str, Any]:
        return {**data, "facts": data["facts"][:1]}

    assert failures(forged(walk, altered(walk, index, worse))) == {"proof"}


def test_a_case_closed_on_something_else_fails(walk: Walk) -> None:
    index = index_of(walk, auditor.CaseClosed.TYPE)
    assert "closed" in failures(forged(walk, altered(walk, index, lambda data: {**data, "how": "resolved"})))
    assert "closed" in failures(forged(walk, altered(walk, index, lambda data: {**data, "verification": "x"})))


def test_events_of_the_wrong_writer_stream_or_case_fail(walk: Walk) -> None:
    document = original()
    changes: list[dict[str, Any]] = [
        {"source": "planner"},
        {"subject": "execution/somebody-elses/1/1"},
        {"caseid": "money-findings-closed/2022-001/1"},
        {"type": "trueup.case.praised.v1"},
    ]
    for change in changes:
        item = document.exhibits[-1]
        event = replace(item.event, **change)
        exhibits = [*document.exhibits[:-1], replace(item, event=event, raw=event.encode())]
        assert failures(resealed(document, exhibits)) == {"events"}, change
