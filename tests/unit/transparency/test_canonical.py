"""Canonical bytes: the standard library's are the RFC's within the profile, and everything else is refused."""

from __future__ import annotations

from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st
from transparency import canonical
from transparency.errors import TransparencyError

BMP = st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"])
scalars = st.none() | st.booleans() | st.integers(-canonical.MAX_INTEGER, canonical.MAX_INTEGER) | st.text()
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(BMP, max_size=6), inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(st.text(BMP, max_size=6), values, max_size=4)


def kept(raw: bytes) -> list[dict[str, Any]]:
    return canonical.lines(raw, lambda event: event)[1]


@given(st.lists(objects, min_size=1, max_size=3))
def test_the_bytes_are_those_of_rfc8785_and_are_read_back(found: list[dict[str, Any]]) -> None:
    records = [rfc8785.dumps(value) for value in found]
    assert [canonical.encode(value) for value in found] == records
    assert kept(b"".join(record + b"\n" for record in records)) == found
    for record, value in zip(records, found, strict=True):
        assert canonical.parse(record, "it") == value


@given(objects, st.data())
def test_an_inserted_byte_is_refused_or_makes_other_canonical_bytes(
    value: dict[str, Any], data: st.DataObject
) -> None:
    raw = canonical.encode(value)
    at = data.draw(st.integers(0, len(raw)))
    changed = (
        raw[:at]
        + data.draw(st.sampled_from([b" ", b"0", b"-", b"\\", b'"', b"\t", b"\xff", b"{", b",", b"\0"]))
        + raw[at:]
    )
    try:
        again = canonical.parse(changed, "it")
    except TransparencyError:
        return
    assert rfc8785.dumps(again) == changed


@pytest.mark.parametrize(
    "raw",
    [
        b'{"b":1,"a":2}',
        b'{"a": 1}',
        b'{"a":1,"a":1}',
        b'{"a":1.0}',
        b'{"a":{"b":[0,"1.0",{"c":1.5}]}}',
        b'{"a":1e3}',
        b'{"a":-0}',
        b'{"a":01}',
        b'{"a":9007199254740992}',
        b'{"a":99999999999999999999}',
        b'{"a":NaN}',
        b'{"a":"\\u0041"}',
        b'{"a":"\\/"}',
        b'{"a":"\\u000A"}',
        b'{"a":"\\ud800"}',
        b'{"a":"\xed\xa0\x80"}',
        '{"\U00010000":1}'.encode(),
        b"[1]",
        b'"a"',
        b"",
        b"{}{}",
        b"{},{}",
        b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
    ],
)
def test_what_is_not_canonical_is_refused_alone_and_among_others(raw: bytes) -> None:
    with pytest.raises(TransparencyError):
        canonical.parse(raw, "it")
    with pytest.raises(TransparencyError, match="event 2"):
        kept(b'{"a":1}\n' + raw + b'\n{"a":1}\n')


@given(objects, st.data())
def test_many_lines_at_once_are_taken_only_where_each_is_canonical_alone(
    value: dict[str, Any], data: st.DataObject
) -> None:
    """Two readers, one verdict: the fast one takes nothing that the standard library would refuse."""
    raw = bytearray(canonical.encode(value))
    inserted = data.draw(
        st.sampled_from([b"", b".5", b"1.0", b"e1", b"-", b"9" * 17, b" ", b"\\u001F", b"{}", b",1"])
    )
    at = data.draw(st.integers(0, len(raw)))
    raw[at:at] = inserted
    try:
        alone = canonical.parse(bytes(raw), "it")
    except TransparencyError:
        alone = None
    together = canonical._together([b"{}", bytes(raw), b'{"a":1}'])
    assert together is None or together == [{}, alone, {"a": 1}]
    assert inserted or not raw.isascii() or together is not None, "canonical lines are taken together"


def test_lines_that_are_objects_only_together_are_refused() -> None:
    """Joined by commas, these would be three objects in canonical form."""
    with pytest.raises(TransparencyError, match="event 1"):
        kept(b'{"a":[{"b":1}\n{"c":2}]}\n{"x":1},{"y":2}\n')


@pytest.mark.parametrize("raw", [b"", b"{}", b"{}\n\n", b"\n", b"{}\r\n"])
def test_lines_end_with_one_newline_each(raw: bytes) -> None:
    with pytest.raises(TransparencyError):
        kept(raw)
