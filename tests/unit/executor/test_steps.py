"""A step waits for its release and ends with its outcome; neither counts unless who may has signed it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from common.clock import instant, parse_instant
from common.errors import Refused
from common.events import Event
from common.events.approver import (
    OutcomeRecorded,
    PlanExpired,
    ReleaseGiven,
)
from common.events.executor import ActionIntended
from executor.core import records
from executor.core.checks import check_outcome, checked_step
from support.casework import Casework, having_left
from support.drafting import authorised
from support.forging import changed, resigned, scene, started, with_decision


def released(**changes: Any) -> Casework:
    work = started(authorised())
    work.release(2, **changes)
    return work


def step_refused(work: Casework, number: int = 2, **changes: Any) -> str:
    with pytest.raises(Refused) as caught:
        checked_step(work.case, work.plan.steps[number - 1], scene(work, **changes))
    return caught.value.reason_code


def test_level_three_needs_no_release_and_level_two_does() -> None:
    work = started(authorised())
    assert checked_step(work.case, work.plan.steps[0], scene(work)) is None
    assert step_refused(work) == "release_missing"
    event = work.release(2)
    found = checked_step(work.case, work.plan.steps[1], scene(work))
    assert found is not None
    assert found.event.id == event.id


def test_a_release_is_used_once() -> None:
    work = released()
    release = work.case.releases[2]
    work.add(records.intended(work.case, work.plan.steps[1], release), "executor", "service:executor", "2")
    assert step_refused(work) == "already_consumed"


@pytest.mark.parametrize("signature", [None, "p.nakamura:AAAA"])
def test_a_release_needs_its_signature(signature: str | None) -> None:
    work = changed(released(), ReleaseGiven, lambda event: replace(event, signature=signature))
    assert step_refused(work) == ("signature_missing" if signature is None else "signature_invalid")


def test_a_release_of_another_step_or_digest_does_not_count() -> None:
    assert step_refused(changed(released(), ReleaseGiven, lambda e: resigned(e, "p.nakamura", step=1))) == (
        "digest_mismatch"
    )
    assert step_refused(changed(released(), ReleaseGiven, lambda e: resigned(e, "p.nakamura", subject="0" * 64))) == (
        "digest_mismatch"
    )


def test_who_approved_does_not_release() -> None:
    work = Casework()
    everybody = dict(work.directory.people)
    everybody["l.hansen"] = everybody["l.hansen"].model_copy(
        update={"roles": ("compliance-lead", "technology-operations")}
    )
    directory = replace(work.directory, people=everybody)

    class Realm(Casework):
        @property
        def directory(self) -> Any:
            return directory

    made = started(authorised(Realm()))
    made.release(2, person="l.hansen")
    assert step_refused(made) == "not_apart"


def test_a_fact_changed_between_two_steps_stops_the_second() -> None:
    work = released()
    work.row["completion_date"] = "June 29, 2023"
    assert step_refused(work) == "digest_mismatch"


def test_a_grant_that_runs_out_between_two_steps_stops_the_second() -> None:
    work = released()
    assert step_refused(work, asof=work.asof + timedelta(days=8)) == "grant_expired"
    expired = PlanExpired(
        case=work.id, plan=work.plan.plan, digest=records.granted(work.case).digest, expired_at=instant(work.asof)
    )
    work.add(expired, "approver", "service:approver")
    assert step_refused(work) == "grant_expired"


# Outcomes of manual work


def tasked() -> Casework:
    work = released()
    release = work.case.releases[2]
    work.add(records.intended(work.case, work.plan.steps[1], release), "executor", "service:executor", "2")
    return work


def outcome_code(work: Casework) -> str:
    case = work.case
    with pytest.raises(Refused) as caught:
        check_outcome(case, case.outcomes[2], case.attempts[2].intended, scene(work))
    return caught.value.reason_code


def test_the_outcome_of_who_owns_the_system_counts() -> None:
    work = tasked()
    work.outcome(2)
    case = work.case
    check_outcome(case, case.outcomes[2], case.attempts[2].intended, scene(work))


@pytest.mark.parametrize(
    ("forge", "code"),
    [
        (lambda event: replace(event, signature=None), "signature_missing"),
        (lambda event: with_decision(event, result="not_done"), "signature_invalid"),
        (lambda event: resigned(event, "k.weber", subject="0" * 32), "digest_mismatch"),
        (lambda event: resigned(event, "k.weber", step=1), "digest_mismatch"),
        (lambda event: resigned(event, "k.weber", case="another/case/1"), "wrong_case"),
        (lambda event: resigned(event, "k.weber", role="internal-audit"), "role_not_held"),
        (lambda event: resigned(event, "m.duarte", role="technology-operations"), "role_not_held"),
        (lambda event: with_decision(event, person="playbook"), "agent_identity"),
    ],
)
def test_an_outcome_that_nobody_may_give_does_not_count(forge: Callable[[Event], Event], code: str) -> None:
    work = tasked()
    work.outcome(2)
    assert outcome_code(changed(work, OutcomeRecorded, forge)) == code


def test_who_released_the_step_does_not_say_how_it_went() -> None:
    work = Casework()
    everybody = dict(work.directory.people)
    everybody["p.nakamura"] = everybody["p.nakamura"].model_copy(
        update={"roles": ("technology-operations", "head-of-controls")}
    )
    directory = replace(work.directory, people=everybody)

    class Realm(Casework):
        @property
        def directory(self) -> Any:
            return directory

    made = started(authorised(Realm()))
    made.release(2)
    made.add(
        records.intended(made.case, made.plan.steps[1], made.case.releases[2]), "executor", "service:executor", "2"
    )
    made.outcome(2, person="p.nakamura")
    assert outcome_code(made) == "not_apart"


def test_the_outcome_of_who_has_left_since_counts_and_of_who_had_left_does_not() -> None:
    work = tasked()
    work.outcome(2)
    case = work.case
    said = case.outcomes[2]
    time = parse_instant(said.event.time)
    there, gone = (
        replace(scene(work), directory=having_left(work.directory, said.data.decision.person, instant(time + by)))
        for by in (timedelta(seconds=1), timedelta(0))
    )
    check_outcome(case, said, case.attempts[2].intended, there)
    with pytest.raises(Refused, match="person_left"):
        check_outcome(case, said, case.attempts[2].intended, gone)


def test_an_outcome_of_a_task_that_the_executor_did_not_set_does_not_count() -> None:
    work = started(authorised())
    work.add(records.intended(work.case, work.plan.steps[1], work.case.releases.get(2)), "executor", "x", "2")
    work.outcome(2)
    check_outcome(work.case, work.case.outcomes[2], work.case.attempts[2].intended, scene(work))
    work.events = [
        replace(event, signature=None) if event.type == ActionIntended.TYPE else event for event in work.events
    ]
    with pytest.raises(Refused, match="service_signature_missing"):
        check_outcome(work.case, work.case.outcomes[2], work.case.attempts[2].intended, scene(work))
