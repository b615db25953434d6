"""A source's database, read and never written: every transaction is read-only, every statement bounded in time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import asyncpg
from common import polls
from common.errors import Refused
from common.polls import Poll

from observer.core import polling
from observer.core.polling import Kept, Position, Seen

CONNECT_S = 5.0
STATEMENT_S = 30.0
_SETTINGS = {
    "application_name": "trueup observer",
    "default_transaction_read_only": "on",
    "statement_timeout": str(int(STATEMENT_S * 1000)),
    "lock_timeout": "5000",
    "timezone": "UTC",
    "datestyle": "ISO",
}
_LOST = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError, TimeoutError)


class SourceDatabase:
    """One connection to a source. Raises `Refused` with `source_unreachable`, `source_refused` or what
    `common.polls` says of the table; no message quotes an address, a value or a login."""

    def __init__(self, connection: Any, feed: str) -> None:
        self._connection = connection
        self._feed = feed

    @staticmethod
    @asynccontextmanager
    async def connected(feed: str, dsn: str) -> AsyncIterator[SourceDatabase]:
        """Connect for as long as the block runs."""
        try:
            connection = await asyncpg.connect(
                dsn, timeout=CONNECT_S, command_timeout=STATEMENT_S + 5, server_settings=_SETTINGS
            )
        except _LOST as error:
            raise _refused("source_unreachable", feed, "was not reached", error) from error
        try:
            yield SourceDatabase(connection, feed)
        finally:
            try:
                await connection.close(timeout=2.0)
            except _LOST:
                connection.terminate()

    async def definition(self, poll: Poll) -> dict[str, Any]:
        """The table as it is now."""
        rows = await self._ask(polls.COLUMN_TYPES, [polls.quoted(*poll.table)])
        return polls.definition(poll, dict(rows))

    async def page(self, poll: Poll, kept: Kept, after: Position | None, *, whole: bool = False) -> list[Seen]:
        """At most `polling.BATCH` rows; see `core.polling.page`."""
        rows = await self._ask(*polling.page(poll, kept, after, whole=whole))
        return [polling.seen(poll, kept, row) for row in rows]

    async def behind(self, poll: Poll, kept: Kept) -> float:
        """How far the newest row of the table lies ahead of the kept position: seconds, or numbers."""
        by = kept.definition["kinds"][0]
        cursor, given = polls.quoted(poll.cursor), [kept.position.cursor] if kept.position else []
        start = f"$1::text::{by}" if given else f"min({cursor})"
        ahead = f"extract(epoch FROM max({cursor}) - {start})" if by in polls.MOMENTS else f"max({cursor}) - {start}"
        rows = await self._ask(f"SELECT ({ahead})::float8 FROM {polls.quoted(*poll.table)}", given)  # noqa: S608 - quoted
        return max(0.0, rows[0][0] or 0.0)

    @asynccontextmanager
    async def unmoved(self) -> AsyncIterator[datetime]:
        """Within the block every page is of one and the same moment, which it is given."""
        try:
            async with self._connection.transaction(isolation="repeatable_read", readonly=True):
                moment: datetime = await self._connection.fetchval("SELECT transaction_timestamp()")
                yield moment
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            raise _refused("source_refused", self._feed, "refused a read", error) from error

    async def _ask(self, statement: str, parameters: Sequence[Any]) -> list[Any]:
        try:
            async with asyncio.timeout(STATEMENT_S + 10):
                found: list[Any] = await self._connection.fetch(statement, *parameters)
                return found
        except _LOST as error:
            raise _refused("source_refused", self._feed, "refused a read", error) from error


def _refused(code: str, feed: str, what: str, error: BaseException) -> Refused:
    state = getattr(error, "sqlstate", None) or ""
    told = f"the database of {feed} {what}: {type(error).__name__} {state}".strip()
    return Refused(code, told, "Check the address and the login's rights.")
