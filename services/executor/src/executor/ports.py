"""What the executor needs of the outside: systems that actions change, and a count of what it did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from common.errors import TrueupError
from common.events.envelope import Event
from common.events.executor import ActionIntended
from common.ledger import Connection

from executor.core.limits import Usage


@dataclass(frozen=True, slots=True)
class Order:
    """One action to carry out: what was intended, and the statement that the declaration has for it.

    `entity_key` is the target's own. Where the ledger has a pseudonym for it (`sensitive_key`) nothing that is
    recorded or logged may hold it, also not what the target says.
    """

    intent: ActionIntended
    statement: str
    entity_key: str = field(repr=False)
    sensitive_key: bool = False


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


class Actions(Protocol):
    """How often each action was done, as the ledger's execution events say. In the caller's transaction."""

    async def usage(self, conn: Connection, action: str, case_id: str, day: date) -> Usage:
        """How much of `action` counts against its limits. Takes the action's turn until the transaction ends, so
        that two workers can't both find the last place free."""
        ...

    async def note(self, conn: Connection, events: Sequence[Event], zone: ZoneInfo) -> None:
        """Take in execution events, in ledger order. Taking one in again changes nothing."""
        ...
