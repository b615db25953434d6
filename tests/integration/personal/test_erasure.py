"""Personal data through the whole loop: sealed wherever it is written, shown to who is signed in, erased by two."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from auditor.core.verification import verified, verify
from cli.client import Client
from cli.demo import cast
from cli.demo.cast import Member
from cli.main import app
from cli.stack.postgres import Postgres
from cli.stack.stack import AnyBroker, Stack
from common.bus import Address
from common.directory import Directory
from common.events import Event
from common.events.auditor import AttestationIssued
from common.events.differ import GapOpened
from common.events.observer import EntityObserved, ErasureDone, ObservationRejected
from common.sealing import is_sealed
from common.topics import TOPICS
from support.processes import PATIENCE_S, until
from typer.testing import CliRunner

pytestmark = pytest.mark.integration

MARKER = "Marker-7391"
PEOPLE = (
    Member("a.author", "A. Author", ("declaration-author",)),
    Member("b.other", "B. Other", ("declaration-approver", "clock-keeper")),
    Member("k.keeper", "K. Keeper", ("keeper",)),
    Member("e.asks", "E. Asks", ("erasure-requester", "erasure-approver")),
    Member("f.agrees", "F. Agrees", ("erasure-approver",)),
)
PAGE = Path(__file__).with_name("files.yaml")
KEPT, OPEN = "files-cleared/A-1/1", "files-cleared/B-1/1"


@dataclass
class Realm:
    """The stack, and everybody signed in."""

    stack: Stack
    token: str
    actors: dict[str, Client]

    def report(self, upstream_id: str, at: str, **row: str) -> dict[str, Any]:
        return self.post(upstream_id, at, {"entity_type": "file", "row": row})

    def post(self, upstream_id: str, at: str, data: dict[str, Any]) -> dict[str, Any]:
        message = {"specversion": "1.0", "id": upstream_id, "source": "crm", "type": "trueup.upstream.observed.v1",
                   "time": at, "data": data}  # fmt: skip
        answer = httpx.post(
            f"{self.stack.urls['observer']}/v1/observations",
            json=[message],
            headers={"authorization": f"Bearer {self.token}"},
            trust_env=False,
        )
        found: dict[str, Any] = answer.json()["results"][0]
        return found

    def settle(self) -> None:
        """Return when every service has handled everything, twice in a row."""
        quiet = 0
        deadline = time.monotonic() + PATIENCE_S
        while quiet < 2:
            said = self.actors["b.other"].realm()
            quiet = quiet + 1 if said["quiescent"] else 0
            assert time.monotonic() < deadline, said["behind"]
            time.sleep(0.02)

    def advance(self, to: str) -> None:
        self.actors["b.other"].advance(to)
        self.settle()

    def shown(self, case: str) -> dict[str, Any]:
        """The gap's first fact as the approver's page shows it."""
        page = self.actors["k.keeper"].case(case)
        fact: dict[str, Any] = page["gap"]["data"]["rules"][0]["facts"][0]
        return fact

    def trueup(self, *arguments: str) -> tuple[int, Any]:
        """The exit code of a command and the JSON that it prints."""
        result = CliRunner().invoke(app, [*arguments, "--json"])
        return result.exit_code, json.loads(result.stdout)

    async def ledger(self, kind: type[Any] | None = None) -> list[Event]:
        async with connected(self.stack.database_url("reader")) as connection:
            rows = await connection.fetch(
                "SELECT event FROM ledger.events WHERE $1::text IS NULL OR type = $1 ORDER BY position",
                kind.TYPE if kind else None,
            )
        return [Event.decode(row["event"]) for row in rows]


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


@pytest.fixture
def realm(
    session_folder: Path, postgres: Postgres, broker: AnyBroker, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Realm]:
    folder = session_folder / "personal"
    stack = Stack(folder, realm="personal", broker=broker, postgres=postgres, clock="replay:2023-07-03T00:00:00Z")
    home = folder / "home"
    keys = cast.enrol(PEOPLE, stack.realm, stack.config, home / stack.realm)
    cast.secrets_of(stack.config, stack.realm)
    (stack.config / "targets.json").write_text("{}")
    token = cast.feed_tokens(stack.config, ["crm"])["crm"]
    with ExitStack() as until_then:
        until_then.enter_context(stack)
        url = stack.urls["approver"]
        monkeypatch.setenv("TRUEUP_CONFIG_HOME", str(home))
        monkeypatch.setenv("TRUEUP_URL", url)
        clients = {name: until_then.enter_context(Client(url, name, key)) for name, key in keys.items()}
        for client in clients.values():
            client.login()
        for name in ("e.asks", "f.agrees"):
            assert CliRunner().invoke(app, ["login", "--person", name]).exit_code == 0
        clients["b.other"].activate(clients["a.author"].propose(PAGE)["id"])
        yield Realm(stack, token, clients)


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
    document = attestation(realm)
    assert MARKER.encode() not in document

    await nothing_leaked(realm)

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
    assert attestation(realm) == document
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


def auditor_says(realm: Realm, case: str) -> dict[str, Any]:
    found: dict[str, Any] = asked_of_auditor(realm, f"/v1/cases/{case}").json()
    return found


def attestation(realm: Realm) -> bytes:
    return asked_of_auditor(realm, f"/v1/attestations/{KEPT}").content


def asked_of_auditor(realm: Realm, path: str) -> httpx.Response:
    session = realm.actors["k.keeper"].session
    assert session is not None
    headers = {"authorization": f"Bearer {session.token}"}
    answer = httpx.get(f"{realm.stack.urls['auditor']}{path}", headers=headers, trust_env=False)
    assert answer.is_success, answer.text
    return answer


async def quarantined(realm: Realm) -> int:
    async with connected(realm.stack.database_admin_url) as connection:
        return int(await connection.fetchval("SELECT count(*) FROM observer.rejections WHERE payload IS NOT NULL"))


# -- the marker is nowhere


async def nothing_leaked(realm: Realm) -> None:
    """The marker is in no event, message, table or log: only upstream's own topic and the quarantine have it."""
    places: dict[str, Callable[[], Awaitable[list[bytes]]]] = {
        "ledger": lambda: ledger_bytes(realm),
        "bus": lambda: messages(realm),
        "tables": lambda: tables(realm),
    }
    for name, read in places.items():
        found = await read()
        assert len(found) > 10, f"nothing was looked at in {name}"
        assert [text for text in found if MARKER.encode() in text] == [], name
    for service in ("observer", "differ", "planner", "approver", "executor", "auditor"):
        log = realm.stack.log(service).read_bytes()
        assert log
        assert MARKER.encode() not in log, service
    rejected = await realm.ledger(ObservationRejected)
    assert [event.data["reason_code"] for event in rejected] == ["key_mismatch"]


