"""From the bus to a durable gap, with all services running: how many events a second, and how long one takes.

`loop_events_per_s`: upstream messages, one in fifty of which drifts, from the first one sent until the gap of the
last is committed. `drift_to_gap_p50_ms` and `_p99_ms`: at 1,000 messages a second, one in ten of which drifts, from
the moment a drifting message is handed to the producer until the database tells that its GapOpened is committed (it
tells the relay the same). Reference for both: the bare path with no product around it, one process that takes the
same messages from a topic, decodes them, inserts the rows, decides one CEL condition and inserts the gaps, committing
each fetch.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from cel_expr_python import cel
from cli.stack import cluster, development
from cli.stack.stack import KAFKA_PROJECT, BrokerKind, Stack
from common.bus import Address
from common.declarations.loader import load
from common.events.differ import GapOpened
from common.ledger.progress import quiescent
from common.topics import BY_NAME, SERVICES

from bench.declaring import declare
from bench.realms import fresh_folder

COUNT = 20_000
DRIFTS_EVERY = {"throughput": 50, "latency": 10}
"""Of so many messages one drifts. What a case costs further on (planner, approver, auditor) shares the machine."""
RATE_PER_S = 1_000
SECONDS = 10
WARM_UP_S = 3
STEP_S = 0.01
LOOK_S = 0.004
LIMIT_S = 120.0
START = "2023-07-03T00:00:00Z"
BARE_TOPIC = "trueup.bench.bare.v1"
_TEXT = "Cash was drawn before it was needed, and the interest was not returned. " * 3
DECLARATIONS = """
apiVersion: trueup/v1alpha1
kind: EntityType
metadata: {name: thing}
spec:
  about: A thing.
  source: bench
  key: id
  freshFor: 35 days
  attributes:
    title:  {from: title}
    owner:  {from: owner}
    status: {from: status, read: {open: open, closed: closed}}
    amount: {from: amount, read: number}
    due:    {from: due, read: yyyy-MM-dd}
---
apiVersion: trueup/v1alpha1
kind: DesiredState
metadata: {name: things-on-time}
spec:
  statement: Every thing is closed when it was promised.
  basis: Bench
  owner: nobody
  effective: 2023-01-01
  selector: {entity: thing, where: owner != 'nobody'}
  done: status == 'closed'
  severity: {high: amount > 100000, medium: otherwise}
  expectations:
    - {name: dated, when: status == 'open', expect: known(due), says: There is no date.}
  deadlines:
    - {name: closed, expect: done, by: due, says: "Promised for {due}, still {status}."}
  verification: {proof: done, soak: 1 day, within: 9 days}
  remediation: {autonomy: L1}
