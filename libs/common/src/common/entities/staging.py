"""Observations that the database takes out of the ledger itself, for a store that catches up.

Most events of a ledger are observations, and of an observation a store needs the key, the row and the order. Those
that are written as services write them (`common.entities.plain`) never come here. All others, and all other events,
are read as ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import asyncpg
import orjson

from common.entities.plain import plain
from common.entities.rows import Ref
from common.entities.sources import SourceState
from common.events.observer import EntityObserved
from common.ledger import Connection, Recorded

COLUMNS = """
    t text COLLATE "C" NOT NULL, k text COLLATE "C" NOT NULL, r text, f text NOT NULL, at timestamptz NOT NULL,
    s bigint NOT NULL, i text COLLATE "C" NOT NULL, p bigint NOT NULL
"""


def newest(source: str) -> str:
    """Of `source` the newest observation of each entity. By keys first, of which few begin alike: sorting by types,
    most of which are the same, takes three times as long."""
    return f"(SELECT DISTINCT ON (k, t) * FROM {source} ORDER BY k, t, at DESC, s DESC, i DESC) n"  # noqa: S608


def observe(tables: str, source: str, *, empty: bool = False) -> str:
    """The statement that writes the observations of `source` (t, k, r, f, at, s, i, p; each entity once) that are
    newer than what `entities` holds; `e` is what was written. `empty`: it holds nothing, and may have no key."""
    insert = f"""
        INSERT INTO {tables}entities AS e
            (entity_type, key, row, feed, source_time, sequence, event_id, position, as_of, withdrawn)
        SELECT t, k, r, f, at, s, i, p, at, r IS NULL FROM {source}"""  # noqa: S608
    if empty:
        return insert
    return f"""{insert}
        ON CONFLICT (entity_type, key) DO UPDATE SET
            row = excluded.row, feed = excluded.feed, source_time = excluded.source_time,
            sequence = excluded.sequence, event_id = excluded.event_id, position = excluded.position,
            as_of = greatest(e.as_of, excluded.as_of), withdrawn = excluded.withdrawn
        WHERE (excluded.source_time, excluded.sequence, excluded.event_id)
              > (e.source_time, e.sequence, e.event_id)"""


def _others(table: str) -> str:
    return (
        "SELECT position, event FROM ledger.events WHERE position > $1 AND position <= $2 "  # noqa: S608
        f"AND (type <> '{EntityObserved.TYPE}' OR position <= $3 AND position NOT IN (SELECT p FROM {table})) "
        "AND ($4::text IS NULL OR source = $4) "
        "ORDER BY position"
    )


class Staging:
    """The tables `observed_<slot>` of one store, each for one stretch of the ledger at a time."""

    def __init__(self, tables: str) -> None:
        """`tables`: schema, a dot, and what the tables' names begin with; trusted, it becomes part of statements."""
        self._tables = tables

    def table(self, slot: int) -> str:
        return f"{self._tables}observed_{slot}"

    async def ensure(self, conn: Connection, slot: int) -> None:
        """The table of `slot` is there. What is in it is worth nothing once a transaction is over: it has no numbered
        schema file, and a crash may empty it."""
        if await conn.fetchval("SELECT to_regclass($1)", self.table(slot)) is None:
            await conn.execute(f"CREATE UNLOGGED TABLE {self.table(slot)} ({COLUMNS})")

    async def stage(
        self, conn: Connection, slot: int, after: int, until: int, observed: int, source: str | None = None
    ) -> list[Recorded]:
        """Put what is plain of the observations after `after` and up to `observed` into `slot`, instead of what was
        in it; returns the others, and all other events up to `until` (only of `source`, if given), in ledger order.
        Waits for who reads the slot in a transaction."""
        table = self.table(slot)
        try:
            async with conn.transaction():
                await conn.execute(f"TRUNCATE {table}")
                await conn.execute(plain(table), after, observed)
        except asyncpg.DataError:  # something is wrong with one of them: they are read one by one, which says what
            await conn.execute(f"TRUNCATE {table}")
        rows = await conn.fetch(_others(table), after, until, observed, source)
        return [Recorded(position, None, event.encode()) for position, event in rows]

    async def events(self, conn: Connection, slot: int, logs: Sequence[str], linked: Sequence[str]) -> list[Ref]:
        """Take those of `slot` that are events of cases into `entity_events`; returns the cases of types `linked`
        that have a new one."""
        if not logs:
            return []
        rows = await conn.fetch(
            f"WITH new AS (INSERT INTO {self._tables}entity_events "  # noqa: S608
            "(entity_type, key, event_id, source_time, sequence, row) "
            f"SELECT t, k, i, at, s, r FROM {self.table(slot)} WHERE t = ANY ($1::text[]) ORDER BY t, k, i "
            "ON CONFLICT DO NOTHING RETURNING entity_type, key) "
            "SELECT DISTINCT entity_type, key FROM new WHERE entity_type = ANY ($2::text[])",
            logs,
            linked,
        )
        return [(row[0], row[1]) for row in rows]

    async def newest(self, conn: Connection, slot: int, linked: Sequence[str]) -> dict[Ref, dict[str, Any]]:
        """Take the newest of each entity in `slot` into `entities`; returns the rows of types `linked` that were
        newer than what was there."""
        observed = observe(self._tables, newest(self.table(slot)))
        rows = await conn.fetch(
            f"WITH taken AS ({observed} RETURNING e.entity_type, e.key, e.row) "  # noqa: S608
            "SELECT entity_type, key, row FROM taken WHERE entity_type = ANY ($1::text[])",
            linked,
        )
        return {(row[0], row[1]): orjson.loads(row[2]) for row in rows}

    async def heard(self, conn: Connection, slot: int) -> dict[str, SourceState]:
        """The feeds that are heard in `slot`, and when last."""
        rows = await conn.fetch(f"SELECT f, max(at) FROM {self.table(slot)} GROUP BY f ORDER BY f")  # noqa: S608
        return {row[0]: SourceState(row[0], row[1]) for row in rows}
