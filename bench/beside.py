"""Appending one by one, by group commit, and in batches, beside other event stores on the same server.

`ledger_group_commit_events_per_s` and `ledger_group_commit_p99_ms`: 128 producers that each append one event and wait
until it is durable, in a server that has been through a checkpoint. References, each in the same run on the same
PostgreSQL with events of the same size:

- `eventsourcing` (PyPI; its PostgreSQL application recorder in default mode), in batches of 500 and singly;
- message-db (npm; its function `write_message`), singly, through asyncpg like the ledger.

What is missing on this machine (npm, its registry) is said and left out.
"""

from __future__ import annotations

import asyncio
import secrets
import shutil
import statistics
import subprocess
import sys
import tarfile
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import asyncpg
from cli.stack.realm import Realm
from common.ledger import Appended, Ledger, NewEvent, append
from common.runtime import no_leftovers
from eventsourcing.persistence import StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore

from bench.ledger import BATCH, EVENT_BYTES, an_event
from bench.realms import disk_sync_p99_ms, fresh_folder, fresh_realm, with_a_used_log

MESSAGE_DB = "@eventide/message-db@1.3.1"
PRODUCERS = 128
ROUNDS = 5
GROUPED = 25_600
SINGLE = 300
BATCHES = 10
_SQL = (
    *(f"functions/{name}.sql" for name in ("message-store-version", "hash-64", "acquire-lock", "category")),
    *(f"functions/{name}.sql" for name in ("is-category", "id", "cardinal-id", "stream-version", "write-message")),
)


def measure() -> list[dict[str, Any]]:
    """The figures in the form of `bench.json`."""
    with fresh_folder() as folder, fresh_realm(folder) as realm:
        return asyncio.run(_measure(realm, folder, _message_db_files(folder)))


async def _measure(realm: Realm, folder: Path, files: Path | None) -> list[dict[str, Any]]:
    """Rounds that alternate between the stores: a disk that is slow for a moment is slow for all of them."""
    await with_a_used_log(realm.admin_url)
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(
            asyncpg.create_pool(realm.url("observer"), min_size=1, max_size=4, reset=no_leftovers)
        )
        connection = await stack.enter_async_context(pool.acquire())
        eventsourcing = stack.enter_context(_eventsourcing(realm.admin_url))
        message_db = await _message_db(stack, realm.admin_url, files) if files is not None else None
        grouped, p99s, syncs, ours, batches, theirs, their_batches, messages = ([] for _ in range(8))
        for _ in range(ROUNDS):
            rate, p99 = await _grouped(Ledger(pool))
            grouped.append(rate)
            p99s.append(p99)
            syncs.append(disk_sync_p99_ms(folder))
            ours.append(await _rate(_appending(connection, 1, SINGLE), SINGLE))
            theirs.append(_blocking_rate(partial(eventsourcing, 1), SINGLE))
            if message_db is not None:
                messages.append(await _rate(message_db, SINGLE))
            batches.append(BATCH * await _rate(_appending(connection, BATCH, BATCHES), BATCHES))
            their_batches.append(BATCH * _blocking_rate(partial(eventsourcing, BATCH), BATCHES))
    middle = statistics.median
    results = [
        _figure("ledger_group_commit_events_per_s", middle(grouped), "events/s", "one by one", middle(ours)),
        _figure("ledger_group_commit_p99_ms", middle(p99s), "ms",
                "writing 64 KB to the same disk and syncing them, p99 ms", middle(syncs)),
        _figure("ledger_batch_beside_eventsourcing", middle(batches), "events/s",
                f"eventsourcing, batches of {BATCH}", middle(their_batches)),
        _figure("ledger_single_beside_eventsourcing", middle(ours), "events/s", "eventsourcing, singly",
                middle(theirs)),
    ]  # fmt: skip
    if messages:
        results.append(
            _figure(
                "ledger_single_beside_message_db", middle(ours), "events/s", "message-db, singly", middle(messages)
            )
        )
    return results


def _figure(name: str, value: float, unit: str, reference_name: str, reference: float) -> dict[str, Any]:
    return {
        "name": name,
        "value": round(value, 2),
        "unit": unit,
        "reference_name": reference_name,
        "reference": round(reference, 2),
        "ratio": round(value / reference, 3),
    }


