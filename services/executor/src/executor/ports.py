"""What the executor needs of the outside: systems that actions change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from common.errors import TrueupError
from common.events.executor import ActionIntended


@dataclass(frozen=True, slots=True)
class Order:
    """One action to carry out: what was intended, and the statement that the declaration has for it."""

    intent: ActionIntended
    statement: str
    entity_key: str


class NoEffect(TrueupError):
    """The action certainly had no effect; the target refused it, or was never reached."""


class Unreachable(TrueupError):
    """The target can't be asked now."""


class InDoubt(TrueupError):
    """The connection broke while the effect was being committed: only the receipt can tell."""


class Targets(Protocol):
    """The systems that the executor may act on. Every call is bounded in time."""

    async def receipt(self, intent: ActionIntended) -> dict[str, Any] | None:
        """What the target has about this action, or None: then it had not happened when the target was asked.

        Raises `Unreachable`.
        """
        ...

    async def act(self, order: Order) -> dict[str, Any]:
        """Carry out the action and write its receipt, both or neither; the receipt is the answer.

        An action that has a receipt already is not done again: its receipt is the answer. That also holds against
        an attempt that is still under way. Raises `NoEffect` or `InDoubt`.
        """
        ...
