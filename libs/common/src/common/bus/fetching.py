"""Fetching from a topic that anyone may have written to: one record that can't be read stops nobody.

The client library reads records in batches and raises on the first that it can't read, without saying which it was,
and after having dropped others that it had read by then. So the session that met one is given up, nothing of it
having been handled, and for a while the next one fetches record by record: then it is known which one is bad, and
it can be put aside and passed.

What is fetched at once is bounded in bytes, too: a hundred kilobytes of compressed records can be gigabytes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from aiokafka.errors import CorruptRecordException, KafkaError, RecordTooLargeError, UnsupportedCodecError

from common.bus import unpacking
from common.errors import Permanent, Transient
from common.waiting import until_set

CAREFUL_S = 60.0
"""How long after the last unreadable record fetching stays careful."""
MAX_BYTES = 2 * 1024 * 1024
"""Of records fetched at once, what the last step adds aside."""
GATHER_S = 0.01
"""How long more may come once something has. What arrives while a batch is handled is on the broker, all but the
little that was fetched ahead: taking that alone would make a batch of it, and let the rest wait for two batches."""
STEP = 8
"""Records taken from the client at a time: each may be as large as an unpacked batch."""
REASON = "unreadable_record"
AHEAD_S = 0.02
"""How long what is fetched ahead of being wanted may gather on the broker: each fetch costs it a request."""
_PAUSE_S = 0.01
_UNREADABLE = (CorruptRecordException, UnsupportedCodecError, RecordTooLargeError)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A record of which nothing is known but where it is. `topic` is the full name."""

    topic: str
    partition: int
    offset: int
    error: Permanent


@dataclass(slots=True)
class Fetched:
    """What came: records in order by partition, and those between them that can't be read."""

    records: list[Any] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.records or self.unreadable)


class Fetching:
    """How one consumer of a service fetches. It outlives sessions: it remembers when to be careful.

    From the first on, all of the process unpack compressed batches within a bound.
    """

    def __init__(self) -> None:
        unpacking.bound()
        self._careful_until = 0.0

    async def fetch(
        self, kafka: Any, timeout_ms: int, max_records: int, wanted: asyncio.Event | None = None
    ) -> Fetched:
        """What has come within `timeout_ms`, and `GATHER_S` after the first; at most `max_records` (careful: one more
        round over the partitions), and no more once it is `MAX_BYTES`. Until it is `wanted` what comes is added.

        Raises `Transient` (`unreadable_record`) when something could not be read while not careful: nothing since
        the last offsets committed may be taken as handled, begin the session again. Raises what the client raises
        when the broker fails.
        """
        if asyncio.get_running_loop().time() < self._careful_until:
            return await self._one_by_one(kafka, timeout_ms / 1000, max_records)
        try:
            return await _in_steps(kafka, timeout_ms, max_records, wanted or _now())
        except Exception as error:
            if not _is_unreadable(error):
                raise
            self._be_careful()
            raise Transient(REASON, f"a record can't be read, looking for it one by one: {_told(error)}") from error

    async def _one_by_one(self, kafka: Any, timeout_s: float, max_records: int) -> Fetched:
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout_s
        found = Fetched()
        while len(found.records) + len(found.unreadable) < max_records and _bytes(found.records) < MAX_BYTES:
            before = len(found.records) + len(found.unreadable)
            for at in sorted(kafka.assignment()):
                await self._one(kafka, at, found)
            if len(found.records) + len(found.unreadable) == before:
                if found or loop.time() >= until:
                    break
                await asyncio.sleep(_PAUSE_S)
        return found

    async def _one(self, kafka: Any, at: Any, found: Fetched) -> None:
        """The next record of one partition, or passing it. Asked for one, the client drops none when it raises."""
        try:
            got = await kafka.getmany(at, timeout_ms=0, max_records=1)
        except Exception as error:
            if not _is_unreadable(error):
                raise
            offset = await kafka.position(at)
            if isinstance(error, RecordTooLargeError):
                offset -= 1  # the client has passed it by itself
            kafka.seek(at, offset + 1)
            self._be_careful()
            why = Permanent(REASON, f"the record can't be read as Kafka's format says: {_told(error)}")
            found.unreadable.append(Unreadable(at.topic, at.partition, offset, why))
        else:
            found.records += [record for records in got.values() for record in records]

    def _be_careful(self) -> None:
        self._careful_until = asyncio.get_running_loop().time() + CAREFUL_S


async def _in_steps(kafka: Any, timeout_ms: int, max_records: int, wanted: asyncio.Event) -> Fetched:
    loop = asyncio.get_running_loop()
    wait_ms = timeout_ms if wanted.is_set() else 0
    until = 0.0
    found = Fetched()
    size = 0
    while len(found.records) < max_records and size < MAX_BYTES:
        step = min(STEP, max_records - len(found.records))
        got = await kafka.getmany(timeout_ms=wait_ms, max_records=step)
        taken = [record for records in got.values() for record in records]
        found.records += taken
        size += _bytes(taken)
        if taken:
            until = until or loop.time() + GATHER_S
        elif wanted.is_set():
            break
        else:
            await until_set(wanted, most_s=AHEAD_S)
        wait_ms = max(0, round(1000 * (until - loop.time()))) if found.records else timeout_ms
        wait_ms = wait_ms if wanted.is_set() else 0
    return found


def _now() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


def _bytes(records: Sequence[Any]) -> int:
    return sum(_length(record.value) + _length(record.key) + _headers(record) for record in records)


def _headers(record: Any) -> int:
    return sum(len(name) + _length(value) for name, value in record.headers or ())


def _length(data: bytes | None) -> int:
    return 0 if data is None else len(data)


def _is_unreadable(error: Exception) -> bool:
    """Whether the bytes of a record are at fault. Fetching itself does no I/O: all else is the broker's."""
    return isinstance(error, _UNREADABLE) or not isinstance(error, KafkaError)


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:300]
