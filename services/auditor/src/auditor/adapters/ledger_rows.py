"""The ledger's table, as it is to be sealed."""

from __future__ import annotations

from typing import Any

from common.ledger import Connection

from auditor.core.sealing import Row

_ROWS = """
    SELECT position, event, source, id, stream, version, type, case_id FROM ledger.events
    WHERE position >= $1 ORDER BY position LIMIT $2
"""
_BEFORE = """
    SELECT u.stream, b.version FROM unnest($1::text[]) AS u (stream)
    CROSS JOIN LATERAL (SELECT e.version FROM ledger.events e WHERE e.stream = u.stream AND e.position < $2
                        ORDER BY e.version DESC LIMIT 1) b
"""


class StoredRows:
    """See `ports.LedgerRows`."""

    async def size(self, conn: Connection) -> int:
        return int(await conn.fetchval("SELECT position + 1 FROM ledger.head"))

    async def after(self, conn: Connection, size: int, limit: int) -> tuple[list[Row], dict[str, int]]:
        rows = [_row(found) for found in await conn.fetch(_ROWS, size, limit)]
        streams = list({row.stream for row in rows if row.version != 1})
        before = await conn.fetch(_BEFORE, streams, size) if streams else []
        return rows, {found["stream"]: found["version"] for found in before}

    async def raw(self, conn: Connection, first: int, end: int) -> list[bytes]:
        found = await conn.fetch(
            "SELECT event FROM ledger.events WHERE position >= $1 AND position < $2 ORDER BY position", first, end
        )
        return [row["event"].encode() for row in found]


def _row(found: Any) -> Row:
    position, event, *copies = found
    return Row(position, event.encode(), *copies)
