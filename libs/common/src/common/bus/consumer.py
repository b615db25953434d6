"""The consumer factory for topics that carry the ledger's events.

Fetch a batch and look it up in the ledger (a message is a hint, the ledger is the truth) while the one before is
being handled; drop what was handled, then in one transaction: move the inbox, run the handler, commit. What is
missing on the bus is read in the ledger: where a message says that one before it was not seen, and where something
published doesn't arrive.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from common.bus.connection import Address
from common.bus.deadletters import DeadLetters, Letter
from common.bus.engine import Offsets, headers_of, in_halves, patiently
from common.bus.fetching import Fetched, Fetching
from common.bus.inbox import Announced, Inbox, Item, Stalled
from common.bus.partitions import partition_of
from common.bus.pauses import Metronome, gathering_s
from common.errors import Permanent, Transient
from common.failpoints import failpoint
from common.ledger import progress
from common.ledger.client import Connection, Recorded
from common.ledger.progress import Partition
from common.topics import BY_NAME, message_key, rights, topic_of

Handler = Callable[[Connection, Sequence[Recorded]], Awaitable[None]]
"""Runs in one open transaction, gets events in ledger order, and does its appends as the last statement."""

LOOK_S = 1.0
"""How often a consumer looks whether something published hasn't reached it."""
LOOK_JOINING_S = 0.1
LOOK_WHEN_BUSY_S = 10.0
"""The same for one that took `MAX_RECORDS` meanwhile: what it hasn't got yet is mostly just waiting its turn."""
MAX_RECORDS = 1_000
_POLL_MS = 250
_LARGEST_POSITION = 2**63 - 1
_LONGEST_POSITION = 19
"""Digits of the largest one."""
_SELECT = "SELECT position, event, stream, case_id FROM ledger.events"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Consumer:
    """Which topics (short names) one handler handles. A service's consumers have no topic in common."""

    topics: tuple[str, ...]
    handler: Handler


@dataclass(frozen=True, slots=True)
class Batch:
    """What was fetched, what each record announces (None: nothing), and what of that the ledger has, by position."""

    fetched: Fetched
    announced: list[Announced | None] = field(default_factory=list)
    stored: dict[int, Item] = field(default_factory=dict)


