"""Which partition a key belongs to: the relay, and a consumer that catches up without the bus, must agree."""

from __future__ import annotations

from zlib import crc32


def partition_of(key: str, partitions: int) -> int:
    """CRC-32 of the UTF-8 key, as librdkafka's `consistent` partitioner has it: Kafka's murmur2 costs fifty times as
    much in Python, and is asked for every event by whoever sends or checks it."""
    return crc32(key.encode()) % partitions
