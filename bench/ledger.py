"""How fast the ledger takes batches, beside COPY of the same rows into an identical table, in the same run."""

from __future__ import annotations

import asyncio
import secrets
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
from common.clock import instant, wall_now
from common.events import Event
from common.ledger import Appended, NewEvent, append

from bench.realms import fresh_folder, fresh_realm

BATCH = 500
EVENT_BYTES = 500
BATCHES = 40
ROUNDS = 5
_COLUMNS = ("position", "event", "source", "id", "stream", "version", "type", "case_id", "recorded_at")


def measure() -> list[dict[str, Any]]:
    """The figure in the form of `bench.json`."""
    with fresh_folder() as folder, fresh_realm(folder) as realm:
        return asyncio.run(ledger_append(realm.url("observer"), realm.admin_url))


async def ledger_append(observer_url: str, admin_url: str) -> list[dict[str, Any]]:
    """`ledger_append_batch_events_per_s`, the median of rounds that alternate with the reference.

    `observer_url` logs in as the observer of a realm that may be filled with made-up events; `admin_url` as an
    administrator of the same database, who gets a schema `bench`. Events are encoded beforehand, on both sides.
    """
    appender = await asyncpg.connect(observer_url)
    admin = await asyncpg.connect(admin_url)
    try:
        await admin.execute("DROP SCHEMA IF EXISTS bench CASCADE")
        await admin.execute("CREATE SCHEMA bench CREATE TABLE events (LIKE ledger.events INCLUDING ALL)")
        ours, theirs = [], []
        for number in range(ROUNDS):
            events = [[an_event() for _ in range(BATCH)] for _ in range(BATCHES)]
            ours.append(await _append(appender, events))
            theirs.append(await _copy(admin, events, number * BATCHES * BATCH))
        await admin.execute("DROP SCHEMA bench CASCADE")
    finally:
        await appender.close()
        await admin.close()
    value, reference = statistics.median(ours), statistics.median(theirs)
    return [
        {
            "name": "ledger_append_batch_events_per_s",
            "value": round(value),
            "unit": "events/s",
            "reference_name": f"COPY of the same rows into an identical table, batches of {BATCH}",
            "reference": round(reference),
            "ratio": round(statistics.median(a / b for a, b in zip(ours, theirs, strict=True)), 3),
        }
    ]


def an_event() -> Event:
    """A made-up observation of about `EVENT_BYTES` bytes, on a stream of its own."""
    now = instant(wall_now())
    event = Event(
        id=secrets.token_hex(16),
        source="observer",
        type="trueup.entity.observed.v1",
        subject=f"entity/finding/{secrets.token_hex(6)}",
        time=now,
        asof=now,
        actor="feed:bench",
        data={"row": {"text": "x" * 200}},
    )
    missing = EVENT_BYTES - len(event.encode())
    event.data["row"]["text"] += "x" * max(0, missing)
    return event


@dataclass(frozen=True, slots=True)
class _Encoded(NewEvent):
    """Encoded once, outside the measured time, as the rows of the reference are."""

    text: str = ""

    def encode(self) -> str:
        return self.text


async def _append(connection: Any, batches: Sequence[Sequence[Event]]) -> float:
    requests = [[[_Encoded(event, None, event.encode().decode())] for event in batch] for batch in batches]
    start = time.perf_counter()
    for batch in requests:
        answers = await append(connection, batch)
        assert all(type(answer) is Appended for answer in answers)
    return sum(map(len, batches)) / (time.perf_counter() - start)


async def _copy(connection: Any, batches: Sequence[Sequence[Event]], position: int) -> float:
    now = wall_now()
    records = []
    for batch in batches:
        rows = []
        for event in batch:
            text = event.encode().decode()
            rows.append((position, text, event.source, event.id, event.subject, 1, event.type, None, now))
            position += 1
        records.append(rows)
    start = time.perf_counter()
    for rows in records:
        await connection.copy_records_to_table("events", schema_name="bench", records=rows, columns=_COLUMNS)
    return sum(map(len, batches)) / (time.perf_counter() - start)
