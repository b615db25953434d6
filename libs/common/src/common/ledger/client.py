"""Appending to the ledger and reading it. All connections are asyncpg's, logged in as a service's own role."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import asyncpg

from common.errors import Permanent, Transient
from common.events.envelope import Event, parsed

Connection: TypeAlias = Any
"""An asyncpg connection, or a pool's proxy of one. asyncpg is published without types."""
Source: TypeAlias = Any
"""An asyncpg connection or pool: whatever has `fetch`."""

GROUP = 64
"""Of so many callers or fewer a group takes all; of more, half: while these are written, those who were answered
before prepare their next, instead of waiting in step with everybody else."""
FLYING = 2
"""Groups that are underway at once: the next waits for the lock at the server, and not for this process to have told
those who were in the one before. It goes when it is full and no smaller than that one: there are no more commits."""
MAX_BATCH = 2_000
"""Events that one group commit takes at most. The database's own bound for one append is 10,000."""
CLOCK_OFF = "time_out_of_bounds"
"""The reason code of a refusal because of the appender's clock."""
_PASSING = ("version_conflict", CLOCK_OFF)
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_APPEND_ONE = "SELECT ledger.append_one($1)"
_APPEND = "SELECT request, positions, reason, message, stored FROM ledger.append($1::text[], $2::int[], $3)"


