"""The auditor's lines, rebuilt from the ledger: the same after a real story, repaired after an alteration, fenced."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from auditor import main as auditor_main
from auditor.adapters.projection import CaseLines
from common import projections
from common.clock import wall_now
from common.errors import Refused
from common.ledger import progress
from common.ledger.progress import Move
from support.audit_room import AuditRoom
from support.rebuilding import at_rest, changed, indexes, rebuilt, table
from support.walk import COMPLETE, executed

pytestmark = pytest.mark.integration
SERVICE = auditor_main.SERVICE


async def attested(room: AuditRoom) -> None:
    """A whole story, handled event by event."""
    walk = executed(room.realm.name, wall_now() - timedelta(seconds=60))
    await room.copy(walk)
    await room.advance("2023-08-31 12:00")
    walk = room.walk
    await room.make(lambda: walk.report("2023-08-31 09:00", corrective_action_status=COMPLETE), walk.open_gap)
    await room.advance("2023-09-20 12:00")
    await room.make(lambda: walk.retest("2023-09-20 09:00"), lambda: walk.report("2023-09-20 09:30"), walk.close_gap)
    await room.advance("2023-10-23 00:00")
    assert room.said()[-1] == "attestation.issued"


async def test_after_a_whole_story_rebuilt_and_live_are_the_same(room: AuditRoom) -> None:
    await attested(room)
    before, names = await table(room.pool, "auditor.cases"), await indexes(room.pool, "auditor.cases")
    report = await rebuilt(room.realm, SERVICE)
    assert (report.differences, changed(report), report.rows["cases"]) == ([], {}, 1)
    assert report.rows["entities"] > 1, "the store was caught up"
    assert await table(room.pool, "auditor.cases") == before
    assert await indexes(room.pool, "auditor.cases") == names, "a later migration finds them by name"
    assert report.position == len(room.walk.ledger) - 1


async def test_at_every_step_of_a_story_too(room: AuditRoom) -> None:
    walk = executed(room.realm.name, wall_now() - timedelta(seconds=60))
    for event in walk.ledger:
        await room.write(event)
        report = await rebuilt(room.realm, SERVICE)
        assert report.differences == [], event.type


async def test_an_altered_missing_or_invented_row_is_listed_and_repaired(room: AuditRoom) -> None:
    await attested(room)
    right = await table(room.pool, "auditor.cases")
    await room.pool.execute("UPDATE auditor.cases SET stage = 'closed', severity = 'low'")
    checked = await rebuilt(room.realm, SERVICE, swap=False)
    assert [(item.key, item.live, item.rebuilt) for item in checked.differences] == [
        (
            (room.walk.id,),
            {"severity": "low", "stage": "closed"},
            {"severity": right[0]["severity"], "stage": "attested"},
        )
    ]
    assert (await table(room.pool, "auditor.cases"))[0]["stage"] == "closed", "compared only"
    assert changed(await rebuilt(room.realm, SERVICE)) == {"cases": 1}
    assert await table(room.pool, "auditor.cases") == right
    await room.pool.execute("UPDATE auditor.cases SET case_id = 'no/such/1'")
    found = (await rebuilt(room.realm, SERVICE)).differences
    assert [(item.key, item.live is None, item.rebuilt is None) for item in found] == [
        ((room.walk.id,), True, False),
        (("no/such/1",), False, True),
    ]
    assert await table(room.pool, "auditor.cases") == right


async def test_the_service_goes_on_with_the_tables_that_were_swapped_in(room: AuditRoom) -> None:
    walk = executed(room.realm.name, wall_now() - timedelta(seconds=60))
    await room.write(*walk.ledger[:-1])
    await rebuilt(room.realm, SERVICE)
    await room.write(walk.ledger[-1])
    assert (await table(room.pool, "auditor.cases"))[0]["stage"] == "to-verify"
    assert (await rebuilt(room.realm, SERVICE)).differences == []


async def test_a_rebuild_that_is_broken_off_leaves_the_live_tables_and_the_next_one_begins_anew(
    room: AuditRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    await attested(room)
    await room.pool.execute("UPDATE auditor.cases SET severity = 'low'")
    before = await table(room.pool, "auditor.cases")
    swap = projections._Rebuild._swap

    async def killed(self: Any, of: projections.Table) -> None:
        await swap(self, of)
        raise KeyboardInterrupt

    monkeypatch.setattr(projections._Rebuild, "_swap", killed)
    with pytest.raises(KeyboardInterrupt):
        await rebuilt(room.realm, SERVICE)
    monkeypatch.undo()
    assert await table(room.pool, "auditor.cases") == before
    assert changed(await rebuilt(room.realm, SERVICE)) == {"cases": 1}


async def test_what_the_service_has_not_handled_yet_is_not_overtaken(
    room: AuditRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    await attested(room)
    await room.pool.execute("UPDATE auditor.cases SET severity = 'low'")
    before = await table(room.pool, "auditor.cases")
    monkeypatch.setattr(projections, "_TRIES", 2)
    await at_rest(room.realm)
    connection = await room._as("differ")
    old = await progress.relayed(connection, "differ")
    assert old is not None
    async with connection.transaction():
        await progress.set_relayed(connection, "differ", Move(old, old), {("gaps", 0): 5})
    with pytest.raises(Refused) as refusal:
        await rebuilt(room.realm, SERVICE)
    assert refusal.value.reason_code == "not_at_rest"
    assert await table(room.pool, "auditor.cases") == before
    async with room.pool.acquire() as own, own.transaction():
        await progress.advance(own, "auditor", {("gaps", 0): Move(None, 5)})
    assert changed(await rebuilt(room.realm, SERVICE)) == {"cases": 1}


async def test_events_that_come_while_the_tables_are_compared_are_not_missed(
    room: AuditRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    walk = executed(room.realm.name, wall_now() - timedelta(seconds=60))
    await room.write(*walk.ledger[:-1])
    turn = CaseLines.turn
    late = [walk.ledger[-1]]

    async def meanwhile(self: CaseLines, conn: Any) -> None:
        while late:
            await room.write(late.pop())
            await at_rest(room.realm)
        await turn(self, conn)

    monkeypatch.setattr(CaseLines, "turn", meanwhile)
    report = await rebuilt(room.realm, SERVICE)
    assert report.position == len(walk.ledger) - 1 and report.differences == []


async def test_nobody_writes_between_the_comparison_and_the_swap(
    room: AuditRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    await attested(room)
    expect_rest = projections._Rebuild._expect_rest
    refused = 0

    async def meanwhile(self: Any) -> None:
        nonlocal refused
        await expect_rest(self)
        async with room.pool.acquire() as handler:
            await handler.execute("SET lock_timeout = '50ms'")
            with pytest.raises(asyncpg.LockNotAvailableError):
                await handler.execute("UPDATE auditor.cases SET stage = 'soaking'")
            refused += 1
            await handler.execute("RESET lock_timeout")

    monkeypatch.setattr(projections._Rebuild, "_expect_rest", meanwhile)
    assert (await rebuilt(room.realm, SERVICE)).differences == []
    assert refused == 1
    assert (await table(room.pool, "auditor.cases"))[0]["stage"] == "attested"


async def test_one_rebuild_at_a_time(room: AuditRoom) -> None:
    async with room.pool.acquire() as other:
        await other.execute("SELECT pg_advisory_lock(hashtext('trueup rebuild'), hashtext('auditor'))")
        with pytest.raises(Refused) as refusal:
            await rebuilt(room.realm, SERVICE)
        await other.execute("SELECT pg_advisory_unlock_all()")
    assert refusal.value.reason_code == "rebuild_running"
