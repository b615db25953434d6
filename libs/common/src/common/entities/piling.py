"""Observations that a rebuild takes out of the ledger: piled up as they come, and taken into empty tables at once.

A table that is filled row by row looks for each row in its key, and keeps the key in order. One that is filled with
what is sorted, and gets its key afterwards, costs less than half of that.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress

import asyncpg

from common.entities.plain import plain
from common.entities.rows import Observation, columns_of
from common.entities.sources import Sources, SourceState
from common.entities.staging import COLUMNS, newest, observe
from common.events.observer import EntityObserved
from common.ledger import Connection, Recorded

MOST = 250_000
"""Observations that a pile holds before it is taken in: what a rebuild needs of the disk is bounded."""
_SORTED_IN = "64MB"
_TAKES_MOST = "30min"
"""How long a statement that takes a pile in may take: a rebuild ends on a slow disk, too, and holds nobody up."""
_FILLED = ("entities", "entity_events")


class Piles:
    """The tables `piled_<slot>` of a store that is rebuilt. Each is written by one connection at a time, and what is
    committed in it counts; what is there twice counts once.

    Until the first of them is taken in, the store's tables have no primary key.
    """

    def __init__(self, tables: str) -> None:
        """`tables`: schema, a dot, and what the tables' names begin with; trusted, it becomes part of statements."""
        self._tables = tables
        self._sources = Sources(tables)
        self._rows: list[int] = []
        self._keys: dict[str, str] = {}

    def _table(self, slot: int) -> str:
        return f"{self._tables}piled_{slot}"

    async def begin(self, conn: Connection, slots: int) -> None:
        """The store's tables are new and empty. A pile that a crash may empty is no harm: the rebuild ends, too."""
        self._rows = [0] * slots
        for table in map(self._table, range(slots)):
            await conn.execute(f"DROP TABLE IF EXISTS {table}; CREATE UNLOGGED TABLE {table} ({COLUMNS})")
        for name in _FILLED:
            key, definition = await conn.fetchrow(
                "SELECT quote_ident(conname), pg_get_constraintdef(oid) FROM pg_catalog.pg_constraint "
                "WHERE conrelid = $1::text::regclass AND contype = 'p'",
                f"{self._tables}{name}",
            )
            await conn.execute(f"ALTER TABLE {self._tables}{name} DROP CONSTRAINT {key}")
            self._keys[name] = f"CONSTRAINT {key} {definition}"

    async def stage(self, conn: Connection, slot: int, after: int, until: int, observed: int) -> list[Recorded]:
        """Put what is plain of the observations after `after` and up to `observed` on the pile; returns the others,
        and all other events up to `until`, in ledger order."""
        table, taken = self._table(slot), 0
        with suppress(asyncpg.DataError):  # something is wrong with one of them: they are read one by one
            taken = int((await conn.execute(plain(table), after, observed)).split()[-1])
        self._rows[slot] += taken
        if taken == until - after:  # positions have no gaps
            return []
        others = "SELECT position, event FROM ledger.events WHERE position > $1 AND position <= $2 AND"
        rest = f"{others} (type <> '{EntityObserved.TYPE}' OR position > $3) ORDER BY position"
        rows = await conn.fetch(rest, after, until, observed) if taken else []
        if taken + len(rows) < until - after:
            kept = f"{others} position NOT IN (SELECT p FROM {table} WHERE p > $1) ORDER BY position"  # noqa: S608
            rows = await conn.fetch(kept, after, until)
        return [Recorded(position, None, event.encode()) for position, event in rows]

    async def add(self, conn: Connection, slot: int, observations: Sequence[Observation]) -> None:
        """Put these on the pile."""
        if not observations:
            return
        await conn.execute(
            f"INSERT INTO {self._table(slot)} (t, k, r, f, at, s, i, p) SELECT * FROM unnest($1::text[], $2::text[], "  # noqa: S608
            "$3::text[], $4::text[], $5::timestamptz[], $6::bigint[], $7::text[], $8::bigint[])",
            *zip(*map(columns_of, observations), strict=True),
        )
        self._rows[slot] += len(observations)

    def full(self, slot: int) -> bool:
        return self._rows[slot] >= MOST

    async def take(self, conn: Connection, slots: Iterable[int], logs: Collection[str]) -> None:
        """Take in what is piled up in `slots`, which nobody writes meanwhile: the newest observation of each entity,
        every one of an entity type in `logs`, and which feeds were heard. The piles are empty then."""
        tables = [self._table(slot) for slot in slots]
        piled = " UNION ALL ".join(f"SELECT * FROM {table}" for table in tables)  # noqa: S608
        await conn.execute(f"SET LOCAL work_mem TO '{_SORTED_IN}'; SET LOCAL statement_timeout TO '{_TAKES_MOST}'")
        await conn.execute("SET LOCAL default_statistics_target TO 10")
        if logs:
            await conn.execute(
                f"INSERT INTO {self._tables}entity_events (entity_type, key, event_id, source_time, sequence, row) "  # noqa: S608
                f"SELECT DISTINCT ON (t, k, i) t, k, i, at, s, r FROM ({piled}) u "
                "WHERE t = ANY ($1::text[]) AND r IS NOT NULL ORDER BY t, k, i ON CONFLICT DO NOTHING",
                list(logs),
            )
        await conn.execute(observe(self._tables, newest(f"({piled}) u"), empty=bool(self._keys)))
        for name, key in self._keys.items():
            await conn.execute(f"ALTER TABLE {self._tables}{name} ADD {key}")
            await conn.execute(f"ANALYZE {self._tables}{name}")
        self._keys = {}
        heard = await conn.fetch(f"SELECT f, max(at) FROM ({piled}) u GROUP BY f ORDER BY f")  # noqa: S608
        await self._sources.follow(conn, {row[0]: SourceState(row[0], row[1]) for row in heard})
        await conn.execute(f"TRUNCATE {', '.join(tables)}")
        for slot in slots:
            self._rows[slot] = 0

    async def end(self, conn: Connection, logs: Collection[str]) -> None:
        """Take in all that is piled up. The piles are gone then."""
        slots = range(len(self._rows))
        await self.take(conn, slots, logs)
        await conn.execute(f"DROP TABLE {', '.join(map(self._table, slots))}")
