"""Compressed batches are unpacked by the client library itself, and to a bounded size, whatever they claim."""

from __future__ import annotations

import contextlib
import gzip
import struct
from collections.abc import Callable

import pytest
from aiokafka import codec as codecs
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from common.bus import unpacking
from hypothesis import given
from hypothesis import strategies as st

NUMBERS = {"gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
PACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": codecs.gzip_encode,
    "snappy": codecs.snappy_encode,
    "lz4": codecs.lz4_encode,
    "zstd": codecs.zstd_encode,
}
UNPACK = {"gzip": unpacking.gzip, "snappy": unpacking.snappy, "lz4": unpacking.lz4, "zstd": unpacking.zstd}
LEGACY = ("gzip", "snappy", "lz4")


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "MAX_UNPACKED_BYTES", 64 * 1024)
    unpacking.bound()


def batch(codec: str, value: bytes) -> bytes:
    builder = DefaultRecordBatchBuilder(2, NUMBERS[codec], 0, -1, -1, -1, 10_000_000)
    builder.append(0, 0, b"k", value, [])
    return bytes(builder.build())


def legacy_batch(codec: str, value: bytes) -> bytes:
    builder = LegacyRecordBatchBuilder(1, NUMBERS[codec], 10_000_000)
    builder.append(0, 0, b"k", value)
    return bytes(builder.build())


def values(data: bytes) -> list[bytes]:
    records = MemoryRecords(data)
    found = []
    while records.has_next():
        found += [record.value for record in records.next_batch()]
    return found


@pytest.mark.parametrize("codec", NUMBERS)
def test_the_library_unpacks_a_batch_of_each_codec_within_the_bound(codec: str) -> None:
    assert values(batch(codec, b"a" * 60_000)) == [b"a" * 60_000]
    with pytest.raises(CorruptRecordException, match="at most 65536 bytes"):
        values(batch(codec, b"a" * 66_000))


@pytest.mark.parametrize("codec", LEGACY)
def test_the_same_holds_for_batches_of_the_old_format(codec: str) -> None:
    assert values(legacy_batch(codec, b"a" * 60_000)) == [b"a" * 60_000]
    with pytest.raises(CorruptRecordException, match="at most 65536 bytes"):
        values(legacy_batch(codec, b"a" * 66_000))


@pytest.mark.parametrize("codec", NUMBERS)
@given(data=st.binary(max_size=2_000))
def test_what_was_packed_is_unpacked(codec: str, data: bytes) -> None:
    assert UNPACK[codec](PACK[codec](data)) == data


def test_a_snappy_block_without_the_java_header_is_unpacked() -> None:
    assert unpacking.snappy(bytes(codecs.snappy_encode(b"a" * 5_000, xerial_compatible=False))) == b"a" * 5_000


@pytest.mark.parametrize("codec", NUMBERS)
@given(at=st.integers(min_value=0), damage=st.binary(max_size=6), data=st.binary(max_size=300))
def test_damaged_bytes_are_unpacked_or_corrupt_and_nothing_else(
    codec: str, at: int, damage: bytes, data: bytes
) -> None:
    packed = PACK[codec](data)
    at %= len(packed) + 1
    for hostile in (packed[:at] + damage + packed[at + len(damage) :], packed[:at], damage):
        with contextlib.suppress(CorruptRecordException):
            assert len(UNPACK[codec](hostile)) <= 64 * 1024


@pytest.mark.parametrize("length", [0, 2**31, 2**32 - 4, 2**32 - 1])
def test_a_snappy_block_of_a_hostile_length_ends(length: int) -> None:
    header = codecs.snappy_encode(b"")[:16]
    with pytest.raises(CorruptRecordException):
        unpacking.snappy(header + struct.pack(">I", length))


def test_what_follows_a_gzip_member_is_refused() -> None:
    with pytest.raises(CorruptRecordException, match="one whole member"):
        unpacking.gzip(gzip.compress(b"a") + gzip.compress(b"b"))
