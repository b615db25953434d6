"""How many upstream messages a second one observer process takes from the bus, checks and makes durable.

The messages are on the topic before the observer starts. The clock runs from its first commit to its last, so that
the start of the interpreter and the joining of the consumer group are not in the figure; the relay, which publishes
what is committed in the same process, is. Reference: COPY of the same rows into a table without indexes.
"""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import sys
import time
from typing import Any

import asyncpg
import orjson
from aiokafka import AIOKafkaProducer
from cli.stack.stack import KAFKA_PROJECT, BrokerKind, Stack
from common.bus import Address
from common.clock import parse_instant, wall_now
from common.declarations.loader import load
from common.events import Origin, new_event
from common.events.approver import RealmCreated
from common.ids import REALM_STREAM
from common.ledger import Appended, Ledger, NewEvent
from common.topics import BY_NAME

from bench.declaring import declare
from bench.realms import fresh_folder

COUNT = 60_000
LIMIT_S = 120.0
START = "2023-07-03T00:00:00Z"
DECLARATIONS = """
apiVersion: trueup/v1alpha1
kind: EntityType
metadata: {name: thing}
spec:
  about: A thing.
  source: bench
  key: id
  attributes: {title: {from: title}}
"""
_TEXT = "Cash was drawn before it was needed, and the interest was not returned. " * 3


def messages(count: int) -> list[bytes]:
    """`count` upstream messages of about 500 bytes, each for an entity of its own."""
    return [
        orjson.dumps(
            {
                "specversion": "1.0",
                "id": f"m-{number}",
                "source": "bench",
                "type": "trueup.upstream.observed.v1",
                "time": "2023-07-02T00:00:00Z",
                "data": {
                    "entity_type": "thing",
                    "row": {
                        "id": f"K-{number:06}",
                        "title": hashlib.sha256(str(number).encode()).hexdigest(),
                        "text": _TEXT,
                        "owner": "Transportation",
                        "status": "open",
                        "amount": number,
                        "due": "2023-06-30",
                    },
                },
            }
        )
        for number in range(count)
    ]


def measure() -> list[dict[str, Any]]:
    """The figure in the form of `bench.json`."""
    kind: BrokerKind = "kafka" if (KAFKA_PROJECT / "lib").is_dir() and shutil.which("java") else "embedded"
    with fresh_folder() as folder, Stack(folder, realm="bench", broker=kind, run=()) as stack:
        return asyncio.run(_measure(stack))


async def _measure(stack: Stack) -> list[dict[str, Any]]:
    await _declare(stack)
    batch = messages(COUNT)
    await _publish(stack, batch)
    reader = await asyncpg.connect(stack.database_url("reader"))
    try:
        ours = await _ingest(stack, reader)
    finally:
        await reader.close()
    stack.stop_service("observer")
    reference = await _copy(stack, batch)
    return [
        {
            "name": "ingest_events_per_s",
            "value": round(ours),
            "unit": "events/s",
            "reference_name": "COPY of the same rows",
            "reference": round(reference),
            "ratio": round(ours / reference, 3),
            "broker": stack.broker.kind,
        }
    ]


async def _declare(stack: Stack) -> None:
    created = RealmCreated(realm=stack.realm, mode="replay", timezone="UTC", start=START)
    origin = Origin(source="approver", actor="service:approver", time=wall_now(), asof=parse_instant(START))
    pool = await asyncpg.create_pool(stack.database_url("approver"), min_size=1, max_size=1)
    (answer,) = await Ledger(pool).append([[NewEvent(new_event(created, REALM_STREAM, origin, "bench"))]])
    assert isinstance(answer, Appended), answer
    await pool.close()
    loaded = load(DECLARATIONS, "bench")
    assert not loaded.problems, loaded.problems
    await declare(stack.database_url("approver"), stack.realm, loaded.documents, START)


async def _publish(stack: Stack, batch: list[bytes]) -> None:
    login = stack.kafka_credentials("upstream")
    address = Address(
        realm=stack.realm, service="upstream", brokers=stack.brokers,
        user=login.user if login else None, password=login.password if login else None,
    )  # fmt: skip
    producer = AIOKafkaProducer(**address.client_options, acks="all", linger_ms=5, max_batch_size=256 * 1024)
    await producer.start()
    topic = BY_NAME["observations"]
    try:
        for start in range(0, len(batch), 5_000):
            sent = [
                await producer.send(address.topic(topic), value, partition=number % topic.partitions)
                for number, value in enumerate(batch[start : start + 5_000])
            ]
            await asyncio.gather(*sent)
    finally:
        await producer.stop()


async def _ingest(stack: Stack, reader: Any) -> float:
    """Events per second from the first commit to the last."""

    async def head() -> int:
        position: int = await reader.fetchval("SELECT position FROM ledger.head")
        return position

    before = await head()
    stack.start_service("observer", wait=False)
    deadline = time.monotonic() + LIMIT_S
    first, began = before, 0.0
    while (now := await head()) < before + COUNT:
        if time.monotonic() > deadline:
            raise RuntimeError(f"only {now - before} of {COUNT} were stored within {LIMIT_S:.0f} s")
        if first == before and now > before:
            first, began = now, time.perf_counter()
        await asyncio.sleep(0.005)
    seconds = time.perf_counter() - began
    wrong = await reader.fetchval("SELECT count(*) FROM ledger.events WHERE type = 'trueup.observation.rejected.v1'")
    assert wrong == 0, f"{wrong} messages were refused"
    return (before + COUNT - first) / seconds


async def _copy(stack: Stack, batch: list[bytes]) -> float:
    """Rows per second of COPY of the messages into a plain table, committed."""
    connection = await asyncpg.connect(stack.database_admin_url)
    try:
        await connection.execute("CREATE TABLE plain (event text NOT NULL)")
        rows = [(value.decode(),) for value in batch]
        began = time.perf_counter()
        await connection.copy_records_to_table("plain", records=rows)
        return len(rows) / (time.perf_counter() - began)
    finally:
        await connection.close()


if __name__ == "__main__":
    sys.stdout.write(f"{measure()}\n")
