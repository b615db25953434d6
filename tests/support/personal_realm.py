"""A realm with personal data in it, everybody signed in, and a look into every place for what must not be there."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from cli.client import Client
from cli.demo import cast
from cli.demo.cast import Member
from cli.main import app
from cli.stack.stack import Stack
from common.bus import Address
from common.events import Event
from common.topics import TOPICS
from typer.testing import CliRunner

from support.processes import PATIENCE_S

MARKER = "Marker-7391"
PEOPLE = (
    Member("a.author", "A. Author", ("declaration-author",)),
    Member("b.other", "B. Other", ("declaration-approver", "clock-keeper")),
    Member("k.keeper", "K. Keeper", ("keeper",)),
    Member("l.lead", "L. Lead", ("lead",)),
    Member("h.head", "H. Head", ("head",)),
    Member("e.asks", "E. Asks", ("erasure-requester", "erasure-approver")),
    Member("f.agrees", "F. Agrees", ("erasure-approver",)),
)


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


@contextmanager
def personal_realm(stack: Stack, page: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Realm]:
    """The stack, started, with `page` in force; people sign in for the command line as well."""
    home = stack.folder / "home"
    keys = cast.enrol(PEOPLE, stack.realm, stack.config, home / stack.realm)
    cast.secrets_of(stack.config, stack.realm)
    if not (stack.config / "targets.json").exists():
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
        clients["b.other"].activate(clients["a.author"].propose(page)["id"])
        yield Realm(stack, token, clients)


def auditor_says(realm: Realm, case: str) -> dict[str, Any]:
    found: dict[str, Any] = asked_of_auditor(realm, f"/v1/cases/{case}").json()
    return found


def attestation(realm: Realm, case: str) -> bytes:
    return asked_of_auditor(realm, f"/v1/attestations/{case}").content


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
