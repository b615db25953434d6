"""What is computed from the events of a case, against the same said plainly; in any order, however often."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from common.declarations.catalogue import Catalogue
from common.declarations.computing import (
    MAX_CASE_EVENTS,
    Happened,
    History,
    merged,
    newest_cells,
    ordered_events,
    parse,
)
from common.declarations.loader import load
from common.declarations.problems import Wrong
from common.declarations.reading import Reader
from common.declarations.values import Intervals, Slot, Unknown
from hypothesis import given
from hypothesis import strategies as st

START = datetime(2012, 2, 1, tzinfo=UTC)
COMPUTED = {
    "began": "first()",
    "opened": "first('A')",
    "again": "last('A')",
    "last_event": "last()",
    "seen_b": "seen('B')",
    "either": "seen('A') || !(seen('B') && seen('C'))",
    "waiting": "between('A', 'B')",
}
PAGE = """\
apiVersion: trueup/v1alpha1
kind: EntityType
metadata: {name: application}
spec:
  about: One application.
  source: loans
  key: case
  events: {activity: what, at: time}
  checks: [amount < 100]
  attributes:
    amount: {from: amount, read: number}
  computed:
""" + "\n".join(f"    {name}: {source}" for name, source in COMPUTED.items())


def minute(number: int) -> datetime:
    return START + timedelta(minutes=number)


def happened(number: int, what: str, **cells: Any) -> Happened:
    return Happened(minute(number), 0, f"{number}-{what}", {"what": what, **cells})


def reader() -> Reader:
    loaded = load(PAGE, "log.yaml")
    assert not loaded.problems, loaded.problems
    return Catalogue().with_documents(loaded.documents).readers["application"]


def computed(source: str, *events: Happened) -> Slot:
    return parse(source).compute(History(ordered_events(events), "what"))


events = st.lists(
    st.builds(
        lambda number, what, sequence, amount: Happened(
            minute(number),
            sequence,
            f"{number}-{what}-{sequence}",
            {"what": what, "amount": amount},
        ),
        st.integers(0, 9),
        st.sampled_from("ABC"),
        st.integers(0, 2),
        st.sampled_from([None, "", 7, 8]),
    ),
    max_size=12,
    unique_by=lambda event: event.event_id,
)


@given(events, st.randoms(use_true_random=False), st.integers(0, 5))
def test_order_and_repetition_of_events_make_no_difference(found: list[Happened], chance: Any, again: int) -> None:
    expected = reader().read_case(found)
    shuffled = found + [chance.choice(found) for _ in range(again if found else 0)]
    chance.shuffle(shuffled)
    assert reader().read_case(shuffled) == expected


@given(events)
def test_what_is_computed_is_what_one_would_say_in_words(found: list[Happened]) -> None:
    values = reader().read_case(found).values
    ordered = sorted(found, key=lambda event: (event.at, event.sequence, event.event_id))
    named = {letter: [event.at for event in ordered if event.row["what"] == letter] for letter in "ABC"}
    assert values["began"] == (ordered[0].at if ordered else Unknown("absent", "nothing has happened"))
    assert values["last_event"] == (ordered[-1].at if ordered else Unknown("absent", "nothing has happened"))
    never = Unknown("absent", "A has not happened")
    assert (values["opened"], values["again"]) == ((named["A"][0], named["A"][-1]) if named["A"] else (never, never))
    assert values["seen_b"] is bool(named["B"])
    assert values["either"] is (bool(named["A"]) or not (named["B"] and named["C"]))
    amounts = [event.row["amount"] for event in ordered if event.row["amount"]]
    assert values["amount"] == (amounts[-1] if amounts else Unknown("absent", "there is no amount"))


@given(events, st.sets(st.sampled_from(["what", "amount", "nowhere"])))
def test_the_newest_cells_are_those_of_the_merged_row(found: list[Happened], columns: set[str]) -> None:
    ordered = ordered_events(found)
    whole = merged(ordered)
    assert newest_cells(ordered, columns) == {name: whole[name] for name in columns & whole.keys()}


@given(events)
def test_times_between_are_apart_in_order_and_begin_and_end_with_what_they_name(found: list[Happened]) -> None:
    waiting = reader().read_case(found).values["waiting"]
    assert isinstance(waiting, Intervals)
    begins = {event.at for event in found if event.row["what"] == "A"}
    ends = {event.at for event in found if event.row["what"] == "B"}
    flat = [mark for span in waiting.spans for mark in span if mark is not None]
    assert flat == sorted(flat)
    assert all(start in begins and (end is None or end in ends) for start, end in waiting.spans)
    assert all(end is not None for _, end in waiting.spans[:-1])
    assert bool(waiting.spans) == bool(begins)


def test_a_time_between_runs_from_the_first_start_to_the_next_end() -> None:
    one = computed("between('A', 'B')", *(happened(n, what) for n, what in enumerate("BAABBCA")))
    assert one == Intervals(((minute(1), minute(3)), (minute(6), None)))


def test_a_row_check_is_asked_of_what_all_events_come_to() -> None:
    reading = reader().read_case([happened(2, "B"), happened(1, "A", amount=100)])
    assert "amount < 100" in reading.set_aside
    assert {type(slot) for slot in reading.values.values()} == {Unknown}
    mended = reader().read_case([happened(1, "A", amount=100), happened(2, "B", amount=99)])
    assert (mended.values["amount"], mended.values["opened"]) == (99, minute(1))


def test_of_a_case_with_too_many_events_nothing_is_told() -> None:
    many = [Happened(START, n, str(n), {"what": "A"}) for n in range(MAX_CASE_EVENTS + 1)]
    values = reader().read_case(many).values
    assert {slot.kind for slot in values.values() if isinstance(slot, Unknown)} == {"undecided"}
    assert len(values) == len(COMPUTED) + 1
    assert reader().read_case(many[1:]).values["seen_b"] is False


@pytest.mark.parametrize(
    ("source", "part"),
    [
        ("seen(A)", "'A' does not belong there"),
        ("seen()", "takes one name"),
        ("between('A')", "takes two names"),
        ("first('A', 'B')", "takes nothing, or one name"),
        ("first('A') || seen('B')", "only seen(...) can be combined"),
        ("!last()", "only seen(...) can be combined"),
        ("seen('A') seen('B')", "nothing is expected after"),
        ("seen('A') &&", "it ends too early"),
        ("seen('A'", "')' is expected where the end stands"),
        ("sene('A')", "'sene' is none of first, last, seen, between"),
        ("seen('A') == true", "'=' does not belong there"),
        ("!" * 30 + "seen('A')", "stand in one another"),
    ],
)
def test_what_can_not_be_computed_is_refused_with_what_to_write(source: str, part: str) -> None:
    with pytest.raises(Wrong) as caught:
        parse(source)
    assert caught.value.reason_code == "bad_computed"
    assert part in caught.value.message
    assert caught.value.hint.startswith("Write: first('X')")


def test_that_a_log_s_cases_have_no_freshness_is_refused_with_what_says_that_a_log_went_quiet() -> None:
    loaded = load(PAGE.replace("  key: case\n", "  key: case\n  freshFor: 35 days\n"), "log.yaml")
    (problem,) = loaded.problems
    assert (problem.reason_code, problem.line) == ("fresh_case", 8)
    assert "kind: Source, metadata: {name: loans}, spec: {about: ..., quietAfter: 35 days}" in (problem.hint or "")
    said = """\
---
apiVersion: trueup/v1alpha1
kind: Source
metadata: {name: loans}
spec: {about: ..., quietAfter: 35 days}
"""
    assert not load(PAGE + "\n" + said, "log.yaml").problems, "what it says can be written"
