"""What the planner appends is signed, and a decision made twice keeps the signature it was stored with."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from common.clock import instant, wall_now
from common.ledger import Appended, NewEvent
from common.service_keys import check_service_signature
from support import service_keys
from support.ground import casework

pytestmark = pytest.mark.integration


async def test_a_plan_is_signed_and_drafted_again_is_the_stored_one(site: Any) -> None:
    work = casework("S-1")
    work.open_gap()
    work.confirm()
    await site.ground.bring(work)
    await site.look(work.id)
    plan = (await site.ground.case(work.id)).plan.event
    check_service_signature(plan, service_keys.trusted())
    assert plan.streamversion == 1

    later = replace(plan, time=instant(wall_now() + timedelta(seconds=1)), signature=None)
    again = service_keys.key("planner").signed(later, 1)
    assert again.signature != plan.signature
    (answer,) = await site.ground.ledger("planner").append([[NewEvent(again, 1)]])
    assert isinstance(answer, Appended)
    assert (answer.duplicate, answer.stored) == (True, (plan.encode(),))
    assert (await site.ground.case(work.id)).plan.event == plan


async def test_what_is_withheld_is_signed_too(site: Any) -> None:
    work = casework("S-2", department="Redacted")
    work.open_gap()
    work.confirm()
    await site.ground.bring(work)
    await site.look(work.id)
    case = await site.ground.case(work.id)
    assert case.plan is None
    check_service_signature(case.withheld.event, service_keys.trusted())
