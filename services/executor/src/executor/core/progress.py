"""What the executor does next in a case. It follows from what is recorded alone, so that a restart goes on where
the last process stopped, whatever that had in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from common.cases import Attempt, Case, Said
from common.events.approver import OutcomeRecorded
from common.events.planner import Step


@dataclass(frozen=True, slots=True)
class Start:
    """The plan is authorised: check everything, and consume the grant."""


@dataclass(frozen=True, slots=True)
class Intend:
    """Write down the intention of `step`, if it may be done now."""

    step: Step


@dataclass(frozen=True, slots=True)
class Resume:
    """Something was intended and nobody said how it went: ask the target first."""

    step: Step
    attempt: Attempt


@dataclass(frozen=True, slots=True)
class Record:
    """A person said how a manual step went."""

    step: Step
    attempt: Attempt
    outcome: Said[OutcomeRecorded]


@dataclass(frozen=True, slots=True)
class Finish:
    """Every step succeeded."""


@dataclass(frozen=True, slots=True)
class Halt:
    """A step did not succeed, or nobody knows whether it did."""

    reason_code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing is to be done until something happens in the case (`why`, in words)."""

    why: str


Move: TypeAlias = Start | Intend | Resume | Record | Finish | Halt | Wait


def next_move(case: Case) -> Move:
    """The one next thing to do, in the plan's order. Every step comes to its end before the next one begins."""
    if case.plan is None or case.closed is not None:
        return Wait("there is nothing to execute")
    if case.finished is not None or case.halted is not None:
        return Wait("the execution has ended")
    if case.started is None:
        return Start() if case.authorisation is not None else Wait("the plan is not authorised")
    for step in case.plan.data.steps:
        move = _of_step(case, step)
        if move is not None:
            return move
    return Finish()


def _of_step(case: Case, step: Step) -> Move | None:
    attempt = case.attempts.get(step.number)
    if attempt is None:
        return Intend(step)
    if attempt.succeeded is not None:
        return None
    if attempt.failed is not None:
        return Halt("action_failed", f"step {step.number} failed: {attempt.failed.data.reason}")
    if attempt.unknown is not None:
        return Halt("action_unknown", f"nobody knows whether step {step.number} took effect")
    if attempt.intended.data.provider != "manual":
        return Resume(step, attempt)
    outcome = case.outcomes.get(step.number)
    return Record(step, attempt, outcome) if outcome else Wait(f"a person has to do step {step.number}")
