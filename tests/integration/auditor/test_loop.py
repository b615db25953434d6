"""What the auditor decides, on real PostgreSQL: proof, soak, closing, and when it says nothing."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from auditor.core.verification import verified, verify
from cli.stack.realm import Realm
from common.clock import instant, parse_instant, wall_now
from common.events import differ
from common.events.auditor import AttestationIssued
from common.events.executor import ExecutionFinished
from common.ledger import Connection, Ledger
from common.service_keys import check_service_signature
from support.audit_room import AuditRoom
from support.buses import eventually
from support.casework import having_left
from support.ledgers import unguarded
from support.office import write_directory
from support.service_keys import trusted
from support.walk import COMPLETE, approved, at, directory, executed, opened

from .conftest import enter

pytestmark = pytest.mark.integration


async def carried_out(room: AuditRoom) -> None:
    """A plan was carried out; the realm's clock stands at 10 July 2023, 17:30."""
    await room.copy(executed(room.realm.name, wall_now() - timedelta(seconds=60)))
    await room.advance("2023-07-10 17:30")


async def complete(room: AuditRoom) -> None:
    """Management reports the fix complete on 31 August; other rules fail now."""
    await room.advance("2023-08-31 12:00")
    walk = room.walk
    await room.make(lambda: walk.report("2023-08-31 09:00", corrective_action_status=COMPLETE), walk.open_gap)


async def proven(room: AuditRoom) -> None:
    """The retest passes on 20 September, and the gap closes."""
    await complete(room)
    await room.advance("2023-09-20 12:00")
    walk = room.walk
    await room.make(lambda: walk.retest("2023-09-20 09:00"), lambda: walk.report("2023-09-20 09:30"), walk.close_gap)


async def test_a_case_is_proven_soaks_is_closed_and_attested(room: AuditRoom) -> None:
    await carried_out(room)
    assert room.said() == []
    await proven(room)
    assert room.said() == ["proof.seen"]
    assert room.last("proof.seen").data["soak_until"] == "2023-10-20T12:00:00Z"
    await room.advance("2023-10-20 11:59")
    await room.make(lambda: room.walk.report("2023-10-20 11:00"))
    assert room.said() == ["proof.seen"], "it was looked at again, and the soak is not over"
    await room.advance("2023-10-23 00:00")
    assert room.said() == ["proof.seen", "verification.passed", "case.closed", "attestation.issued"]
    passed = room.last("verification.passed")
    assert passed.asof == "2023-10-20T12:00:00Z", "the timer fires as of its own instant"
    assert passed.causationid == room.walk.seen["finding", room.walk.key].id, "the newest of what it rests on"
    assert room.last("case.closed").data["how"] == "remedied"
    assert await room.timers() == []


async def test_the_attestation_verifies_and_can_be_made_again_from_the_ledger(room: AuditRoom) -> None:
    await carried_out(room)
    await proven(room)
    await room.advance("2023-10-23 00:00")
    issued = AttestationIssued.of(room.last("attestation.issued"))
    answer = await room.get(f"/v1/attestations/{room.walk.id}")
    assert answer.headers["x-trueup-digest"] == issued.digest
    checks = verify(answer.content, directory(room.realm.name), issued.digest, trusted(room.realm.name))
    assert [check for check in checks if check.ok is not True] == []
    assert issued.evidence == [item["position"] for item in answer.json()["evidence"]]
    head = {name: answer.json()[name] for name in issued.statement}
    assert head == issued.statement
    assert "K. Weber (head-of-controls) carried out step 2" in answer.json()["narrative"]


async def test_what_was_true_before_the_execution_had_finished_does_not_count(room: AuditRoom) -> None:
    """Later in the ledger, but about an earlier time by the source's own clock."""
    await carried_out(room)
    walk = room.walk
    await room.advance("2023-07-20 12:00")
    await room.make(
        lambda: walk.report("2023-07-10 17:30", corrective_action_status=COMPLETE),
        lambda: walk.retest("2023-07-10 17:29"),
        walk.close_gap,
    )
    assert room.said() == []
    await room.make(lambda: walk.retest("2023-07-20 09:00", number=2))
    assert room.said() == [], "the position changed too, and was not seen after the execution"
    await room.make(lambda: walk.report("2023-07-20 10:00"))
    assert room.said() == ["proof.seen"]