async def ledger_bytes(realm: Realm) -> list[bytes]:
    return [event.encode() for event in await realm.ledger()]


async def messages(realm: Realm) -> list[bytes]:
    """Keys, values and headers of every message on the realm's topics but the one that upstream writes."""
    login = realm.stack.kafka_credentials("admin")
    address = Address(
        realm=realm.stack.realm,
        service="admin",
        brokers=realm.stack.brokers,
        user=login.user if login else None,
        password=login.password if login else None,
    )
    partitions = [
        TopicPartition(topic.full_name(realm.stack.realm), number)
        for topic in TOPICS
        if topic.name != "observations"
        for number in range(topic.partitions)
    ]
    found: list[bytes] = []
    # Not sought: aiokafka may answer a seek to the beginning with a reset to the end that was under way before it.
    options = address.client_options | {"auto_offset_reset": "earliest", "enable_auto_commit": False}
    async with AIOKafkaConsumer(**options) as consumer:
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        while any([await consumer.position(at) < ends[at] for at in partitions]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                for record in records:
                    headers = b"".join(value or b"" for _, value in record.headers)
                    found.append(b"\n".join((record.key or b"", record.value or b"", headers)))
    return found


async def tables(realm: Realm) -> list[bytes]:
    """Every row of every table, the quarantine's payloads apart."""
    found: list[bytes] = []
    async with connected(realm.stack.database_admin_url) as connection:
        names = await connection.fetch(
            "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables "
            "WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        )
        for row in names:
            columns = "id || event" if row["name"] == "observer.rejections" else "t::text"
            rows = await connection.fetch(f"SELECT {columns} AS text FROM {row['name']} t")
            found += [item["text"].encode() for item in rows]
    return found
