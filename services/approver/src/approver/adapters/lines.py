"""The projection in PostgreSQL: cases and tasks as lists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import orjson
from common.ledger import Connection
from common.ledger.client import Source

from approver.core.lines import OVER, CaseLine
from approver.ports import Wanted

_WHERE = """
    ($1::text IS NULL OR stage = $1) AND ($2::text IS NULL OR people @> ARRAY[$2]::text[])
    AND ($3::text IS NULL OR desired_state = $3) AND ($4::text[] IS NULL OR key = ANY ($4))
    AND ($5::bool IS NULL OR (body::jsonb ->> 'plan' IS NOT NULL) = $5)
"""


class PostgresLines:
    """See `ports.Lines`. With `prefix`: what is written goes to the tables whose names begin so (a rebuild)."""

    def __init__(self, prefix: str = "") -> None:
        self._tables = f"approver.{prefix}"

    async def write(self, conn: Connection, lines: Sequence[CaseLine]) -> None:
        if not lines:
            return
        ids = [line.case for line in lines]
        people = ["\n".join(line.yours) for line in lines]
        await conn.execute(
            f"""
            INSERT INTO {self._tables}cases
                (case_id, desired_state, entity_type, key, stage, ticket_open, people, body)
            SELECT c, d, t, k, s, o, string_to_array(p, E'\n'), b
            FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bool[], $7::text[],
                        $8::text[]) AS u (c, d, t, k, s, o, p, b)
            ON CONFLICT (case_id) DO UPDATE SET
                stage = excluded.stage, ticket_open = excluded.ticket_open, people = excluded.people,
                body = excluded.body
            """,  # noqa: S608
            ids,
            [line.desired_state for line in lines],
            [line.entity_type for line in lines],
            [line.key for line in lines],
            [line.stage for line in lines],
            [line.ticket_open for line in lines],
            people,
            [_json({**asdict(line), "tasks": None}) for line in lines],
        )
        await conn.execute(f"DELETE FROM {self._tables}tasks WHERE case_id = ANY ($1::text[])", ids)  # noqa: S608
        tasks = [(line.case, task) for line in lines for task in line.tasks]
        await conn.execute(
            f"INSERT INTO {self._tables}tasks (case_id, step, body) "  # noqa: S608
            "SELECT * FROM unnest($1::text[], $2::int[], $3::text[])",
            [case for case, _ in tasks],
            [task.step for _, task in tasks],
            [_json({"case": case, **asdict(task)}) for case, task in tasks],
        )

    async def open_cases(self, conn: Connection, after: str, limit: int) -> list[str]:
        rows = await conn.fetch(
            "SELECT case_id FROM approver.cases WHERE case_id > $1 AND stage <> ALL ($2::text[]) "
            "ORDER BY case_id LIMIT $3",
            after,
            sorted(OVER),
            limit,
        )
        return [row["case_id"] for row in rows]


class PostgresLists:
    """See `ports.Lists`."""

    def __init__(self, source: Source) -> None:
        self._source = source

    async def page(self, wanted: Wanted, after: str, limit: int) -> tuple[list[dict[str, Any]], int]:
        filters = (wanted.stage, wanted.mine, wanted.desired_state, wanted.keys, wanted.planned)
        rows = await self._source.fetch(
            f"SELECT body FROM approver.cases WHERE {_WHERE} AND case_id > $6 ORDER BY case_id LIMIT $7",  # noqa: S608
            *filters,
            after,
            limit,
        )
        query = f"SELECT count(*) FROM approver.cases WHERE {_WHERE}"  # noqa: S608
        total = await self._source.fetchval(query, *filters)
        return [orjson.loads(row["body"]) for row in rows], int(total)

    async def tasks(self, limit: int) -> list[dict[str, Any]]:
        query = "SELECT body FROM approver.tasks ORDER BY case_id, step LIMIT $1"
        return [orjson.loads(row["body"]) for row in await self._source.fetch(query, limit)]

    async def stages(self) -> dict[str, int]:
        """How many cases are at each stage."""
        query = "SELECT stage, count(*) AS n FROM approver.cases GROUP BY stage ORDER BY stage"
        return {row["stage"]: row["n"] for row in await self._source.fetch(query)}


def _json(value: dict[str, Any]) -> str:
    return orjson.dumps(value).decode()
