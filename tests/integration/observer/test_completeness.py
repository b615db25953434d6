"""Control totals and numbers through every way in: what is missing is said, and mended by what comes in late."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from cli.observe.commands import observe
from common.clock import wall_now
from common.events import Event
from common.events.observer import SourceCounted, SourceJudged
from support import declared
from support.observer_realm import FEED, FINDING, START, TOKENS, ObserverRealm, message
from typer.testing import CliRunner

pytestmark = pytest.mark.integration
AS_OF = "2023-07-02T00:00:00Z"
SOURCE = {"about": "A tracker.", "sequence": "gapless", "lateBy": "2 hours"}


@pytest.fixture
async def alone(stopped: ObserverRealm) -> AsyncIterator[ObserverRealm]:
    stopped.stack.start_service("observer")
    yield stopped


def total(rows: int, upstream_id: str = "total-1", **data: Any) -> dict[str, Any]:
    counted = {"entity_type": "finding", "rows": rows, **data}
    return message(upstream_id, "-", type="trueup.upstream.counted.v1", time=AS_OF, data=counted)


def numbered(number: int, at: str = AS_OF) -> dict[str, Any]:
    row = {"reference": f"N-{number}", "title": "a"}
    return message(f"n-{number}", "-", time=at, data={"entity_type": "finding", "row": row, "sequence": number})


async def judgement(realm: ObserverRealm, enough: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
    """The last judgement's doubts, as soon as `enough` holds of them."""

    def last(events: list[Event]) -> list[dict[str, Any]] | None:
        said = [event.data["doubts"] for event in events if event.type == SourceJudged.TYPE]
        return said[-1] if said else None

    found = await realm.wait(lambda events: (doubts := last(events)) is not None and enough(doubts))
    doubts = last(found)
    assert doubts is not None
    return doubts


async def quiescent(realm: ObserverRealm) -> None:
    deadline = time.monotonic() + 20
    while await realm.reader.fetchval("SELECT pending FROM ledger.work WHERE service = 'observer'"):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


async def test_a_total_over_http_is_judged_by_what_is_held_and_mended_by_late_rows(alone: ObserverRealm) -> None:
    keys = hashlib.sha256(b"A-1\nA-2\nA-3\n").hexdigest()
    await alone.post([message("a-1", "A-1", title="10"), message("a-2", "A-2", title="2.50")])
    (answer,) = await alone.post([total(3, keys_digest=keys, sums={"title": "13.00"})])
    assert answer["status"] == "accepted"
    (doubt,) = await judgement(alone, bool)
    assert doubt == {
        "reason_code": "rows_missing",
        "entity_type": "finding",
        "since": AS_OF,
        "says": "3 rows were counted as of 2023-07-02 00:00 UTC, and 2 are held",
    }
    assert (await alone.post([total(3, keys_digest=keys, sums={"title": "13.00"})]))[0]["status"] == "duplicate"
    await alone.post([message("a-3", "A-9", title="0.5")])
    differs = await judgement(alone, lambda doubts: bool(doubts) and doubts[0]["reason_code"] == "contents_differ")
    assert [item["says"] for item in differs] == [
        "the keys held as of 2023-07-02 00:00 UTC are not those that were counted"
    ]
    # A-9 was withdrawn before, A-3 is the one that was meant; what is newer than the total changes nothing.
    gone = {"entity_type": "finding", "key": "A-9", "sequence": 1}
    await alone.post([message("a-4", "-", type="trueup.upstream.withdrawn.v1", data=gone, time=AS_OF)])
    await alone.post([message("a-5", "A-3", title="0.5"), message("a-6", "A-7", time="2023-07-02T12:00:00Z")])
    assert await judgement(alone, lambda doubts: not doubts) == []


async def test_numbers_on_the_topic_are_watched_from_when_the_source_is_declared(alone: ObserverRealm) -> None:
    await alone.post([numbered(3), numbered(7)])  # nobody asked for numbers yet
    for events in declared.events([declared.Page("Source", FEED, SOURCE)], wall_now()):
        await alone._put(events)
    await alone.publish(*(numbered(number) for number in (9, 12, 9)), partition=1)
    (doubt,) = await judgement(alone, bool)
    assert (doubt["reason_code"], doubt["since"]) == ("sequence_missing", "2023-07-02T02:00:00Z")
    assert doubt["says"] == "3 messages are missing: number 8, 10 to 11"
    await alone.publish(numbered(11), numbered(8), numbered(10), partition=5)
    assert await judgement(alone, lambda doubts: not doubts) == []


async def test_what_is_late_counts_as_missing_when_the_clock_says_so(alone: ObserverRealm) -> None:
    for events in declared.events([declared.Page("Source", FEED, SOURCE)], wall_now()):
        await alone._put(events)
    await alone.publish(numbered(1, START), numbered(3, START), partition=2)
    await alone.wait_for(2)
    await quiescent(alone)
    assert await alone.events(SourceJudged) == []
    alone.stack.kill_service("observer")  # it comes due while the observer is down
    await alone.advance("2023-07-03T06:00:00Z")
    alone.stack.start_service("observer")
    (doubt,) = await judgement(alone, bool)
    assert doubt["since"] == "2023-07-03T02:00:00Z"


async def test_a_file_brings_its_total_and_mending_it_mends_the_source(alone: ObserverRealm, tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(observe)

    def run(name: str, *keys: str, code: int) -> dict[str, Any]:
        file = tmp_path / name
        file.write_text("reference,title\n" + "".join(f"{key},a\n" for key in keys))
        arguments = [str(file), "--type", "finding", "--as-of", AS_OF, "--json"]
        environment = {"TRUEUP_OBSERVER_URL": alone.stack.urls["observer"], "TRUEUP_FEED_TOKEN": TOKENS[FEED]}
        result = CliRunner().invoke(app, arguments, env=environment, catch_exceptions=False)
        assert result.exit_code == code, result.output
        answer: dict[str, Any] = json.loads(result.stdout)
        return answer

    answer = run("a.csv", "F-1", "F-2", "two words", "F-2", code=2)
    assert (answer["control_total"], answer["counts"]["accepted"], answer["complete"]) == (4, 2, False)
    (counted,) = await alone.events(SourceCounted)
    assert counted.data["rows"] == 4
    (doubt,) = await judgement(alone, bool)
    assert doubt["says"] == "4 rows were counted as of 2023-07-02 00:00 UTC, and 2 are held"
    assert run("b.csv", "F-1", "F-2", "F-3", "F-4", code=0)["control_total"] == 4
    assert await judgement(alone, lambda doubts: not doubts) == []


async def test_a_total_that_says_nothing_is_refused(alone: ObserverRealm) -> None:
    bad: list[dict[str, Any]] = [
        {"rows": -1},
        {"rows": 1, "keys_digest": "x"},
        {"rows": 1, "sums": {"title": 5}},
        {"rows": 1, "key": "x"},
    ]
    messages = [
        {**total(1, f"bad-{place}"), "data": {"entity_type": "finding", **data}} for place, data in enumerate(bad)
    ]
    assert {answer["reason_code"] for answer in await alone.post(messages)} == {"data_malformed"}
    assert FINDING["source"] == FEED
    (answer,) = await alone.post([total(1, "S/1")], snapshot="S")
    assert answer["reason_code"] == "snapshot_mismatch"
