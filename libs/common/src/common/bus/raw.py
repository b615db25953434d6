"""The consumer factory for topics that others write: no positions, no inbox, nothing to look up.

Delivered at least once; the effect is exactly once because the handler derives its event ids from the messages.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from common.bus.connection import Address
from common.bus.deadletters import DeadLetters, Letter
from common.bus.engine import commit_offsets, headers_of, in_halves, patiently
from common.bus.pauses import Metronome
from common.failpoints import failpoint
from common.ledger.client import Connection
from common.topics import BY_NAME

MAX_RECORDS = 1_000
_POLL_MS = 250
_COMMIT_S = 0.5
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RawRecord:
    """A message as it came. `topic` is the short name; of several headers with one name, the last counts."""

    value: bytes
    topic: str
    partition: int
    offset: int
    key: bytes | None
    headers: dict[str, bytes]


RawHandler = Callable[[Connection, Sequence[RawRecord]], Awaitable[None]]
"""Runs in one open transaction and does its appends as the last statement. May see a message again."""
Rejected = Callable[[Connection, RawRecord, BaseException], Awaitable[None]]
"""Records, in a transaction of its own, that a message failed for good."""


@dataclass(frozen=True, slots=True)
class RawConsumer:
    """One topic and its handler. Without `rejected`, what fails for good goes to the dead letters."""

    topic: str
    handler: RawHandler
    rejected: Rejected | None = None
    max_records: int = MAX_RECORDS


class ForeignConsumer:
    """Consumes one topic that others write."""

    def __init__(
        self,
        address: Address,
        pool: Any,
        consumer: RawConsumer,
        dead_letters: DeadLetters,
        on_commit: Callable[[], None],
    ) -> None:
        self._service = address.service
        self._full_name = address.topic(BY_NAME[consumer.topic])
        self._pool = pool
        self._consumer = consumer
        self._dead_letters = dead_letters
        self._on_commit = on_commit

    async def run(self, joining: Awaitable[Any]) -> None:
        """Consume until cancelled; takes and raises what `LedgerConsumer.run` takes and raises."""
        kafka = await joining
        commit = Metronome(_COMMIT_S)
        while True:
            fetched = await kafka.getmany(timeout_ms=_POLL_MS, max_records=self._consumer.max_records)
            if fetched:
                failpoint(f"{self._service}.after_fetch")
                await self._take([record for records in fetched.values() for record in records])
            if commit.due():
                await commit_offsets(kafka)

    async def _take(self, records: Iterable[Any]) -> None:
        raws = [
            RawRecord(
                record.value or b"",
                self._consumer.topic,
                record.partition,
                record.offset,
                record.key,
                headers_of(record),
            )
            for record in records
        ]
        await in_halves(raws, self._patiently, self._bury)

    async def _patiently(self, records: Sequence[RawRecord]) -> None:
        async def attempt() -> None:
            async with self._pool.acquire() as connection, connection.transaction():
                await self._consumer.handler(connection, records)
                failpoint(f"{self._service}.after_append")

        await patiently(self._service, attempt)
        failpoint(f"{self._service}.after_commit")
        self._on_commit()

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
        self._on_commit()
