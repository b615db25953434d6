"""Records that no honest client sends: a batch is built as usual, then its bytes are changed."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.record._crc32c import crc

_CRC_AT, _ATTRIBUTES_AT = 17, 21  # in a record batch of format 2; the checksum covers all from the attributes on
MARK = "MARKMARK"
Change = Callable[[bytes], bytes]


def header_that_is_no_text(batch: bytes) -> bytes:
    return _summed(batch.replace(MARK.encode(), b"\xff\xfe" * (len(MARK) // 2)))


def codec(number: int) -> Change:
    """Claims to be compressed with this codec: 2 snappy, 3 lz4, 4 zstd."""

    def change(batch: bytes) -> bytes:
        changed = bytearray(batch)
        struct.pack_into(">h", changed, _ATTRIBUTES_AT, number)
        return _summed(bytes(changed))

    return change


def damaged(batch: bytes) -> bytes:
    """One bit is not what the checksum says."""
    return batch[:-1] + bytes([batch[-1] ^ 1])


def _summed(batch: bytes) -> bytes:
    changed = bytearray(batch)
    struct.pack_into(">I", changed, _CRC_AT, crc(bytes(changed[_ATTRIBUTES_AT:])) & 0xFFFFFFFF)
    return bytes(changed)


async def send(producer: AIOKafkaProducer, topic: str, partition: int, values: list[bytes], change: Change) -> None:
    """Send `values` as one batch, changed. Raises what the broker answers when it notices."""
    batch: Any = producer.create_batch()
    for value in values:
        batch.append(key=b"k", value=value, timestamp=None, headers=[(MARK, b"")])
    batch.close()
    changed = bytearray(change(bytes(batch._build())))
    batch._build = batch.get_data_buffer = lambda: changed
    await (await producer.send_batch(batch, topic, partition=partition))
