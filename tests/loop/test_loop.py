"""The loop end to end: what it attests can be checked and not be altered, time alone moves it, facts decide it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from auditor.core.verification import verified, verify
from cli.audit.commands import EXIT_FAILED, app
from cli.client import Client
from cli.demo import cast, findings
from cli.demo.cast import Member
from cli.stack.postgres import Postgres
from cli.stack.stack import AnyBroker, Stack
from common.clock import instant, parse_instant, wall_now
from common.directory import Directory
from common.events import Event
from support.processes import until
from typer.testing import CliRunner

from .telling import Telling, telling

pytestmark = pytest.mark.loop
CASE = findings.SHOWN
LEADS_S = (3, 6, 12, 24, 48)


# What is attested


@pytest.fixture(scope="module")
def examiner(calm: tuple[dict[str, Any], Telling]) -> Iterator[tuple[str, str]]:
    """The auditor's address and an examiner's token. Auditor and approver run again; the others don't."""
    stage = calm[1].stage
    stack = stage.stack
    stack.start_services(["approver", "auditor"])
    try:
        with Client(stack.urls["approver"], "e.weber", stage.keys["e.weber"]) as client:
            yield stack.urls["auditor"], client.login().token
    finally:
        stack.stop()


@pytest.fixture(scope="module")
def document(examiner: tuple[str, str]) -> bytes:
    url, token = examiner
    answer = httpx.get(f"{url}/v1/attestations/{CASE}", headers={"authorization": f"Bearer {token}"}, trust_env=False)
    assert answer.is_success, answer.text
    return answer.content


def test_the_story_ends_with_an_attestation_that_verifies(
    document: bytes, calm: tuple[dict[str, Any], Telling]
) -> None:
    told, here = calm
    directory = Directory.read(here.stack.config / "directory.json")
    issued = [event for _, event in told["events"] if event.type == "trueup.attestation.issued.v1"]
    digest = next(event.data["digest"] for event in issued if event.caseid == CASE)
    checks = verify(document, directory, digest)
    assert [check for check in checks if check.ok is not True] == []
    assert run_verify(document, here.stack.folder / "whole.json") == 0


