"""Polling a table of a source database: which statement is asked, what a row becomes, what may not have changed.

A row is read again while its cursor is within the overlap before the newest position: a commit may become visible
after a later one was read. Its message's id derives from its content, so that what is read twice is recorded once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

import orjson
from common.canonical import MAX_INTEGER, digest
from common.clock import instant, parse_instant
from common.errors import Refused
from common.polls import AGAIN, COUNTS, MOMENTS, Poll, quoted

from observer.core.envelopes import OBSERVED

BATCH = 500
_NATIVE = (*COUNTS, *MOMENTS, "bool", "text", "varchar", "bpchar", "name", "numeric", "float4", "float8", "date",
           "uuid", "_text", "_varchar")  # fmt: skip
Cell: TypeAlias = Any


@dataclass(frozen=True, slots=True)
class Position:
    """How far a poll has come: the cursor and the tie of the newest row, as the source writes them."""

    cursor: str
    tie: str


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of a poll: the table as it was at the first, and how far it has come since."""

    definition: Mapping[str, Any]
    schema_version: int
    position: Position | None = None
    rows: int = 0


@dataclass(frozen=True, slots=True)
class Seen:
    """One row as it was read. `beyond`: it comes after the position that was kept when the table was looked at;
    `number`: its cursor, where that is a whole number."""

    position: Position
    moment: datetime
    beyond: bool
    number: int | None
    row: Mapping[str, Any]


def accepted(poll: Poll, now: Mapping[str, Any], kept: Kept | None) -> Kept:
    """What is kept from now on. Raises `Refused` (`schema_changed`) when the table is no longer what it was and
    nobody has said that this is meant: a column with another type or name would be Unknown, or wrong."""
    if kept is None:
        return Kept(now, poll.schema_version)
    if now == kept.definition:
        return Kept(now, max(poll.schema_version, kept.schema_version), kept.position, kept.rows)
    if poll.schema_version <= kept.schema_version:
        told = f"{'.'.join(poll.table)} is not what it was: {'; '.join(_changes(kept.definition, now))}"
        raise Refused("schema_changed", told, AGAIN)
    same_way = all(now[name] == kept.definition.get(name) for name in ("table", "cursor", "tie", "kinds"))
    return Kept(now, poll.schema_version, kept.position if same_way else None, kept.rows)


def _changes(was: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    before, after = was["columns"], now["columns"]
    told = [f"the column {name} went missing" for name in before if name not in after]
    told += [f"the column {name} is new" for name in after if name not in before]
    told += [
        f"{name} was {before[name]} and is {after[name]}"
        for name in before
        if after.get(name, before[name]) != before[name]
    ]
    told += [f"its {name} is another" for name in ("table", "cursor", "tie", "moment") if was[name] != now[name]]
    return told[:10]


# The statements. Every name is quoted, everything else is a parameter.


def page(poll: Poll, kept: Kept, after: Position | None, *, whole: bool = False) -> tuple[str, list[Any]]:
    """The next rows in the order of cursor and tie, with their parameters: those `after` a position; without one from
    the overlap before the kept position on, or from the beginning; of the `whole` table all. Columns first, then
    cursor, tie, moment, whether the row lies beyond the kept position, and the cursor as it is."""
    by, tie, _ = kept.definition["kinds"]
    cursor, both = quoted("t", poll.cursor), f"({quoted('t', poll.cursor)}, {quoted('t', poll.tie)})"
    given: list[Any] = []

    def parameter(value: Any, kind: str) -> str:
        given.append(value)
        return f"${len(given)}::{kind}"

    def place(at: Position) -> str:
        return f"({parameter(at.cursor, 'text')}::{by}, {parameter(at.tie, 'text')}::{tie})"

    conditions = []
    beyond = f"{both} > {place(kept.position)}" if kept.position is not None and not whole else "true"
    if after is not None:
        conditions.append(f"{both} > {place(after)}")
    elif kept.position is not None and not whole:
        back, of = ("float8 * interval '1 second'", by) if by in MOMENTS else ("float8::int8", "int8")
        start = parameter(kept.position.cursor, "text")
        conditions.append(f"{cursor} >= {start}::{of} - {parameter(poll.overlap, back)}")
    if by in MOMENTS and not whole:
        latest = f"clock_timestamp() - {parameter(poll.settle_s, 'float8')} * interval '1 second'"
        latest = f"({latest}) AT TIME ZONE {parameter(poll.zone, 'text')}" if by == "timestamp" else latest
        conditions.append(f"{cursor} <= {latest}")
    where = f"WHERE {' AND '.join(conditions)} " if conditions else ""
    columns = [_selected(name, kind) for name, kind in kept.definition["columns"].items()]
    about = (
        f"{cursor}::text",
        f"{quoted('t', poll.tie)}::text",
        quoted("t", poll.moment or poll.cursor),
        beyond,
        cursor,
    )
    return (
        f"SELECT {', '.join((*columns, *about))} "  # noqa: S608 - names are quoted, values are parameters
        f"FROM {quoted(*poll.table)} AS t {where}ORDER BY {both[1:-1]} LIMIT {BATCH}",
        given,
    )


def _selected(name: str, kind: str) -> str:
    return quoted("t", name) if kind in _NATIVE else f"{quoted('t', name)}::text"


def seen(poll: Poll, kept: Kept, record: Sequence[Any]) -> Seen:
    """A row of `page`, read."""
    names = [*kept.definition["columns"]]
    cursor, tie, moment, beyond, number = record[len(names) :]
    if moment is None:
        told = f"a row of {'.'.join(poll.table)} has no {poll.moment}, which says since when it is so"
        raise Refused("moment_unfit", told, "Fill the column, or name another.")
    at = moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(poll.zone))
    row = {name: cell(value) for name, value in zip(names, record, strict=False)}
    return Seen(Position(cursor, tie), at, beyond, number if isinstance(number, int) else None, row)


