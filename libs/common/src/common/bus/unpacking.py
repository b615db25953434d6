"""Unpacking compressed batches, each to a bounded size.

The client library unpacks a batch whole before anything of it is looked at, and offers no place to say how large it
may become: a megabyte that unpacks to gigabytes would end the process, and again after every restart. So the
functions that it unpacks with are replaced by these, in the two modules that read batches.
"""

from __future__ import annotations

import mmap
import struct
import sys
import zlib
from collections.abc import Callable
from typing import Any

import cramjam
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.record.legacy_records import LegacyRecordBatch

MAX_UNPACKED_BYTES = 16 * 1024 * 1024
"""Sixteen times the largest batch that a broker takes by default."""
_GZIP = 16 + zlib.MAX_WBITS
_XERIAL = b"\x82SNAPPY\x00"
_XERIAL_HEADER_BYTES = 16
_XERIAL_LENGTH = struct.Struct(">I")


def bound() -> None:
    """Have the client library unpack no batch to more than `MAX_UNPACKED_BYTES`, in this process. Safe to repeat.

    Raises AttributeError where the library unpacks in another way: better not to start than not to be bounded.
    """
    for batch, codecs in ((DefaultRecordBatch, _CODECS), (LegacyRecordBatch, _CODECS[:3])):
        module = sys.modules[batch.__module__]
        for codec, unpack in codecs:
            name = f"{codec}_decode"
            getattr(module, name)
            setattr(module, name, unpack)


def gzip(packed: Any) -> bytes:
    """`packed` unpacked. This and its neighbours raise CorruptRecordException when it can't be, or is too large."""
    member = zlib.decompressobj(_GZIP)
    try:
        data = member.decompress(packed, MAX_UNPACKED_BYTES + 1)  # one more than may be, to see that there is more
    except zlib.error as error:
        raise _corrupt("gzip", error) from error
    if len(data) > MAX_UNPACKED_BYTES:
        raise _corrupt("gzip", "it is larger")
    if not member.eof or member.unused_data:
        raise _corrupt("gzip", "it is not one whole member")
    return data


def lz4(packed: Any) -> bytes:
    return _into("lz4", cramjam.lz4.decompress_into, packed)


def zstd(packed: Any) -> bytes:
    return _into("zstd", cramjam.zstd.decompress_into, packed)


def snappy(packed: Any) -> bytes:
    """As its neighbours. Either one block, or blocks behind the header of the Java library."""
    return _into("snappy", _xerial if bytes(packed[: len(_XERIAL)]) == _XERIAL else _block, packed)


def _xerial(packed: Any, room: Any) -> int:
    at, size = _XERIAL_HEADER_BYTES, 0
    with memoryview(packed) as data, memoryview(room) as free:
        while at < len(data):
            (length,) = _XERIAL_LENGTH.unpack_from(data, at)
            at += _XERIAL_LENGTH.size
            with data[at : at + length] as block, free[size:] as rest:
                size += _block(block, rest)
            at += length
    return size


def _block(packed: Any, room: Any) -> int:
    return cramjam.snappy.decompress_raw_into(packed, room)


def _into(codec: str, unpack: Callable[[Any, Any], int], packed: Any) -> bytes:
    with mmap.mmap(-1, MAX_UNPACKED_BYTES) as room:  # costs only the pages that are written
        try:
            size = unpack(bytes(packed), room)
        except (cramjam.DecompressionError, struct.error) as error:
            raise _corrupt(codec, error) from error
        return room[:size]


def _corrupt(codec: str, why: object) -> CorruptRecordException:
    return CorruptRecordException(f"a {codec} batch can't be unpacked to at most {MAX_UNPACKED_BYTES} bytes: {why}")


_CODECS = (("gzip", gzip), ("snappy", snappy), ("lz4", lz4), ("zstd", zstd))