def test_an_attestation_with_any_byte_changed_is_refused(
    document: bytes, calm: tuple[dict[str, Any], Telling]
) -> None:
    for place in range(0, len(document), max(1, len(document) // 500)):
        assert not verified(verify(flipped(document, place))), f"byte {place}"
    for place in (len(document) // 3, len(document) - 2):
        assert run_verify(flipped(document, place), calm[1].stack.folder / "changed.json") == EXIT_FAILED


def test_an_event_that_was_altered_in_the_ledger_is_found(
    document: bytes, examiner: tuple[str, str], calm: tuple[dict[str, Any], Telling], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By somebody who may do anything in the database."""
    stack = calm[1].stack
    url, token = examiner
    monkeypatch.setenv("TRUEUP_TOKEN", token)
    file = stack.folder / "against.json"
    assert run_verify(document, file, "--against", url) == 0
    cited = [item["position"] for item in json.loads(document)["evidence"]]
    for position in (cited[0], cited[len(cited) // 2], cited[-1]):
        with altered(stack.database_admin_url, position):
            assert run_verify(document, file, "--against", url) == EXIT_FAILED, f"position {position}"
    assert run_verify(document, file, "--against", url) == 0, "as it was"


def run_verify(document: bytes, file: Path, *options: str) -> int:
    file.write_bytes(document)
    return CliRunner().invoke(app, ["verify", str(file), *options]).exit_code


def flipped(document: bytes, place: int) -> bytes:
    return document[:place] + bytes([document[place] ^ 1]) + document[place + 1 :]


@contextmanager
def altered(admin_url: str, position: int) -> Iterator[None]:
    """One event's bytes are others, for as long as this lasts."""

    async def write(event: str | None) -> str:
        connection = await asyncpg.connect(admin_url)
        try:
            was = await connection.fetchval("SELECT event FROM ledger.events WHERE position = $1", position)
            other = event or was.replace('"actor":"', '"actor":"x', 1)
            assert other != was
            await connection.execute("ALTER TABLE ledger.events DISABLE TRIGGER append_only")
            await connection.execute("UPDATE ledger.events SET event = $2 WHERE position = $1", position, other)
            await connection.execute("ALTER TABLE ledger.events ENABLE ALWAYS TRIGGER append_only")
            return str(was)
        finally:
            await connection.close()

    was = asyncio.run(write(None))
    try:
        yield
    finally:
        asyncio.run(write(was))


# Facts


def test_another_fact_gives_another_plan_that_cites_other_events(
    session_folder: Path, postgres: Postgres, broker: AnyBroker
) -> None:
    """In one realm: one finding's date is corrected; its plan is drafted anew, and the other finding's is left."""
    changed, other = CASE, "money-findings-closed/2022-025/1"
    with telling(session_folder / "facts", postgres, broker, "facts", ("2022-025", "2022-090")) as here:
        for chapter in (here.story.declare, here.story.first_look, here.story.confirm):
            chapter()
        before = plans(here, changed, other)
        here.story.reality.findings["2022-090"]["completion_date"] = "May 31, 2023"
        here.actors["s.clock"].advance("2023-07-04T13:00:00Z")
        here.story._snapshots()
        after = plans(here, changed, other)
    assert after[other] == before[other]
    told = [plan["steps"][1]["parameters"]["reason"] for plan in (before[changed], after[changed])]
    assert told == ["Promised for 30 June 2023, still in progress.", "Promised for 31 May 2023, still in progress."]
    cited = [
        {one for said in plan["reasoning"] for one in said["cites"]} for plan in (before[changed], after[changed])
    ]
    assert cited[0] != cited[1]
    assert before[changed]["content_digest"] != after[changed]["content_digest"]


def plans(here: Telling, *cases: str) -> dict[str, dict[str, Any]]:
    here.actors.settle("s.clock")
    return {case: here.actors["r.osei"].case(case)["plan"]["data"] for case in cases}


# Time


@contextmanager
def promises(folder: Path, postgres: Postgres, broker: AnyBroker) -> Iterator[Stack]:
    """A realm on the wall clock in which promises are to be kept by their instants. Three services run."""
    people = (
        Member("a.author", "A. Author", ("declaration-author",)),
        Member("b.other", "B. Other", ("declaration-approver",)),
    )
    stack = Stack(folder, realm="promises", broker=broker, postgres=postgres, run=("observer", "differ", "approver"))
    keys = cast.enrol(people, stack.realm, stack.config, stack.folder / "people")
    cast.secrets_of(stack.config, stack.realm)
    (folder / "token").write_text(cast.feed_tokens(stack.config, ["promises"])["promises"])
    with stack:
        url = stack.urls["approver"]
        with Client(url, "a.author", keys["a.author"]) as author, Client(url, "b.other", keys["b.other"]) as other:
            author.login()
            other.login()
            other.activate(author.propose(Path(__file__).with_name("promises.yaml"))["id"])
        yield stack


def promise(stack: Stack, key: str, due: str) -> None:
    message = {
        "specversion": "1.0",
        "id": key,
        "source": "promises",
        "type": "trueup.upstream.observed.v1",
        "time": instant(wall_now()),
        "data": {"entity_type": "promise", "key": key, "row": {"id": key, "state": "made", "due": due}},
    }
    token = (stack.folder / "token").read_text()
    answer = httpx.post(
        f"{stack.urls['observer']}/v1/observations", json=[message], headers={"authorization": f"Bearer {token}"}
    )
    assert answer.json()["results"][0]["status"] == "accepted", answer.text


def in_seconds(seconds: int) -> str:
    return instant((wall_now() + timedelta(seconds=seconds)).replace(microsecond=0))


async def events_of(stack: Stack, *types: str) -> list[Event]:
    connection = await asyncpg.connect(stack.database_url("reader"))
    try:
        rows = await connection.fetch(
            "SELECT event FROM ledger.events WHERE type = ANY ($1) ORDER BY position", types
        )
    finally:
        await connection.close()
    return [Event.decode(row["event"]) for row in rows]


async def missed(stack: Stack, key: str) -> Event | None:
    opened = await events_of(stack, "trueup.gap.opened.v1")
    return next((event for event in opened if event.data["key"] == key), None)


async def ahead(stack: Stack, due: str) -> bool:
    """Whether the differ waits for this instant."""
    connection = await asyncpg.connect(stack.database_admin_url)
    try:
        query = "SELECT count(*) FROM differ.timers WHERE instant = $1"
        return bool(await connection.fetchval(query, parse_instant(due)))
    finally:
        await connection.close()


async def promised(stack: Stack, name: str) -> tuple[str, str]:
    """A promise whose instant the differ waits for, and that instant; soon, and later on a busy machine."""
    for lead_s in LEADS_S:
        key, due = f"{name}-{lead_s}", in_seconds(lead_s)
        promise(stack, key, due)

        async def seen(key: str = key, due: str = due) -> str:
            return "ahead" if await ahead(stack, due) else "over" if await missed(stack, key) else ""

        if await until(seen) == "ahead":
            return key, due
    raise AssertionError(f"the differ took longer than {LEADS_S[-1]} s to look at an observation")


async def test_a_deadline_passes_with_no_message_arriving(
    session_folder: Path, postgres: Postgres, broker: AnyBroker
) -> None:
    """While the differ runs, and also while it is down."""
    with promises(session_folder / "promises", postgres, broker) as stack:
        key, due = await promised(stack, "up")
        opened = await until(lambda: missed(stack, key))
        assert opened.asof == due, "decided as of its own instant"

        key, due = await promised_and_down(stack)
        assert await missed(stack, key) is None
        head = await last_position(stack)
        await until(lambda: over(due))
        assert await last_position(stack) == head, "nothing was said meanwhile"
        stack.start_service("differ")
        opened = await until(lambda: missed(stack, key))
        assert opened.asof == due, "decided as of its own instant, later"
        assert parse_instant(opened.time) > parse_instant(due)


async def promised_and_down(stack: Stack) -> tuple[str, str]:
    """A promise that the differ waited for when it was killed, before the instant."""
    for attempt in range(len(LEADS_S)):
        key, due = await promised(stack, f"down-{attempt}")
        stack.kill_service("differ")
        if await ahead(stack, due) and await missed(stack, key) is None:
            return key, due
        stack.start_service("differ")
    raise AssertionError("every deadline passed before the differ could be killed")


async def over(due: str) -> bool:
    return wall_now() > parse_instant(due)


async def last_position(stack: Stack) -> int:
    connection = await asyncpg.connect(stack.database_url("reader"))
    try:
        return int(await connection.fetchval("SELECT position FROM ledger.head"))
    finally:
        await connection.close()
