"""The file of polled databases, and the table of how far each was read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import orjson
from common.canonical import parse_strict
from common.errors import Permanent
from common.ledger import Connection
from common.watching import Watched
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from observer.core.polling import Kept, Poll, Position

MAX_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Polls:
    """What is polled: addresses by feed, which are secret, and the tables."""

    addresses: Mapping[str, str]
    tables: tuple[Poll, ...]

    def __repr__(self) -> str:
        return f"Polls({[poll.name for poll in self.tables]})"


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid")

    entity_type: str = Field(min_length=1, max_length=63)
    table: str = Field(min_length=1, max_length=127)
    cursor: str = Field(min_length=1, max_length=63)
    tie: str = Field(min_length=1, max_length=63)
    moment: str = Field(default="", max_length=63)
    zone: str = Field(default="", max_length=63)
    columns: list[str] = Field(default=[], max_length=200)
    overlap: float = Field(default=300.0, ge=0, le=10**9)
    settle_s: float = Field(default=1.0, ge=0, le=3600)
    every_s: float = Field(default=5.0, ge=0.2, le=86_400)
    whole_every_s: float = Field(default=0.0, ge=0, le=10**8)
    schema_version: int = Field(default=1, ge=1, le=10**9)

    @field_validator("zone")
    @classmethod
    def _known(cls, zone: str) -> str:
        try:
            return zone and ZoneInfo(zone).key
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError("this is no time zone") from error

    def poll(self, feed: str) -> Poll:
        schema, _, table = self.table.rpartition(".")
        said = self.model_dump(exclude={"table", "columns"})
        return Poll(feed=feed, table=(schema or "public", table), columns=tuple(self.columns), **said)


class _Feed(BaseModel):
    model_config = ConfigDict(extra="forbid")

    dsn: str
    tables: list[_Table] = Field(min_length=1, max_length=100)


class _File(BaseModel):
    feeds: dict[str, _Feed] = Field(max_length=100)


def watched_polls(path: Path | None) -> Callable[[], Polls]:
    """What the file says now; nothing without a file. Raises `Permanent` (`polls_malformed`) at the beginning."""
    if path is None:
        return lambda: Polls({}, ())
    return Watched(path, read_polls, "the file of polled databases", "polls_malformed")


def read_polls(path: Path) -> Polls:
    """The file's feeds and tables. Raises `Permanent` (`polls_malformed`), which never quotes an address."""
    try:
        feeds = _File(feeds=parse_strict(path.read_bytes(), MAX_BYTES)).feeds
    except ValidationError as error:
        fault = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, fault["loc"][1:]))
        raise Permanent("polls_malformed", f"TRUEUP_POLLS: {path}: {where}: {fault['msg']}") from None
    except (OSError, Permanent) as error:
        raise Permanent("polls_malformed", f"TRUEUP_POLLS: {path} can't be read: {error}") from error
    tables = tuple(table.poll(feed) for feed, item in feeds.items() for table in item.tables)
    if len({poll.name for poll in tables}) != len(tables):
        raise Permanent("polls_malformed", f"TRUEUP_POLLS: {path}: two tables for one entity type")
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
