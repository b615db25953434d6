"""The consumer factory for topics that others write: no positions, no inbox, nothing to look up.

Delivered at least once; the effect is exactly once because the handler derives its event ids from the messages.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from common.bus.connection import Address
from common.bus.deadletters import DeadLetters, Letter
from common.bus.engine import Offsets, in_halves, patiently
from common.bus.fetching import Fetched, Fetching
from common.bus.pauses import Metronome
from common.failpoints import failpoint
from common.ledger.client import Connection
from common.topics import BY_NAME

MAX_RECORDS = 1_000
_POLL_MS = 250
_COMMIT_S = 0.5
_log = logging.getLogger(__name__)


class RawRecord(NamedTuple):
    """A message as it came. `topic` is the short name; `headers` are in order, and a name may be there twice."""

    value: bytes
    topic: str
    partition: int
    offset: int
    key: bytes | None
    headers: tuple[tuple[str, bytes], ...]


RawHandler = Callable[[Connection, Sequence[RawRecord]], Awaitable[None]]
"""Runs in one open transaction and does its appends as the last statement. May see a message again."""
Rejected = Callable[[Connection, RawRecord, BaseException], Awaitable[None]]
"""Records, in a transaction of its own, that a message failed for good."""


@dataclass(frozen=True, slots=True)
class RawConsumer:
    """One topic and its handler. Without `rejected`, what fails for good goes to the dead letters.

    With `overlap` a batch is begun while the one before it is still being stored, so that reading it takes no time
    from the database. Two transactions are then open at once, and which commits first is not fixed.
    """

    topic: str
    handler: RawHandler
    rejected: Rejected | None = None
    max_records: int = MAX_RECORDS
    overlap: bool = False


class ForeignConsumer:
    """Consumes one topic that others write."""

    def __init__(
        self,
        address: Address,
        pool: Any,
        consumer: RawConsumer,
        dead_letters: DeadLetters,
        fetching: Fetching,
    ) -> None:
        self._service = address.service
        self._full_name = address.topic(BY_NAME[consumer.topic])
        self._fetching = fetching
        self._pool = pool
        self._consumer = consumer
        self._dead_letters = dead_letters

    async def run(self, joining: Awaitable[Any]) -> None:
        """Consume until cancelled; takes and raises what `LedgerConsumer.run` takes and raises."""
        kafka = await joining
        commit, offsets = Metronome(_COMMIT_S), Offsets()
        batches = _Batches(overlap=self._consumer.overlap)
        try:
            while True:
                # With a batch under way there is no need to wait for the next one: there is something to wait for.
                wait_ms = 0 if batches.under_way else _POLL_MS
                fetched = await self._fetching.fetch(kafka, wait_ms, self._consumer.max_records)
                if fetched:
                    failpoint(f"{self._service}.after_fetch")
                    await batches.begin(self._take(fetched))
                    offsets.passed([*fetched.records, *fetched.unreadable])
                else:
                    await batches.finish()
                if commit.due():
                    await batches.finish()
                    await offsets.commit(kafka)
        finally:
            await batches.abandon()

    async def _take(self, fetched: Fetched) -> None:
        raws = [
            RawRecord(
                record.value or b"",
                self._consumer.topic,
                record.partition,
                record.offset,
                record.key,
                tuple((name, value) for name, value in record.headers or () if value is not None),
            )
            for record in fetched.records
        ]
        await in_halves(raws, self._patiently, self._bury)
        for bad in fetched.unreadable:
            await self._bury(RawRecord(b"", self._consumer.topic, bad.partition, bad.offset, None, ()), bad.error)

    async def _patiently(self, records: Sequence[RawRecord]) -> None:
        async def attempt() -> None:
            async with self._pool.acquire() as connection, connection.transaction():
                await self._consumer.handler(connection, records)
                failpoint(f"{self._service}.after_append")

        await patiently(self._service, attempt)
        failpoint(f"{self._service}.after_commit")

    async def _bury(self, record: RawRecord, error: BaseException) -> None:
        rejected = self._consumer.rejected
        if rejected is None:
            letter = Letter(record.topic, record.partition, record.offset, None, record.key, record.value)
            await patiently(self._service, lambda: self._dead_letters.bury(letter, error))
            return

        async def attempt() -> None:
            async with self._pool.acquire() as connection, connection.transaction():
                await rejected(connection, record, error)

        await patiently(self._service, attempt)


class _Batches:
    """At most one batch under way, or with `overlap` two for as long as the first takes. Failures are raised here."""

    def __init__(self, *, overlap: bool) -> None:
        self._overlap = overlap
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def under_way(self) -> bool:
        return bool(self._tasks)

    async def begin(self, batch: Coroutine[Any, Any, None]) -> None:
        """Begin `batch`, and return when no other is left."""
        self._tasks.append(asyncio.create_task(batch))
        await asyncio.sleep(0)
        while len(self._tasks) > (1 if self._overlap else 0):
            await self._tasks[0]
            del self._tasks[0]

    async def finish(self) -> None:
        """Return when all is stored."""
        while self._tasks:
            await self._tasks[0]
            del self._tasks[0]

    async def abandon(self) -> None:
        """Roll back what is under way; it will be delivered again."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
