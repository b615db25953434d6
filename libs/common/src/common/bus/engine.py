"""One batch, one transaction: what ledger consumers and raw consumers have in common.

A batch that fails for good is cut in halves until the one message that fails is alone; that one is put aside and
the others are handled. A failure that may pass is tried again, with growing pauses, for a bounded time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, TypeVar

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from common.bus.errors import is_transient, reason_of
from common.errors import Transient

T = TypeVar("T")
RETRY_FOR_S = 60.0
"""Far below the bus's own limit on the time between two polls (5 minutes)."""
_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 5.0
_log = logging.getLogger(__name__)


async def patiently(name: str, attempt: Callable[[], Awaitable[T]], retry_for_s: float = RETRY_FOR_S) -> T:
    """Do `attempt` again while it fails in a way that may pass; raise `Transient` when the time is over."""
    deadline = asyncio.get_running_loop().time() + retry_for_s
    pause = _FIRST_PAUSE_S
    while True:
        try:
            return await attempt()
        except Exception as error:
            if not is_transient(error):
                raise
            code, message = reason_of(error)
            if asyncio.get_running_loop().time() + pause > deadline:
                raise Transient(code, f"{name} stops after {retry_for_s:.0f} s of trying: {message}") from error
            _log.warning("%s tries again in %.2f s: %s: %s", name, pause, code, message)
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE_S)


async def in_halves(
    items: Sequence[T],
    handle: Callable[[Sequence[T]], Awaitable[None]],
    bury: Callable[[T, BaseException], Awaitable[None]],
) -> None:
    """Handle `items` together, or in ever smaller parts in order; `bury` each one that fails alone.

    What may pass is not judged here: `handle` raises it as `Transient`, and it goes on to the caller.
    """
    if not items:
        return
    try:
        await handle(items)
    except Exception as error:
        if is_transient(error):
            raise
        if len(items) == 1:
            await bury(items[0], error)
            return
    else:
        return
    middle = len(items) // 2
    await in_halves(items[:middle], handle, bury)
    await in_halves(items[middle:], handle, bury)


def headers_of(record: Any) -> dict[str, bytes]:
    """The headers of a raw record; of several with one name, the last."""
    if not record.headers:
        return {}
    return {name: value for name, value in record.headers if value is not None}


class Offsets:
    """What of each partition has been handled, to tell the broker. Not what was fetched: that may be further."""

    def __init__(self) -> None:
        self._next: dict[TopicPartition, int] = {}

    def passed(self, records: Iterable[Any]) -> None:
        """These have been handled; in order by partition."""
        for record in records:
            self._next[TopicPartition(record.topic, record.partition)] = record.offset + 1

    async def commit(self, kafka: Any) -> None:
        """Tell, where there is something new. A failure only makes a later start read more than it must."""
        ours = {at: offset for at, offset in self._next.items() if at in kafka.assignment()}
        self._next.clear()
        if not ours:
            return
        try:
            await kafka.commit(ours)
        except KafkaError as error:
            _log.debug("offsets not committed: %r", error)
