"""One service on the bus: its relay and its consumers, over as many sessions as it takes.

A session lasts as long as one cluster answers and nothing fails. When something does, the session is torn down,
said so, and begun again after a pause: connections, producers and consumers are never repaired in place.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from faststream import AckPolicy
from faststream.kafka import KafkaBroker

from common.bus.connection import REQUEST_TIMEOUT_MS, Address, Cluster, cluster
from common.bus.consumer import MAX_RECORDS, Consumer, LedgerConsumer
from common.bus.deadletters import DeadLetters
from common.bus.errors import is_transient, reason_of
from common.bus.fetching import Fetching
from common.bus.raw import ForeignConsumer, RawConsumer
from common.bus.relay import Relay
from common.errors import Transient
from common.topics import BY_NAME

WATCH_S = 1.0
FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 3.0
_LASTING_S = 5.0
"""A session that lasted so long was a good one: the next begins without a long pause."""
_START_TIMEOUT_S = 30.0
HELD_S = 60.0
"""How long what was fetched may wait to be taken before the client fetches beside it: no handler is that slow."""
_ANSWER_S = 3.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Timing:
    """How long a broker may hold an empty fetch, and how long it waits for a silent member of a group."""

    fetch_max_wait_ms: int
    session_timeout_ms: int


# Each empty fetch costs the broker a millisecond of CPU: at ten a second from each of seven consumers more than all
# that was on the topics. The embedded broker only looks four times in that time, and makes whoever joins a group wait
# for half the session timeout. Latency against idle load.
KAFKA = Timing(500, 10_000)
EMBEDDED = Timing(40, 4_000)


@dataclass(slots=True)
class State:
    """Whether the service is on the bus, and if not, why."""

    ready: bool = False
    problem: str = "not connected yet"
    cluster_id: str | None = None


class Bus:
    """Relays what `address.service` appends and feeds its consumers, through failures of broker and database."""

    def __init__(
        self,
        address: Address,
        pool: Any,
        database_url: str,
        consumers: Sequence[Consumer] = (),
        raw: RawConsumer | None = None,
        gather_s: float = 0.0,
    ) -> None:
        self._address = address
        self._pool = pool
        self._database_url = database_url
        self._consumers = consumers
        self._raw = raw
        self._gather_s = gather_s
        self._fetching = (Fetching(), Fetching())
        self.state = State()

    async def run(self) -> None:
        """Be on the bus until cancelled. Failures are logged and survived; `state` tells."""
        pause = FIRST_PAUSE_S
        while True:
            began = asyncio.get_running_loop().time()
            try:
                await self._session()
            except Exception as error:
                code, message = reason_of(error)
                self.state.ready, self.state.problem = False, f"{code}: {message}"
                if asyncio.get_running_loop().time() - began > _LASTING_S:
                    pause = FIRST_PAUSE_S
                _log.error(
                    "%s is off the bus, trying again in %.1f s: %s: %s",
                    self._address.service, pause, code, message,
                    exc_info=None if is_transient(error) else error,
                )  # fmt: skip
            finally:
                self.state.ready = False
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_S)

    async def _session(self) -> None:
        async with AsyncExitStack() as stack:
            watched = await stack.enter_async_context(cluster(self._address))
            identity = await watched.identity()
            if self.state.cluster_id not in (None, identity):
                _log.warning("%s: another cluster answers (%s); what was on the old one is read in the ledger",
                             self._address.service, identity)  # fmt: skip
            self.state.cluster_id = identity
            await watched.ensure_topics(self._address)
            producer = self._address.producer()
            stack.push_async_callback(producer.stop)
            await producer.start()
            duties = self._duties(stack, producer)
            self.state.ready, self.state.problem = True, ""
            _log.info("%s is on the bus (%s)", self._address.service, identity)
            await _first_failure([self._watch(watched, identity), *duties])

    def _duties(self, stack: AsyncExitStack, producer: Any) -> list[Coroutine[Any, Any, None]]:
        """What runs in a session beside the watch."""
        letters = DeadLetters(self._address, producer)
        relay = Relay(self._address, self._database_url, producer)
        duties: list[Coroutine[Any, Any, None]] = [relay.run()]
        address, pool = self._address, self._pool
        if self._consumers:
            topics = [topic for consumer in self._consumers for topic in consumer.topics]
            joining = self._subscribe(stack, topics, address.group, MAX_RECORDS)
            consumer = LedgerConsumer(address, pool, self._consumers, letters, self._fetching[0], self._gather_s)
            duties.append(consumer.run(joining))
        if self._raw is not None:
            group = f"{address.group}.{self._raw.topic}"
            joining = self._subscribe(stack, [self._raw.topic], group, self._raw.max_records)
            duties.append(ForeignConsumer(address, pool, self._raw, letters, self._fetching[1]).run(joining))
        return duties

    async def _subscribe(self, stack: AsyncExitStack, topics: list[str], group: str, max_records: int) -> Any:
        """A started consumer of `topics` (short names), in `group`.

        FastStream makes and configures it; the loop over it is ours, because FastStream's own would swallow what
        a handler raises, and sleeps after each empty poll.
        """
        timing = EMBEDDED if self._address.user is None else KAFKA
        broker = KafkaBroker(
            self._address.brokers,
            security=self._address.security,
            client_id=self._address.group,
            request_timeout_ms=REQUEST_TIMEOUT_MS,
            consumer_only=True,
            allow_auto_create_topics=False,
            ack_policy=AckPolicy.MANUAL,
            logger=None,
        )
        subscriber = broker.subscriber(
            *(self._address.topic(BY_NAME[topic]) for topic in topics),
            batch=True,
            group_id=group,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=timing.fetch_max_wait_ms,
            session_timeout_ms=timing.session_timeout_ms,
            heartbeat_interval_ms=1_000,
            max_records=max_records,
            max_partition_fetch_bytes=2 * 1024 * 1024,
        )
        stack.push_async_callback(broker.stop)
        async with asyncio.timeout(_START_TIMEOUT_S):
            await broker.start()
        consumer = subscriber.consumer
        assert consumer is not None, "it was started"
        fetch_from_all(consumer)
        return consumer

    async def _watch(self, watched: Cluster, identity: str) -> None:
        """Raise `Transient` when the brokers are gone, or are another cluster."""
        while True:
            await asyncio.sleep(WATCH_S)
            async with asyncio.timeout(_ANSWER_S):
                found = await watched.identity()
            if found != identity:
                raise Transient("bus_replaced", f"another cluster answers at {self._address.brokers}")


def fetch_from_all(consumer: Any) -> None:
    """Make a started aiokafka consumer fetch only when all that came before was taken from it.

    It has one fetch under way: what arrives on a partition that it did not ask for waits until that one is answered,
    however long the broker may hold it. By itself it leaves those out of which something has waited for 0.1 s.
    """
    consumer._fetcher._prefetch_backoff = HELD_S


async def _first_failure(duties: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Run all of them until one ends; end the others, and raise what it raised."""
    tasks = [asyncio.ensure_future(duty) for duty in duties]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
        raise Transient("stopped", "a part of the session ended")
    finally:
        await _end(tasks)


async def _end(tasks: Sequence[asyncio.Future[None]], again_s: float = 0.1) -> None:
    """Return when all have ended. Asked again every `again_s`: client libraries lose a cancellation now and then."""
    pending = {task for task in tasks if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=again_s)
    await asyncio.gather(*tasks, return_exceptions=True)
