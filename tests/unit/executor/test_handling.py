"""While a source can't be relied on the executor does nothing but gather evidence; and never what is exempt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from common.approvals import check_resumed
from common.clock import instant, parse_instant
from common.errors import Refused
from common.events import Event
from common.events.approver import CaseResumed
from common.events.differ import GapSuspended
from executor.core.checks import check_sources, check_standing, checked_start
from support.casework import Casework, having_left
from support.drafting import authorised
from support.forging import changed, resigned, scene, started, with_decision

DOUBTS = ("source_quiet: audit-tracker has said nothing since 2023-07-01 00:00 UTC",)


def test_nothing_starts_and_nothing_goes_on_that_does_more_than_ask() -> None:
    work = authorised()
    with pytest.raises(Refused) as caught:
        checked_start(work.case, scene(work, doubts=DOUBTS))
    assert caught.value.reason_code == "source_in_doubt"
    assert DOUBTS[0] in caught.value.message
    checked_start(work.case, scene(work))

    going = started(authorised())
    plan = going.case.plan
    assert plan is not None
    for step in plan.data.steps:
        asks = going.catalogue.actions[step.action].when_unknown == "allowed"
        check_standing(going.case, step, scene(going))
        if not asks:
            with pytest.raises(Refused) as caught:
                check_standing(going.case, step, scene(going, doubts=DOUBTS))
            assert caught.value.reason_code == "source_in_doubt"


def test_evidence_may_be_gathered() -> None:
    work = authorised()
    plan = work.case.plan
    assert plan is not None
    asking = next(name for name, action in work.catalogue.actions.items() if action.when_unknown == "allowed")
    step = plan.data.steps[0].model_copy(update={"action": asking})
    check_sources(step, scene(work, doubts=DOUBTS))
    unheard_of = step.model_copy(update={"action": "unheard-of"})
    check_sources(unheard_of, scene(work))
    with pytest.raises(Refused):
        check_sources(unheard_of, scene(work, doubts=DOUBTS))


@pytest.mark.parametrize("kind", ["accepted", "ignored"])
def test_what_is_to_be_left_alone_is_left_alone_whatever_the_differ_has_said(kind: str) -> None:
    work = authorised()
    gap = work.case.gap
    assert gap is not None
    exempt = {gap.data.rules[0].name: kind}
    with pytest.raises(Refused) as caught:
        checked_start(work.case, scene(work, exempt=exempt))
    assert caught.value.reason_code == f"gap_{kind}"
    going = started(authorised())
    plan = going.case.plan
    assert plan is not None
    with pytest.raises(Refused) as caught:
        check_standing(going.case, plan.data.steps[0], scene(going, exempt=exempt))
    assert caught.value.reason_code == f"gap_{kind}"
    checked_start(work.case, scene(work, exempt={"another-rule": kind}))


def test_what_is_met_is_not_acted_upon() -> None:
    work = authorised()
    checked_start(work.case, scene(work))
    work.meet_gap(work.asof + timedelta(hours=2))
    with pytest.raises(Refused) as caught:
        checked_start(work.case, scene(work))
    assert caught.value.reason_code == "gap_met"


def test_in_a_suspended_case_nothing_starts_and_nothing_goes_on() -> None:
    work = authorised()
    work.add(
        GapSuspended(case=work.id, desired_state="s", cycles=[], says="undone by feed:hr"), "differ", "service:differ"
    )
    with pytest.raises(Refused) as caught:
        checked_start(work.case, scene(work))
    assert (caught.value.reason_code, caught.value.message) == ("case_suspended", "undone by feed:hr")


def gone_on(forge: Callable[[Event], Event] = lambda event: event) -> Casework:
    """An authorised case that was suspended and went on; `forge` is what somebody made of the resumption."""
    work = authorised()
    data = GapSuspended(case=work.id, desired_state="s", cycles=[], says="undone by feed:hr")
    event = work.add(data, "differ", "service:differ")
    decision, signature = work.decide("resume", "j.moreau", "head-of-compliance", event.id)
    said = CaseResumed(case=work.id, suspended=event.id, decision=decision)
    work.add(said, "approver", "person:j.moreau", signature=signature)
    return changed(work, CaseResumed, forge)


def test_who_let_a_suspended_case_go_on_may_leave_and_who_had_left_may_not_let_it() -> None:
    work = gone_on()
    resumed = work.case.resumed
    assert resumed is not None
    time = parse_instant(resumed[1].event.time)
    check_resumed(work.case, having_left(work.directory, "j.moreau", instant(time + timedelta(seconds=1))))
    with pytest.raises(Refused, match="person_left"):
        check_resumed(work.case, having_left(work.directory, "j.moreau", instant(time)))
    unheard = replace(work.directory, people={})
    with pytest.raises(Refused, match="person_unknown"):  # whoever takes entries out by hand must put them back
        check_resumed(work.case, unheard)


@pytest.mark.parametrize(
    ("forge", "code"),
    [
        (lambda event: replace(event, signature=None), "signature_missing"),
        (lambda event: with_decision(event, comment="dealt with"), "signature_invalid"),
        (lambda event: with_decision(event, person="nobody"), "person_unknown"),
        (lambda event: resigned(event, "j.moreau", subject="another"), "case_suspended"),
        (lambda event: resigned(event, "j.moreau", kind="dispute"), "case_suspended"),
        (lambda event: resigned(event, "j.moreau", case="s/F-9/1"), "wrong_case"),
    ],
)
def test_nobody_but_a_person_lets_a_suspended_case_go_on(forge: Callable[[Event], Event], code: str) -> None:
    work = gone_on()
    checked_start(work.case, scene(work))
    forged = gone_on(forge)
    with pytest.raises(Refused) as caught:
        checked_start(forged.case, scene(forged))
    assert caught.value.reason_code == code
    plan = forged.case.plan
    assert plan is not None
    with pytest.raises(Refused) as caught:
        check_standing(forged.case, plan.data.steps[0], scene(forged))
    assert caught.value.reason_code == code
