"""Cells become values, or Unknown with the reason; never a guess."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from common.declarations import datepatterns
from common.declarations.loader import parse_spec
from common.declarations.models import EntityType
from common.declarations.problems import Wrong
from common.declarations.reading import Reader
from common.declarations.values import Decimal, Slot, Unknown, from_json, to_json
from hypothesis import given
from hypothesis import strategies as st


def reader(read: Any = None, **spec: Any) -> Reader:
    attribute = {"from": "cell"} if read is None else {"from": "cell", "read": read}
    given_spec = {"about": "x", "source": "s", "key": "id", "attributes": {"it": attribute}, **spec}
    model = parse_spec("EntityType", "thing", given_spec).model
    assert isinstance(model, EntityType)
    return Reader(model)


def cell(value: Any, read: Any = None) -> Slot:
    return reader(read).read({"id": "1", "cell": value}).values["it"]


LONG = "MMMM d, yyyy"


@pytest.mark.parametrize(
    ("value", "read", "expected"),
    [
        ("  open ", None, "open"),
        (7, None, "7"),
        (True, None, "true"),
        ("June 30, 2023", LONG, date(2023, 6, 30)),
        ("june 3, 2023", LONG, date(2023, 6, 3)),
        ("2023-06-30", "yyyy-MM-dd", date(2023, 6, 30)),
        ("30.06.2023", "dd.MM.yyyy", date(2023, 6, 30)),
        ("3/6/2023", "d/M/yyyy", date(2023, 6, 3)),
        ("2023-06-30T10:00:00+02:00", "yyyy-MM-dd'T'HH:mm:ssXXX",
         datetime(2023, 6, 30, 10, tzinfo=timezone(timedelta(hours=2)))),
        ("2023-06-30T10:00:00Z", "yyyy-MM-dd'T'HH:mm:ssXXX", datetime(2023, 6, 30, 10, tzinfo=UTC)),
        ("2023-06-30 10:15", "yyyy-MM-dd HH:mm", datetime(2023, 6, 30, 10, 15)),
        ("12", "number", 12),
        ("0", "number", 0),
        ("-3", "number", -3),
        (5, "number", 5),
        ("010.500", "decimal", Decimal("10.5")),
        ("-0.0", "decimal", Decimal("0")),
        ("Y", {"Y": True, "N": False}, True),
        ("N", {"Y": True, "N": False}, False),
        (True, {"true": "yes", "false": "no"}, "yes"),
        ("two  words", {"two words": 2}, 2),
        ("b", ["a", "b"], "b"),
        ("a, b ,c", "list", ("a", "b", "c")),
        (["a", "b"], "list", ("a", "b")),
        ([], "list", ()),
    ],
)  # fmt: skip
def test_what_can_be_read(value: Any, read: Any, expected: Slot) -> None:
    assert cell(value, read) == expected


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("June 30, 2023 and December 31, 2023 respectively", LONG),
        ("N/A", LONG),
        ("June 2023", LONG),
        ("June 31, 2023", LONG),
        ("Juni 30, 2023", LONG),
        ("June  30, 2023", LONG),
        ("2023-6-30", "yyyy-MM-dd"),
        ("٢٠٢٣-٠٦-٣٠", "yyyy-MM-dd"),
        ("1,234", "number"),
        ("1.5", "number"),
        ("1e3", "number"),
        ("9007199254740993", "number"),
        ("1,5", "decimal"),
        ("NaN", "decimal"),
        ("1e400", "decimal"),
        ("-1E400", "decimal"),
        ("1e400", "number"),
        ("inf", "decimal"),
        ("-inf", "decimal"),
        ("nan", "decimal"),
        ("Infinity", "decimal"),
        ("1" * 31, "decimal"),
        ("y", {"Y": True}),
        ("c", ["a", "b"]),
        (["a"], None),
        ({"a": 1}, None),
        ([1], "list"),
        (5, "list"),
    ],
)
def test_what_cannot_be_read_is_unknown_with_the_text_in_the_reason(value: Any, read: Any) -> None:
    slot = cell(value, read)
    assert isinstance(slot, Unknown) and slot.kind == "unreadable"
    assert slot.reason.startswith("cell ") and str(value)[:20] in slot.reason


@pytest.mark.parametrize("value", [None, "", "   "])
@pytest.mark.parametrize("read", [None, "number", "list", LONG, {"a": 1}])
def test_an_empty_cell_is_absent(value: Any, read: Any) -> None:
    slot = cell(value, read)
    assert isinstance(slot, Unknown) and slot.kind == "absent"


def test_a_long_cell_is_clipped_in_the_reason() -> None:
    slot = cell("x" * 5000, "number")
    assert isinstance(slot, Unknown) and len(slot.reason) < 150


def test_a_row_that_fails_a_check_is_set_aside_whole() -> None:
    attributes = {"a": {"from": "a", "read": "number"}, "b": {"from": "b", "read": "number"}}
    checked = reader(attributes=attributes, checks=["a >= b"])
    assert checked.read({"a": "2", "b": "1"}).set_aside == ""
    assert checked.read({"a": "x", "b": "1"}).set_aside == ""  # cannot be told: not set aside
    failed = checked.read({"a": "1", "b": "2"})
    assert "a >= b" in failed.set_aside
    assert all(isinstance(slot, Unknown) and slot.kind == "undecided" for slot in failed.values.values())


@pytest.mark.parametrize(("row", "key"), [({"id": " a "}, "a"), ({"id": 5}, "5"), ({"id": ""}, None), ({}, None),
                                          ({"id": True}, None), ({"id": ["a"]}, None)])  # fmt: skip
def test_the_key_is_a_text_or_a_whole_number(row: dict[str, Any], key: str | None) -> None:
    assert reader().key(row) == key


@pytest.mark.parametrize("pattern", ["yyyy", "yyyy-MM", "yy-MM-dd", "yyyy-MM-dd HH", "yyyy-MM-dd XXX", "QQ",
                                     "yyyy-MM-dd dd", "y'", "yyyy-MM-dd" + "-" * 60])  # fmt: skip
def test_a_pattern_that_does_not_name_one_day_is_refused(pattern: str) -> None:
    with pytest.raises(Wrong):
        datepatterns.compiled(pattern)


@given(st.dates())
def test_every_day_that_is_written_is_read_again(day: date) -> None:
    assert cell(day.isoformat(), "yyyy-MM-dd") == day


@given(st.text(max_size=60), st.sampled_from([None, "number", "decimal", "list", LONG, "yyyy-MM-dd'T'HH:mm:ssXXX"]))
def test_any_text_is_a_value_or_unknown(text: str, read: Any) -> None:
    slot = cell(text, read)
    assert isinstance(slot, Unknown | str | int | Decimal | tuple | date)


@pytest.mark.parametrize(
    ("value", "type_"),
    [("a", "text"), (True, "yes/no"), (5, "number"), (Decimal("1.5"), "decimal"), (date(2023, 6, 30), "date"),
     (datetime(2023, 6, 30, 10, tzinfo=UTC), "moment"), (datetime(2023, 6, 30, 10, 15), "moment"),
     (("a", "b"), "list")],
)  # fmt: skip
def test_values_survive_being_written_as_json(value: Slot, type_: Any) -> None:
    assert from_json(to_json(value), type_) == value


def test_the_real_dates_that_cannot_be_read(finding_rows: list[dict[str, str]], findings: Any) -> None:
    due: Callable[[dict[str, str]], Slot] = lambda row: findings.readers["finding"].read(row).values["due"]  # noqa: E731
    money = [row for row in finding_rows if set("ABC") & set(row["compliance_requirements"])]
    unread = [row["completion_date"] for row in money if isinstance(due(row), Unknown)]
    assert (len(money), len(unread), unread.count("N/A")) == (47, 26, 11)
