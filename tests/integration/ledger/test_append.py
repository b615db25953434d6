"""The laws of append, each against a real database."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
from cli.stack.realm import Realm
from common.clock import instant, wall_now
from common.errors import Permanent, Transient
from common.ledger import Appended, AppendRefused, Ledger, NewEvent, append
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.ledgers import an_event, connected, name

pytestmark = pytest.mark.integration


async def test_the_bytes_come_back_as_they_were_and_carry_the_expected_version(ledger: Ledger) -> None:
    event = replace(an_event(data={"ümlaut": ["\u0001", "\\u0000", "\U0001f600", '"\\', 2**53 - 1]}), streamversion=1)
    [answer] = await ledger.append([[NewEvent(event, 1)]])
    assert isinstance(answer, Appended) and not answer.duplicate
    [recorded] = await ledger.read_positions(ledger.pool, answer.positions)
    assert recorded.raw == event.encode()
    assert recorded.event == event


async def test_copies_are_taken_from_the_bytes(ledger: Ledger) -> None:
    event = an_event(stream=f"entity/thing/{name()}", case="somebody/else/1")
    await ledger.append([[NewEvent(event), NewEvent(an_event(stream=event.subject))]])
    row = await ledger.pool.fetchrow("SELECT * FROM ledger.events WHERE id = $1", event.id)
    copies = {key: row[key] for key in ("source", "id", "stream", "version", "type", "case_id")}
    assert copies == {
        "source": "observer",
        "id": event.id,
        "stream": event.subject,
        "version": 1,
        "type": event.type,
        "case_id": "somebody/else/1",
    }
    assert [one.event.id for one in await ledger.read_case(ledger.pool, "somebody/else/1")] == [event.id]


async def test_a_retry_adopts_what_is_stored(ledger: Ledger) -> None:
    first = an_event(data={"try": 1})
    [stored] = await ledger.append([[NewEvent(first)]])
    again = replace(first, time=instant(wall_now() + timedelta(seconds=1)), data={"try": 2})
    head = await ledger.head(ledger.pool)
    [answer] = await ledger.append([[NewEvent(again)]])
    assert isinstance(answer, Appended) and isinstance(stored, Appended)
    assert (answer.duplicate, answer.positions, answer.stored) == (True, stored.positions, (first.encode(),))
    assert await ledger.head(ledger.pool) == head


async def test_an_id_that_means_something_else_is_refused(ledger: Ledger) -> None:
    first = an_event()
    await ledger.append([[NewEvent(first)]])
    other = an_event(identity=first.id)
    part = [NewEvent(first), NewEvent(an_event())]
    twice = an_event()
    answers = await ledger.append([[NewEvent(other)], part, [NewEvent(twice), NewEvent(twice)]])
    assert [answer.reason_code for answer in answers if isinstance(answer, AppendRefused)] == ["id_clash"] * 3


async def test_a_request_is_all_or_nothing_and_its_neighbours_do_not_notice(ledger: Ledger) -> None:
    head = await ledger.head(ledger.pool)
    stale = an_event()
    companion = an_event()
    answers = await ledger.append(
        [[NewEvent(an_event())], [NewEvent(companion), NewEvent(stale, 7)], [NewEvent(an_event())]]
    )
    assert answers[1] == AppendRefused(
        "version_conflict",
        f"the stream {stale.subject} is at version 0, and version 7 was expected to come next",
    )
    assert [answers[0], answers[2]] == [Appended((head + 1,)), Appended((head + 2,))]
    assert await ledger.by_ids(ledger.pool, [("observer", companion.id)]) == []


@pytest.mark.parametrize("off", [timedelta(hours=1), timedelta(hours=-1), timedelta(minutes=6)])
async def test_a_clock_that_is_wrong_is_refused(ledger: Ledger, off: timedelta) -> None:
    [answer] = await ledger.append([[NewEvent(an_event(time=wall_now() + off))]])
    assert isinstance(answer, AppendRefused) and answer.reason_code == "time_out_of_bounds"


@pytest.mark.parametrize("apart", [True, False])
async def test_who_wrongly_says_that_streams_are_apart_gets_the_same_answer(ledger: Ledger, apart: bool) -> None:
    stream = f"entity/thing/{name()}"
    events = [an_event(stream=stream).encode().decode() for _ in range(4)]
    rows = await ledger.pool.fetch("SELECT * FROM ledger.append($1, $2, $3)", events, [0, 0, 1, 2], apart)
    assert [row["reason"] for row in rows] == [None] * (3 if apart else 1)
    assert [one.raw.decode() for one in await ledger.read_stream(ledger.pool, stream)] == events


async def test_too_large_an_event_is_refused_alone(ledger: Ledger) -> None:
    large = [NewEvent(an_event(data={"x": "x" * 900_000}))]
    answers = await ledger.append([large, [NewEvent(an_event())]])
    assert isinstance(answers[0], AppendRefused) and answers[0].reason_code == "oversized"
    assert isinstance(answers[1], Appended)
    assert await ledger.append([large]) == [answers[0]]


async def test_append_belongs_to_the_callers_transaction(ledger: Ledger) -> None:
    event = an_event()
    head = await ledger.head(ledger.pool)
    async with ledger.pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await append(connection, [[NewEvent(event)]])
        await transaction.rollback()
    assert await ledger.head(ledger.pool) == head
    assert await ledger.by_ids(ledger.pool, [("observer", event.id)]) == []


async def test_a_snapshot_older_than_the_lock_is_refused(ledger: Ledger) -> None:
    async with ledger.pool.acquire() as connection:
        with pytest.raises(Exception, match="READ COMMITTED"):
            async with connection.transaction(isolation="repeatable_read"):
                await append(connection, [[NewEvent(an_event())]])


async def test_concurrent_callers_share_commits_and_each_gets_its_own_answer(ledger: Ledger) -> None:
    events = [an_event() for _ in range(50)]
    answers = await asyncio.gather(*(ledger.append([[NewEvent(event)]]) for event in events))
    positions = [answer.positions[0] for [answer] in answers if isinstance(answer, Appended)]
    stored = await ledger.read_positions(ledger.pool, positions)
    assert [one.event.id for one in stored] == [
        event.id for _, event in sorted(zip(positions, events, strict=True), key=lambda pair: pair[0])
    ]
    transactions = await ledger.pool.fetchval(
        "SELECT count(DISTINCT xmin::text) FROM ledger.events WHERE position = ANY ($1)", positions
    )
    assert transactions < 10


@pytest.mark.parametrize("nul", ["\x00", "\\\x00"])
async def test_what_no_database_text_can_hold_is_refused_before_it_is_sent(ledger: Ledger, nul: str) -> None:
    with pytest.raises(Permanent) as caught:
        await ledger.append([[NewEvent(an_event(data={"x": nul}))]])
    assert caught.value.reason_code == "nul_character"


class Unreadable(NewEvent):
    """An event whose bytes are no JSON."""

    def encode(self) -> str:
        return "{"


async def test_a_caller_whose_bytes_the_database_cannot_read_fails_alone(ledger: Ledger) -> None:
    bad = Unreadable(an_event())
    good = [ledger.append([[NewEvent(an_event())]]) for _ in range(3)]
    results: list[Any] = await asyncio.gather(*good, ledger.append([[bad]]), return_exceptions=True)
    assert [isinstance(result, list) for result in results] == [True, True, True, False]


async def test_a_database_that_is_gone_is_a_transient_failure(database: Realm) -> None:
    async with connected(database, "observer") as pool:
        ledger = Ledger(pool)
    with pytest.raises(Transient) as caught:
        await ledger.append([[NewEvent(an_event())]])
    assert caught.value.reason_code == "ledger_unavailable"


async def test_reads_are_bounded_and_in_order(ledger: Ledger) -> None:
    prefix = f"entity/{name()}/"
    events = [an_event(stream=f"{prefix}{key}") for key in ("b", "a", "b")]
    answers = await ledger.append([[NewEvent(event)] for event in events])
    positions = [answer.positions[0] for answer in answers if isinstance(answer, Appended)]
    pool = ledger.pool
    assert [one.position for one in await ledger.read_category(pool, prefix)] == positions
    assert [one.position for one in await ledger.read_category(pool, prefix, after=positions[0], limit=1)] == [
        positions[1]
    ]
    assert [one.position for one in await ledger.read_stream(pool, f"{prefix}b", from_version=2)] == [positions[2]]
    assert [one.position for one in await ledger.read_after(pool, positions[0], 1)] == [positions[1]]
    assert await ledger.read_after(pool, positions[0], 10, source="differ") == []
    assert await ledger.read_after(pool, positions[0], 10, types=["trueup.gap.opened.v1"]) == []


# Against a model: requests one after the other, in plain Python.


@dataclass(frozen=True)
class Wish:
    stream: int
    identity: int
    expected: int | None


@dataclass
class Model:
    head: int
    versions: dict[int, int] = field(default_factory=dict)
    stored: dict[int, tuple[int, int]] = field(default_factory=dict)

    def append(self, wishes: list[Wish]) -> tuple[str, list[int]]:
        known = [wish for wish in wishes if wish.identity in self.stored]
        if len(known) == len(wishes) and all(self.stored[w.identity][0] == w.stream for w in wishes):
            return "duplicate", [self.stored[wish.identity][1] for wish in wishes]
        if known or len({wish.identity for wish in wishes}) < len(wishes):
            return "id_clash", []
        versions = dict(self.versions)
        for wish in wishes:
            versions[wish.stream] = versions.get(wish.stream, 0) + 1
            if wish.expected not in (None, versions[wish.stream]):
                return "version_conflict", []
        self.versions = versions
        for wish in wishes:
            self.head += 1
            self.stored[wish.identity] = (wish.stream, self.head)
        return "appended", [self.stored[wish.identity][1] for wish in wishes]


WISH = st.builds(Wish, st.integers(0, 2), st.integers(0, 8), st.none() | st.integers(1, 4))
BATCHES = st.lists(st.lists(st.lists(WISH, min_size=1, max_size=3), min_size=1, max_size=6), min_size=1, max_size=3)


@given(batches=BATCHES)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_batch_is_answered_as_its_requests_one_after_the_other(
    ledger: Ledger, batches: list[list[list[Wish]]]
) -> None:
    run = name()
    start = await ledger.head(ledger.pool)
    model = Model(start)
    for batch in batches:
        requests = [
            [
                NewEvent(an_event(stream=f"entity/{run}/{w.stream}", identity=f"{run}-{w.identity}"), w.expected)
                for w in wishes
            ]
            for wishes in batch
        ]
        assert [_summary(answer) for answer in await ledger.append(requests)] == [model.append(w) for w in batch]
    rows = await ledger.pool.fetch(
        "SELECT position, stream, version FROM ledger.events WHERE position > $1 ORDER BY position", start
    )
    assert [row["position"] for row in rows] == list(range(start + 1, model.head + 1))
    assert await ledger.head(ledger.pool) == model.head
    for stream, last in model.versions.items():
        versions = [row["version"] for row in rows if row["stream"] == f"entity/{run}/{stream}"]
        assert versions == list(range(1, last + 1))


def _summary(answer: Appended | AppendRefused) -> tuple[str, list[int]]:
    if isinstance(answer, AppendRefused):
        return answer.reason_code, []
    return "duplicate" if answer.duplicate else "appended", list(answer.positions)
