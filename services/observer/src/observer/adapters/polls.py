"""The file of polled databases, and the table of how far each was read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from common import polls
from common.ledger import Connection
from common.polls import Poll
from common.watching import Watched

from observer.core.polling import Kept, Position


@dataclass(frozen=True, slots=True)
class Polls:
    """What is polled: addresses by feed, which are secret, and the tables."""

    addresses: Mapping[str, str]
    tables: tuple[Poll, ...]

    def __repr__(self) -> str:
        return f"Polls({[poll.name for poll in self.tables]})"


def watched_polls(path: Path | None) -> Callable[[], Polls]:
    """What the file says now; nothing without a file. Raises `Permanent` (`polls_malformed`) at the beginning."""
    if path is None:
        return lambda: Polls({}, ())
    return Watched(path, read_polls, "the file of polled databases", "polls_malformed")


def read_polls(path: Path) -> Polls:
    """The file's feeds and tables. Raises `Permanent` (`polls_malformed`), which never quotes an address."""
    feeds = polls.read(path, f"TRUEUP_POLLS: {path}")
    tables = tuple(table.poll(feed) for feed, item in feeds.items() for table in item.tables)
    return Polls({feed: item.dsn for feed, item in feeds.items()}, tables)


_LOAD = (
    "SELECT definition, schema_version, cursor_at, tie_at, rows FROM observer.polls "
    "WHERE feed = $1 AND entity_type = $2"
)
_LOCKED = f"{_LOAD} FOR UPDATE"


class PollTable:
    """`observer.polls`. All methods work in the caller's transaction."""

    async def load(self, connection: Connection, poll: Poll, *, lock: bool = False) -> Kept | None:
        """What is kept; with `lock` nobody else changes it before the transaction ends."""
        row = await connection.fetchrow(
            _LOCKED if lock else _LOAD,
            *poll.name,
        )
        if row is None:
            return None
        position = Position(row["cursor_at"], row["tie_at"]) if row["cursor_at"] is not None else None
        return Kept(orjson.loads(row["definition"]), row["schema_version"], position, row["rows"])

    async def save(self, connection: Connection, poll: Poll, kept: Kept) -> None:
        """Keep it."""
        position = kept.position
        await connection.execute(
            "INSERT INTO observer.polls (feed, entity_type, definition, schema_version, cursor_at, tie_at, rows) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (feed, entity_type) DO UPDATE SET "
            "definition = excluded.definition, schema_version = excluded.schema_version, "
            "cursor_at = excluded.cursor_at, tie_at = excluded.tie_at, rows = excluded.rows",
            *poll.name,
            orjson.dumps(kept.definition).decode(),
            kept.schema_version,
            position.cursor if position else None,
            position.tie if position else None,
            kept.rows,
        )

    async def whole_at(self, connection: Connection, poll: Poll) -> Any:
        """When all rows were reported last; None: never."""
        return await connection.fetchval(
            "SELECT whole_at FROM observer.polls WHERE feed = $1 AND entity_type = $2", *poll.name
        )

    async def reported(self, connection: Connection, poll: Poll, at: Any) -> None:
        """All rows were reported as of `at`."""
        await connection.execute(
            "UPDATE observer.polls SET whole_at = $3 WHERE feed = $1 AND entity_type = $2", *poll.name, at
        )
