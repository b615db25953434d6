"""Which partition a key belongs to: the relay, and a consumer that catches up without the bus, must agree."""

from __future__ import annotations

from functools import lru_cache

from aiokafka.partitioner import murmur2


@lru_cache(maxsize=65_536)
def partition_of(key: str, partitions: int) -> int:
    """Kafka's own default: murmur2 of the UTF-8 key, so that other languages' clients agree too."""
    return int(murmur2(key.encode()) & 0x7FFFFFFF) % partitions
