"""Snapshots: what a feed held as of an instant, reported in parts; and what a complete one no longer names."""

from __future__ import annotations

from typing import Any

from common.entities.rows import NEVER, Ref, Report

_WITHOUT_IT = "c.feed = e.feed AND c.entity_type = e.entity_type AND c.as_of > e.as_of"


class Snapshots:
    """The tables of one store that remember snapshots. Used by `EntityStore` alone, which holds the lock."""

    def __init__(self, tables: str) -> None:
        """`tables`: schema, a dot, and what the tables' names begin with."""
        self._tables = tables

    @property
    def join(self) -> str:
        """Joins `c`, the complete snapshot that does not name the entity `e`, if there is one."""
        return f"LEFT JOIN {self._tables}complete_snapshots c ON {_WITHOUT_IT}"

    @property
    def missing(self) -> str:
        """The same as a subquery about the entity `e`: as of when it went missing."""
        return f"SELECT c.as_of FROM {self._tables}complete_snapshots c WHERE {_WITHOUT_IT}"  # noqa: S608

    async def record(self, conn: Any, report: Report) -> list[Ref]:
        """Remember one part, after its names were seen; returns the entities that have gone missing by it.

        They go missing when the last part of a complete snapshot is in, whichever that is.
        """
        if not report.complete:
            return []
        s = self._tables
        former = await conn.fetchval(
            f"SELECT as_of FROM {s}complete_snapshots WHERE feed = $1 AND entity_type = $2",  # noqa: S608
            report.feed,
            report.entity_type,
        )
        if former is not None and former >= report.as_of:
            return []
        await conn.execute(
            f"INSERT INTO {s}snapshot_parts VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",  # noqa: S608
            report.feed,
            report.entity_type,
            report.snapshot,
            report.part,
            report.as_of,
        )
        parts = await conn.fetchval(
            f"SELECT count(*) FROM {s}snapshot_parts WHERE feed = $1 AND entity_type = $2 AND snapshot = $3",  # noqa: S608
            report.feed,
            report.entity_type,
            report.snapshot,
        )
        if parts < report.parts:
            return []
        return await self._complete(conn, report, former)

    async def _complete(self, conn: Any, report: Report, former: Any) -> list[Ref]:
        s = self._tables
        await conn.execute(
            f"INSERT INTO {s}complete_snapshots VALUES ($1, $2, $3) "  # noqa: S608
            "ON CONFLICT (feed, entity_type) DO UPDATE SET as_of = excluded.as_of",
            report.feed,
            report.entity_type,
            report.as_of,
        )
        await conn.execute(
            f"DELETE FROM {s}snapshot_parts WHERE feed = $1 AND entity_type = $2 AND as_of <= $3",  # noqa: S608
            report.feed,
            report.entity_type,
            report.as_of,
        )
        gone = await conn.fetch(
            f"SELECT key FROM {s}entities WHERE entity_type = $1 AND feed = $2 "  # noqa: S608
            "AND as_of < $3 AND as_of >= $4 AND row IS NOT NULL ORDER BY key",
            report.entity_type,
            report.feed,
            report.as_of,
            former or NEVER,
        )
        return [(report.entity_type, row[0]) for row in gone]