async def test_what_was_recorded_before_the_execution_had_finished_does_not_count(room: AuditRoom) -> None:
    """A source whose clock runs ahead: about a later time, but earlier in the ledger."""
    walk = approved(room.realm.name, wall_now() - timedelta(seconds=60))
    walk.start()
    walk.intend(1)
    walk.succeed(1)
    walk.release(2)
    walk.intend(2)
    walk.report("2023-07-05 10:13", corrective_action_status=COMPLETE)
    walk.retest("2023-07-05 10:13")
    walk.outcome(2)
    walk.succeed(2)
    walk.finish()
    assert walk.asof == at("2023-07-05 10:12")
    await room.copy(walk)
    await room.advance("2023-07-06 12:00")
    await room.make(walk.close_gap)
    assert room.said() == []
    await room.make(lambda: walk.report("2023-07-06 09:00"), lambda: walk.retest("2023-07-06 09:00"))
    assert room.said() == ["proof.seen"]


async def test_a_rule_that_fails_during_the_soak_fails_the_verification_and_the_case_goes_on(room: AuditRoom) -> None:
    await carried_out(room)
    await proven(room)
    await room.advance("2023-09-30 12:00")
    walk = room.walk
    await room.make(lambda: walk.report("2023-09-30 09:00", corrective_action_status="Corrective action in progress"))
    assert room.said() == ["proof.seen", "verification.failed"]
    failed = room.last("verification.failed")
    assert failed.data["reason_code"] == "failed_again"
    assert failed.caseid == walk.id
    await room.make(lambda: walk.open_gap(differ.GapOpened))
    assert room.said() == ["proof.seen", "verification.failed"]
    assert await room.timers() == [(walk.id, "within", parse_instant("2023-11-07T18:30:00Z"))]
    # It is repaired again: another proof, another whole soak, the same occurrence.
    await room.advance("2023-10-02 12:00")
    await room.make(lambda: walk.report("2023-10-02 09:00", corrective_action_status=COMPLETE), walk.close_gap)
    assert room.said()[2:] == ["proof.seen"]
    await room.advance("2023-10-31 12:00")
    assert room.said()[3:] == []
    await room.make(lambda: walk.retest("2023-10-31 10:00"), lambda: walk.report("2023-10-31 10:00"))
    await room.advance("2023-11-02 00:00")
    assert room.said()[3:] == ["verification.passed", "case.closed", "attestation.issued"]
    assert room.last("case.closed").caseid == f"money-findings-closed/{walk.key}/1"
    raw = (await room.get(f"/v1/attestations/{walk.id}")).content
    assert verified(verify(raw, directory(room.realm.name)))
    assert "a verification failed" in raw.decode()


async def test_the_differs_word_alone_fails_a_soak(room: AuditRoom) -> None:
    """The gap opened again and closed again between two looks of the auditor."""
    await carried_out(room)
    await proven(room)
    walk = room.walk
    await room.advance("2023-09-30 12:00")
    await room.make(
        lambda: walk.report("2023-09-30 09:00", corrective_action_status="Corrective action in progress"),
        lambda: walk.open_gap(differ.GapOpened),
        lambda: walk.report("2023-09-30 10:00", corrective_action_status=COMPLETE),
        deliver=False,
    )
    await room.deliver()
    assert room.said() == ["proof.seen", "verification.failed"]


async def test_unknown_never_passes_and_is_decided_when_it_is_known(room: AuditRoom) -> None:
    await carried_out(room)
    await complete(room)
    walk = room.walk
    await room.advance("2023-09-30 12:00")
    # The retest is 34 days old: fresh now, stale long before the soak ends.
    await room.make(lambda: walk.report("2023-09-30 09:00"), lambda: walk.retest("2023-08-27 09:00"), walk.close_gap)
    assert room.said() == ["proof.seen"]
    await room.advance("2023-11-20 00:00")
    assert room.said() == ["proof.seen"], "the soak is over, and nobody knows"
    await room.make(lambda: walk.retest("2023-11-19 09:00", number=2))
    assert room.said() == ["proof.seen"], "the finding itself is stale still"
    await room.make(lambda: walk.report("2023-11-19 09:00"))
    assert room.said()[1:] == ["verification.passed", "case.closed", "attestation.issued"]
    assert room.last("verification.passed").asof == "2023-11-20T00:00:00Z"


async def test_no_proof_in_time_is_inconclusive_once_and_a_late_proof_still_counts(room: AuditRoom) -> None:
    await carried_out(room)
    await room.advance("2023-11-07 18:29")
    assert room.said() == []
    await room.advance("2023-12-01 00:00")
    assert room.said() == ["verification.inconclusive"]
    late = room.last("verification.inconclusive")
    assert late.asof == "2023-11-07T18:30:00Z"
    assert late.data["reason_code"] in ("no_proof_in_time", "proof_unknown")
    walk = room.walk
    await room.make(
        lambda: walk.report("2023-11-30 09:00", corrective_action_status=COMPLETE),
        lambda: walk.retest("2023-11-30 09:00"),
        walk.close_gap,
    )
    assert room.said() == ["verification.inconclusive", "proof.seen"]


