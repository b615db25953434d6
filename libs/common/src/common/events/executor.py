"""What the executor does, written down before and after it does it."""

from __future__ import annotations

from typing import Any, ClassVar

from common.events.model import EventData


class ExecutionStarted(EventData):
    """The grant is consumed: the executor has checked both gates, signatures, digest and facts itself."""

    TYPE: ClassVar[str] = "trueup.execution.started.v1"
    CATEGORY: ClassVar[str] = "execution"

    case: str
    plan: str
    digest: str
    authorisation: str
    checks: list[str]


class ActionIntended(EventData):
    """Written before the action. `idempotency_key` is what the target's receipt carries.

    For a `manual` step this is the task that a person finds in the inbox. `release` is the ReleaseGiven event that
    this consumes; None at Level 3.
    """

    TYPE: ClassVar[str] = "trueup.action.intended.v1"
    CATEGORY: ClassVar[str] = "execution"

    case: str
    plan: str
    step: int
    action: str
    system: str
    provider: str
    target: str
    parameters: dict[str, Any]
    idempotency_key: str
    release: str | None = None


class ActionSucceeded(EventData):
    """The action took effect; `receipt` is what the target (or the person) says about it."""

    TYPE: ClassVar[str] = "trueup.action.succeeded.v1"
    CATEGORY: ClassVar[str] = "execution"

    case: str
    plan: str
    step: int
    idempotency_key: str
    receipt: dict[str, Any]
    outcome: str | None = None


class ActionFailed(EventData):
    """The action certainly had no effect."""

    TYPE: ClassVar[str] = "trueup.action.failed.v1"
    CATEGORY: ClassVar[str] = "execution"

    case: str
    plan: str
    step: int
    idempotency_key: str
    reason_code: str
    reason: str


class ActionUnknown(EventData):
    """Nobody can say whether the action took effect. It halts, and is never tried again blindly."""

    TYPE: ClassVar[str] = "trueup.action.unknown.v1"
    CATEGORY: ClassVar[str] = "execution"

    case: str
    plan: str
    step: int
    idempotency_key: str
    reason: str


class ExecutionFinished(EventData):
    """Every step of the plan succeeded."""

    TYPE: ClassVar[str] = "trueup.execution.finished.v1"
    CATEGORY: ClassVar[str] = "execution"

    case: str
    plan: str
    digest: str
    steps: int


class ExecutionHalted(EventData):
    """The executor will not go on, or not even start; `reason_code` is stable. A person must look."""

    TYPE: ClassVar[str] = "trueup.execution.halted.v1"
    CATEGORY: ClassVar[str] = "execution"

    case: str
    plan: str
    digest: str
    reason_code: str
    reason: str
