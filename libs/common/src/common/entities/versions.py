"""What tells whether anything was observed of an entity since it was looked at last: cheaper than to read it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

from common.entities.rows import Ref

Version: TypeAlias = tuple[str, int, int]
"""The newest observation, how many events there are of a case, and a sum over which they are."""


class Versions:
    """Reads the tables of one store."""

    def __init__(self, tables: str) -> None:
        """`tables`: schema, a dot, and what the tables' names begin with; trusted, it becomes part of statements."""
        self._tables = tables

    async def read(self, conn: Any, refs: Iterable[Ref]) -> dict[Ref, Version]:
        """The same as long as nothing was applied to an entity that its row or its events came from. Left out:
        withdrawn entities, and those never observed."""
        wanted = list(dict.fromkeys(refs))
        rows = await conn.fetch(
            "SELECT u.t, u.k, e.event_id, c.events, coalesce(c.which, 0) "  # noqa: S608
            "FROM unnest($1::text[], $2::text[]) AS u (t, k) CROSS JOIN LATERAL ("
            f"SELECT event_id FROM {self._tables}entities WHERE entity_type = u.t AND key = u.k "
            "AND row IS NOT NULL AND NOT withdrawn OFFSET 0) e CROSS JOIN LATERAL ("
            "SELECT count(*) AS events, bit_xor(hashtextextended(event_id, 0)) AS which "
            f"FROM {self._tables}entity_events WHERE entity_type = u.t AND key = u.k) c",
            [ref[0] for ref in wanted],
            [ref[1] for ref in wanted],
        )
        return {(entity_type, key): (newest, events, which) for entity_type, key, newest, events, which in rows}