class Recorded:
    """One stored event: its place in the ledger, the event, and its bytes exactly as stored. Don't change it.

    With `event` None the bytes are read when `event` is first asked for, which raises `Permanent`
    (`malformed_event`) for bytes that are no event.
    """

    __slots__ = ("_envelope", "_event", "position", "raw")

    def __init__(self, position: int, event: Event | None, raw: bytes) -> None:
        self.position = position
        self.raw = raw
        self._event = event
        self._envelope: dict[str, Any] | None = None

    @property
    def event(self) -> Event:
        """What the bytes say."""
        if self._event is None:
            self._event = Event.of(self._parsed())
        return self._event

    @property
    def content(self) -> tuple[str, str, Any]:
        """The event's type, id and data: for whoever passes over most events, at a third of what `event` costs."""
        envelope = self._envelope
        if envelope is None:
            if self._event is not None:
                return self._event.type, self._event.id, self._event.data
            envelope = self._parsed()
        try:
            return envelope["type"], envelope["id"], envelope["data"]
        except KeyError as error:
            raise Permanent("malformed_event", f"not an event of the ledger: {error}") from error

    def _parsed(self) -> dict[str, Any]:
        if self._envelope is None:
            self._envelope = parsed(self.raw)
        return self._envelope

    def __repr__(self) -> str:
        return f"Recorded({self.position}, {self.raw!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Recorded) and (self.position, self.raw) == (other.position, other.raw)

    def __hash__(self) -> int:
        return hash((self.position, self.raw))


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event to append to the stream `event.subject`.

    `expected_version` is the version this event must get in its stream (1 is the first); None takes the next.
    """

    event: Event
    expected_version: int | None = None

    def encode(self) -> str:
        """The bytes to append, as text. They carry the expected version, which the database compares.

        Raises `Permanent` for what can't be stored: data outside the JSON profile, U+0000 (`nul_character`).
        """
        event = self.event
        if event.streamversion != self.expected_version:
            if event.streamversion is not None:
                raise Permanent("version_conflict", "the event names another stream version than is expected")
            event = replace(event, streamversion=self.expected_version)
        raw = event.encode()
        if b"\\u0000" in raw and _NUL.search(raw):
            raise Permanent("nul_character", f"the event {event.id} holds U+0000, which no database text can hold")
        return raw.decode()


Request: TypeAlias = Sequence[NewEvent]
"""Events that are appended all or not at all."""


@dataclass(frozen=True, slots=True)
class Appended:
    """A request that is in the ledger. `duplicate`: it was there before, and `stored` are its bytes: adopt them."""

    positions: tuple[int, ...]
    duplicate: bool = False
    stored: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class AppendRefused:
    """A request of which nothing was appended.

    `reason_code`: `version_conflict` (fold again and decide again), `id_clash`, `forbidden_stream`,
    `time_out_of_bounds`, `oversized`, `malformed_event`, `signature_missing`, and those of
    the checks of privileged types.
    """

    reason_code: str
    message: str

    def error(self) -> Permanent | Transient:
        """The refusal as a failure of whoever needed the event. What another writer, or this machine's clock, has
        brought about may pass: then no message is to blame, and none may be put aside for it."""
        return (Transient if self.reason_code in _PASSING else Permanent)(self.reason_code, self.message)


Answer: TypeAlias = Appended | AppendRefused


async def append(connection: Connection, requests: Sequence[Request]) -> list[Answer]:
    """Append `requests` in order, inside the caller's READ COMMITTED transaction, as its last statement.

    Answers one `Appended` or `AppendRefused` a request; a refused one has no effect on the others. What was
    appended is durable when the caller's transaction commits, and not before. The statement holds the ledger's
    lock until then: commit at once. Raises asyncpg's errors when the database is away or the lock isn't given.
    """
    encoded = [[new.encode() for new in request] for request in requests]
    return await _append_encoded(connection, encoded, [new.event.subject for request in requests for new in request])


async def _append_encoded(
    connection: Connection, requests: Sequence[Sequence[str]], streams: Sequence[str]
) -> list[Answer]:
    events = [event for request in requests for event in request]
    if not events:
        return [Appended(()) for _ in requests]
    if len(events) == 1 == len(requests):
        position = await connection.fetchval(_APPEND_ONE, events[0])
        if position is not None:
            return [Appended((position,))]
    numbers = [number for number, request in enumerate(requests) for _ in request]
    rows = await connection.fetch(_APPEND, events, numbers, len(set(streams)) == len(streams))
    if rows[0]["request"] is None:
        return _all_appended(requests, rows[0]["positions"][0])
    answers: list[Answer] = [Appended(())] * len(requests)
    for number, positions, reason, message, stored in rows:
        if reason is not None:
            answers[number] = AppendRefused(reason, message)
        elif stored is None:
            answers[number] = Appended(tuple(positions))
        else:
            answers[number] = Appended(tuple(positions), True, tuple(text.encode() for text in stored))
    return answers


def _all_appended(requests: Sequence[Sequence[str]], first: int) -> list[Answer]:
    answers: list[Answer] = []
    for request in requests:
        answers.append(Appended(tuple(range(first, first + len(request)))))
        first += len(request)
    return answers


@dataclass(slots=True)
class _Waiting:
    encoded: list[list[str]]
    streams: list[str]
    done: asyncio.Future[list[Answer]]


class Ledger:
    """The ledger through a pool: reads, and appends that commit on their own.

    Concurrent `append`s share transactions (group commit): whatever arrives while one is being committed goes
    into the next, which doesn't wait for the one before when it is full. Those who append at once are not in order.
    """

    def __init__(self, pool: Any) -> None:
        self.pool = pool
        self._waiting: list[_Waiting] = []
        self._flushers: list[asyncio.Task[None]] = []
        self._underway = 0

    async def append(self, requests: Sequence[Request]) -> list[Answer]:
        """Append `requests` in a transaction of the ledger's own; durable when it returns.

        Answers as `append` does. Raises `Transient` (`ledger_unavailable`) when the database can't be reached or
        doesn't give the lock in time; the events may then have been stored, so try again with the same ids.
        A cancelled caller's events may be stored too.
        """
        encoded = [[new.encode() for new in request] for request in requests]
        streams = [new.event.subject for request in requests for new in request]
        waiting = _Waiting(encoded, streams, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._flushers = [task for task in self._flushers if not task.done()]
        if self._is_due(len(self._flushers)):
            self._flushers.append(asyncio.create_task(self._flush()))
        return await waiting.done

    def _is_due(self, flying: int) -> bool:
        """Whether what waits is to be sent while `flying` groups are underway."""
        if flying:
            return flying < FLYING and len(self._waiting) >= max(GROUP, self._underway)
        return bool(self._waiting)

    async def _flush(self) -> None:
        while self._is_due(sum(not task.done() for task in self._flushers) - 1):
            group = self._take()
            self._underway += len(group)
            try:
                await self._commit(group)
            except BaseException as error:
                for waiting in group:
                    if not waiting.done.done():
                        waiting.done.set_exception(
                            error if isinstance(error, Exception) else Transient("stopped", "the ledger was closed")
                        )
                if not isinstance(error, Exception):
                    raise
            finally:
                self._underway -= len(group)

    def _take(self) -> list[_Waiting]:
        taken = events = 0
        most = len(self._waiting) if self._underway else max(GROUP, len(self._waiting) // 2)
        for waiting in self._waiting[:most]:
            if taken and events + len(waiting.streams) > MAX_BATCH:
                break
            taken += 1
            events += len(waiting.streams)
        group, self._waiting = self._waiting[:taken], self._waiting[taken:]
        return group

    async def _commit(self, group: list[_Waiting]) -> None:
        try:
            # A single statement is its own transaction: one round trip.
            answers = await _append_encoded(
                self.pool,
                [request for waiting in group for request in waiting.encoded],
                [stream for waiting in group for stream in waiting.streams],
            )
        except asyncpg.DataError:
            if len(group) == 1:
                raise
            for waiting in group:  # bytes the database can't read fail their own caller only
                await self._commit_alone(waiting)
            return
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
            raise _unavailable(error) from error
        start = 0
        for waiting in group:
            end = start + len(waiting.encoded)
            if not waiting.done.done():
                waiting.done.set_result(answers[start:end])
            start = end

    async def _commit_alone(self, waiting: _Waiting) -> None:
        try:
            await self._commit([waiting])
        except Exception as error:
            if not waiting.done.done():
                waiting.done.set_exception(error)

    async def read_stream(self, source: Source, stream: str, from_version: int = 1) -> list[Recorded]:
        """The events of one stream from `from_version` on, in order."""
        return _recorded(
            await source.fetch(
                "SELECT position, event FROM ledger.events WHERE stream = $1 AND version >= $2 ORDER BY version",
                stream,
                from_version,
            )
        )

    async def read_case(self, source: Source, case_id: str) -> list[Recorded]:
        """Everything that happened in one case, whoever wrote it, in ledger order."""
        return _recorded(
            await source.fetch(
                "SELECT position, event FROM ledger.events WHERE case_id = $1 ORDER BY position", case_id
            )
        )

    async def read_category(
        self, source: Source, category_prefix: str, after: int = -1, limit: int = 10_000
    ) -> list[Recorded]:
        """Events of all streams that begin with `category_prefix` (`declaration/`), in ledger order.

        At most `limit`, from the position after `after`. Meant for categories with few events: it sorts them.
        """
        return _recorded(
            await source.fetch(
                # A query of its own, or a planner without statistics walks all positions for those few.
                "WITH found AS MATERIALIZED (SELECT position, event FROM ledger.events "
                'WHERE stream >= $1 AND stream < $2 COLLATE "C" AND position > $3) '
                "SELECT position, event FROM found ORDER BY position LIMIT $4",
                category_prefix,
                category_prefix[:-1] + chr(ord(category_prefix[-1]) + 1),
                after,
                limit,
            )
        )

    async def read_after(
        self,
        reader: Source,
        position: int,
        limit: int,
        source: str | None = None,
        types: Iterable[str] | None = None,
    ) -> list[Recorded]:
        """At most `limit` events after `position`, in ledger order; only of `source`, only of `types`, if given.

        Positions have no gaps and a committed position never appears later than a higher one, so the last
        position read is a safe place to go on from.
        """
        return _recorded(
            await reader.fetch(
                "SELECT position, event FROM ledger.events WHERE position > $1 "
                "AND ($3::text IS NULL OR source = $3) AND ($4::text[] IS NULL OR type = ANY ($4)) "
                "ORDER BY position LIMIT $2",
                position,
                limit,
                source,
                None if types is None else list(types),
            )
        )

    async def read_positions(self, source: Source, positions: Iterable[int]) -> list[Recorded]:
        """The events at `positions`, in ledger order; positions that don't exist are left out."""
        return _recorded(
            await source.fetch(
                "SELECT position, event FROM ledger.events WHERE position = ANY ($1::bigint[]) ORDER BY position",
                list(positions),
            )
        )

    async def by_ids(self, reader: Source, ids: Iterable[tuple[str, str]]) -> list[Recorded]:
        """The events with these (source, id), in ledger order; those that don't exist are left out."""
        pairs = list(ids)
        return _recorded(
            await reader.fetch(
                "SELECT e.position, e.event FROM unnest($1::text[], $2::text[]) AS u (source, id) "
                "JOIN ledger.events e ON e.source = u.source AND e.id = u.id ORDER BY e.position",
                [source for source, _ in pairs],
                [identity for _, identity in pairs],
            )
        )

    async def head(self, source: Source) -> int:
        """The last position, -1 when the ledger is empty."""
        return int(await source.fetchval("SELECT position FROM ledger.head"))


def _recorded(rows: Iterable[Any]) -> list[Recorded]:
    return [Recorded(position, None, event.encode()) for position, event in rows]


def _unavailable(error: Exception) -> Transient:
    return Transient("ledger_unavailable", f"the ledger didn't take the events: {error or type(error).__name__}")
