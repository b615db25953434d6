"""Entry bundles: the specified format up to 65,535 bytes a record, the other one for all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transparency.entries import fits_standard, format_bundle, parse_bundle
from transparency.errors import Malformed
from transparency.tiles import BundleKind

KINDS: list[BundleKind] = ["entries", "entries32"]


@pytest.mark.parametrize("kind", KINDS)
@given(records=st.lists(st.binary(max_size=40), min_size=1, max_size=256))
def test_bundles_read_back(kind: BundleKind, records: list[bytes]) -> None:
    assert parse_bundle(kind, format_bundle(kind, records), len(records)) == records


def test_lengths_are_big_endian_in_two_or_four_bytes() -> None:
    assert format_bundle("entries", [b"ab", b""]) == b"\0\2ab\0\0"
    assert format_bundle("entries32", [b"ab", b""]) == b"\0\0\0\2ab\0\0\0\0"


def test_only_the_wide_format_holds_a_large_record() -> None:
    largest, larger = [b"x" * 65_535], [b"x" * 65_536]
    assert parse_bundle("entries", format_bundle("entries", largest), 1) == largest
    assert (fits_standard(largest), fits_standard(larger)) == (True, False)
    with pytest.raises(Malformed, match="record_too_large"):
        format_bundle("entries", larger)
    event = [b"x" * 900_000]
    assert parse_bundle("entries32", format_bundle("entries32", event), 1) == event
    with pytest.raises(Malformed, match="record_too_large"):
        format_bundle("entries32", [b"x" * 1_000_001])


@pytest.mark.parametrize(
    ("raw", "width"),
    [
        (b"", 1),
        (b"\0", 1),
        (b"\0\2a", 1),
        (b"\0\1a", 2),
        (b"\0\1a\0\1b", 1),
        (b"\0\1a\0", 1),
        (b"\0\1a\0", 2),
    ],
)
def test_a_bundle_holds_its_records_and_nothing_else(raw: bytes, width: int) -> None:
    with pytest.raises(Malformed, match="bundle_invalid"):
        parse_bundle("entries", raw, width)
    with pytest.raises(Malformed, match="bundle_invalid"):
        parse_bundle("entries32", b"\xff\xff\xff\xff", 1)


def test_a_record_that_could_not_be_written_is_not_read() -> None:
    with pytest.raises(Malformed, match="bundle_invalid"):
        parse_bundle("entries32", (1_000_001).to_bytes(4, "big") + bytes(1_000_001), 1)


@pytest.mark.parametrize("count", [0, 257])
def test_a_bundle_has_1_to_256_records(count: int) -> None:
    with pytest.raises(Malformed, match="bundle_width"):
        format_bundle("entries", [b""] * count)
