"""While one batch is handled the next is fetched and looked up: nobody is told of it, and nothing of it is stored."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from common.bus import consumer as consumers
from common.bus.consumer import LedgerConsumer
from common.ledger import Connection, Recorded
from common.topics import BY_NAME
from support.buses import Seen, Site, eventually, observe

pytestmark = pytest.mark.integration
BATCH = 5


class Held(Seen):
    """Takes a batch when it is let to, in the middle of its transaction."""

    def __init__(self, pool: Any) -> None:
        super().__init__(pool)
        self.begun = 0
        self.go = asyncio.Semaphore(0)

    async def handle(self, connection: Connection, events: Sequence[Recorded]) -> None:
        await super().handle(connection, events)
        self.begun += 1
        await self.go.acquire()


async def _told(site: Site) -> int:
    """How many messages of `state` the broker was told are handled."""
    address, topic = site.address("differ"), BY_NAME["state"]
    kafka = AIOKafkaConsumer(**address.client_options, group_id=address.group, enable_auto_commit=False)
    await kafka.start()
    try:
        partitions = [TopicPartition(address.topic(topic), number) for number in range(topic.partitions)]
        kafka.assign(partitions)
        return sum([await kafka.committed(at) or 0 for at in partitions])
    finally:
        await kafka.stop()


async def test_the_next_batch_is_looked_up_while_one_is_handled_and_is_not_told_as_handled(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "LOOK_S", 0.0)  # offsets are told after every batch
    monkeypatch.setattr(consumers, "MAX_RECORDS", BATCH)  # the next one is looked up as soon as it is full
    look_up, asked = LedgerConsumer._stored, list[int]()

    async def noted(self: LedgerConsumer, positions: Sequence[int]) -> Any:
        found = await look_up(self, positions)
        asked.extend(positions)
        return found

    async def nothing(_: LedgerConsumer) -> None:
        """What is read beside the bus is another matter."""

    monkeypatch.setattr(LedgerConsumer, "_stored", noted)
    monkeypatch.setattr(LedgerConsumer, "_look", nothing)
    async with site.relaying("observer") as ledger, site.seeing("differ") as seen:
        held = Held(seen.pool)
        async with site.consuming("differ", held, "state"):
            await observe(ledger, 25, in_batches_of=25)
            await eventually(lambda: held.begun == 1, "the first batch is under way")
            await eventually(lambda: len(asked) > BATCH, "another is looked up beside it")
            assert await seen.positions() == []
            held.go.release()
            await eventually(lambda: held.begun == 2, "the next batch is under way")
            handled = len(await seen.positions())
            assert 0 < handled <= BATCH
            assert await _told(site) == handled
        again = Held(seen.pool)
        again.go = asyncio.Semaphore(1_000)
        async with site.consuming("differ", again, "state"):

            async def all_of_them() -> bool:
                return len(await seen.positions()) >= 25

            await eventually(all_of_them, "what was cut off")
        assert sorted(await seen.positions()) == list(range(25))
