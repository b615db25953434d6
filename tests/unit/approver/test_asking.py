"""Who is asked, what they would sign, and why not when they are not."""

from __future__ import annotations

import pytest
from approver.core.asking import asked, blank, options, template
from approver.core.lines import line
from common.errors import Refused
from support.desk import around, decided, signed, ticketed
from support.walk import opened


def test_at_gate_one_the_routed_role_is_asked() -> None:
    walk = opened()
    routed = {ask.role for ask in asked(walk.case, around(walk)) if ask.waits}
    assert routed == {"head-of-compliance"}  # nobody holds the role of this finding's owner here


def test_each_person_is_offered_what_they_may_decide_and_nothing_else() -> None:
    walk = ticketed()
    near = around(walk)
    assert {ask.kind for ask in options(walk.case, "l.hansen", near)} == {"approve", "refuse", "return"}
    assert {ask.kind for ask in options(walk.case, "j.moreau", near)} == {"return"}
    assert options(walk.case, "p.nakamura", near) == []
    assert options(walk.case, "c.adeyemi", near) == []


def test_whoever_has_approved_is_not_asked_again() -> None:
    walk = ticketed()
    decided(walk, *signed(walk, "approve", "l.hansen", "compliance-lead"))
    near = around(walk)
    assert [(ask.kind, ask.role) for ask in asked(walk.case, near) if ask.waits] == [("approve", "risk")]
    assert "approve" not in {ask.kind for ask in options(walk.case, "l.hansen", near)}
    with pytest.raises(Refused, match="already_decided"):
        template(walk.case, "l.hansen", "approve", None, None, near)


def test_a_template_signed_as_it_is_is_accepted() -> None:
    walk = ticketed()
    ask = template(walk.case, "r.osei", "approve", None, None, around(walk))
    ready = blank(walk.id, walk.realm, "r.osei", ask)
    decision, signature = walk.decide("approve", "r.osei", ready.role, ready.subject)
    assert decided(walk, decision, signature) == ["approval.given"]


@pytest.mark.parametrize(
    ("person", "kind", "code"),
    [
        ("p.nakamura", "approve", "role_not_held"),
        ("j.moreau", "approve", "role_not_held"),
        ("l.hansen", "confirm", "wrong_stage"),
        ("p.nakamura", "release", "wrong_stage"),
        ("x.nobody", "approve", "person_unknown"),
    ],
)
def test_who_may_not_is_told_what_the_gate_would_say(person: str, kind: str, code: str) -> None:
    walk = ticketed()
    with pytest.raises(Refused) as caught:
        template(walk.case, person, kind, None, None, around(walk))  # type: ignore[arg-type]
    assert caught.value.reason_code == code


def test_who_lacks_the_role_is_told_who_holds_it() -> None:
    walk = ticketed()
    with pytest.raises(Refused) as caught:
        template(walk.case, "p.nakamura", "approve", None, None, around(walk))
    assert "takes the role compliance-lead; P. Nakamura holds: technology-operations" in caught.value.message
    assert caught.value.what_to_do == "ask somebody who holds the role: l.hansen"


def test_the_line_says_for_whom_the_case_waits() -> None:
    walk = ticketed()
    found = line(walk.case, "2023-07-03T00:00:00Z", around(walk))
    assert found is not None
    assert found.waits_for == ("compliance-lead approves", "risk approves")
    assert found.yours == {"l.hansen": ("approve",), "r.osei": ("approve",)}
    assert (found.stage, found.severity, found.risk) == ("to-approve", "high", "medium")
    assert found.headline.startswith("Management promised")
    assert found.ticket_open and found.expires == "2023-07-10T15:20:00Z"


def test_work_by_hand_is_a_task_of_the_systems_owner() -> None:
    walk = ticketed()
    decided(walk, *signed(walk, "approve", "l.hansen", "compliance-lead"))
    decided(walk, *signed(walk, "approve", "r.osei", "risk"))
    walk.start()
    walk.intend(1)
    walk.succeed(1)
    decided(walk, *signed(walk, "release", "p.nakamura", "technology-operations", 2))
    intent = walk.intend(2)
    found = line(walk.case, "2023-07-03T00:00:00Z", around(walk))
    assert found is not None
    (task,) = found.tasks
    assert (task.step, task.intent, task.role, task.people) == (2, intent.id, "head-of-controls", ("k.weber",))
    assert task.parameters["document"] == "Control procedure for finding 2022-090"


def test_what_is_blocked_says_why() -> None:
    walk = ticketed()
    found = line(walk.case, "2023-07-03T00:00:00Z", around(walk), "no active ApprovalPolicy covers x")
    assert found is not None and found.waits_for == ("no active ApprovalPolicy covers x",)