async def test_a_case_that_ends_without_a_plan_is_resolved(room: AuditRoom) -> None:
    await room.copy(opened(room.realm.name, wall_now() - timedelta(seconds=60)))
    await room.advance("2023-07-20 12:00")
    walk = room.walk
    await room.make(
        lambda: walk.report("2023-07-20 09:00", corrective_action_status=COMPLETE),
        lambda: walk.retest("2023-07-20 09:00"),
        walk.close_gap,
    )
    await room.advance("2023-08-19 12:00")
    assert room.said() == ["proof.seen", "verification.passed", "case.closed", "attestation.issued"]
    assert room.last("case.closed").data["how"] == "resolved"
    raw = (await room.get(f"/v1/attestations/{walk.id}")).content
    assert verified(verify(raw, directory(room.realm.name)))
    assert "Trueup changed nothing" in raw.decode()


async def test_an_entity_that_is_withdrawn_ends_its_case_without_a_proof_of_repair(room: AuditRoom) -> None:
    await room.copy(opened(room.realm.name, wall_now() - timedelta(seconds=60)))
    await room.advance("2023-07-20 12:00")
    walk = room.walk
    await room.make(lambda: walk.withdraw("2023-07-20 09:00"), lambda: walk.closes("withdrawn"))
    await room.advance("2023-08-19 12:00")
    assert room.said() == ["proof.seen", "verification.passed", "case.closed", "attestation.issued"]
    assert room.last("case.closed").data["how"] == "resolved"
    raw = (await room.get(f"/v1/attestations/{walk.id}")).content
    assert verified(verify(raw, directory(room.realm.name)))
    text = " ".join(json.loads(raw)["narrative"].split())
    assert "audit-tracker withdrew finding 2022-090" in text
    assert "The proof no longer had to be given" in text


async def test_an_entity_that_is_no_longer_selected_ends_its_case_as_that(room: AuditRoom) -> None:
    await room.copy(opened(room.realm.name, wall_now() - timedelta(seconds=60)))
    await room.advance("2023-07-20 12:00")
    walk = room.walk
    await room.make(
        lambda: walk.report("2023-07-20 09:00", compliance_requirements="L"), lambda: walk.closes("not_selected")
    )
    await room.advance("2023-08-19 12:00")
    assert room.said() == ["proof.seen", "verification.passed", "case.closed", "attestation.issued"]
    raw = (await room.get(f"/v1/attestations/{walk.id}")).content
    assert verified(verify(raw, directory(room.realm.name)))
    assert "The proof no longer had to be given" in " ".join(json.loads(raw)["narrative"].split())


async def test_a_case_with_an_execution_under_way_is_not_judged(room: AuditRoom) -> None:
    """Reality moved while a step was still open: nothing is proven until the execution has ended."""
    walk = approved(room.realm.name, wall_now() - timedelta(seconds=60))
    walk.start()
    walk.intend(1)
    await room.copy(walk)
    await room.advance("2023-07-06 12:00")
    await room.make(
        lambda: walk.report("2023-07-06 09:00", corrective_action_status=COMPLETE),
        lambda: walk.retest("2023-07-06 09:00"),
        walk.close_gap,
    )
    assert room.said() == []


