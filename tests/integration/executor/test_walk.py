"""One plan from grant to finish, on the real ledger and a real target."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import asyncpg
import pytest
from common.events.approver import ApprovalGiven, GapConfirmed
from executor.adapters.sql import SqlTargets
from support.casework import FINDINGS, catalogue_of
from support.drafting import authorised
from support.ground import casework
from support.ledgers import unguarded

pytestmark = pytest.mark.integration


async def test_a_plan_runs_step_by_step_with_release_and_outcome(site: Any) -> None:
    work = authorised(casework("W-1"))
    await site.ground.bring(work)

    await site.look(work.id)
    case = await site.ground.case(work.id)
    assert case.started is not None
    assert case.attempts[1].succeeded is not None
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


async def test_a_task_that_was_not_done_halts(site: Any) -> None:
    work = authorised(casework("W-2"))
    await site.ground.bring(work)
    await site.look(work.id)
    work = await site.ground.take(work)
    work.release(2)
    await site.ground.bring(work)
    await site.look(work.id)
    work = await site.ground.take(work)
    work.outcome(2, "not_done")
    await site.ground.bring(work)
    await site.look(work.id)
    types = await site.ground.types(work.id)
    assert types[-2:] == ["action.failed", "execution.halted"]
    case = await site.ground.case(work.id)
    assert case.halted.data.reason_code == "action_failed"


@pytest.mark.parametrize(
    ("key", "removed", "code"),
    [("R-1", GapConfirmed, "gate1_missing"), ("R-2", ApprovalGiven, "quorum_incomplete")],
)
async def test_with_either_gates_record_removed_nothing_runs(site: Any, key: str, removed: Any, code: str) -> None:
    work = authorised(casework(key))
    work.events = [event for event in work.events if event.type != removed.TYPE]
    async with unguarded(site.ground.realm):
        await site.ground.bring(work)
    await site.look(work.id)
    case = await site.ground.case(work.id)
    assert case.started is None
    assert case.halted.data.reason_code == code
    assert await site.ground.requests(work.id) == []


async def test_a_forged_signature_in_the_ledger_runs_nothing(site: Any) -> None:
    work = authorised(casework("R-3"))
    work.events = [
        replace(event, signature=f"{event.signature.partition(':')[0]}:{'A' * 86}==")
        if event.type == ApprovalGiven.TYPE and event.signature
        else event
        for event in work.events
    ]
    await site.ground.bring(work)
    await site.look(work.id)
    case = await site.ground.case(work.id)
    assert (case.started, case.halted.data.reason_code) == (None, "signature_invalid")
    assert await site.ground.requests(work.id) == []


async def test_a_fact_observed_since_the_approval_stops_it_without_any_message(site: Any) -> None:
    work = authorised(casework("R-4"))
    await site.ground.bring(work)
    changed = casework("R-4", completion_date="June 29, 2023")
    changed.reported = changed.reported.replace(day=2)
    await site.ground.put(changed.observations())
    await site.look(work.id)
    case = await site.ground.case(work.id)
    assert (case.started, case.halted.data.reason_code) == (None, "digest_mismatch")
    assert "due was '2023-06-30' and is now '2023-06-29'" in case.halted.data.reason


async def test_looking_again_at_what_ended_does_nothing(site: Any) -> None:
    work = authorised(casework("R-5"))
    await site.ground.bring(work)
    await site.look(work.id)
    before = await site.ground.types(work.id)
    for _ in range(3):
        await site.look(work.id)
    assert await site.ground.types(work.id) == before
    assert len(await site.ground.requests(work.id)) == 1


async def test_the_target_lets_the_executor_insert_and_read_and_nothing_else(site: Any) -> None:
    connection = await asyncpg.connect(site.ground.target)
    try:
        await connection.execute("SELECT * FROM requests")
        for statement in (
            "UPDATE requests SET ask = 'x'",
            "DELETE FROM requests",
            "DELETE FROM trueup_receipts",
            "UPDATE trueup_receipts SET step = 2",
            "TRUNCATE requests",
            "CREATE TABLE more (a int)",
            "INSERT INTO requests (case_id, finding, ask, requested_at) VALUES ('c', 'f', 'a', now())",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
    finally:
        await connection.close()


async def test_what_the_target_refuses_fails_and_leaves_no_receipt(site: Any) -> None:
    work = authorised(casework("R-6"))
    await site.ground.bring(work)

    class Mistaken(SqlTargets):
        async def act(self, order: Any) -> dict[str, Any]:
            return await super().act(replace(order, statement="delete from requests where case_id = :case_id"))

    await site.look(work.id, Mistaken(lambda: {"ticketing": site.ground.target}))
    case = await site.ground.case(work.id)
    assert case.attempts[1].failed.data.reason_code == "target_refused"
    assert "permission denied" in case.attempts[1].failed.data.reason
    assert case.halted.data.reason_code == "action_failed"
    assert await site.ground.receipts(work.id) == []


async def test_hostile_words_are_bound_and_never_run(site: Any) -> None:
    title = "'); delete from trueup_receipts; -- \"$1 :case_id"
    work = authorised(casework("R-7", title=title))
    await site.ground.bring(work)
    await site.look(work.id)
    (request,) = await site.ground.requests(work.id)
    assert request["ask"] == f"Show what is fixed and what is not: {title}"
    assert len(await site.ground.receipts(work.id)) == 1


async def test_a_target_that_is_not_configured_fails_with_what_to_do(site: Any) -> None:
    work = authorised(casework("R-8"))
    await site.ground.bring(work)
    await site.look(work.id, SqlTargets(dict))
    case = await site.ground.case(work.id)
    assert case.attempts[1].failed.data.reason_code == "target_not_configured"
    assert "targets.json" in case.attempts[1].failed.data.reason


async def test_limits_hold_and_a_new_day_lets_it_go_on(site: Any) -> None:
    text = FINDINGS.read_text().replace("perDay: 100, atOnce: 20", "perDay: 1, atOnce: 20")
    await site.ground.declare(text)
    await site.ground.pools["executor"].execute("DELETE FROM executor.actions")  # what the other tests did today
    first, second = casework("L-1"), casework("L-2")
    for work in (first, second):
        work.catalogue = catalogue_of(text)
        await site.ground.bring(authorised(work))
        await site.look(work.id)
    assert len(await site.ground.requests(first.id)) == 1
    case = await site.ground.case(second.id)
    assert (case.started is None, case.attempts, case.halted) == (False, {}, None)  # begun, waiting, not halted
    assert not await site.waits()

    await site.ground.advance("2023-07-03T18:00:00Z")  # later on the same day
    async with site.ground.pools["executor"].acquire() as conn, conn.transaction():
        await site.parts.queue.wake(conn)
    assert await site.look_again() == second.id
    assert await site.ground.requests(second.id) == []
    await site.ground.advance("2023-07-04T05:00:00Z")  # the next day in New York
    async with site.ground.pools["executor"].acquire() as conn, conn.transaction():
        await site.parts.queue.wake(conn)
    assert await site.look_again() == second.id
    assert len(await site.ground.requests(second.id)) == 1
