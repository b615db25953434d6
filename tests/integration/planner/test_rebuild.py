"""What the planner keeps, rebuilt from the ledger: the same after real plans, repaired after an alteration."""

from __future__ import annotations

from typing import Any

import pytest
from common.events.auditor import CaseClosed
from planner import main as planner_main
from planner.adapters.tables import CaseTable
from planner.handlers import Handlers
from support.ground import casework
from support.rebuilding import altered_and_healed

pytestmark = pytest.mark.integration


async def test_after_plans_rebuilt_and_live_are_the_same_and_an_alteration_is_found(site: Any) -> None:
    handlers = Handlers(planner_main.QUEUE, CaseTable(), lambda: None)
    pool = site.ground.pools["planner"]
    for key in ("B-1", "B-2", "B-3"):
        work = casework(key)
        work.open_gap()
        work.confirm()
        if key == "B-2":
            work.add(CaseClosed(case=work.id, how="resolved", verification="0"), "auditor", "service:auditor")
        await site.ground.bring(work)
        history = await site.ground.ledger("planner").read_case(pool, work.id)
        async with pool.acquire() as conn, conn.transaction():
            await handlers.cases(conn, history)
        if key != "B-3":  # of which the store knows nothing yet: it is rebuilt as far as it has come
            await site.look(work.id)
    assert "B-2" not in str(await CaseTable().all(pool)) and "B-1" in str(await CaseTable().all(pool))
    alterations = [
        ("cases", "DELETE FROM planner.cases WHERE case_id LIKE '%B-1%'"),
        ("cases", "UPDATE planner.cases SET desired_state = 'another' WHERE case_id LIKE '%B-1%'"),
        ("entities", "UPDATE planner.entities SET as_of = as_of + interval '1 day' WHERE key = 'B-1'"),
    ]
    await altered_and_healed(site.ground.realm, pool, planner_main.SERVICE, alterations)