def cell(value: Any) -> Cell:  # noqa: PLR0911 - one for each kind of value
    """A value as a row may hold it: exact, and the same whenever it is read again."""
    match value:
        case None | bool() | str():
            return value
        case int():
            return value if -MAX_INTEGER <= value <= MAX_INTEGER else str(value)
        case float():
            return repr(value)
        case Decimal():
            return f"{value:f}"
        case datetime():
            return instant(value) if value.tzinfo else value.isoformat()
        case date() | time():
            return value.isoformat()
        case list() | tuple():
            return [cell(item) for item in value]
        case _:
            return str(value)


def up_to(rows: Sequence[Seen], latest: datetime) -> Sequence[Seen]:
    """The rows before the first that is not believed yet: it, and what follows, waits for the realm's clock."""
    for place, row in enumerate(rows):
        if row.moment > latest:
            return rows[:place]
    return rows


def message(poll: Poll, row: Seen, hidden: frozenset[str]) -> dict[str, Any]:
    """The message that reports the row. Its id says nothing of the columns `hidden`, which are sensitive: a digest of
    few possible values could be tried out."""
    plain = {name: value for name, value in row.row.items() if name not in hidden}
    text = digest([list(poll.table), row.position.cursor, row.position.tie, plain])
    data: dict[str, Any] = {"entity_type": poll.entity_type, "row": dict(row.row)}
    if row.number is not None and 0 <= row.number <= MAX_INTEGER:
        data["sequence"] = row.number
    return _event(poll, f"poll/{text[:40]}", instant(row.moment), data)


def part_of_whole(poll: Poll, row: Seen, snapshot: str, as_of: str, key_column: str) -> dict[str, Any]:
    """The message that reports the row as part of a snapshot of the whole table."""
    key = str(row.row.get(key_column, "")).strip()[:80]
    name = key if key.isprintable() and key else digest([row.position.cursor, row.position.tie])[:40]
    return _event(poll, f"{snapshot}/{name}", as_of, {"entity_type": poll.entity_type, "row": dict(row.row)})


def _event(poll: Poll, identity: str, at: str, data: dict[str, Any]) -> dict[str, Any]:
    return {"specversion": "1.0", "id": identity, "source": poll.feed, "type": OBSERVED, "time": at, "data": data}


def encoded(message_: Mapping[str, Any]) -> bytes:
    """The message as bytes, the same for the same message."""
    return orjson.dumps(message_)


def newest(position: Position | None, rows: Sequence[Seen]) -> Position | None:
    """The position after these rows, which stand in the source's order; it never goes back into the overlap."""
    return next((row.position for row in reversed(rows) if row.beyond), position)


def snapshot_name(poll: Poll, as_of: str) -> str:
    """The id of the snapshot of the whole table as of an instant."""
    return f"{poll.entity_type}-poll-{parse_instant(as_of):%Y%m%dT%H%M%S%fZ}"
