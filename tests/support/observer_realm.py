"""A realm in which the observer alone runs, as a process; the approver's part is written by the test."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
import httpx
import orjson
from aiokafka import AIOKafkaProducer
from cli.stack.stack import Stack
from common.bus import Address
from common.clock import parse_instant, wall_now
from common.events import Event, EventData, Origin, new_event
from common.events.approver import ClockAdvanced, RealmCreated
from common.ids import REALM_STREAM
from common.ledger import Appended, Ledger, NewEvent
from common.topics import BY_NAME

from support import declared
from support.upstream_modes import Sent

START = "2023-07-03T00:00:00Z"
FEED = "audit-tracker"
OTHER_FEED = "control-testing"
TOKENS = {FEED: "token-of-the-tracker", OTHER_FEED: "token-of-testing", "*": "token-of-operations"}
FINDING = {
    "about": "An audit finding.",
    "source": FEED,
    "key": "reference",
    "attributes": {"title": {"from": "title"}},
}
WAIT_S = 30.0


def message(upstream_id: str, key: str, *, title: str = "a", **envelope: Any) -> dict[str, Any]:
    """A good upstream message; `envelope` overrides its attributes."""
    return {
        "specversion": "1.0",
        "id": upstream_id,
        "source": FEED,
        "type": "trueup.upstream.observed.v1",
        "time": "2023-07-02T00:00:00Z",
        "data": {"entity_type": "finding", "row": {"reference": key, "title": title}},
        **envelope,
    }


def write_feeds(stack: Stack) -> None:
    """The file of the feeds' tokens, before the observer starts."""
    feeds = {feed: hashlib.sha256(token.encode()).hexdigest() for feed, token in TOKENS.items()}
    (stack.config / "feeds.json").write_text(json.dumps(feeds))


@dataclass
class ObserverRealm:
    stack: Stack
    reader: Any
    producer: AIOKafkaProducer
    address: Address

    # -- the approver's part

    async def append_as_approver(self, stream: str, *data: EventData) -> None:
        origin = Origin(source="approver", actor="person:a.b", time=wall_now(), asof=parse_instant(START))
        await self._put([new_event(item, stream, origin, str(time.monotonic_ns())) for item in data])

    async def _put(self, events: Iterable[Event]) -> None:
        pool = await asyncpg.create_pool(self.stack.database_url("approver"), min_size=1, max_size=1)
        try:
            for event in events:
                (answer,) = await Ledger(pool).append([[NewEvent(event)]])
                assert isinstance(answer, Appended), answer
        finally:
            await pool.close()

    async def create(self) -> None:
        created = RealmCreated(realm=self.stack.realm, mode="replay", timezone="UTC", start=START)
        await self.append_as_approver(REALM_STREAM, created)

    async def declare(self, name: str, spec: dict[str, Any]) -> None:
        document = declared.Page("EntityType", name, spec)
        for events in declared.events([document], parse_instant(START)):
            await self._put(events)

    async def advance(self, to: str) -> None:
        await self.append_as_approver(REALM_STREAM, ClockAdvanced(was=START, now=to))

    # -- upstream

    async def publish(self, *values: bytes | dict[str, Any], partition: int | None = None) -> None:
        topic = BY_NAME["observations"].full_name(self.stack.realm)
        encoded = [value if isinstance(value, bytes) else orjson.dumps(value) for value in values]
        sent = [await self.producer.send(topic, value, partition=partition) for value in encoded]
        await asyncio.gather(*sent)

    async def send(self, *records: Sent, compression: str | None = None) -> None:
        """Values with headers, in order, to one partition; with `compression` as one batch of that codec."""
        topic = BY_NAME["observations"].full_name(self.stack.realm)
        options = {**self.address.client_options, "acks": "all", "linger_ms": 200, "max_batch_size": 1024 * 1024}
        async with AIOKafkaProducer(
            **options, max_request_size=64 * 1024 * 1024, compression_type=compression
        ) as one:
            sent = [await one.send(topic, value, partition=3, headers=list(headers)) for value, headers in records]
            await asyncio.gather(*sent)

    def http(self, feed: str | None = FEED) -> httpx.AsyncClient:
        headers = {"authorization": f"Bearer {TOKENS[feed]}"} if feed else {}
        return httpx.AsyncClient(base_url=self.stack.urls["observer"], headers=headers, trust_env=False, timeout=30)

    async def post(self, messages: Sequence[dict[str, Any]], **query: str) -> list[dict[str, Any]]:
        async with self.http() as client:
            response = await client.post("/v1/observations", content=orjson.dumps(messages), params=query)
        assert response.status_code == 200, response.text
        results: list[dict[str, Any]] = response.json()["results"]
        return results

    # -- what came of it

    async def events(self, event_type: type[EventData] | None = None) -> list[Event]:
        rows = await self.reader.fetch(
            "SELECT event FROM ledger.events WHERE source = 'observer' AND ($1::text IS NULL OR type = $1) "
            "ORDER BY position",
            event_type.TYPE if event_type else None,
        )
        return [Event.decode(row["event"]) for row in rows]

    async def wait(self, enough: Callable[[list[Event]], bool]) -> list[Event]:
        """The observer's events as soon as `enough` holds of them."""
        deadline = time.monotonic() + WAIT_S
        while not enough(found := await self.events()):
            assert time.monotonic() < deadline, f"still only {len(found)} events; {self.log_tail()}"
            await asyncio.sleep(0.05)
        return found

    async def wait_for(self, count: int) -> list[Event]:
        return await self.wait(lambda events: len(events) >= count)

    def log_tail(self) -> str:
        return "\n".join(self.stack.log("observer").read_text().splitlines()[-10:])


@asynccontextmanager
async def observer_realm(stack: Stack) -> Any:
    """The realm of a stack whose servers run; the stack is its maker's to stop."""
    login = stack.kafka_credentials("upstream")
    address = Address(
        realm=stack.realm,
        service="upstream",
        brokers=stack.brokers,
        user=login.user if login else None,
        password=login.password if login else None,
    )
    producer = AIOKafkaProducer(**address.client_options, acks="all", max_request_size=1024 * 1024)
    await producer.start()
    reader = await asyncpg.connect(stack.database_url("reader"))
    try:
        yield ObserverRealm(stack, reader, producer, address)
    finally:
        await reader.close()
        await producer.stop()
