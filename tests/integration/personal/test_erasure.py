"""Personal data through the whole loop: sealed wherever it is written, shown to who is signed in, erased by two."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from auditor.core.verification import verified, verify
from cli.stack.postgres import Postgres
from cli.stack.stack import AnyBroker, Stack
from common.directory import Directory
from common.events.auditor import AttestationIssued
from common.events.differ import GapOpened
from common.events.observer import EntityObserved, ErasureDone, ObservationRejected
from common.sealing import is_sealed
from support.personal_realm import (
    MARKER,
    Realm,
    attestation,
    auditor_says,
    nothing_leaked,
    personal_realm,
    quarantined,
)
from support.processes import until

pytestmark = pytest.mark.integration

PAGE = Path(__file__).with_name("files.yaml")
KEPT, OPEN = "files-cleared/A-1/1", "files-cleared/B-1/1"


@pytest.fixture
def realm(
    session_folder: Path, postgres: Postgres, broker: AnyBroker, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Realm]:
    clock = "replay:2023-07-03T00:00:00Z"
    stack = Stack(session_folder / "personal", realm="personal", broker=broker, postgres=postgres, clock=clock)
    with personal_realm(stack, PAGE, monkeypatch) as made:
        yield made


async def test_personal_data_from_report_to_erasure(realm: Realm) -> None:
    # Two files are not cleared; one of them is, later, and is attested.
    realm.settle()
    for key in ("A-1", "B-1"):
        told = realm.report(
            f"1/{key}",
            "2023-07-03T00:00:00Z",
            id=key,
            holder_name=f"{MARKER} of {key}",
            standing=f"{MARKER}?",
            state="new",
        )
        assert told["status"] == "accepted"
    mixed = {"entity_type": "file", "key": "A-1", "row": {"id": "B-1", "holder_name": f"{MARKER} of B-1"}}
    assert realm.post("1/mixed", "2023-07-03T00:00:00Z", mixed)["reason_code"] == "key_mismatch"
    realm.settle()
    opened = await realm.ledger(GapOpened)
    assert [event.data["severity"] for event in opened] == ["medium", "medium"]
    facts = [event.data["rules"][0]["facts"][0] for event in opened]
    rows = {event.id: event.data["row"] for event in await realm.ledger(EntityObserved)}
    assert [fact["value"] for fact in facts] == [rows[fact["event_id"]]["standing"] for fact in facts]
    assert all(is_sealed(fact["value"]) for fact in facts)

    realm.actors["k.keeper"].decide("confirm", OPEN)
    realm.settle()
    page = realm.actors["k.keeper"].case(OPEN)
    assert page["plan"]["data"]["facts"][0]["value"] == f"{MARKER}?", "shown to who is signed in"
    assert "standing is (sensitive)" in page["plan"]["data"]["reasoning"][0]["text"]
    assert realm.shown(OPEN)["value"] == f"{MARKER}?"

    realm.report("2/A-1", "2023-07-03T00:00:00Z", id="A-1", holder_name=MARKER, standing="cleared", state="done")
    realm.settle()
    realm.advance("2023-07-05T00:00:00Z")
    (issued,) = await until(lambda: realm.ledger(AttestationIssued))
    document = attestation(realm, KEPT)
    assert MARKER.encode() not in document

    await nothing_leaked(realm)
    rejected = await realm.ledger(ObservationRejected)
    assert [event.data["reason_code"] for event in rejected] == ["key_mismatch"]

    # Erased by two people; killed in between, the observer does it again.
    before = [event.encode() for event in await realm.ledger()]
    secrets = (realm.stack.config / "subject-keys.sqlite").read_bytes()
    assert b"B-1" in secrets
    assert await quarantined(realm) == 1
    assert realm.trueup("ledger", "erase", "--subject", "file/B-1", "-m", "she asked", "--as", "e.asks")[0] == 0
    code, answer = realm.trueup("ledger", "erase", "--subject", "file/B-1", "--approve", "--as", "e.asks")
    assert (code, answer["error"]) == (2, "requester_decides")
    realm.settle()
    assert realm.shown(OPEN)["value"] == f"{MARKER}?", "asked for is not approved"

    realm.stack.kill_service("observer")
    realm.stack.start_service("observer", "observer.key_destroyed=1")
    approved = ("ledger", "erase", "--subject", "file/B-1", "--approve", "--as", "f.agrees")
    assert realm.trueup(*approved)[1]["status"] == "approved"
    assert realm.stack.wait_service_gone("observer")
    assert await realm.ledger(ErasureDone) == []
    realm.stack.start_service("observer")
    (done,) = await until(lambda: realm.ledger(ErasureDone))
    assert done.data["payloads"] == 1
    assert await quarantined(realm) == 0
    realm.settle()

    # Pages say `erased`, rules are Unknown, the other subject is untouched.
    (erasure,) = realm.trueup("ledger", "erasures", "--as", "e.asks")[1]
    assert (erasure["status"], erasure["requested_by"], erasure["approved_by"]) == ("erased", "e.asks", "f.agrees")
    shown = realm.actors["k.keeper"].case(OPEN)
    assert MARKER not in json.dumps(shown)
    assert realm.shown(OPEN).get("value") is None
    assert realm.shown(OPEN)["unknown"] == "erased"
    changed = [event for event in await realm.ledger() if event.caseid == OPEN and event.data.get("rules")]
    assert changed[-1].data["rules"][0]["status"] == "unknown"
    assert changed[-1].data["rules"][0]["reason"] == "standing: erased"
    assert auditor_says(realm, KEPT)["gap"]["data"]["rules"][0]["facts"][0]["value"] == f"{MARKER}?"

    # The log is what it was, and what was attested verifies, with and without keys.
    after = [event.encode() for event in await realm.ledger()]
    assert after[: len(before)] == before
    realm.trueup("ledger", "erase", "--subject", "file/A-1", "--as", "e.asks")
    realm.trueup("ledger", "erase", "--subject", "file/A-1", "--approve", "--as", "f.agrees")
    await until(lambda: two(realm))
    assert attestation(realm, KEPT) == document
    directory = Directory.read(realm.stack.config / "directory.json")
    checks = verify(document, directory, issued.data["digest"])
    assert verified(checks), [check for check in checks if not check.ok]
    assert auditor_says(realm, KEPT)["gap"]["data"]["rules"][0]["facts"][0]["unknown"] == "erased"

    # What is reported of an erased subject is stored as erased.
    told = realm.report("3/B-1", "2023-07-05T00:00:00Z", id="B-1", holder_name=MARKER, standing=MARKER, state="new")
    assert told["status"] == "accepted"
    realm.settle()
    await nothing_leaked(realm)


async def two(realm: Realm) -> bool:
    return len(await realm.ledger(ErasureDone)) == 2