async def test_timers_that_came_due_while_the_auditor_was_down_fire_when_it_is_back(
    fresh: Realm, tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        first = await enter(stack, fresh, tmp_path)
        await carried_out(first)
        await proven(first)
        assert first.said() == ["proof.seen"]
        delivered = first.delivered
        # It is down while the clock moves on, past the end of the soak.
        await first.advance("2023-10-24 00:00", deliver=False)
    async with AsyncExitStack() as stack:
        second = await enter(stack, fresh, tmp_path)
        second.walk, second.delivered = first.walk, delivered
        await second.deliver()
        assert second.said() == ["proof.seen", "verification.passed", "case.closed", "attestation.issued"]
        assert second.last("verification.passed").asof == "2023-10-20T12:00:00Z"


async def test_a_case_that_begins_to_wait_misses_nothing_that_is_observed_meanwhile(room: AuditRoom) -> None:
    """It is told of its gap's end and of the last observation at once, in two transactions."""
    await carried_out(room)
    await complete(room)
    await room.advance("2023-09-20 12:00")
    walk, (listener,) = room.walk, room.parts.listeners
    (cases,) = (consumer for consumer in room.parts.consumers if "gaps" in consumer.topics)
    await room.make(walk.close_gap, deliver=False)
    (closing,) = await Ledger(room.pool).read_after(room.pool, room.delivered, 10)

    async def listen() -> None:
        async with room.pool.acquire() as conn, conn.transaction():
            await listener.handler(conn)

    async with room.pool.acquire() as conn, conn.transaction():
        await cases.handler(conn, [closing])
        await room.make(lambda: walk.retest("2023-09-20 09:00"), deliver=False)
        await room.make(lambda: walk.report("2023-09-20 09:30"), deliver=False)
        listening = asyncio.create_task(listen())
        await eventually(lambda: _waits(conn, listening), "it waits for its turn, or has missed it")
    await listening
    await room.sync()
    assert room.said() == ["proof.seen"]


async def _waits(conn: Connection, task: asyncio.Task[None]) -> bool:
    waiting = (
        "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database "
        "WHERE d.datname = current_database() AND l.locktype = 'advisory' AND NOT l.granted"
    )
    return task.done() or bool(await conn.fetchval(waiting))


async def test_everything_delivered_again_changes_nothing(room: AuditRoom) -> None:
    await carried_out(room)
    await proven(room)
    await room.advance("2023-10-23 00:00")
    before = [event.id for event in room.walk.ledger]
    room.delivered = -1
    await room.deliver()
    assert [event.id for event in room.walk.ledger] == before


async def test_a_lost_projection_is_made_again_with_the_same_decisions(room: AuditRoom) -> None:
    """The auditor's schema is emptied and everything is read again."""
    await carried_out(room)
    await proven(room)
    await room.pool.execute("DELETE FROM auditor.cases; DELETE FROM auditor.entities; DELETE FROM auditor.timers")
    await room.pool.execute("UPDATE auditor.entity_progress SET position = -1, links = ''")
    room.delivered = -1
    await room.deliver()
    assert room.said() == ["proof.seen"]
    await room.advance("2023-10-23 00:00")
    assert room.said()[1:] == ["verification.passed", "case.closed", "attestation.issued"]


async def test_what_its_own_verifier_refuses_is_not_issued_and_is_told(room: AuditRoom, tmp_path: Path) -> None:
    """The key of one who approved is no longer in the directory: nobody could check the signature."""
    await carried_out(room)
    await proven(room)
    people = directory(room.realm.name)
    file = tmp_path / "directory.json"
    text = file.read_text()
    file.write_text(text.replace(people.people["r.osei"].key, people.people["r.osei"].key[::-1]))
    await room.advance("2023-10-23 00:00")
    assert room.said() == ["proof.seen", "verification.passed", "case.closed"]
    counts = (await room.get("/v1/counts")).json()
    assert "signatures" in counts["unattested"][room.walk.id]
    file.write_text(text)
    async with room.pool.acquire() as conn, conn.transaction():
        await room.issuer.queue.wake(conn)
    await room.issue()
    await room.sync()
    assert room.said()[-1] == "attestation.issued"


async def test_a_case_is_attested_when_somebody_who_approved_it_has_left(room: AuditRoom, tmp_path: Path) -> None:
    await carried_out(room)
    await proven(room)
    left = having_left(directory(room.realm.name), "l.hansen", instant(wall_now()))
    write_directory(tmp_path / "directory.json", left)
    await room.advance("2023-10-23 00:00")
    assert room.said()[-1] == "attestation.issued"
    raw = (await room.get(f"/v1/attestations/{room.walk.id}")).content
    assert verified(verify(raw, left)) and verified(verify(raw, directory(room.realm.name)))


async def test_an_execution_that_the_executor_did_not_sign_is_not_believed(room: AuditRoom) -> None:
    """Somebody with the executor's login says that all was done: that is told, once, and nothing is attested."""
    walk = executed(room.realm.name, wall_now() - timedelta(seconds=60))
    walk.ledger[-1] = walk.events[-1] = replace(walk.ledger[-1], signature=None)
    assert walk.ledger[-1].type == ExecutionFinished.TYPE
    async with unguarded(room.realm):
        await room.copy(walk)
    await room.advance("2023-07-10 17:30")
    await proven(room)
    assert room.said() == ["verification.inconclusive"]
    told = room.last("verification.inconclusive").data
    assert told["reason_code"] == "service_signature_missing"
    assert room.walk.case.stage == "inconclusive"
    await room.make(lambda: room.walk.report("2023-09-20 10:00"))
    await room.advance("2023-11-20 12:00")
    assert room.said() == ["verification.inconclusive"]


async def test_everything_the_auditor_says_is_signed_by_it(room: AuditRoom) -> None:
    await carried_out(room)
    await proven(room)
    await room.advance("2023-10-23 00:00")
    own = [event for event in room.walk.ledger if event.source == "auditor"]
    assert len(own) == len(room.said()) == 4
    for event in own:
        check_service_signature(event, trusted(room.realm.name))
