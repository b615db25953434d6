"""Publishing observations: what upstream systems do. For the command line and for tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from common.bus.connection import Address
from common.bus.partitions import partition_of
from common.topics import BY_NAME


class Publisher:
    """Sends messages to one topic."""

    def __init__(self, producer: Any, topic: str, partitions: int) -> None:
        self._producer = producer
        self._topic = topic
        self._partitions = partitions

    async def publish(self, messages: Iterable[tuple[str, bytes]], headers: Iterable[tuple[str, bytes]] = ()) -> None:
        """Send (key, value) pairs in order; return when the broker has all of them. Raises KafkaError."""
        extra = list(headers)
        waiting = [
            await self._producer.send(
                self._topic,
                value=value,
                key=key.encode(),
                partition=partition_of(key, self._partitions),
                headers=extra,
            )
            for key, value in messages
        ]
        await asyncio.gather(*waiting)


@asynccontextmanager
async def publisher(address: Address, topic: str = "observations") -> AsyncIterator[Publisher]:
    """A publisher to `topic` (its short name) as `address.user`."""
    producer = address.producer()
    await producer.start()
    try:
        known = BY_NAME[topic]
        yield Publisher(producer, address.topic(known), known.partitions)
    finally:
        await producer.stop()
