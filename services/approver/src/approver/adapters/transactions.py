"""Transactions that are tried again when another one came first."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from common.bus.errors import is_transient, reason_of
from common.errors import Transient
from common.ledger import Connection

ATTEMPTS = 5
FIRST_PAUSE_S = 0.02
T = TypeVar("T")


class Transactions:
    """`pool` is asyncpg's, of the approver's role."""

    def __init__(self, pool: Any) -> None:
        self.pool = pool

    async def run(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """The answer of `work`, committed. `work` may run several times, each in a transaction of its own.

        Raises `Transient` when it still fails after `ATTEMPTS`, and at once what trying again can't help.
        """
        for attempt in range(ATTEMPTS):
            try:
                async with self.pool.acquire() as conn, conn.transaction():
                    return await work(conn)
            except Exception as error:
                if not is_transient(error):
                    raise
                if attempt + 1 == ATTEMPTS:
                    raise _given_up(error) from error
            await asyncio.sleep(FIRST_PAUSE_S * 2**attempt)
        raise AssertionError("unreachable: the last attempt returns or raises")


def _given_up(error: Exception) -> Transient:
    if isinstance(error, OSError):  # all that a transaction connects to
        return Transient("database_unavailable", f"the database does not answer ({type(error).__name__})")
    return Transient(*reason_of(error))
