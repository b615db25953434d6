"""The drafter that needs no model: the declared playbook."""

from __future__ import annotations

from common.events.planner import PlanDrafted, PlanWithheld

from planner.core import playbook
from planner.core.situation import Situation


class PlaybookDrafter:
    """The same situation gives the same plan; nothing outside is asked."""

    actor = f"agent:{playbook.NAME}"

    async def draft(self, situation: Situation) -> PlanDrafted | PlanWithheld:
        """See `Drafter.draft`."""
        return playbook.draft(situation)
