"""A realm at rest, and a projection rebuilt in it."""

from __future__ import annotations

from typing import Any

import asyncpg
from cli.stack.realm import Realm
from common import projections
from common.ledger import progress
from common.ledger.progress import Move
from common.projections import Rebuilt
from common.runtime import Service
from common.topics import SERVICES


async def at_rest(realm: Realm) -> None:
    """Say of every service that all it wrote is on the bus; without a bus nobody has anything to handle."""
    for service in SERVICES:
        connection: Any = await asyncpg.connect(realm.url(service))
        head = await connection.fetchval("SELECT position FROM ledger.head")
        old = await progress.relayed(connection, service)
        if old != head:
            async with connection.transaction():
                await progress.set_relayed(connection, service, Move(old, head), {})
        await connection.close()


async def rebuilt(realm: Realm, service: Service, *, swap: bool = True) -> Rebuilt:
    assert service.projection is not None
    await at_rest(realm)
    return await projections.rebuild(realm.url(service.name), service.projection, lambda at, head: None, swap=swap)


async def table(pool: Any, name: str) -> list[dict[str, Any]]:
    """All rows, in a stable order."""
    return sorted((dict(row) for row in await pool.fetch(f"SELECT * FROM {name}")), key=repr)


async def indexes(pool: Any, name: str) -> list[str]:
    """The definitions of its indexes, names and all."""
    rows = await pool.fetch(
        "SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = $1::text::regclass", name
    )
    return sorted(row[0] for row in rows)
