"""The events of cases: of an entity type whose source is a log every observation counts, not only the newest."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import replace
from typing import Any

import orjson

from common.declarations.computing import MAX_CASE_EVENTS, Happened, merged, ordered_events
from common.entities.links import Row
from common.entities.rows import Observation, Ref, StoredEntity


class CaseEvents:
    """The table `entity_events` of one store. Used by `EntityStore` alone, which holds the lock.

    It is a set: what is in it does not depend on the order in which events came, nor on how often each did.
    """

    def __init__(self, tables: str) -> None:
        """`tables`: schema, a dot, and what the tables' names begin with."""
        self._table = f"{tables}entity_events"

    async def add(self, conn: Any, observations: Sequence[Observation], logs: Container[str]) -> list[Observation]:
        """Add the events among these observations (a withdrawal is none); returns those that are new."""
        items = [item for item in observations if item.ref[0] in logs and item.row is not None]
        if not items:
            return []
        rows = await conn.fetch(
            f"INSERT INTO {self._table} (entity_type, key, event_id, source_time, sequence, row) "  # noqa: S608
            "SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::bigint[], $6::text[]) "
            "ON CONFLICT DO NOTHING RETURNING event_id",
            [item.ref[0] for item in items],
            [item.ref[1] for item in items],
            [item.order[2] for item in items],
            [item.order[0] for item in items],
            [item.order[1] for item in items],
            [orjson.dumps(item.row).decode() for item in items],
        )
        new = {row[0] for row in rows}
        return [item for item in items if item.order[2] in new]

    async def read(self, conn: Any, refs: Iterable[Ref]) -> dict[Ref, list[Happened]]:
        """The events of each case, in no order; of a case with more than `MAX_CASE_EVENTS` one more than these."""
        wanted = list(dict.fromkeys(refs))
        if not wanted:
            return {}
        rows = await conn.fetch(
            "SELECT u.t, u.k, c.times, c.sequences, c.ids, c.rows FROM unnest($1::text[], $2::text[]) AS u (t, k) "  # noqa: S608
            "CROSS JOIN LATERAL (SELECT array_agg(e.source_time) AS times, array_agg(e.sequence) AS sequences, "
            "array_agg(e.event_id) AS ids, '[' || string_agg(e.row, ',') || ']' AS rows FROM ("
            f"SELECT * FROM {self._table} WHERE entity_type = u.t AND key = u.k LIMIT {MAX_CASE_EVENTS + 1}) e) c "
            "WHERE c.ids IS NOT NULL",
            [ref[0] for ref in wanted],
            [ref[1] for ref in wanted],
        )
        return {
            (entity_type, key): list(map(Happened, times, sequences, ids, orjson.loads(cells)))
            for entity_type, key, times, sequences, ids, cells in rows
        }

    async def rows(self, conn: Any, cases: dict[Ref, StoredEntity]) -> dict[Ref, Row]:
        """What all events of each case come to; None for one that is withdrawn."""
        rows: dict[Ref, Row] = dict.fromkeys(cases)
        there = await self.read(conn, [ref for ref, entity in cases.items() if not entity.withdrawn])
        return rows | {ref: merged(ordered_events(events)) for ref, events in there.items()}

    async def fill_in(self, conn: Any, stored: dict[Ref, StoredEntity], logs: Container[str]) -> None:
        """Give the cases among `stored` their events."""
        cases = [ref for ref, entity in stored.items() if ref[0] in logs and not entity.withdrawn]
        for ref, events in (await self.read(conn, cases)).items():
            stored[ref] = replace(stored[ref], events=events)
