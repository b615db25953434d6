"""What is asked of a polled table, what a row becomes, and which changes of the table are refused."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from common import polls
from common.errors import Refused
from common.polls import Poll
from hypothesis import given
from hypothesis import strategies as st
from observer.core import json_data, polling
from observer.core.polling import Kept, Position, Seen

POLL = Poll("tracker", "finding", ("public", "findings"), "changed", "id")
TYPES = {"id": "text", "title": "text", "changed": "timestamptz"}
KEPT = Kept(polls.definition(POLL, TYPES), 1, Position("2023-07-01 00:00:00+00", "A"), 7)
AT = datetime(2023, 7, 1, tzinfo=UTC)


@given(st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), min_size=1))
def test_a_name_is_quoted_whatever_it_holds(name: str) -> None:
    written = polls.quoted(name)
    assert re.fullmatch(r'"(?:[^"]|"")+"', written, re.DOTALL)
    assert written[1:-1].replace('""', '"') == name


@pytest.mark.parametrize("after", [None, Position("2023-07-01 00:00:01+00", "x'; DROP TABLE y --")])
@pytest.mark.parametrize("whole", [True, False])
def test_values_are_parameters_and_every_one_is_used(after: Position | None, whole: bool) -> None:
    statement, given_ = polling.page(POLL, KEPT, after, whole=whole)
    assert "DROP" not in statement
    assert {int(number) for number in re.findall(r"\$(\d+)", statement)} == set(range(1, len(given_) + 1))
    assert ("clock_timestamp" in statement) is not whole


def seen(key: str, *, beyond: bool = True, minutes: int = 0, title: Any = "x") -> Seen:
    moment = AT + timedelta(minutes=minutes)
    return Seen(Position(str(moment), key), moment, beyond, None, {"id": key, "title": title})


@given(st.lists(st.booleans()))
def test_the_position_never_goes_back(beyond: list[bool]) -> None:
    beyond.sort()  # rows of the overlap come first
    rows = [seen(f"K-{place}", beyond=new, minutes=place) for place, new in enumerate(beyond)]
    expected = rows[-1].position if any(beyond) else KEPT.position
    assert polling.newest(KEPT.position, rows) == expected


def test_a_row_read_again_has_the_same_id_and_a_changed_one_another() -> None:
    first = polling.message(POLL, seen("A"), frozenset())
    assert polling.message(POLL, seen("A", beyond=False), frozenset()) == first
    assert polling.message(POLL, seen("A", title="y"), frozenset())["id"] != first["id"]
    hidden = frozenset({"title"})
    both = [polling.message(POLL, seen("A", title=title), hidden)["id"] for title in ("x", "y")]
    assert both[0] == both[1], "nothing of a sensitive column is in an id"


def test_rows_wait_behind_the_first_that_is_ahead_of_the_clock() -> None:
    rows = [seen("A"), seen("B", minutes=9), seen("C", minutes=1)]
    assert polling.up_to(rows, AT + timedelta(minutes=5)) == rows[:1]


CHANGED = [
    ({"id": "text", "changed": "timestamptz"}, "title went missing"),
    ({**TYPES, "more": "text"}, "more is new"),
    ({**TYPES, "title": "int4"}, "title was text and is int4"),
]


@pytest.mark.parametrize(("types", "told"), CHANGED)
def test_a_changed_table_is_refused_until_accepted_and_the_position_stays(types: dict[str, str], told: str) -> None:
    now = polls.definition(POLL, types)
    with pytest.raises(Refused, match=told) as caught:
        polling.accepted(POLL, now, KEPT)
    assert caught.value.reason_code == "schema_changed"
    accepted = polling.accepted(replace(POLL, schema_version=2), now, KEPT)
    assert (accepted.position, accepted.rows, accepted.schema_version) == (KEPT.position, 7, 2)


UNFIT = [
    ({"id": "text", "title": "text"}, "column_missing"),
    ({**TYPES, "changed": "text"}, "cursor_unfit"),
    ({**TYPES, "id": "jsonb"}, "cursor_unfit"),
    ({**TYPES, "changed": "timestamp"}, "moment_unfit"),
    ({**TYPES, "changed": "int8"}, "moment_unfit"),
]


@pytest.mark.parametrize(("types", "code"), UNFIT)
def test_a_table_that_can_not_be_polled_so_is_refused(types: dict[str, str], code: str) -> None:
    with pytest.raises(Refused) as caught:
        polls.definition(POLL, types)
    assert caught.value.reason_code == code


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan"), Decimal("Infinity"), Decimal("NaN")])
def test_what_is_no_number_in_a_database_is_a_text_that_is_no_number(value: Any) -> None:
    """`float8` and `numeric` hold them, and read as a number they are Unknown (unit/declarations/test_reading.py)."""
    text = polling.cell(value)
    assert text in ("inf", "-inf", "nan", "Infinity", "NaN")
    sent = json.dumps(polling.message(POLL, seen("A", title=text), frozenset())).encode()
    assert json_data.parsed(sent)["data"]["row"]["title"] == text
