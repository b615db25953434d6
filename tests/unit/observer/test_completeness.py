"""Whether a feed is complete is a function of what it said: no order, repetition or lateness changes it."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from common.clock import parse_instant
from hypothesis import given
from hypothesis import strategies as st
from observer.core import completeness
from observer.core.completeness import Heard, Held, Run, Total, due, joined, judged, missing, recounted, with_new

NOW = parse_instant("2023-07-03T00:00:00Z")
HOUR = timedelta(hours=1)
NONE = timedelta()


def at(number: int) -> tuple[int, datetime]:
    """A number, said so many minutes after `NOW`."""
    return number, NOW + timedelta(minutes=number)


def total(rows: int = 80, event_id: str = "t", entity_type: str = "finding", as_of: int = 0, **more: object) -> Total:
    return Total("f", entity_type, NOW + timedelta(hours=as_of), rows, event_id, **more)  # type: ignore[arg-type]


NUMBERS = st.lists(st.integers(0, 25), max_size=40)


@given(NUMBERS, st.data(), st.none() | st.integers(0, 10))
def test_any_order_in_any_parts_with_repetitions_gives_the_same_runs(
    numbers: list[int], data: st.DataObject, floor: int | None
) -> None:
    whole = joined((), map(at, sorted(set(numbers))), floor)
    shuffled = data.draw(st.permutations(numbers + numbers[:5]))
    runs: list[Run] = []
    while shuffled:
        size = data.draw(st.integers(1, len(shuffled)))
        runs, shuffled = joined(runs, map(at, shuffled[:size]), floor), shuffled[size:]
    assert runs == whole
    seen = {number for number in numbers if floor is None or number > floor} | (
        {floor} if floor is not None else set()
    )
    holes = {number for first, last, _ in missing(runs, floor) for number in range(first, last + 1)}
    assert holes == (set(range(min(seen), max(seen) + 1)) - seen if seen else set())


@given(NUMBERS, st.integers(0, 40), st.integers(0, 40))
def test_a_hole_counts_from_when_the_message_after_it_is_too_old(numbers: list[int], late: int, age: int) -> None:
    runs = joined((), map(at, numbers))
    asof, late_by = NOW + timedelta(minutes=age), timedelta(minutes=late)
    doubts = judged(runs, None, (), late_by, asof)
    begins = [hole[2] + late_by for hole in missing(runs)]
    assert bool(doubts) == any(begin <= asof for begin in begins)
    if doubts:
        assert parse_instant(doubts[0].since) == min(begins)
        assert judged(joined(runs, map(at, range(26))), None, (), late_by, asof) == [], "the late ones mend it"


def test_missing_numbers_are_named() -> None:
    (doubt,) = judged(joined((), map(at, [1, 3, 4, 9])), None, (), NONE, NOW + HOUR)
    assert (doubt.reason_code, doubt.entity_type) == ("sequence_missing", None)
    assert doubt.says == "5 messages are missing: number 2, 5 to 8"
    assert doubt.since == "2023-07-03T00:03:00Z"


def test_what_was_said_before_anybody_watched_counts_as_come() -> None:
    assert joined((), map(at, [3, 7, 11]), 10) == [Run(11, 11, at(11)[1])]
    (doubt,) = judged(joined((), map(at, [12]), 10), 10, (), NONE, NOW + HOUR)
    assert doubt.says == "1 message is missing: number 11"


def test_of_too_many_holes_the_middle_counts_as_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(completeness, "MAX_RUNS", 3)
    runs = joined((), map(at, [1, 3, 5, 7, 9]))
    assert [(run.low, run.high) for run in runs] == [(1, 1), (3, 3), (9, 9)]


@pytest.mark.parametrize(
    ("held", "code"),
    [
        (Held(80, "d", {"amount": "10.50"}), None),
        (Held(80, "d", {"amount": "10.5"}), None),
        (Held(78, "d", {"amount": "10.50"}), "rows_missing"),
        (Held(81, "d", {"amount": "10.50"}), "rows_unexpected"),
        (Held(80, "e", {"amount": "10.50"}), "contents_differ"),
        (Held(80, "d", {"amount": "10.49"}), "contents_differ"),
        (Held(80, "d", {"amount": None}), "contents_differ"),
    ],
)
def test_a_total_is_compared_in_all_that_it_says(held: Held, code: str | None) -> None:
    wanted = total(keys_digest="d", sums={"amount": "10.50"})
    doubts = judged((), None, [(wanted, held)], HOUR, NOW + HOUR)
    assert [doubt.reason_code for doubt in doubts] == ([code] if code else [])
    assert all((doubt.since, doubt.entity_type) == ("2023-07-03T01:00:00Z", "finding") for doubt in doubts)


def test_the_latest_total_that_is_due_counts_and_others_of_its_instant_with_it() -> None:
    said = [
        total(event_id="a"),
        total(event_id="b", as_of=2),
        total(event_id="c", as_of=2),
        total(event_id="d", as_of=4),
    ]
    assert due(said, HOUR, NOW + 4 * HOUR) == {"finding": NOW + 2 * HOUR}
    assert due(said, HOUR, NOW + HOUR) == {"finding": NOW}
    assert due(said, HOUR, NOW) == {}
    both = [(total(80, "b"), Held(80)), (total(79, "c"), Held(80))]
    assert [doubt.reason_code for doubt in judged((), None, both, NONE, NOW)] == ["rows_unexpected"], (
        "it contradicts itself"
    )


@given(st.lists(st.tuples(st.sampled_from(["finding", "retest"]), st.integers(-3, 3)), max_size=6), st.data())
def test_what_is_held_is_counted_again_exactly_when_something_of_before_comes_in(
    rows: list[tuple[str, int]], data: st.DataObject
) -> None:
    known = [(total(event_id="a"), Held(80)), (total(event_id="b", entity_type="retest"), Held(5))]
    heard = [Heard("f", kind, NOW + timedelta(hours=hours)) for kind, hours in data.draw(st.permutations(rows))]
    again = {one.event_id for one, held in recounted(known, heard) if held is None}
    assert again == {
        name for name, kind in (("a", "finding"), ("b", "retest")) if any(k == kind and h <= 0 for k, h in rows)
    }


def test_a_total_that_comes_twice_is_one() -> None:
    known = with_new([(total(), Held(80))], [Heard("f", "finding", NOW, None, total()), Heard("f", "finding", NOW)])
    assert known == [(total(), Held(80))]
