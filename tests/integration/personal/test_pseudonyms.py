"""A sensitive key through the whole loop: written nowhere, shown to who is signed in, given to the target, erased."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from auditor.adapters.naming import NOTHING
from cli.audit.service import Auditor
from cli.stack.postgres import Postgres
from cli.stack.stack import AnyBroker, Stack
from common.errors import Refused
from common.events.differ import GapOpened
from common.events.executor import ActionFailed, ActionSucceeded
from common.events.observer import EntityObserved, ErasureDone, ObservationRejected
from common.pseudonyms import BEGINS
from common.sealing import ERASED
from support.personal_realm import MARKER, Realm, connected, nothing_leaked, personal_realm, quarantined
from support.processes import until

pytestmark = pytest.mark.integration

PAGE = Path(__file__).with_name("keyed.yaml")
ANN, BEA = f"{MARKER}-Ann", f"{MARKER}-Bea"
TARGET = """
CREATE TABLE files (id text PRIMARY KEY, asked text);
CREATE TABLE trueup_receipts (
    idempotency_key text PRIMARY KEY, case_id text NOT NULL, plan text NOT NULL, step integer NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
$$BEGIN IF NEW.id LIKE '%Bea' THEN RAISE 'the file of % is locked', NEW.id; END IF; RETURN NEW; END$$;
CREATE TRIGGER locked BEFORE UPDATE ON files FOR EACH ROW EXECUTE FUNCTION refuse();
"""


@pytest.fixture
async def target(postgres: Postgres) -> AsyncIterator[str]:
    """Another system's database, which quotes keys when it refuses something."""
    name = f"files_{secrets.token_hex(4)}"
    async with connected(postgres.admin_url) as admin:
        await admin.execute(f"CREATE DATABASE {name}")
        async with connected(postgres.url(name)) as owner:
            await owner.execute(TARGET)
            await owner.executemany("INSERT INTO files VALUES ($1, NULL)", [(ANN,), (BEA,)])
        yield postgres.url(name)
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def realm(
    session_folder: Path, postgres: Postgres, broker: AnyBroker, target: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Realm]:
    clock = "replay:2023-07-03T00:00:00Z"
    stack = Stack(session_folder / "keyed", realm="keyed", broker=broker, postgres=postgres, clock=clock)
    stack.config.mkdir(parents=True, exist_ok=True)
    (stack.config / "targets.json").write_text(json.dumps({"desk": target}))
    with personal_realm(stack, PAGE, monkeypatch) as made:
        yield made


def report(realm: Realm, key: str, upstream_id: str, **row: str) -> dict[str, Any]:
    return realm.report(upstream_id, "2023-07-03T00:00:00Z", id=key, holder_name=MARKER, **row)


def listed(realm: Realm, person: str, key: str) -> list[str]:
    """The cases that `person` finds by an entity's key."""
    return [line["case"] for line in realm.actors[person].cases(key=key)]


def examined(realm: Realm, person: str, key: str) -> tuple[list[str], str]:
    """The cases that `person` finds at the auditor by an entity's key, and what it says besides."""
    session = realm.actors[person].session
    assert session is not None
    with Auditor(realm.stack.urls["auditor"], session.token) as auditor:
        lines, note = auditor.find(key)
    return [line["case"] for line in lines], note


async def test_a_key_that_nobody_may_read(realm: Realm, target: str) -> None:
    realm.settle()
    for key in (ANN, BEA):
        assert report(realm, key, f"1/{key}", standing="?", state="new")["id"] == f"1/{key}"
    assert report(realm, BEA, f"1/{BEA}", standing="!", state="new")["reason_code"] == "id_clash"
    # Refused before anybody can say what it is about: its id holds the key all the same, and so may what is wrong.
    unknown = {"entity_type": "file", "row": {"id": ANN}, ANN: 1}
    answer = realm.post(f"upd-{ANN}-5", "2023-07-03T00:00:00Z", unknown)
    assert (answer["id"], answer["reason_code"]) == (f"upd-{ANN}-5", "data_malformed")
    assert ANN in answer["reason"]
    realm.settle()
    keys = [event.data["key"] for event in await realm.ledger(GapOpened)]
    assert len(set(keys)) == 2
    assert all(key.startswith(BEGINS) for key in keys)

    # People find the case by the key that they know, decide, and the target is told that key.
    for key in (ANN, BEA):
        (case,) = listed(realm, "k.keeper", key)
        assert MARKER not in case
        assert realm.actors["k.keeper"].case(case)["named"] == key
        assert examined(realm, "k.keeper", key) == ([case], "")
        with pytest.raises(Refused, match="token_invalid"), Auditor(realm.stack.urls["auditor"], "x") as stranger:
            stranger.find(key)
        realm.actors["k.keeper"].decide("confirm", case)
        realm.settle()
        realm.actors["l.lead"].decide("approve", case)
        realm.settle()
        realm.actors["h.head"].decide("release", case, step=1)
        realm.settle()
    async with connected(target) as files:
        assert await files.fetch("SELECT id, asked FROM files ORDER BY id") == [(ANN, "Clear it"), (BEA, None)]
        receipts = await files.fetch("SELECT trueup_receipts::text FROM trueup_receipts")
    assert len(receipts) == len(await realm.ledger(ActionSucceeded)) == 1
    assert MARKER not in str(receipts)
    (failed,) = await realm.ledger(ActionFailed)
    assert failed.data["reason"] == "desk refused the action: RaiseError P0001"
    await nothing_leaked(realm)
    assert await quarantined(realm) == 1

    # Erased by two, who name the person as people do.
    erase = ("ledger", "erase", "--subject", f"file/{BEA}")
    assert realm.trueup(*erase, "--as", "e.asks")[0] == 0
    assert realm.trueup(*erase, "--approve", "--as", "f.agrees")[1]["status"] == "approved"
    (done,) = await until(lambda: realm.ledger(ErasureDone))
    assert done.data["payloads"] == 1
    assert await quarantined(realm) == 0
    realm.settle()
    assert realm.actors["k.keeper"].case(case)["named"] == "erased"
    assert listed(realm, "k.keeper", BEA) == [], "nobody can say any more whom it was about"
    assert examined(realm, "k.keeper", BEA) == examined(realm, "k.keeper", "nobody") == ([], NOTHING)
    assert listed(realm, "e.asks", BEA) == [case], "but those who deal with erasures"
    assert examined(realm, "e.asks", BEA) == ([case], "")
    assert examined(realm, "k.keeper", ANN) != ([], NOTHING)
    assert listed(realm, "k.keeper", case.split("/")[1]) == [case]
    assert realm.actors["k.keeper"].case(listed(realm, "k.keeper", ANN)[0])["named"] == ANN

    # What is reported of her later is known to be about her, and stored as erased.
    assert report(realm, BEA, f"2/{BEA}", standing="?", state="new")["status"] == "accepted"
    realm.settle()
    event = (await realm.ledger(EntityObserved))[-1]
    assert (event.data["key"], event.data["row"]["id"]) == (case.split("/")[1], ERASED)
    assert [event.data["reason_code"] for event in await realm.ledger(ObservationRejected)] == [
        "id_clash",
        "data_malformed",
    ]
    await nothing_leaked(realm)
