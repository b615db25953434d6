"""A change of declaration through the real services: previewed, signed with what was seen, and then as previewed."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from cli.client import Client
from cli.demo import cast
from cli.demo.cast import Member
from cli.git.courier import Look, Watch, look
from cli.git.repository import Repository
from cli.shown import previewed
from cli.stack.postgres import Postgres
from cli.stack.stack import AnyBroker, Stack
from common.clock import instant, wall_now
from common.errors import Refused
from support.processes import PATIENCE_S
from support.repositories import Merges

pytestmark = pytest.mark.loop
TEXT = Path(__file__).with_name("promises.yaml").read_text()
PEOPLE = (
    Member("a.author", "A. Author", ("declaration-author",)),
    Member("b.other", "B. Other", ("declaration-approver", "head")),
)


RUN = ("observer", "differ", "planner", "approver")


@contextmanager
def realm(folder: Path, postgres: Postgres, broker: AnyBroker) -> Iterator[tuple[Stack, Client, Client]]:
    folder.mkdir(exist_ok=True)
    stack = Stack(folder, realm=f"changes_{secrets.token_hex(3)}", broker=broker, postgres=postgres, run=RUN)
    keys = cast.enrol(PEOPLE, stack.realm, stack.config, stack.folder / "people")
    cast.secrets_of(stack.config, stack.realm)
    (folder / "token").write_text(cast.feed_tokens(stack.config, ["promises"])["promises"])
    with stack:
        url = stack.urls["approver"]
        with Client(url, "a.author", keys["a.author"]) as author, Client(url, "b.other", keys["b.other"]) as other:
            author.login()
            other.login()
            yield stack, author, other


def observe(stack: Stack, *rows: dict[str, Any]) -> None:
    messages = [
        {
            "specversion": "1.0",
            "id": f"{row['id']}-{row['state']}-{row['due']}",
            "source": "promises",
            "type": "trueup.upstream.observed.v1",
            "time": instant(wall_now()),
            "data": {"entity_type": "promise", "key": row["id"], "row": row},
        }
        for row in rows
    ]
    token = (stack.folder / "token").read_text()
    url = f"{stack.urls['observer']}/v1/observations"
    answer = httpx.post(url, json=messages, headers={"authorization": f"Bearer {token}"}, trust_env=False)
    assert {one["status"] for one in answer.json()["results"]} == {"accepted"}, answer.text


def eventually(ask: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_S
    while not ask():
        assert time.monotonic() < until, f"it did not come true in {PATIENCE_S:.0f} s"
        time.sleep(0.05)


def shown(client: Client, proposal: str) -> dict[str, Any]:
    """The proposal, once the differ has said what it would change."""
    eventually(lambda: previewed(client.proposal(proposal)))
    return client.proposal(proposal)


def counts(stack: Stack) -> int:
    found = httpx.get(f"{stack.urls['differ']}/v1/counts", trust_env=False).json()
    return sum(one["open"] for one in found.values())


def test_what_was_previewed_and_signed_is_what_happens(tmp_path: Path, postgres: Postgres, broker: AnyBroker) -> None:
    later = instant((wall_now() + timedelta(days=300)).replace(microsecond=0))
    with realm(tmp_path, postgres, broker) as (stack, author, other):
        first = author.propose(write(tmp_path, TEXT))["id"]
        other.activate(first, page=shown(other, first))
        observe(
            stack,
            {"id": "P-1", "state": "made", "due": later},
            {"id": "P-2", "state": "broken", "due": later},
            {"id": "P-3", "state": "kept", "due": later},
        )
        strict = TEXT.replace("  deadlines:", STRICT + "  deadlines:")
        second = author.propose(write(tmp_path, strict))["id"]
        page = shown(other, second)
        (state,) = page["preview"]["said"]["states"]
        assert ([case["key"] for case in state["cases"]], state["opens"]) == (["P-1", "P-2"], 2)
        assert counts(stack) == 0, "a preview opens nothing"
        with pytest.raises(Refused, match="no preview") as refused:
            other.activate(second, page={**page, "preview": None})
        assert refused.value.reason_code == "preview_unseen"
        done = other.activate(second, page=page)
        assert done["status"] == "active"
        eventually(lambda: counts(stack) == 2)
        eventually(lambda: len(list(other.cases(stage="to-confirm"))) == 2)

        # It is declared at L1: the gap is reported and confirmed, and nothing is drafted or done.
        other.decide("confirm", CASE)
        eventually(lambda: types(stack, CASE)[-1] == "plan.withheld")
        assert types(stack, CASE) == ["gap.opened", "gap.confirmed", "plan.withheld"]


def test_what_is_merged_is_proposed_and_activated_by_somebody_who_wrote_none_of_it(
    tmp_path: Path, postgres: Postgres, broker: AnyBroker
) -> None:
    merges = Merges(tmp_path / "declarations")
    merges.commit("Ann <ann@example.org>", {"promises.yaml": TEXT})
    with realm(tmp_path / "realm", postgres, broker) as (stack, author, other):
        first = merged(author, merges)
        assert first.said == "proposed" and first.proposal is not None
        proposal = first.proposal["id"]
        shown(other, proposal)
        with pytest.raises(Refused, match=r"ann@example\.org") as refused:
            other.activate(proposal)
        assert refused.value.reason_code == "author_unmapped"
        emails(stack, "a.author", "ann@example.org")
        eventually(lambda: bool(other.proposal(proposal)["actions"]))
        other.activate(proposal)
        assert merged(author, merges).said == "same"

        merges.commit("B. Other <b.other@example.org>", {"promises.yaml": TEXT.replace("2 days", "3 days")})
        emails(stack, "b.other", "b.other@example.org")
        second = merged(author, merges)
        assert second.said == "proposed" and second.proposal is not None
        assert [one.standing for one in second.differing] == ["changed"]
        eventually(lambda: other.proposal(second_id(second))["git"]["writers"][0]["person"] == "b.other")
        with pytest.raises(Refused, match="wrote commits") as refused:
            other.activate(second_id(second))
        assert refused.value.reason_code == "author_decides"
        assert merged(author, merges).said == "waits"
        assert any("Git (" in note for note in notes(stack))

        merges.commit("Ann <ann@example.org>", {"promises.yaml": TEXT})
        third = merged(author, merges)
        assert third.said == "same" and third.proposal is not None
        assert (other.proposal(second_id(second))["status"], other.proposal(second_id(third))["status"]) == (
            "superseded", "active",
        )  # fmt: skip
        assert not any("Git (" in note for note in notes(stack))
        assert merged(author, merges).proposal is None, "once"


def notes(stack: Stack) -> list[str]:
    """What `trueup status` says of the approver."""
    return list(httpx.get(f"{stack.urls['approver']}/status", timeout=30).json()["notes"])


def second_id(found: Look) -> str:
    assert found.proposal is not None
    return str(found.proposal["id"])


def merged(author: Client, merges: Merges) -> Look:
    with Repository(merges.folder) as repository:
        return look(author, repository, Watch("main", "", "declarations"))


def emails(stack: Stack, person: str, address: str) -> None:
    """The operator says under which address somebody writes commits; the services notice by themselves."""
    path = stack.config / "directory.json"
    body = json.loads(path.read_text())
    for one in body["people"]:
        if one["id"] == person:
            one["emails"] = [address]
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(body))
    fresh.replace(path)


CASE = "promises-kept/P-2/1"


def types(stack: Stack, case: str) -> list[str]:
    """The types of all events of a case."""

    async def read() -> list[str]:
        connection = await asyncpg.connect(stack.database_url("reader"))
        try:
            rows = await connection.fetch("SELECT type FROM ledger.events WHERE case_id = $1 ORDER BY position", case)
        finally:
            await connection.close()
        return [row[0].removeprefix("trueup.").removesuffix(".v1") for row in rows]

    return asyncio.run(read())


STRICT = """  expectations:
    - {name: held, expect: state == 'kept', says: It is not kept.}
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "promises.yaml"
    path.write_text(text)
    return path
