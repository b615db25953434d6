"""The relay: what a service has committed goes on the bus, in order, and never before."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, TypeAlias

import asyncpg

from common.bus.connection import Address
from common.bus.partitions import partition_of
from common.errors import Transient
from common.failpoints import failpoint
from common.ledger import progress
from common.ledger.progress import Move, Partition
from common.topics import BY_NAME, Topic, message_key, topic_of
from common.waiting import until_set

BATCH = 1_000
POLL_S = 1.0
"""How long the relay trusts that it will be told of new events."""
_KEEP_UP = 1_000
"""Positions of others that the relay passes before it writes down, with nothing of its own to send, where it is."""
# Head, stored place and events in one snapshot. `source` is no index condition on purpose: by the index it has, all
# that a service ever wrote would be scanned for the few events after $1.
_TAIL = """
SELECT h.position AS head, r.position AS relayed, e.position, e.event, e.stream, e.case_id
FROM ledger.head h LEFT JOIN ledger.relays r ON r.service = $2 LEFT JOIN LATERAL (
    SELECT position, event, stream, case_id FROM ledger.events
    WHERE position > $1 AND source || '' = $2 ORDER BY position LIMIT $3) e ON true
ORDER BY e.position
"""
CONTENT_TYPE = ("content-type", b"application/cloudevents+json")
Message: TypeAlias = tuple[bytes, bytes, list[tuple[str, bytes]]]
"""Key, value, headers."""
_log = logging.getLogger(__name__)


class Relay:
    """Sends the events of one service to their topics.

    At least once: a crash between the send and the stored position repeats, and consumers drop what they have
    handled. One relay a service and realm: others wait for the advisory lock. Lock and LISTEN live on one
    connection of its own, because a pool's release drops both. Whoever sets the stored position back
    (`progress.republish`) ends it with `Transient` (`relay_moved`); the next one begins there.
    """

    def __init__(self, address: Address, database_url: str, producer: Any) -> None:
        self._address = address
        self._service = address.service
        self._database_url = database_url
        self._producer = producer
        self._woken = asyncio.Event()
        self._position: int | None = None
        self._scanned = -1
        self._published: dict[Partition, int] = {}

    async def run(self) -> None:
        """Relay until cancelled. Raises when the database or the broker fails; run it again with a new one."""
        connection = await asyncpg.connect(self._database_url, server_settings={"application_name": "relay"})
        try:
            await self._become_the_one(connection)
            await connection.add_listener(f"ledger_{self._service}", self._wake)
            connection.add_termination_listener(self._wake)
            self._position = await progress.relayed(connection, self._service)
            self._scanned = -1 if self._position is None else self._position
            self._published = await progress.published(connection)
            while True:
                self._woken.clear()
                if not await self._send_some(connection):
                    await until_set(self._woken, most_s=POLL_S)
        finally:
            connection.terminate()

    def _wake(self, *_: object) -> None:
        self._woken.set()

    async def _become_the_one(self, connection: Any) -> None:
        said = False
        while not await connection.fetchval(
            "SELECT pg_try_advisory_lock(hashtext('trueup relay'), hashtext($1))", self._service
        ):
            if not said:
                _log.info("another instance of %s relays; waiting", self._service)
                said = True
            await asyncio.sleep(POLL_S)

    async def _send_some(self, connection: Any) -> bool:
        """Send a batch and store the position. False when that was all there is."""
        rows = await connection.fetch(_TAIL, self._scanned, self._service, BATCH)
        head = rows[0]["head"]
        if rows[0]["relayed"] != self._position:  # set back: what is on the bus is not what is remembered here
            raise Transient("relay_moved", f"the relay of {self._service} was set back, or another is running")
        events = [row for row in rows if row["position"] is not None]
        full = len(events) == BATCH
        last = events[-1]["position"] if full else head
        sent = await self._send(events)
        if events:
            failpoint(f"{self._service}.after_send")
        self._scanned = max(self._scanned, last)
        if events or self._scanned - (self._position or 0) > _KEEP_UP:
            async with connection.transaction():
                await progress.set_relayed(connection, self._service, Move(self._position, self._scanned), sent)
            self._position = self._scanned
        return full

    async def _send(self, rows: Sequence[Any]) -> dict[Partition, int]:
        """Return when the broker has all of `rows`: the last position of each partition touched."""
        messages: dict[Partition, list[Message]] = {}
        sent: dict[Partition, int] = {}
        for _, _, position, event, stream, case_id in rows:
            topic = topic_of(stream)
            key = message_key(stream, case_id)
            at = (topic.name, partition_of(key, topic.partitions))
            previous = sent.get(at, self._published.get(at, -1))
            headers = [("position", b"%d" % position), ("previous", b"%d" % previous), CONTENT_TYPE]
            messages.setdefault(at, []).append((key.encode(), event.encode(), headers))
            sent[at] = position
        waiting = [await self._put(BY_NAME[name], number, its) for (name, number), its in messages.items()]
        if waiting:
            await asyncio.gather(*waiting)
        self._published |= sent
        return sent

    async def _put(self, topic: Topic, partition: int, messages: Sequence[Message]) -> Any:
        """Queue the messages of one partition, in order: a future of their acknowledgement. As whole batches: a
        message that is sent alone costs the client library eight times as much."""
        waiting, batch = [], self._producer.create_batch()
        for key, value, headers in messages:
            if batch.append(timestamp=None, key=key, value=value, headers=headers) is None:  # it is full
                waiting.append(await self._queue(topic, partition, batch))
                batch = self._producer.create_batch()
                batch.append(timestamp=None, key=key, value=value, headers=headers)
        waiting.append(await self._queue(topic, partition, batch))
        return asyncio.gather(*waiting)

    async def _queue(self, topic: Topic, partition: int, batch: Any) -> Any:
        batch.close()
        try:
            return await self._producer.send_batch(batch, self._address.topic(topic), partition=partition)
        except AssertionError as error:  # how aiokafka says that the topic has no such partition
            raise Transient("topic_changed", f"the topic {topic.name} is not as it should be: {error}") from error
