"""Bundles of up to 256 records: the format of C2SP tlog-tiles, and one for records that it can't hold.

tlog-tiles writes each record after its length in two bytes, so `tile/entries` holds no record beyond 65,535 bytes. A
log with larger ones serves `tile/entries` for those bundles in which every record fits, and the same records with
lengths of four bytes at `tile/entries32`, which is complete. (The specification asks that other formats have other
addresses.) The hash tiles are the same either way.
"""

from __future__ import annotations

from collections.abc import Sequence

from transparency.errors import Malformed
from transparency.tiles import WIDTH, BundleKind

MAX_RECORD_BYTES = 1_000_000
MAX_STANDARD_RECORD_BYTES = 2**16 - 1


def fits_standard(records: Sequence[bytes]) -> bool:
    """Whether `tile/entries` can hold these records."""
    return all(len(record) <= MAX_STANDARD_RECORD_BYTES for record in records)


def format_bundle(kind: BundleKind, records: Sequence[bytes]) -> bytes:
    """The bytes of a bundle. Raises `Malformed` for a record, or a number of records, that it can't hold."""
    most = MAX_STANDARD_RECORD_BYTES if _length_bytes(kind) == 2 else MAX_RECORD_BYTES
    if not 1 <= len(records) <= WIDTH:
        raise Malformed("bundle_width", f"a bundle has 1 to {WIDTH} records, not {len(records)}")
    parts = []
    for record in records:
        if len(record) > most:
            raise Malformed("record_too_large", f"a record of {len(record)} bytes; {kind} hold at most {most}")
        parts += [len(record).to_bytes(_length_bytes(kind), "big"), record]
    return b"".join(parts)


def parse_bundle(kind: BundleKind, raw: bytes, width: int) -> list[bytes]:
    """The `width` records of a bundle. Their leaf hashes are still to be compared with the tile's."""
    prefix, at = _length_bytes(kind), 0
    records: list[bytes] = []
    while at < len(raw) and len(records) < width:
        length = int.from_bytes(raw[at : at + prefix], "big")
        at += prefix
        if length > MAX_RECORD_BYTES or at + length > len(raw):
            raise Malformed("bundle_invalid", f"record {len(records)} claims {length} bytes, which are not there")
        records.append(raw[at : at + length])
        at += length
    if at != len(raw) or len(records) != width:
        raise Malformed("bundle_invalid", f"the bundle does not hold {width} records and nothing else")
    return records


def _length_bytes(kind: BundleKind) -> int:
    return 2 if kind == "entries" else 4
