from __future__ import annotations

from collections.abc import Callable
from typing import Any

from support.casework import Casework


async def test_a_plan_runs_step_by_step_with_release_and_outcome(
    site: Any, authorised: Callable[..., Casework]
) -> None:
    work = authorised("W-1")
    await site.ground.bring(work)

    await site.look(work.id)
    case = await site.ground.case(work.id)
    assert [type(one).__name__ for one in (case.started, case.attempts[1].succeeded)] == ["Said", "Said"]
    assert 2 not in case.attempts  # Level 2 waits for its release
    (request,) = await site.ground.requests(work.id)
    assert request["finding"] == "W-1"
    assert request["ask"] == "Show what is fixed and what is not: Cash is drawn too early"
    assert str(request["due"]) == "2023-07-17"
    (receipt,) = await site.ground.receipts(work.id)
    assert receipt["idempotency_key"] == case.attempts[1].intended.data.idempotency_key
    assert case.attempts[1].succeeded.data.receipt["rows"] == 1

    work = await site.ground.take(work)
    release = work.release(2)
    await site.ground.bring(work)
    await site.look(work.id)
    case = await site.ground.case(work.id)
    assert case.attempts[2].intended.data.release == release.id  # consumed
    assert case.attempts[2].open

    work = await site.ground.take(work)
    outcome = work.outcome(2)
    await site.ground.bring(work)
    await site.look(work.id)
    case = await site.ground.case(work.id)
    assert case.attempts[2].succeeded.data.outcome == outcome.id
    assert case.finished is not None
    assert case.stage == "to-verify"
    assert await site.ground.pending("executor") == 0
    assert len(await site.ground.requests(work.id)) == 1
