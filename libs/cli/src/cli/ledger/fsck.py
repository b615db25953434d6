"""The whole ledger, read in order as `reader`, a bounded piece at a time.

Each row by itself is `common.ledger.checking`'s; what takes other rows is asked of the database, so that nothing is
remembered here. It checks what is there: a ledger that somebody rewrote consistently, or cut off with its head, is
found out only by checkpoints that are held elsewhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import asyncpg
from common.errors import Refused
from common.events import Event
from common.ledger.checking import Finding, Row, Trust, examine

PIECE = 2_000
"""Positions that are read at once, fewer when they hold more than `PIECE_BYTES`."""
PIECE_BYTES = 32 * 1024 * 1024
LISTED = 1_000
"""Findings that are kept; the others are counted."""
_LOWEST = -(2**63)
_SETTINGS = {
    # A plan for a piece of the ledger is by its indexes, whatever the statistics say of it.
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "jit": "off",
    "application_name": "fsck",
}
_ROWS = """
SELECT position, event, source, id, stream, version, type, case_id, recorded_at FROM ledger.events
WHERE position >= $1 AND position <= $2 ORDER BY position
"""
_VERSIONS = """
SELECT u.position, u.stream, u.version, b.version AS before, b.position > u.position AS later, t.position AS twice
FROM unnest($1::bigint[], $2::text[], $3::bigint[]) AS u (position, stream, version)
LEFT JOIN LATERAL (
    SELECT e.version, e.position FROM ledger.events e
    WHERE e.stream = u.stream AND e.version < u.version ORDER BY e.version DESC LIMIT 1) b ON true
LEFT JOIN LATERAL (
    SELECT e.position FROM ledger.events e
    WHERE e.stream = u.stream AND e.version = u.version AND e.position < u.position LIMIT 1) t ON true
WHERE coalesce(b.version, 0) <> u.version - 1 OR b.position > u.position OR t.position IS NOT NULL
"""
_IDS = """
SELECT u.position, u.source, u.id, e.position AS first
FROM unnest($1::bigint[], $2::text[], $3::text[]) AS u (position, source, id)
JOIN LATERAL (
    SELECT e.position FROM ledger.events e
    WHERE e.id = u.id AND e.source = u.source AND e.position < u.position LIMIT 1) e ON true
"""
_CAUSES = """
SELECT u.position, u.cause, e.position AS at
FROM unnest($1::bigint[], $2::text[]) AS u (position, cause)
LEFT JOIN LATERAL (
    SELECT e.position FROM ledger.events e WHERE e.id = u.cause ORDER BY e.position LIMIT 1) e ON true
