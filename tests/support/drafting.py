"""From a case in the making to a draft, and to a plan through both gates."""

from __future__ import annotations

from typing import Any

from common.events.planner import PlanDrafted, PlanWithheld
from planner.core import playbook
from planner.core.situation import Situation

from support.casework import Casework, once


def situation(work: Casework) -> Situation:
    """What the planner would know of the case now."""
    return Situation(
        case=work.case,
        catalogue=work.catalogue,
        evaluation=work.evaluation(),
        slots=work.slots(),
        facts=work.facts(),
        asof=work.asof,
    )


@once
def confirmed(**changes: Any) -> Casework:
    """A confirmed gap of the usual finding, with `changes` in its row."""
    work = Casework()
    work.row = {**work.row, **changes}
    work.open_gap()
    work.confirm()
    return work


def drafted(work: Casework) -> PlanDrafted:
    """The playbook's plan for the case as it is now."""
    plan = playbook.draft(situation(work))
    assert isinstance(plan, PlanDrafted), plan
    return plan


def withheld(work: Casework) -> PlanWithheld:
    """Why the playbook has no plan for the case as it is now."""
    plan = playbook.draft(situation(work))
    assert isinstance(plan, PlanWithheld), plan
    return plan


def authorised(work: Casework | None = None) -> Casework:
    """A case whose plan has passed both gates."""
    return through_the_gates(work) if work else _usual()


@once
def _usual() -> Casework:
    return through_the_gates(Casework())


def through_the_gates(work: Casework) -> Casework:
    work.open_gap()
    work.confirm()
    work.drafted(drafted(work))
    work.open_ticket()
    work.approve_all()
    work.authorise()
    return work
