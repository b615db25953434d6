"""Where a case stands, from what has happened in it: the first stage of the list whose condition holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the other way round it is `Case.stage` that asks
    from common.cases import Case


def _undecided(case: Case) -> bool:
    return case.gap is not None and all(rule.status == "unknown" for rule in case.gap.data.rules)


def _closed_as(case: Case, reason: str) -> bool:
    """Nothing was executed, and what fails is to be left alone."""
    return case.finished is None and case.gap_closed is not None and case.gap_closed.data.reason == reason


_STAGES: tuple[tuple[str, Callable[[Case], bool]], ...] = (
    ("attested", lambda case: case.attestation is not None),
    ("closed", lambda case: case.closed is not None),
    ("soaking", lambda case: case.proof is not None),
    ("halted", lambda case: case.halted is not None),
    ("executing", lambda case: case.executing),
    ("suspended", lambda case: case.suspension is not None and case.gap_closed is None),
    ("failed-verification", lambda case: case.finished is not None and case.failed_verification is not None),
    ("inconclusive", lambda case: case.finished is not None and case.inconclusive is not None),
    ("settling", lambda case: case.met is not None),
    ("accepted", lambda case: _closed_as(case, "accepted")),
    ("ignored", lambda case: _closed_as(case, "ignored")),
    ("to-verify", lambda case: case.finished is not None or case.gap_closed is not None),
    ("disputed", lambda case: case.dispute is not None),
    ("refused", lambda case: case.refusal is not None),
    ("expired", lambda case: case.expiry is not None),
    ("authorised", lambda case: case.authorisation is not None),
    ("undecided", lambda case: _undecided(case) and not case.confirmed),
    ("to-confirm", lambda case: not case.confirmed),
    ("withheld", lambda case: case.plan is None and case.withheld is not None),
    ("to-plan", lambda case: case.plan is None),
    ("to-approve", lambda _: True),
)
STAGES = tuple(name for name, _ in _STAGES)
"""Every stage there is."""


def stage_of(case: Case) -> str:
    """The case's stage; see the diagram of `common.cases`."""
    return next(stage for stage, holds in _STAGES if holds(case))
