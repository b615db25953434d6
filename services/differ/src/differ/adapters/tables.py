"""The differ's own tables: its copy of its cases, the reviews under way, how far the clock has been handled."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import orjson
from common.clock import RealmClock
from common.entities.rows import Ref
from common.ids import REALM_STREAM
from common.ledger import Connection, Ledger
from common.ledger.progress import set_pending
from common.objectives.population import POPULATION
from common.realm import fold_clock

from differ.core.deciding import CaseKey, CaseState
from differ.core.planning import Declared
from differ.ports import Review, Reviewed

_CASE = (
    "c.desired_state, c.key, c.entity_type, c.occurrence, c.condition, c.ended, c.stream_version, c.fingerprint, "
    "c.gap, c.selector_unknown, c.exempt, c.met_since, c.closes_at"
)


class CaseTable:
    """`differ.cases`. With `prefix`: the table whose name begins so (a rebuild)."""

    def __init__(self, prefix: str = "") -> None:
        self._table = f"differ.{prefix}cases"

    async def load(self, conn: Connection, keys: Iterable[CaseKey]) -> dict[CaseKey, CaseState]:
        wanted = list(keys)
        rows = await conn.fetch(
            f"SELECT {_CASE} FROM unnest($1::text[], $2::text[]) AS u (d, k) "  # noqa: S608
            f"CROSS JOIN LATERAL (SELECT * FROM {self._table} WHERE desired_state = u.d AND key = u.k OFFSET 0) c",
            [desired_state for desired_state, _ in wanted],
            [key for _, key in wanted],
        )
        return {case.key: case for case in map(_case, rows)}

    async def save(self, conn: Connection, cases: Sequence[CaseState]) -> None:
        if not cases:
            return
        await conn.execute(
            f"""
            INSERT INTO {self._table} AS c (desired_state, key, entity_type, occurrence, condition, ended,
                                           stream_version, fingerprint, gap, selector_unknown, exempt,
                                           met_since, closes_at)
            SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::int[], $5::text[], $6::boolean[],
                                 $7::int[], $8::text[], $9::text[], $10::text[], $11::text[], $12::timestamptz[],
                                 $13::timestamptz[])
            ON CONFLICT (desired_state, key) DO UPDATE SET
                entity_type = excluded.entity_type, occurrence = excluded.occurrence,
                condition = excluded.condition, ended = excluded.ended, stream_version = excluded.stream_version,
                fingerprint = excluded.fingerprint, gap = excluded.gap,
                selector_unknown = excluded.selector_unknown, exempt = excluded.exempt,
                met_since = excluded.met_since, closes_at = excluded.closes_at
            """,  # noqa: S608
            [case.desired_state for case in cases],
            [case.ref[1] for case in cases],
            [case.ref[0] for case in cases],
            [case.occurrence for case in cases],
            [case.condition for case in cases],
            [case.ended for case in cases],
            [case.stream_version for case in cases],
            [case.fingerprint for case in cases],
            [orjson.dumps(case.gap).decode() for case in cases],
            [case.selector_unknown for case in cases],
            [case.exempt for case in cases],
            [case.met_since for case in cases],
            [case.closes_at for case in cases],
        )

    async def said(
        self, conn: Connection, desired_state: str, entity_type: str, after: str, until: str | None, limit: int
    ) -> list[str]:
        rows = await conn.fetch(
            f"SELECT key FROM {self._table} WHERE desired_state = $1 AND entity_type = $2 AND key > $3 "  # noqa: S608
            "AND ($4::text IS NULL OR key <= $4) AND key <> $5 AND (condition IN ('gap', 'undecided') "
            "OR selector_unknown IS NOT NULL OR exempt IS NOT NULL) ORDER BY key LIMIT $6",
            desired_state,
            entity_type,
            after,
            until,
            POPULATION,
            limit,
        )
        return [row[0] for row in rows]

    async def foreign(self, conn: Connection, desired_state: str, entity_type: str) -> list[Ref]:
        rows = await conn.fetch(
            f"SELECT entity_type, key FROM {self._table} WHERE desired_state = $1 AND entity_type <> $2 "  # noqa: S608
            "AND condition IN ('gap', 'undecided') AND key <> $3 ORDER BY key",
            desired_state,
            entity_type,
            POPULATION,
        )
        return [(row[0], row[1]) for row in rows]

    async def counts(self, conn: Connection) -> dict[str, dict[str, int]]:
        rows = await conn.fetch(
            "SELECT desired_state, count(*) FILTER (WHERE condition = 'gap') AS open, "
            "count(*) FILTER (WHERE condition = 'undecided') AS undecided, "
            "count(selector_unknown) AS selector_unknown, "
            "count(*) FILTER (WHERE exempt LIKE '%accepted: %') AS accepted, "
            "count(*) FILTER (WHERE exempt LIKE '%ignored: %') AS ignored FROM differ.cases GROUP BY 1 ORDER BY 1"
        )
        names = ("open", "undecided", "selector_unknown", "accepted", "ignored")
        return {row[0]: {name: row[name] for name in names} for row in rows}


def _case(row: Any) -> CaseState:
    return CaseState(
        desired_state=row["desired_state"],
        ref=(row["entity_type"], row["key"]),
        occurrence=row["occurrence"],
        condition=row["condition"],
        ended=row["ended"],
        stream_version=row["stream_version"],
        fingerprint=row["fingerprint"],
        gap=orjson.loads(row["gap"]),
        selector_unknown=row["selector_unknown"],
        exempt=row["exempt"],
        met_since=row["met_since"],
        closes_at=row["closes_at"],
    )


class ReviewTable:
    """`differ.reviews` and `differ.reviewed`."""

    async def reviewed(self, conn: Connection) -> dict[str, Reviewed]:
        rows = await conn.fetch("SELECT desired_state, version, position FROM differ.reviewed")
        return {row[0]: Reviewed(row[1], row[2]) for row in rows}

    async def begin(self, conn: Connection, reviews: Sequence[Review], declared: Declared) -> None:
        await conn.executemany(
            "INSERT INTO differ.reviews AS r (desired_state, entity_type, after_key, cause, since) "
            "VALUES ($1, $2, $3, $4, $5) "
            "ON CONFLICT (desired_state) DO UPDATE SET entity_type = excluded.entity_type, "
            "after_key = excluded.after_key, cause = excluded.cause, "
            "since = CASE WHEN excluded.since IS NOT NULL THEN r.since END",
            [(item.desired_state, item.entity_type, item.after_key, item.cause, item.since) for item in reviews],
        )
        versions = declared.versions
        await conn.executemany(
            "INSERT INTO differ.reviewed (desired_state, version, position) VALUES ($1, $2, $3) "
            "ON CONFLICT (desired_state) DO UPDATE SET version = excluded.version, position = excluded.position",
            [(item.desired_state, versions[item.desired_state], declared.position) for item in reviews],
        )
        await count_pending(conn)

    async def any(self, conn: Connection) -> bool:
        return bool(await conn.fetchval("SELECT EXISTS (SELECT FROM differ.reviews)"))

    async def next(self, conn: Connection) -> Review | None:
        row = await conn.fetchrow(
            "SELECT desired_state, entity_type, after_key, cause, since FROM differ.reviews "
            "ORDER BY desired_state LIMIT 1 FOR UPDATE"
        )
        return None if row is None else Review(*row)

    async def move(self, conn: Connection, review: Review, after_key: str | None) -> None:
        if after_key is None:
            await conn.execute("DELETE FROM differ.reviews WHERE desired_state = $1", review.desired_state)
        else:
            await conn.execute(
                "UPDATE differ.reviews SET after_key = $2 WHERE desired_state = $1", review.desired_state, after_key
            )
        await count_pending(conn)


async def count_pending(conn: Connection) -> None:
    """Work that is outstanding is in the ledger's books, so that a clock waits for it: reviews and measures."""
    found = await conn.fetchval(
        "SELECT (SELECT count(*) FROM differ.reviews) + (SELECT count(*) FROM differ.measures)"
    )
    await set_pending(conn, "differ", found)


class ClockTable:
    """`differ.clock`, and the realm's stream for what never changes of the clock."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._created: RealmClock | None = None

    async def read(self, conn: Connection) -> RealmClock:
        if self._created is None:
            stream = await self._ledger.read_stream(conn, REALM_STREAM)
            self._created = fold_clock(recorded.event for recorded in stream[:1])
        created = self._created
        if created.at is None:
            return created
        handled: datetime | None = await conn.fetchval("SELECT at FROM differ.clock")
        return RealmClock(created.mode, handled or created.at, created.timezone)

    async def advance(self, conn: Connection, at: datetime) -> None:
        await conn.execute(
            "INSERT INTO differ.clock AS c (at) VALUES ($1) "
            "ON CONFLICT (one) DO UPDATE SET at = greatest(c.at, excluded.at)",
            at,
        )