class LedgerConsumer:
    """All topics of one service, each to its handler, one batch after the other.

    Every event is handled exactly once as far as the database is concerned: the inbox moves in the handler's own
    transaction, fenced against other instances. Events of one partition come in ledger order; of several
    partitions in ledger order within a batch only.
    """

    def __init__(
        self,
        address: Address,
        pool: Any,
        consumers: Sequence[Consumer],
        dead_letters: DeadLetters,
        fetching: Fetching,
        gather_s: float = 0.0,
    ) -> None:
        """`gather_s`: see `runtime.Parts`."""
        self._address = address
        self._fetching = fetching
        self._gather_s = gather_s
        self._service = address.service
        self._pool = pool
        self._handlers = {topic: consumer.handler for consumer in consumers for topic in consumer.topics}
        self._partitions = {
            (topic, number) for topic in self._handlers for number in range(BY_NAME[topic].partitions)
        }
        self._short = {address.topic(BY_NAME[topic]): topic for topic in self._handlers}
        categories = {category for topic in self._handlers for category in BY_NAME[topic].categories}
        self._types = sorted({type_ for _, category, type_ in rights() if category in categories})
        self._dead_letters = dead_letters
        self._inbox = Inbox()
        self._stalled = Stalled()
        self._offsets = Offsets()
        self._wanted = asyncio.Event()
        self._wanted.set()

    async def run(self, joining: Awaitable[Any]) -> None:
        """Consume until cancelled. `joining` gives a started aiokafka consumer, once it is in its group.

        Joining can take seconds (a member that was killed must time out first); meanwhile what is published is
        read in the ledger. Raises `Transient` when something that may pass did not pass in time. Nothing is lost:
        run it again.
        """
        kafka = await self._joined(asyncio.ensure_future(joining))
        look, look_when_busy, commit = Metronome(LOOK_S), Metronome(LOOK_WHEN_BUSY_S), Metronome(LOOK_S)
        taken = 0
        ahead = asyncio.create_task(self._next(kafka))
        try:
            while True:
                if look.due():
                    if taken < MAX_RECORDS or look_when_busy.due():
                        await self._look()
                    taken = 0
                batch = await ahead
                count = len(batch.fetched.records)
                taken += count
                began = time.monotonic()
                self._wanted.clear()
                if not self._gather_s:  # else more is to come before the next
                    ahead = asyncio.create_task(self._next(kafka))
                if batch.fetched:
                    failpoint(f"{self._service}.after_fetch")
                    await self._take(batch)
                if commit.due():
                    await self._offsets.commit(kafka)
                self._wanted.set()
                if self._gather_s:
                    took = time.monotonic() - began
                    await asyncio.sleep(gathering_s(count, took, self._gather_s) if 0 < count < MAX_RECORDS else 0)
                    ahead = asyncio.create_task(self._next(kafka))
        finally:
            ahead.cancel()
            await asyncio.gather(ahead, return_exceptions=True)

    async def _next(self, kafka: Any) -> Batch:
        """The next batch. It changes nothing: what it read may have been handled before it is taken."""
        fetched = await self._fetching.fetch(kafka, _POLL_MS, MAX_RECORDS, self._wanted)
        announced = [self._announced(record) for record in fetched.records]
        new = [one.position for one in announced if one and self._inbox.is_new(one.at, one.position)]
        return Batch(fetched, announced, await self._stored(new) if new else {})

    async def _joined(self, joining: asyncio.Future[Any]) -> Any:
        try:
            while not joining.done():
                await self._look()
                await asyncio.wait([joining], timeout=LOOK_JOINING_S)
            return joining.result()
        finally:
            joining.cancel()

    async def _look(self) -> None:
        """Fetch from the ledger what should have arrived by now."""
        await self._read_inbox()
        published = await progress.published(self._pool)
        ours = {at: position for at, position in published.items() if at in self._partitions}
        stalled = self._stalled.look(ours, self._inbox.positions)
        if stalled:
            await self.catch_up(stalled)

    async def _read_inbox(self) -> None:
        async def read() -> dict[Partition, int]:
            return await progress.handled(self._pool, self._service)

        self._inbox.positions = await patiently(self._service, read)

    # What arrives on the bus

    async def _take(self, batch: Batch) -> None:
        for record, message in zip(batch.fetched.records, batch.announced, strict=True):
            if message is None:
                error = Permanent(
                    "no_position", "the message has no headers `position` and `previous` of the ledger's"
                )
                at = (self._short[record.topic], record.partition)
                await self._bury_message(at, record.offset, None, record.key, record.value or b"", error)
        await self._take_announced([one for one in batch.announced if one is not None], batch.stored)
        for bad in batch.fetched.unreadable:
            await self._bury_message((self._short[bad.topic], bad.partition), bad.offset, None, None, b"", bad.error)
        self._offsets.passed([*batch.fetched.records, *batch.fetched.unreadable])

    async def _take_announced(self, announced: Sequence[Announced], stored: Mapping[int, Item]) -> None:
        messages = [one for one in announced if self._inbox.is_new(one.at, one.position)]
        broken = self._inbox.breaks(messages)
        if broken:
            _log.info("%s: a break on %s; reading the ledger", self._service, sorted(broken))
            await self.catch_up(broken)
        new = [message for message in messages if self._inbox.is_new(message.at, message.position)]
        if new:
            missing = [one.position for one in new if one.position not in stored]
            known = {**stored, **await self._stored(missing)} if missing else stored
            await self._handle(await self._looked_up(new, known))

    def _announced(self, record: Any) -> Announced | None:
        """What the record announces; None where it names no position."""
        headers = headers_of(record)
        try:
            position, previous = _position(headers["position"]), _position(headers["previous"])
        except (KeyError, ValueError):
            return None
        at = (self._short[record.topic], record.partition)
        return Announced(at, record.offset, position, previous, record.key, record.value or b"")

    async def _stored(self, positions: Sequence[int]) -> dict[int, Item]:
        """What the ledger has at these positions."""

        async def read() -> dict[int, Item]:
            rows = await self._pool.fetch(f"{_SELECT} WHERE position = ANY ($1::bigint[])", positions)
            return {row["position"]: _item(row) for row in rows}

        return await patiently(self._service, read)

    async def _looked_up(self, messages: Sequence[Announced], stored: Mapping[int, Item]) -> list[Item]:
        """The events that `messages` announce, in ledger order; messages that announce no event are put aside."""
        items: dict[int, Item] = {}
        for message in messages:
            found = stored.get(message.position)
            if found is None or found.recorded.raw != message.value or found.at != message.at:
                error = Permanent("not_in_ledger", "the ledger has no such event at that position and partition")
                await self._bury_message(
                    message.at, message.offset, message.position, message.key, message.value, error
                )
            else:
                items[message.position] = Item(message.at, found.recorded, message)
        return [items[position] for position in sorted(items)]

    async def _bury_message(
        self,
        at: Partition,
        offset: int | None,
        position: int | None,
        key: bytes | None,
        value: bytes,
        error: Exception,
    ) -> None:
        letter = Letter(at[0], at[1], offset, position, key, value)
        await patiently(self._service, lambda: self._dead_letters.bury(letter, error))

    # What the ledger has

    async def catch_up(self, partitions: set[Partition]) -> None:
        """Handle everything on `partitions` that the ledger has and the inbox has not."""
        await self._read_inbox()
        position = min(self._inbox.handled(at) for at in partitions)
        while True:
            head, found = await patiently(self._service, partial(self._after, position))
            ours = [item for item in found if item.at in partitions]
            new = [item for item in ours if self._inbox.is_new(item.at, item.recorded.position)]
            if new:
                failpoint(f"{self._service}.after_fetch")
            await self._handle(new)
            if len(found) < MAX_RECORDS:
                break
            position = found[-1].recorded.position
        # There is nothing up to the head: the next look starts there instead of reading all this again.
        await self._skip_to({at: head for at in partitions})

    async def _after(self, position: int) -> tuple[int, list[Item]]:
        head = int(await self._pool.fetchval("SELECT position FROM ledger.head"))
        rows = await self._pool.fetch(
            f"{_SELECT} WHERE position > $1 AND type = ANY ($2) ORDER BY position LIMIT $3",
            position,
            self._types,
            MAX_RECORDS,
        )
        return head, [_item(row) for row in rows]

    async def _skip_to(self, positions: Mapping[Partition, int]) -> None:
        moves = self._inbox.moves_to(positions)
        if not moves:
            return
        try:
            async with self._pool.acquire() as connection, connection.transaction():
                await progress.advance(connection, self._service, moves)
        except Transient:  # another instance was faster; its positions are the ones to keep
            await self._read_inbox()
        else:
            self._inbox.moved(moves)

    # Handling

    async def _handle(self, items: Sequence[Item]) -> None:
        """Handle `items` (ledger order), each handler's own in one transaction."""
        by_handler: dict[Handler, list[Item]] = {}
        for item in items:
            by_handler.setdefault(self._handlers[item.at[0]], []).append(item)
        for handler, its in by_handler.items():
            await in_halves(its, partial(self._patiently, handler), self._bury)

    async def _patiently(self, handler: Handler | None, items: Sequence[Item]) -> None:
        await patiently(self._service, lambda: self._transact(handler, items))

    async def _transact(self, handler: Handler | None, items: Sequence[Item]) -> None:
        """Handle those of `items` that are new and move the inbox, all or nothing."""
        new = [item for item in items if self._inbox.is_new(item.at, item.recorded.position)]
        if not new:
            return
        moves = self._inbox.moves(new)
        try:
            async with self._pool.acquire() as connection, connection.transaction():
                await progress.advance(connection, self._service, moves)
                if handler is not None:
                    await handler(connection, [item.recorded for item in new])
                    failpoint(f"{self._service}.after_append")
        except Transient as error:
            if error.reason_code == "inbox_moved":
                await self._read_inbox()
            raise
        failpoint(f"{self._service}.after_commit")
        self._inbox.moved(moves)

    async def _bury(self, item: Item, error: BaseException) -> None:
        """Put one event aside, then pass it. In this order: a crash in between sends a second letter."""
        message = item.message
        letter = Letter(
            item.at[0],
            item.at[1],
            message.offset if message else None,
            item.recorded.position,
            message.key if message else None,
            item.recorded.raw,
        )
        await patiently(self._service, lambda: self._dead_letters.bury(letter, error))
        await self._patiently(None, [item])


def _position(header: bytes) -> int:
    """A ledger position, -1 for none. Raises ValueError for what can't be one: anybody may write a header."""
    position = int(header) if len(header) <= _LONGEST_POSITION else _LARGEST_POSITION + 1
    if not -1 <= position <= _LARGEST_POSITION:
        raise ValueError("not a position")
    return position


def _item(row: Any) -> Item:
    """The event and the partition it belongs on. The event is not parsed: that is for its handler to fail at."""
    topic = topic_of(row["stream"])
    at = topic.name, partition_of(message_key(row["stream"], row["case_id"]), topic.partitions)
    return Item(at, Recorded(row["position"], None, row["event"].encode()))
