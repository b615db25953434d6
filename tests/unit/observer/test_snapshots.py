"""A snapshot stores what changed, refreshes the rest, and names every key it held."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from common.errors import Refused
from common.events import typed
from common.events.observer import EntityObserved, SourceReported
from hypothesis import given
from hypothesis import strategies as st
from observer.core import snapshots
from observer.core.envelopes import WITHDRAWN
from observer.core.limits import MAX_HISTORY, MAX_PART_KEYS
from observer.core.moments import Moment
from observer.core.observations import Answer, Incoming
from observer.core.snapshots import Report, SnapshotRow
from observer.handlers import Recorder

from .fakes import FakeRecords, activation, incoming

WALL = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
FEED = "audit-tracker"
MOMENT = Moment("2026-01-05T09:00:00Z", "2023-07-03T00:00:00Z", datetime(2023, 7, 3, 0, 5, tzinfo=UTC))


@pytest.fixture
def records() -> FakeRecords:
    return FakeRecords(activation("finding", FEED, "reference"))


@pytest.fixture
def recorder(records: FakeRecords) -> Recorder:
    return Recorder(records, lambda: WALL)


def row(snapshot: str, key: str, title: str = "a", time: str = "2023-07-02T00:00:00Z") -> Incoming:
    return incoming(f"{snapshot}/{key}", {"reference": key, "title": title}, time=time)


def report(snapshot: str, rows: int, *, complete: bool = True, as_of: str = "2023-07-02T00:00:00Z") -> Report:
    return Report(FEED, "finding", snapshot, as_of, rows, complete)


async def send(recorder: Recorder, snapshot: str, *rows: Incoming) -> list[str]:
    answers: list[Answer] = await recorder.record(None, rows, FEED, snapshot)
    return [answer.status for answer in answers]


def reported(records: FakeRecords) -> list[SourceReported]:
    found = [typed(event) for event in records.of(SourceReported.TYPE)]
    return [data for data in found if isinstance(data, SourceReported)]


async def test_unchanged_rows_are_refreshed_and_not_stored_again(recorder: Recorder, records: FakeRecords) -> None:
    assert await send(recorder, "s1", row("s1", "A"), row("s1", "B")) == ["accepted", "accepted"]
    await recorder.report(None, report("s1", 2))
    later = "2023-07-03T00:00:00Z"
    second = [row("s2", "A", time=later), row("s2", "B", "changed", later), row("s2", "C", time=later)]
    assert await send(recorder, "s2", *second) == ["unchanged", "accepted", "accepted"]
    await recorder.report(None, report("s2", 3, as_of=later))
    first, last = reported(records)
    assert (first.stored, first.refreshed, first.complete) == (["A", "B"], [], True)
    assert (last.stored, last.refreshed, last.rows, last.as_of) == (["B", "C"], ["A"], 3, later)
    assert len(records.of(EntityObserved.TYPE)) == 4


async def test_a_snapshot_sent_twice_says_the_same(recorder: Recorder, records: FakeRecords) -> None:
    await send(recorder, "s1", row("s1", "A"))
    assert await send(recorder, "s1", row("s1", "A"), row("s1", "B")) == ["duplicate", "accepted"]
    positions = await recorder.report(None, report("s1", 2))
    assert await recorder.report(None, report("s1", 2)) == positions
    assert [data.stored for data in reported(records)] == [["A", "B"]]


async def test_a_row_that_went_back_to_what_it_was_is_stored_again(recorder: Recorder) -> None:
    await send(recorder, "s1", row("s1", "A", "first"))
    await recorder.record(None, [incoming("m-2", {"reference": "A", "title": "second"}, time="2023-07-02T12:00:00Z")])
    again = row("s2", "A", "first", "2023-07-03T00:00:00Z")
    assert await send(recorder, "s2", again) == ["accepted"]


async def test_late_arrivals_do_not_count_as_the_current_row(recorder: Recorder) -> None:
    await recorder.record(None, [incoming("m-1", {"reference": "A", "title": "new"}, time="2023-07-02T12:00:00Z")])
    await recorder.record(None, [incoming("m-2", {"reference": "A", "title": "old"}, time="2023-07-01T00:00:00Z")])
    assert await send(recorder, "s1", row("s1", "A", "old", "2023-07-03T00:00:00Z")) == ["accepted"]
    assert await send(recorder, "s2", row("s2", "A", "old", "2023-07-03T00:00:01Z")) == ["unchanged"]


async def test_a_snapshot_older_than_the_stored_row_is_stored_not_refreshed(recorder: Recorder) -> None:
    await recorder.record(None, [incoming("m-1", {"reference": "A", "title": "a"}, time="2023-07-02T12:00:00Z")])
    assert await send(recorder, "s1", row("s1", "A", "a", "2023-07-02T00:00:00Z")) == ["accepted"]


async def test_a_withdrawn_entity_that_is_back_is_stored_again(recorder: Recorder) -> None:
    await send(recorder, "s1", row("s1", "A"))
    gone = incoming("m-2", type=WITHDRAWN, time="2023-07-02T12:00:00Z", data={"entity_type": "finding", "key": "A"})
    await recorder.record(None, [gone])
    assert await send(recorder, "s2", row("s2", "A", time="2023-07-03T00:00:00Z")) == ["accepted"]


async def test_with_a_long_history_the_row_is_stored_again_rather_than_guessed(recorder: Recorder) -> None:
    def old(number: int) -> Incoming:
        time = f"2023-07-01T00:00:00.{number:06}Z"
        return incoming(f"m-{number}", {"reference": "A", "title": "a"}, time=time)

    await recorder.record(None, [old(number) for number in range(MAX_HISTORY)])
    assert await send(recorder, "s1", row("s1", "A")) == ["unchanged"]
    await recorder.record(None, [old(MAX_HISTORY)])
    assert await send(recorder, "s2", row("s2", "A", time="2023-07-02T00:00:01Z")) == ["accepted"]


async def test_rows_that_do_not_belong_to_the_snapshot_are_refused(recorder: Recorder, records: FakeRecords) -> None:
    withdrawal = incoming("s1/B", type=WITHDRAWN, data={"entity_type": "finding", "key": "B"})
    answers = await recorder.record(None, [incoming("m-1"), withdrawal], FEED, "s1")
    assert [answer.reason_code for answer in answers] == ["snapshot_mismatch"] * 2
    assert not records.kept


async def test_a_clash_is_not_a_part_of_the_snapshot(recorder: Recorder, records: FakeRecords) -> None:
    assert await send(recorder, "s1", row("s1", "A", "one"), row("s1", "A", "two")) == ["accepted", "rejected"]
    assert [(kept.key, kept.stored) for kept in records.kept[(FEED, "finding", "s1")].values()] == [("A", True)]


async def test_a_complete_report_that_lost_rows_is_refused(recorder: Recorder, records: FakeRecords) -> None:
    await send(recorder, "s1", row("s1", "A"))
    with pytest.raises(Refused) as caught:
        await recorder.report(None, report("s1", 2))
    assert caught.value.reason_code == "snapshot_incomplete"
    assert not reported(records)
    await recorder.report(None, report("s1", 2, complete=False))
    assert [data.complete for data in reported(records)] == [False]


@pytest.mark.parametrize(
    ("reason_code", "made"),
    [
        ("unknown_entity_type", Report(FEED, "vendor", "s1", "2023-07-02T00:00:00Z", 0, True)),
        ("feed_mismatch", Report("control-testing", "finding", "s1", "2023-07-02T00:00:00Z", 0, True)),
        ("snapshot_malformed", Report(FEED, "finding", "s 1", "2023-07-02T00:00:00Z", 0, True)),
        ("time_malformed", Report(FEED, "finding", "s1", "yesterday", 0, True)),
        ("time_in_future", Report(FEED, "finding", "s1", "2023-07-09T00:00:00Z", 0, True)),
    ],
)
async def test_a_report_that_cannot_be_is_refused(recorder: Recorder, reason_code: str, made: Report) -> None:
    with pytest.raises(Refused) as caught:
        await recorder.report(None, made)
    assert caught.value.reason_code == reason_code and caught.value.what_to_do


def test_a_large_snapshot_comes_in_parts_that_name_every_key_once() -> None:
    rows = [SnapshotRow(f"k{number:05}", "d", number % 2 == 0) for number in range(2 * MAX_PART_KEYS + 1)]
    events = snapshots.report_events(report("s1", len(rows)), rows, MOMENT)
    parts = [data for data in (typed(event) for event in events) if isinstance(data, SourceReported)]
    assert [(part.part, part.parts) for part in parts] == [(1, 3), (2, 3), (3, 3)]
    assert sorted(key for part in parts for key in part.stored + part.refreshed) == [item.key for item in rows]
    assert len({event.id for event in events}) == 3
    assert len({part.rows_digest for part in parts}) == 1


@given(st.permutations([SnapshotRow("a", "1", True), SnapshotRow("b", "2", False), SnapshotRow("c", "1", True)]))
def test_the_digest_of_a_snapshot_is_the_same_in_any_order(rows: list[SnapshotRow]) -> None:
    assert snapshots.rows_digest(rows) == snapshots.rows_digest(sorted(rows, key=lambda item: item.key))
    assert snapshots.rows_digest(rows) != snapshots.rows_digest(rows[:2])
