"""A change of declaration through the real services: previewed, signed with what was seen, and then as previewed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cli.client import Client, previewed
from cli.demo import cast
from cli.demo.cast import Member
from cli.stack.postgres import Postgres
from cli.stack.stack import AnyBroker, Stack
from common.clock import instant, wall_now
from common.errors import Refused
from support.processes import PATIENCE_S

pytestmark = pytest.mark.loop
TEXT = Path(__file__).with_name("promises.yaml").read_text()
PEOPLE = (
    Member("a.author", "A. Author", ("declaration-author",)),
    Member("b.other", "B. Other", ("declaration-approver",)),
)


@contextmanager
def realm(folder: Path, postgres: Postgres, broker: AnyBroker) -> Iterator[tuple[Stack, Client, Client]]:
    stack = Stack(folder, realm="changes", broker=broker, postgres=postgres, run=("observer", "differ", "approver"))
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


STRICT = """  expectations:
    - {name: held, expect: state == 'kept', says: It is not kept.}
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "promises.yaml"
    path.write_text(text)
    return path
