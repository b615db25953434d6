"""What the executor keeps, rebuilt from the ledger: the same after a real plan, repaired after an alteration."""

from __future__ import annotations

from typing import Any

import pytest
from executor.main import SERVICE
from support.drafting import authorised
from support.ground import casework
from support.rebuilding import altered_and_healed

pytestmark = pytest.mark.integration


async def test_after_a_plan_rebuilt_and_live_are_the_same_and_an_alteration_is_found(site: Any) -> None:
    for key in ("B-1", "B-2"):
        work = authorised(casework(key))
        await site.ground.bring(work)
        await site.look(work.id)
    work = await site.ground.take(work)
    work.release(2)
    await site.ground.bring(work)
    await site.look(work.id)
    alterations = [
        ("actions", "UPDATE executor.actions SET state = 'failed' WHERE state = 'open'"),
        ("actions", "DELETE FROM executor.actions WHERE state = 'open'"),
        ("entities", "UPDATE executor.entities SET row = '{}' WHERE key = 'B-1'"),
        ("entity_progress", "UPDATE executor.entity_progress SET position = position + 1000000"),
    ]
    await altered_and_healed(site.ground.realm, site.ground.pools["executor"], SERVICE, alterations)