async def _grouped(ledger: Ledger) -> tuple[float, float]:
    """(events per second, p99 of the wait in ms)."""
    waits: list[float] = []

    async def produce(events: Sequence[NewEvent]) -> None:
        for event in events:
            began = time.perf_counter()
            (answer,) = await ledger.append([[event]])
            waits.append(time.perf_counter() - began)
            assert type(answer) is Appended, answer

    parts = [[NewEvent(an_event()) for _ in range(GROUPED // PRODUCERS)] for _ in range(PRODUCERS)]
    began = time.perf_counter()
    await asyncio.gather(*(produce(part) for part in parts))
    return len(waits) / (time.perf_counter() - began), 1000 * statistics.quantiles(waits, n=100)[98]


def _appending(connection: Any, count: int, times: int) -> Callable[[], Awaitable[None]]:
    """Appends `count` events in one transaction; the events are made beforehand, and encoded as they are appended."""
    waiting = [[[NewEvent(an_event())] for _ in range(count)] for _ in range(times + times // 10)]

    async def one() -> None:
        answers = await append(connection, waiting.pop())
        assert all(type(answer) is Appended for answer in answers)

    return one


async def _rate(do: Callable[[], Awaitable[None]], times: int) -> float:
    for _ in range(times // 10):
        await do()
    began = time.perf_counter()
    for _ in range(times):
        await do()
    return times / (time.perf_counter() - began)


@contextmanager
def _eventsourcing(admin_url: str) -> Iterator[Callable[[int], None]]:
    """Inserts so many events in one transaction, with the library's own recorder."""
    address = urlsplit(admin_url)
    store = PostgresDatastore(
        address.path.lstrip("/"), address.hostname or "", address.port or 0, address.username or "",
        unquote(address.password or ""), schema="public",
    )  # fmt: skip
    try:
        recorder = PostgresApplicationRecorder(store, events_table_name="stored_events")
        recorder.create_table()
        state = b"x" * EVENT_BYTES

        def insert(count: int) -> None:
            recorder.insert_events([StoredEvent(uuid.uuid4(), 1, "observed", state) for _ in range(count)])

        yield insert
    finally:
        store.close()


def _blocking_rate(do: Callable[[], None], times: int) -> float:
    for _ in range(times // 10):
        do()
    began = time.perf_counter()
    for _ in range(times):
        do()
    return times / (time.perf_counter() - began)


def _message_db_files(folder: Path) -> Path | None:
    """The package's SQL, fetched by npm; None where that can't be done."""
    npm = shutil.which("npm")
    fetched = npm and subprocess.run(  # noqa: S603 - a fixed package, found on PATH
        [npm, "pack", "--silent", MESSAGE_DB], cwd=folder, capture_output=True, text=True, check=False
    )
    archives = list(folder.glob("*.tgz"))
    if not fetched or fetched.returncode or not archives:
        sys.stderr.write(f"bench: {MESSAGE_DB} can't be fetched with npm here; it is left out\n")
        return None
    with tarfile.open(archives[0]) as archive:
        archive.extractall(folder / "message-db", filter="data")
    return folder / "message-db" / "package" / "database"


async def _message_db(stack: AsyncExitStack, admin_url: str, files: Path) -> Callable[[], Awaitable[None]]:
    """Writes one message in a transaction of its own."""
    connection = await asyncpg.connect(admin_url)
    stack.push_async_callback(connection.close)
    await connection.execute("CREATE SCHEMA message_store; SET search_path = message_store, public")
    for name in ("types/message.sql", *_SQL, "tables/messages.sql"):
        await connection.execute((files / name).read_text())
    for index in sorted((files / "indexes").glob("*.sql")):
        await connection.execute(index.read_text().replace("CONCURRENTLY", ""))
    data = '{"text": "' + "x" * (EVENT_BYTES - 100) + '"}'

    async def one() -> None:
        await connection.fetchval(
            "SELECT write_message($1, $2, $3, $4::jsonb)",
            str(uuid.uuid4()), f"thing-{secrets.token_hex(8)}", "Observed", data,
        )  # fmt: skip

    return one


if __name__ == "__main__":
    sys.stdout.write(f"{measure()}\n")
