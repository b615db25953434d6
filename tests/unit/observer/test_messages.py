"""Every way an upstream message can be wrong has its own reason code, and none of them is an exception."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from common.canonical import canonical
from hypothesis import given
from hypothesis import strategies as st
from observer.core.counts import Count
from observer.core.envelopes import OBSERVED, WITHDRAWN
from observer.core.limits import MAX_CELL_BYTES, MAX_COLUMNS, MAX_MESSAGE_BYTES
from observer.core.messages import Message, read
from observer.core.moments import Moment
from observer.core.observations import count, observation
from observer.core.rejections import Rejected
from observer.core.sources import EntityRule

RULES = {"finding": EntityRule("reference", "audit-tracker"), "retest": EntityRule("id", "control-testing")}
LATEST = datetime(2023, 7, 3, 0, 5, tzinfo=UTC)
MOMENT = Moment("2026-01-05T09:00:00Z", "2023-07-03T00:00:00Z", LATEST)


def message(**changes: Any) -> dict[str, Any]:
    """A good message; `data__row` changes data.row; None takes a field away."""
    envelope: dict[str, Any] = {
        "specversion": "1.0",
        "id": "m-1",
        "source": "audit-tracker",
        "type": OBSERVED,
        "time": "2023-07-03T00:00:00Z",
        "data": {"entity_type": "finding", "row": {"reference": "2022-090", "title": "Cash is drawn too early"}},
    }
    for name, value in changes.items():
        target, field = (envelope["data"], name[6:]) if name.startswith("data__") else (envelope, name)
        if value is None:
            target.pop(field, None)
        else:
            target[field] = value
    return envelope


def refused(raw: bytes | dict[str, Any], sender: str | None = None) -> Rejected:
    with pytest.raises(Rejected) as caught:
        read(raw if isinstance(raw, bytes) else orjson.dumps(raw), RULES, LATEST, sender)
    return caught.value


def accepted(envelope: dict[str, Any], sender: str | None = None) -> Message:
    return a_row(read(orjson.dumps(envelope), RULES, LATEST, sender))


def a_row(found: Message | Count) -> Message:
    assert isinstance(found, Message)
    return found


def row_text(cells: str) -> bytes:
    """A good message whose row has `cells` beside the key, as text."""
    return orjson.dumps(message()).replace(b'"title":"Cash is drawn too early"', cells.encode())


def test_a_good_message_is_read_as_it_was_sent() -> None:
    found = accepted(message(data__sequence=7, data__simulated=True, data__key="2022-090"))
    assert found.feed == "audit-tracker"
    assert (found.entity_type, found.key, found.upstream_id) == ("finding", "2022-090", "m-1")
    assert found.row == {"reference": "2022-090", "title": "Cash is drawn too early"}
    assert (found.source_time, found.sequence, found.simulated) == ("2023-07-03T00:00:00Z", 7, True)


def test_a_withdrawal_needs_a_key_and_no_row() -> None:
    found = accepted(message(type=WITHDRAWN, data__row=None, data__key="2022-090", data__reason="merged"))
    assert (found.row, found.key, found.reason) == (None, "2022-090", "merged")
    assert refused(message(type=WITHDRAWN, data__row=None)).reason_code == "key_missing"
    assert refused(message(type=WITHDRAWN, data__key="2022-090")).reason_code == "data_malformed"


@pytest.mark.parametrize(
    ("reason_code", "raw"),
    [
        ("malformed_json", b""),
        ("malformed_json", b"{"),
        ("malformed_json", b'{"specversion":"1.0",}'),
        ("malformed_json", orjson.dumps(message()) + b"{}"),
        ("malformed_json", b'"\\ud800"'),
        ("not_utf8", orjson.dumps(message()).replace(b"Cash", b"C\xe4sh")),
        ("not_utf8", b"\xff\xfe{}"),
        ("duplicate_key", orjson.dumps(message()).replace(b'"id":"m-1"', b'"id":"m-1","id":"m-2"')),
        ("duplicate_key", row_text('"title":"a","title":"a"')),
        ("oversized", orjson.dumps(message(data__row={"reference": "x", "t": "a" * MAX_MESSAGE_BYTES}))),
        ("oversized", orjson.dumps(message(data__row={"reference": "x", "t": "a" * (MAX_CELL_BYTES + 1)}))),
        ("oversized", orjson.dumps(message(data__row={"reference": "x", "t": "€" * (MAX_CELL_BYTES // 3 + 1)}))),
        ("oversized", orjson.dumps(message(data__row={"reference": "x", "t": ["a" * 1000] * 66}))),
        ("too_deep", b"[" * 300 + b"]" * 300),
        ("too_deep", b"[" * 5000 + b"]" * 5000),
        ("too_deep", row_text('"t":' + "[" * 40 + "]" * 40)),
        ("too_deep", row_text('"t":' + '{"a":' * 300 + "1" + "}" * 300)),
        ("nan", row_text('"t":NaN')),
        ("nan", row_text('"t":-Infinity')),
        ("nan", row_text('"t":1e999')),
        ("integer_too_large", row_text('"t":9007199254740993')),
        ("integer_too_large", row_text('"t":-9007199254740993')),
        ("integer_too_large", row_text('"t":[18446744073709551616]')),
        ("integer_too_large", row_text('"t":' + "9" * 40)),
        ("integer_too_large", row_text('"t":' + "9" * 5000)),
        ("nul_character", row_text('"t":"a\\u0000b"')),
        ("nul_character", row_text('"a\\u0000b":1')),
        ("row_malformed", row_text('"t\U0001f600":1')),
        ("row_malformed", row_text('"t":{"\U0001f600":1}')),
        (
            "row_malformed",
            orjson.dumps(message(data__row={"reference": "x"} | {f"c{n}": 1 for n in range(MAX_COLUMNS)})),
        ),
    ],
)
def test_bytes_that_cannot_be_stored_are_refused(reason_code: str, raw: bytes) -> None:
    assert refused(raw).reason_code == reason_code


@pytest.mark.parametrize(
    ("reason_code", "changes"),
    [
        ("not_a_cloudevent", {"specversion": None}),
        ("not_a_cloudevent", {"specversion": "0.3"}),
        ("not_a_cloudevent", {"id": None}),
        ("not_a_cloudevent", {"id": ""}),
        ("not_a_cloudevent", {"id": 7}),
        ("not_a_cloudevent", {"id": "a\nb"}),
        ("not_a_cloudevent", {"id": "x" * 201}),
        ("not_a_cloudevent", {"source": None}),
        ("not_a_cloudevent", {"source": "a feed"}),
        ("not_a_cloudevent", {"source": "a/feed"}),
        ("not_a_cloudevent", {"source": "unidentified"}),
        ("unknown_message_type", {"type": None}),
        ("unknown_message_type", {"type": "trueup.gap.opened.v1"}),
        ("unknown_message_type", {"type": ["trueup.upstream.observed.v1"]}),
        ("data_malformed", {"data": "text"}),
        ("data_malformed", {"data": None}),
        ("data_malformed", {"data__extra": 1}),
        ("data_malformed", {"data__sequence": "7"}),
        ("data_malformed", {"data__sequence": True}),
        ("data_malformed", {"data__sequence": 1.5}),
        ("data_malformed", {"data__sequence": 2**53 + 1}),
        ("data_malformed", {"data__simulated": 1}),
        ("unknown_entity_type", {"data__entity_type": None}),
        ("unknown_entity_type", {"data__entity_type": "vendor"}),
        ("unknown_entity_type", {"data__entity_type": ["finding"]}),
        ("feed_mismatch", {"data__entity_type": "retest"}),
        ("row_malformed", {"data__row": None}),
        ("row_malformed", {"data__row": ["2022-090"]}),
        ("row_malformed", {"data__row": {}}),
        ("key_missing", {"data__row": {"title": "no key"}}),
        ("key_missing", {"data__row": {"reference": "", "title": "x"}}),
        ("key_missing", {"data__row": {"reference": None}}),
        ("key_malformed", {"data__row": {"reference": "2022 090"}}),
        ("key_malformed", {"data__row": {"reference": "2022/090"}}),
        ("key_malformed", {"data__row": {"reference": True}}),
        ("key_malformed", {"data__row": {"reference": ["2022-090"]}}),
        ("key_malformed", {"data__row": {"reference": "x" * 201}}),
        ("key_mismatch", {"data__key": "2022-091"}),
        ("time_missing", {"time": None}),
        ("time_malformed", {"time": "3 July 2023"}),
        ("time_malformed", {"time": "2023-07-03"}),
        ("time_malformed", {"time": "2023-07-03T00:00:00"}),
        ("time_malformed", {"time": "2023-02-30T00:00:00Z"}),
        ("time_malformed", {"time": "0001-01-01T00:00:00+14:00"}),
        ("time_malformed", {"time": 1688342400}),
        ("time_in_future", {"time": "2023-07-03T00:05:01Z"}),
        ("time_in_future", {"time": "2023-07-03T00:04:59-01:00"}),
    ],
)
def test_each_fault_has_its_own_reason_code(reason_code: str, changes: dict[str, Any]) -> None:
    assert refused(message(**changes)).reason_code == reason_code


def test_the_tolerance_for_clocks_is_inclusive() -> None:
    assert accepted(message(time="2023-07-03T00:05:00Z")).source_time == "2023-07-03T00:05:00Z"


def test_a_feed_may_only_report_itself() -> None:
    assert accepted(message(), sender="audit-tracker").feed == "audit-tracker"
    rejected = refused(message(), sender="control-testing")
    assert rejected.reason_code == "feed_mismatch"
    assert rejected.identity.feed == "control-testing", "the rejection belongs to who sent it, not to whom they named"


def test_a_refusal_says_as_much_as_is_known_by_then() -> None:
    rejected = refused(message(data__key="2022-091"))
    assert (rejected.identity.feed, rejected.identity.upstream_id) == ("audit-tracker", "m-1")
    assert rejected.identity.entity_type == "finding"
    assert rejected.identity.key is None


def test_a_number_may_be_a_key() -> None:
    assert accepted(message(data__row={"reference": 17})).key == "17"


def test_a_source_time_is_stored_in_utc() -> None:
    assert accepted(message(time="2023-07-02T20:00:00.250-04:00")).source_time == "2023-07-03T00:00:00.250000Z"
    assert accepted(message(time="2023-07-02t20:00:00z")).source_time == "2023-07-02T20:00:00Z"


@pytest.mark.parametrize(
    ("literal", "stored"),
    [
        ("1.5", "1.5"),
        ("-0.1", "-0.1"),
        ("1e3", "1000.0"),
        ("1e-7", "0.0000001"),
        ("1e22", "10000000000000000000000"),
        ("1.5e300", "1.5e+300"),
        ("42", 42),
        ("true", True),
        ("null", None),
        ('[1.5,{"a":2.5}]', ["1.5", {"a": "2.5"}]),
    ],
)
def test_floats_become_decimal_strings_and_nothing_else_changes(literal: str, stored: Any) -> None:
    found = a_row(read(row_text(f'"t":{literal}'), RULES, LATEST))
    assert found.row == {"reference": "2022-090", "t": stored}


def _check_any(raw: bytes) -> None:
    try:
        found = read(raw, RULES, LATEST)
    except Rejected as rejected:
        assert rejected.reason_code
        assert len(rejected.message) <= 500
        canonical(rejected.message)
    else:
        event = count(found, MOMENT) if isinstance(found, Count) else observation(found, "observations/0/1", MOMENT)
        assert event.encode() == event.encode_checked(), "what passed needs no second check"
        assert len(event.subject) <= 500


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    _check_any(raw)


@given(
    st.fixed_dictionaries(
        {
            "specversion": st.just("1.0") | _json,
            "id": st.text(min_size=1) | _json,
            "source": st.just("audit-tracker"),
        },
        optional={"type": st.sampled_from([OBSERVED, WITHDRAWN]) | _json, "time": st.datetimes().map(str) | _json},
    ),
    st.dictionaries(st.sampled_from(["entity_type", "key", "row", "sequence", "simulated", "reason"]), _json)
    | st.fixed_dictionaries({"entity_type": st.just("finding"), "row": st.dictionaries(st.text(), _json)}),
)
def test_any_json_in_any_field_is_read_or_refused(envelope: dict[str, Any], data: dict[str, Any]) -> None:
    _check_any(json.dumps({"time": "2023-07-03T00:00:00Z", "type": OBSERVED, **envelope, "data": data}).encode())


@given(st.dictionaries(st.text(max_size=6), _json, max_size=6), st.integers(min_value=0), st.binary(max_size=3))
def test_a_good_message_damaged_anywhere_is_read_or_refused(row: dict[str, Any], at: int, damage: bytes) -> None:
    raw = json.dumps(message(data__row={**row, "reference": "2022-090"}), ensure_ascii=False).encode(
        "utf-8", "replace"
    )
    at %= len(raw) + 1
    _check_any(raw[:at] + damage + raw[at:])
    _check_any(raw[:at] + raw[at + 1 :])