WHERE e.position IS NULL OR e.position >= u.position
"""


@dataclass(slots=True)
class Report:
    """What was found. `findings` are the first `LISTED`, in the order they were met; `counts` are of all."""

    events: int = 0
    findings: list[Finding] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def sound(self) -> bool:
        return not self.counts

    def add(self, findings: Iterable[Finding]) -> None:
        for finding in findings:
            self.counts[finding.reason_code] += 1
            if len(self.findings) < LISTED:
                self.findings.append(finding)


async def fsck(url: str, trust: Trust, tell: Callable[[int, int], None]) -> Report:
    """Check the ledger at `url` (the address for `reader`) up to the head it has now; services may go on appending.

    `tell` gets (events checked, events there are). Raises `Refused`: `database_unreachable`, `ledger_unreadable`.
    """
    try:
        connection = await asyncpg.connect(url, server_settings=_SETTINGS)
    except (OSError, asyncpg.PostgresError) as error:
        what = "Start it, or check address and password: --database, or --data of a stack that runs."
        raise Refused("database_unreachable", f"The database does not answer: {error}", what) from error
    try:
        return await _Check(connection, trust, tell).run()
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        what = "Check that it is a realm's database and the role its reader; if a table is damaged, restore a backup."
        raise Refused("ledger_unreadable", f"The ledger can't be read to its end: {error}", what) from error
    finally:
        connection.terminate()


class _Check:
    def __init__(self, connection: Any, trust: Trust, tell: Callable[[int, int], None]) -> None:
        self._connection = connection
        self._trust = trust
        self._tell = tell
        self._report = Report()
        self._expected = 0

    async def run(self) -> Report:
        last = await self._check_head()
        while (start := await self._next(last)) is not None:
            rows = await self._piece(start, last)
            self._report.add(self._positions(rows))
            events = self._each(rows)
            await self._check_versions(rows)
            await self._check_ids(rows)
            await self._check_causes(events)
            self._report.events += len(rows)
            self._tell(self._report.events, last + 1)
        return self._report

    async def _check_head(self) -> int:
        """Whether the head is the last position; returns that. One statement: services append meanwhile."""
        row = await self._connection.fetchrow(
            "SELECT (SELECT array_agg(position) FROM ledger.head) AS heads, max(position) AS last FROM ledger.events"
        )
        heads, last = row["heads"] or [], -1 if row["last"] is None else int(row["last"])
        if heads != [last]:
            said = ", ".join(map(str, heads)) or "nothing"
            self._report.add([Finding(None, "head_wrong", f"the head says {said}, the last position is {last}")])
        return last

    async def _next(self, last: int) -> int | None:
        after = self._expected - 1 if self._report.events else _LOWEST
        found = await self._connection.fetchval(
            "SELECT position FROM ledger.events WHERE position > $1 AND position <= $2 ORDER BY position LIMIT 1",
            after,
            last,
        )
        return None if found is None else int(found)

    async def _piece(self, start: int, last: int) -> list[Row]:
        end = min(start + PIECE - 1, last)
        while end > start and await self._bytes(start, end) > PIECE_BYTES:
            end = (start + end) // 2
        return [Row(*row) for row in await self._connection.fetch(_ROWS, start, end)]

    async def _bytes(self, start: int, end: int) -> int:
        return int(
            await self._connection.fetchval(
                "SELECT coalesce(sum(octet_length(event)), 0) FROM ledger.events WHERE position BETWEEN $1 AND $2",
                start,
                end,
            )
        )

    def _positions(self, rows: Sequence[Row]) -> Iterator[Finding]:
        for row in rows:
            if row.position > self._expected:
                yield Finding(
                    row.position, "positions_missing", f"{self._expected} to {row.position - 1} are not there"
                )
            elif row.position < self._expected:
                yield Finding(row.position, "position_wrong", f"{self._expected} was to come here")
            self._expected = row.position + 1

    def _each(self, rows: Sequence[Row]) -> list[tuple[int, Event]]:
        events: list[tuple[int, Event]] = []
        for row in rows:
            event, findings = examine(row, self._trust)
            self._report.add(findings)
            if event is not None:
                events.append((row.position, event))
        return events

    async def _check_versions(self, rows: Sequence[Row]) -> None:
        found = await self._connection.fetch(
            _VERSIONS, [row.position for row in rows], [row.stream for row in rows], [row.version for row in rows]
        )
        for position, stream, version, before, later, twice in found:
            if twice is not None:
                code, what = "version_twice", f"position {twice} is version {version} of {stream}, too"
            elif later:
                code, what = "version_break", f"{stream} has version {before} after its version {version}"
            else:
                code, what = "version_break", f"{stream} goes from version {before or 0} to {version}"
            self._report.add([Finding(position, code, what)])

    async def _check_ids(self, rows: Sequence[Row]) -> None:
        found = await self._connection.fetch(
            _IDS, [row.position for row in rows], [row.source for row in rows], [row.id for row in rows]
        )
        self._report.add(
            Finding(position, "id_twice", f"position {first} is event {identity} of the {source}, too")
            for position, source, identity, first in found
        )

    async def _check_causes(self, events: Sequence[tuple[int, Event]]) -> None:
        caused = [(position, str(event.causationid)) for position, event in events if event.causationid is not None]
        found = await self._connection.fetch(
            _CAUSES, [position for position, _ in caused], [cause for _, cause in caused]
        )
        self._report.add(
            Finding(position, "cause_missing", f"its cause {cause} is not in the ledger")
            if at is None
            else Finding(position, "cause_later", f"its cause {cause} is at {at}, after it")
            for position, cause, at in found
        )
