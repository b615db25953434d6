"""What the planner needs of the outside: somebody who drafts."""

from __future__ import annotations

from typing import Protocol

from common.events.planner import PlanDrafted, PlanWithheld

from planner.core.situation import Situation


class Drafter(Protocol):
    """Drafts one plan for one situation, or says why there is none. A draft has no effect until people approve it.

    `actor` is the drafter's identity with its version, as events name it: `agent:playbook/1`.
    """

    @property
    def actor(self) -> str: ...

    async def draft(self, situation: Situation) -> PlanDrafted | PlanWithheld:
        """The draft. Raises `Transient` when asking again later may help, `Permanent` when it can't."""
        ...
