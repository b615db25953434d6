"""What the planner needs of the outside: somebody who drafts, and its list of cases."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from common.events import Event
from common.events.planner import PlanDrafted, PlanWithheld
from common.ledger import Connection

from planner.core.situation import Situation


class Cases(Protocol):
    """The cases that were opened and have not been closed: who must be looked at when a declaration changes."""

    async def note(self, conn: Connection, events: Iterable[Event]) -> None:
        """Take in events, in ledger order: an opened case is remembered, a closed one forgotten."""
        ...

    async def all(self, conn: Connection) -> list[str]:
        """Their ids."""
        ...

    async def confirmed(self, conn: Connection, cases: Iterable[str]) -> set[str]:
        """Those of `cases` in which people ever confirmed a gap, by the ledger as it is now."""
        ...


class Drafter(Protocol):
    """Drafts one plan for one situation, or says why there is none. A draft has no effect until people approve it.

    `actor` is the drafter's identity with its version, as events name it: `agent:playbook/1`.
    """

    @property
    def actor(self) -> str: ...

    async def draft(self, situation: Situation) -> PlanDrafted | PlanWithheld:
        """The draft. Raises `Transient` when asking again later may help, `Permanent` when it can't."""
        ...
