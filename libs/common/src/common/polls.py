"""`polls.json`: which tables of which databases the observer polls, and whether a table can be polled so. `trueup
polls` writes the file, the observer reads it, both by what is said here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from common.canonical import parse_strict
from common.errors import Permanent, Refused

MAX_BYTES = 1024 * 1024
EVERY_S, OVERLAP, SETTLE_S = 5.0, 300.0, 1.0
COUNTS = ("int2", "int4", "int8")
MOMENTS = ("timestamptz", "timestamp")
_TIES = (*COUNTS, "text", "varchar", "uuid")
_SCHEMES = ("postgresql", "postgres")
AGAIN = "Mend the file of polls (trueup polls), or accept the table as it is now with a higher schema_version."
COLUMN_TYPES = (
    "SELECT a.attname, t.typname FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid "
    "WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"
)
"""Asks for the columns of the table `quoted(*table)`, in order, with their types; none: there is no such table."""


@dataclass(frozen=True, slots=True)
class Poll:
    """One table to poll for one entity type. `table` is (schema, table).

    `cursor`: a column that grows with every change of a row, a moment or a whole number; `tie` tells apart rows with
    the same one. `moment`: the column that says since when the row is so; without one, the cursor. `zone`: that of
    moments without one. `overlap`: how far before the newest position rows are read again, in seconds or numbers.
    `settle_s`: how old a moment must be, so that all of its rows are there. `columns`: none means all. A higher
    `schema_version` accepts the table as it is by then. `whole_every_s`: 0, or how often all rows are reported.
    """

    feed: str
    entity_type: str
    table: tuple[str, str]
    cursor: str
    tie: str
    moment: str = ""
    zone: str = ""
    columns: tuple[str, ...] = ()
    overlap: float = OVERLAP
    settle_s: float = SETTLE_S
    every_s: float = EVERY_S
    whole_every_s: float = 0.0
    schema_version: int = 1

    @property
    def name(self) -> tuple[str, str]:
        """What tells polls apart."""
        return self.feed, self.entity_type


class Table(BaseModel):
    """One table as the file has it. `table`: `schema.table`, or `table` in `public`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    entity_type: str = Field(min_length=1, max_length=63)
    table: str = Field(min_length=1, max_length=127)
    cursor: str = Field(min_length=1, max_length=63)
    tie: str = Field(min_length=1, max_length=63)
    moment: str = Field(default="", max_length=63)
    zone: str = Field(default="", max_length=63)
    columns: list[str] = Field(default=[], max_length=200)
    overlap: float = Field(default=OVERLAP, ge=0, le=10**9)
    settle_s: float = Field(default=SETTLE_S, ge=0, le=3600)
    every_s: float = Field(default=EVERY_S, ge=0.2, le=86_400)
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
        """What the observer polls, on behalf of this feed."""
        schema, _, table = self.table.rpartition(".")
        said = self.model_dump(exclude={"table", "columns"})
        return Poll(feed=feed, table=(schema or "public", table), columns=tuple(self.columns), **said)


class Feed(BaseModel):
    """One database and its tables. `dsn` is secret: whoever shows a feed shows `address` only."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dsn: str = Field(repr=False)
    tables: list[Table] = Field(min_length=1, max_length=100)

    @property
    def address(self) -> str:
        """Host, port and database, without login and password; of an address of another form, nothing."""
        try:
            parts = urlsplit(self.dsn)
        except ValueError:
            return "(not shown)"
        return f"{parts.netloc.rpartition('@')[2]}{parts.path}" if parts.scheme in _SCHEMES else "(not shown)"


class _File(BaseModel):
    feeds: dict[str, Feed] = Field(max_length=100)


def checked(content: Mapping[str, Any], where: str) -> dict[str, Feed]:
    """The content of the file, by feed. Raises `Permanent` (`polls_malformed`), which never quotes an address."""
    try:
        feeds = _File(feeds=content).feeds
    except ValidationError as error:
        fault = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(map(str, fault["loc"][1:]))
        raise Permanent("polls_malformed", f"{where}: {place}: {fault['msg']}") from None
    for feed, item in feeds.items():
        types = [table.entity_type for table in item.tables]
        if len(set(types)) != len(types):
            raise Permanent("polls_malformed", f"{where}: {feed}: two tables for one entity type")
    return feeds


def read(path: Path, where: str = "") -> dict[str, Feed]:
    """The file, by feed. Raises `Permanent` (`polls_malformed`), which never quotes an address."""
    where = where or str(path)
    try:
        content = parse_strict(path.read_bytes(), MAX_BYTES)
    except (OSError, Permanent) as error:
        raise Permanent("polls_malformed", f"{where} can't be read: {error}") from error
    return checked(content, where)


def quoted(*names: str) -> str:
    """`"schema"."table"`, whatever the names hold."""
    return ".".join('"' + name.replace('"', '""') + '"' for name in names)


def definition(poll: Poll, types: Mapping[str, str]) -> dict[str, Any]:
    """What of the table must stay as it is: its name, the columns that are read, and their types.

    `types`: column -> type of the table as it is now. Raises `Refused` where the table can't be polled so.
    """
    where = ".".join(poll.table)
    if not types:
        told = f"{poll.feed} has no table {where}, or its login may not see it"
        raise Refused("table_missing", told, "Mend the file of polls, or grant USAGE and SELECT.")
    wanted = poll.columns or tuple(types)
    needed = (poll.cursor, poll.tie, poll.moment or poll.cursor)
    if missing := [name for name in dict.fromkeys((*wanted, *needed)) if name not in types]:
        raise Refused("column_missing", f"{where} has no column {', '.join(missing)}", AGAIN)
    if types[poll.cursor] not in (*COUNTS, *MOMENTS):
        told = f"the cursor {poll.cursor} of {where} is {types[poll.cursor]}: neither a moment nor a whole number"
        raise Refused("cursor_unfit", told, "Name a column that grows with every change of a row.")
    if types[poll.tie] not in _TIES:
        told = f"the tie {poll.tie} of {where} is {types[poll.tie]}: neither a text nor a whole number nor a uuid"
        raise Refused("cursor_unfit", told, "Name the table's key.")
    moment = types[poll.moment or poll.cursor]
    if moment not in MOMENTS or (moment == "timestamp" and not poll.zone):
        told = f"{where}: {poll.moment or poll.cursor} is {moment} and does not say an instant"
        raise Refused("moment_unfit", told, "Name a moment column, and the time zone of one without.")
    return {
        "table": list(poll.table),
        "cursor": poll.cursor,
        "tie": poll.tie,
        "moment": poll.moment or poll.cursor,
        "columns": {name: types[name] for name in wanted},
        "kinds": [types[poll.cursor], types[poll.tie], moment],
    }
