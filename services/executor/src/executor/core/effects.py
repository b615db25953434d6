"""What an attempt at an action tells: it took effect, it certainly did not, or nobody can say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

from common.events.executor import ActionFailed, ActionIntended, ActionSucceeded, ActionUnknown

from executor.core import records

_NEVER_ANSWERED = ("target_unreachable", "target_lost")


@dataclass(frozen=True, slots=True)
class Took:
    """The target has the receipt."""

    receipt: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Refusal:
    """This attempt certainly had no effect."""

    reason_code: str
    reason: str

    @property
    def never_answered(self) -> bool:
        """Whether the target wasn't heard at all: trying again may help, and says nothing about earlier attempts."""
        return self.reason_code in _NEVER_ANSWERED


@dataclass(frozen=True, slots=True)
class Doubt:
    """The target could not be asked whether there is a receipt."""

    reason: str


Effect: TypeAlias = Took | Refusal | Doubt


def end_of(
    intent: ActionIntended, effect: Effect, tried_before: bool
) -> ActionSucceeded | ActionFailed | ActionUnknown:
    """What is recorded. `tried_before`: an earlier attempt may have got through, so that a target which can't be
    heard now leaves it unknown."""
    if isinstance(effect, Took):
        return records.succeeded(intent, effect.receipt)
    if isinstance(effect, Doubt):
        return records.unknown(intent, effect.reason)
    if tried_before and effect.never_answered:
        return records.unknown(intent, effect.reason)
    return records.failed(intent, effect.reason_code, effect.reason)
