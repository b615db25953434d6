"""One byte string: orjson within the profile writes what the RFC 8785 reference writes."""

from __future__ import annotations

from typing import Any

import pytest
import rfc8785
from common.canonical import canonical, digest, parse_strict
from common.errors import Permanent
from common.events.envelope import Event
from hypothesis import given
from hypothesis import strategies as st

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
KEYS = st.text(st.characters(exclude_categories=["Cs"], max_codepoint=0xFFFF), max_size=8)
SCALAR = TEXT | st.integers(-(2**53) + 1, 2**53 - 1) | st.booleans() | st.none()
JSON = st.recursive(SCALAR, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4))


@given(JSON)
def test_canonical_bytes_are_rfc_8785(value: Any) -> None:
    assert canonical(value) == rfc8785.dumps(value)


@given(JSON)
def test_canonical_bytes_read_back(value: Any) -> None:
    assert parse_strict(canonical(value), 1 << 20) == value


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (1.5, "float_not_allowed"),
        ({"a": [float("nan")]}, "float_not_allowed"),
        (2**53, "integer_too_large"),
        ({"a": {1: 2}}, "not_json"),
        ({"\U0001f600": 1}, "key_not_supported"),
        (object(), "not_json"),
        ("\ud800", "not_json"),
    ],
)
def test_what_is_outside_the_profile_is_refused(value: Any, code: str) -> None:
    with pytest.raises(Permanent) as refused:
        canonical(value)
    assert refused.value.reason_code == code


def test_nesting_is_bounded() -> None:
    value: Any = 1
    for _ in range(40):
        value = [value]
    with pytest.raises(Permanent, match="too_deep"):
        canonical(value)


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b'{"a": 1, "a": 2}', "duplicate_key"),
        (b'{"a":1,"b":{"c":1,"c":1}}', "duplicate_key"),
        (b'{"a":1e2,"a":100.000}', "duplicate_key"),
        (b'{"a": 1', "malformed_json"),
        (b'{"a": "\xff"}', "not_utf8"),
        (b"[NaN]", "malformed_json"),
        (b'"' + b"x" * 200 + b'"', "oversized"),
        (b"[" * 90 + b"]" * 90, "oversized"),
    ],
)
def test_strangers_json_is_refused_with_a_code(raw: bytes, code: str) -> None:
    with pytest.raises(Permanent) as refused:
        parse_strict(raw, 100)
    assert refused.value.reason_code == code


def test_equal_values_have_equal_digests_whatever_the_order() -> None:
    assert digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1}) != digest({"a": 1, "b": [3]})


def test_an_event_reads_back_from_its_bytes() -> None:
    event = Event(
        id="1", source="differ", type="t", subject="gap/x", time="2023-07-03T00:00:00Z", asof="2023-07-03T00:00:00Z",
        actor="service:differ", data={"a": [1]}, caseid="x",
    )  # fmt: skip
    assert Event.decode(event.encode()) == event
    assert b'"streamversion"' not in event.encode()
    with pytest.raises(Permanent, match="malformed_event"):
        Event.decode(b'{"id":"1"}')
