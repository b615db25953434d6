"""The table of what was refused, and the transactions of requests."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from common.bus.engine import patiently
from common.ledger import Connection

from observer.ports import Refusal, T

_RETRY_FOR_S = 5.0
_COLUMNS = "number, id, event, refused_at, erased"
_MINE = "($1::text IS NULL OR feed = $1)"


class PostgresQuarantine:
    """`observer.ports.Quarantine` over the table `observer.rejections`."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    async def refusals(self, feed: str | None, after: int, limit: int) -> list[Refusal]:
        rows = await self._pool.fetch(
            f"SELECT {_COLUMNS}, NULL::bytea AS payload, NULL::text AS headers FROM observer.rejections "  # noqa: S608 - constants
            f"WHERE {_MINE} AND number > $2 ORDER BY number LIMIT $3",
            feed,
            after,
            limit,
        )
        return [_refusal(row) for row in rows]

    async def refusal(self, feed: str | None, identity: str) -> Refusal | None:
        row = await self._pool.fetchrow(
            f"SELECT {_COLUMNS}, payload, headers FROM observer.rejections WHERE {_MINE} AND id = $2",  # noqa: S608
            feed,
            identity,
        )
        return None if row is None else _refusal(row)

    async def erase(self, feed: str | None, identity: str) -> bool:
        found = await self._pool.fetchval(
            "UPDATE observer.rejections SET payload = NULL, headers = NULL, erased = true "  # noqa: S608 - constants
            f"WHERE {_MINE} AND id = $2 RETURNING 1",
            feed,
            identity,
        )
        return found is not None


def _refusal(row: Any) -> Refusal:
    headers = tuple((name, base64.b64decode(value)) for name, value in orjson.loads(row["headers"] or "[]"))
    return Refusal(
        row["number"],
        row["id"],
        orjson.loads(row["event"]),
        row["refused_at"],
        row["erased"],
        row["payload"],
        headers,
    )


class PooledTransactions:
    """`observer.ports.Transactions`."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    async def __call__(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        async def attempt() -> T:
            async with self._pool.acquire() as connection, connection.transaction():
                return await work(connection)

        return await patiently("a request to the observer", attempt, _RETRY_FOR_S)