"""


def message(name: str, drifts: bool) -> bytes:
    """One upstream message of about 500 bytes for an entity of its own; a drifting one is past its date."""
    row = {
        "id": name,
        "title": f"Thing {name}",
        "text": _TEXT,
        "owner": "Transportation",
        "status": "open",
        "amount": 7,
        "due": "2023-06-30" if drifts else "2023-12-31",
    }
    return orjson.dumps(
        {
            "specversion": "1.0",
            "id": f"m-{name}",
            "source": "bench",
            "type": "trueup.upstream.observed.v1",
            "time": "2023-07-02T00:00:00Z",
            "data": {"entity_type": "thing", "row": row},
        }
    )


@dataclass
class Sent:
    """What was sent, and when the gaps of what drifted were seen: entity key -> `perf_counter`."""

    at: dict[str, float] = field(default_factory=dict)
    seen: dict[str, float] = field(default_factory=dict)

    def latencies_ms(self, after: float) -> list[float]:
        return sorted(1000 * (self.seen[key] - sent) for key, sent in self.at.items() if sent >= after)


def measure() -> list[dict[str, Any]]:
    """The figures in the form of `bench.json`."""
    kind: BrokerKind = "kafka" if (KAFKA_PROJECT / "lib").is_dir() and shutil.which("java") else "embedded"
    with fresh_folder() as folder:
        stack = Stack(folder, realm="bench", broker=kind, clock=f"replay:{START}", run=SERVICES)
        development.provide(stack.config, "bench")
        with stack:
            return asyncio.run(_measure(stack))


async def _measure(stack: Stack) -> list[dict[str, Any]]:
    loaded = load(DECLARATIONS, "bench")
    assert not loaded.problems, loaded.problems
    await declare(stack.database_url("approver"), stack.realm, loaded.documents, START)
    reader = await asyncpg.connect(stack.database_url("reader"))
    producer = _producer(stack, "upstream")
    await producer.start()
    topic = BY_NAME["observations"].full_name(stack.realm)
    try:
        await _settled(reader)
        throughput = await _throughput(producer, topic, lambda sent: _gaps(reader, sent))
        await _settled(reader)
        latency = await _latency(producer, topic, lambda sent: _gaps(reader, sent))
    finally:
        await producer.stop()
        await reader.close()
    for service in SERVICES:
        stack.stop_service(service)
    bare_throughput, bare_latency = await _bare(stack)
    return _figures(stack.broker.kind, throughput, latency, bare_throughput, bare_latency)


def _figures(
    broker: str, throughput: float, latency: list[float], bare_throughput: float, bare_latency: list[float]
) -> list[dict[str, Any]]:
    bare = "bare: topic, insert, CEL, insert in one process"
    figures: list[dict[str, Any]] = [
        {
            "name": "loop_events_per_s",
            "value": round(throughput),
            "unit": "events/s",
            "reference": round(bare_throughput),
        }
    ]
    for name, part in (("p50", 50), ("p99", 99)):
        ours, theirs = (statistics.quantiles(values, n=100)[part - 1] for values in (latency, bare_latency))
        figures.append(
            {"name": f"drift_to_gap_{name}_ms", "value": round(ours, 1), "unit": "ms", "reference": round(theirs, 1)}
        )
    return [
        figure | {"reference_name": bare, "ratio": round(figure["value"] / figure["reference"], 3), "broker": broker}
        for figure in figures
    ]


async def _throughput(
    producer: AIOKafkaProducer, topic: str, gaps: Callable[[Sent], Any], count: int = COUNT
) -> float:
    """Messages per second, from the first one sent until the last gap is seen."""
    sent, every = Sent(), DRIFTS_EVERY["throughput"]
    batch = [(f"T-{number:06}", number % every == every - 1) for number in range(count)]
    values = [message(*item) for item in batch]
    watching = asyncio.create_task(gaps(sent))
    began = time.perf_counter()
    sent.at = {name: began for name, drifts in batch if drifts}
    for start in range(0, count, 2_000):
        await _send(producer, topic, values[start : start + 2_000], start)
    async with asyncio.timeout(LIMIT_S):
        await watching
    return count / (max(sent.seen.values()) - began)


async def _latency(producer: AIOKafkaProducer, topic: str, gaps: Callable[[Sent], Any]) -> list[float]:
    """How long each drift took, in ms, at a steady rate and after a warm-up."""
    sent, every = Sent(), DRIFTS_EVERY["latency"]
    step = round(RATE_PER_S * STEP_S)
    steps = round((WARM_UP_S + SECONDS) / STEP_S)
    names = [(f"L-{number:06}", number % every == 0) for number in range(step * steps)]
    values = [message(*item) for item in names]
    sent.at = {name: float("inf") for name, drifts in names if drifts}
    watching = asyncio.create_task(gaps(sent))
    began = time.perf_counter()
    for number in range(steps):
        await asyncio.sleep(max(0.0, began + number * STEP_S - time.perf_counter()))
        first = number * step
        now = time.perf_counter()
        sent.at |= {name: now for name, drifts in names[first : first + step] if drifts}
        await _send(producer, topic, values[first : first + step], first, wait=False)
    async with asyncio.timeout(LIMIT_S):
        await watching
    return sent.latencies_ms(began + WARM_UP_S)


async def _send(producer: AIOKafkaProducer, topic: str, values: list[bytes], first: int, wait: bool = True) -> None:
    partitions = BY_NAME["observations"].partitions
    futures = [
        await producer.send(topic, value, partition=(first + number) % partitions)
        for number, value in enumerate(values)
    ]
    if wait:
        await asyncio.gather(*futures)


async def _gaps(reader: Any, sent: Sent) -> None:
    """Watch the ledger until every drift of `sent` has its gap."""
    position = await reader.fetchval("SELECT position FROM ledger.head")
    committed = asyncio.Event()
    await reader.add_listener("ledger_differ", lambda *_: committed.set())
    while len(sent.seen) < len(sent.at):
        await committed.wait()
        committed.clear()
        now = time.perf_counter()
        rows = await reader.fetch(
            "SELECT position, case_id FROM ledger.events WHERE position > $1 AND type = $2 ORDER BY position",
            position,
            GapOpened.TYPE,
        )
        sent.seen |= {row["case_id"].split("/")[1]: now for row in rows}
        position = rows[-1]["position"] if rows else position
    await reader.reset()


async def _settled(reader: Any) -> None:
    """Wait until the services have nothing left to do, as `trueup status` tells."""
    deadline = time.monotonic() + LIMIT_S
    while not (answer := await quiescent(reader))[0]:
        if time.monotonic() > deadline:
            raise RuntimeError(f"the services are not done after {LIMIT_S:.0f} s: {answer[1]}")
        await asyncio.sleep(0.1)


def _address(stack: Stack, user: str) -> Address:
    login = stack.kafka_credentials(user)
    return Address(
        realm=stack.realm, service=user, brokers=stack.brokers,
        user=login.user if login else None, password=login.password if login else None,
    )  # fmt: skip


def _producer(stack: Stack, user: str) -> AIOKafkaProducer:
    options = _address(stack, user).client_options
    return AIOKafkaProducer(**options, acks="all", linger_ms=0, max_batch_size=256 * 1024)


# The bare path


async def _bare(stack: Stack) -> tuple[float, list[float]]:
    """The same two measurements with nothing but the parts."""
    admin = stack.kafka_credentials("admin")
    cluster.create_topics(stack.brokers, admin, {BARE_TOPIC: BY_NAME["observations"].partitions})
    connection = await asyncpg.connect(stack.database_admin_url)
    await connection.execute("CREATE TABLE bare_events (key text, event text); CREATE TABLE bare_gaps (key text)")
    producer = _producer(stack, "admin")
    consumer = AIOKafkaConsumer(
        BARE_TOPIC, **_address(stack, "admin").client_options, auto_offset_reset="earliest", fetch_max_wait_ms=10
    )
    seen: dict[str, float] = {}
    async with contextlib.AsyncExitStack() as parts:
        parts.push_async_callback(connection.close)
        for client in (producer, consumer):
            await client.start()
            parts.push_async_callback(client.stop)
        task = asyncio.create_task(_bare_consumer(consumer, connection, seen))
        parts.callback(task.cancel)

        async def gaps(sent: Sent) -> None:
            while len(sent.seen) < len(sent.at):
                if task.done():
                    task.result()
                sent.seen = {key: seen[key] for key in sent.at if key in seen}
                await asyncio.sleep(LOOK_S)

        throughput = await _throughput(producer, BARE_TOPIC, gaps)
        latency = await _latency(producer, BARE_TOPIC, gaps)
    return throughput, latency


async def _bare_consumer(consumer: AIOKafkaConsumer, connection: Any, seen: dict[str, float]) -> None:
    environment = cel.NewEnv(variables={"status": cel.Type.STRING, "due": cel.Type.STRING})
    condition = environment.compile("status == 'closed' || due > '2023-07-03'")
    while True:
        fetched = await consumer.getmany(timeout_ms=250, max_records=500)
        rows = [orjson.loads(record.value)["data"]["row"] for records in fetched.values() for record in records]
        if not rows:
            continue
        late = [
            row["id"]
            for row in rows
            if condition.eval(environment.Activation({"status": row["status"], "due": row["due"]})).value() is False
        ]
        async with connection.transaction():
            await connection.execute(
                "INSERT INTO bare_events SELECT * FROM unnest($1::text[], $2::text[])",
                [row["id"] for row in rows],
                [orjson.dumps(row).decode() for row in rows],
            )
            await connection.execute("INSERT INTO bare_gaps SELECT unnest($1::text[])", late)
        now = time.perf_counter()
        seen.update(dict.fromkeys(late, now))


if __name__ == "__main__":
    sys.stdout.write(f"{measure()}\n")
