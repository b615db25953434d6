"""Services on the bus, in the test's own loop: what they are given, and what they make of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from cli.stack.realm import Realm
from common.bus import Address, Bus, Consumer, RawConsumer
from common.ledger import Appended, Connection, Ledger, NewEvent, Recorded, progress
from common.topics import BY_NAME

from support.ledgers import an_event, connected

WAIT_S = 60.0


async def eventually(holds: Callable[[], Awaitable[bool] | bool], what: str) -> None:
    """Return as soon as it holds; fail when it does not within a minute."""
    async with asyncio.timeout(WAIT_S):
        while True:
            result = holds()
            if result if isinstance(result, bool) else await result:
                return
            await asyncio.sleep(0.02)
    raise AssertionError(what)


@dataclass
class Seen:
    """A handler that remembers, durably, what it was given: one row per event in the service's own schema."""

    pool: Any
    poison: set[str] = field(default_factory=set)
    fail: Callable[[Sequence[Recorded]], None] | None = None
    batches: list[int] = field(default_factory=list)

    async def handle(self, connection: Connection, events: Sequence[Recorded]) -> None:
        if self.fail is not None:
            self.fail(events)
        for recorded in events:
            if recorded.event.id in self.poison:
                raise KeyError(recorded.event.id)
        await connection.executemany(
            "INSERT INTO seen (position) VALUES ($1)", [(recorded.position,) for recorded in events]
        )
        self.batches.append(len(events))

    async def positions(self) -> list[int]:
        """In the order in which they were handled. A position handled twice is there twice."""
        return [row["position"] for row in await self.pool.fetch("SELECT position FROM seen ORDER BY number")]


@dataclass
class Site:
    """One realm and whoever is on its bus."""

    realm: Realm

    def address(self, service: str) -> Address:
        bus = self.realm.bus
        assert bus is not None
        credentials = bus.credentials(service)
        return Address(
            realm=self.realm.name,
            service=service,
            brokers=bus.address,
            user=credentials.user if credentials else None,
            password=credentials.password if credentials else None,
        )

    @asynccontextmanager
    async def relaying(self, service: str) -> AsyncIterator[Ledger]:
        """The ledger for `service`, whose relay runs."""
        async with connected(self.realm, service) as pool:
            bus = Bus(self.address(service), pool, self.realm.url(service))
            async with running(bus):
                yield Ledger(pool)

    @asynccontextmanager
    async def seeing(self, service: str, *topics: str, size: int = 4) -> AsyncIterator[Seen]:
        """A consumer of `topics`, not started: `consuming` starts it."""
        async with connected(self.realm, service, size) as pool:
            await pool.execute(
                "CREATE TABLE IF NOT EXISTS seen (number bigserial PRIMARY KEY, position bigint NOT NULL)"
            )
            yield Seen(pool)

    @asynccontextmanager
    async def consuming(self, service: str, seen: Seen, *topics: str) -> AsyncIterator[Bus]:
        """`seen` gets the events of `topics` until the end."""
        bus = Bus(self.address(service), seen.pool, self.realm.url(service), [Consumer(topics, seen.handle)])
        async with running(bus):
            yield bus

    @asynccontextmanager
    async def consuming_raw(self, pool: Any, consumer: RawConsumer) -> AsyncIterator[Bus]:
        bus = Bus(self.address("observer"), pool, self.realm.url("observer"), raw=consumer)
        async with running(bus):
            yield bus

    async def dead_letters(self) -> list[dict[str, str]]:
        """The headers of all dead letters, and their value under `value`."""
        return [
            {name: value.decode() for name, value in record.headers}
            | {"value": record.value.decode(errors="replace")}
            for record in await self.messages("dead-letters")
        ]

    async def messages(self, topic: str) -> list[Any]:
        """Everything that is on a topic, read until nothing more comes.

        Read as the administrator where the broker has users: services may not read everything. The embedded
        broker's end offsets can be too low, so they are not asked for.
        """
        address = self.address("admin" if self.address("observer").user else "observer")
        # Not sought: aiokafka may answer a seek to the beginning with a reset to the end that began before it.
        kafka = AIOKafkaConsumer(
            **address.client_options | {"auto_offset_reset": "earliest", "enable_auto_commit": False}
        )
        await kafka.start()
        try:
            known = BY_NAME[topic]
            name = address.topic(known)
            kafka.assign([TopicPartition(name, number) for number in range(known.partitions)])
            found: list[Any] = []
            silent = 0
            while silent < 3:
                records = [record for some in (await kafka.getmany(timeout_ms=200)).values() for record in some]
                found += records
                silent = 0 if records else silent + 1
            return found
        finally:
            await kafka.stop()


@asynccontextmanager
async def running(bus: Bus) -> AsyncIterator[None]:
    """The bus runs until the end, and is cut off then, as by a crash."""
    task = asyncio.create_task(bus.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def observe(ledger: Ledger, count: int, in_batches_of: int = 10) -> list[int]:
    """Append so many observations: their positions."""
    positions: list[int] = []
    for start in range(0, count, in_batches_of):
        requests = [[NewEvent(an_event())] for _ in range(min(in_batches_of, count - start))]
        for answer in await ledger.append(requests):
            assert isinstance(answer, Appended)
            positions += answer.positions
    return positions


async def all_published(pool: Any, service: str) -> bool:
    """Whether the relay of `service` has nothing left to send."""
    return (await progress.progress(pool)).unrelayed.get(service, 0) == 0
