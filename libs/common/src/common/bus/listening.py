"""Topics that a service reads in the ledger, when it needs what is in them: the database tells that there is more.

For a service that mostly has no use for an event: fetched from the bus and looked up in the ledger, each costs as
much as one that is handled. What it has not read counts as not handled all the same (`ledger.progress`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import asyncpg

from common.bus.engine import patiently
from common.failpoints import failpoint
from common.ledger import progress
from common.ledger.client import Connection
from common.topics import BY_NAME
from common.waiting import until_set

LOOK_AGAIN_S = 2.0
"""How long it is trusted that a notification arrives. Then the server is asked whether it is still there: a
connection that was cut somewhere on the way says nothing, for ever."""
ANSWER_S = 5.0
"""How long it may take to answer that."""


@dataclass(frozen=True, slots=True)
class Listener:
    """`handler` runs in one open transaction, knows by itself how far it has read, and does its appends as the last
    statement. Everything that is on `topic` (its short name) by then has been handled once that commits."""

    topic: str
    handler: Callable[[Connection], Awaitable[None]]


class Listening:
    """Calls a listener once at first and then whenever its topic's producer has appended something."""

    def __init__(self, service: str, pool: Any, database_url: str, listener: Listener, gather_s: float) -> None:
        """`gather_s`: how long events gather after each call. What comes after a silence is handled at once."""
        producer = BY_NAME[listener.topic].producer
        assert producer is not None, "what others write is not in the ledger"
        self._service = service
        self._pool = pool
        self._database_url = database_url
        self._listener = listener
        self._gather_s = gather_s
        self._channel = f"ledger_{producer}"

    async def run(self, stop: asyncio.Event) -> None:
        """Listen until told to stop. Raises when the database fails or the handler fails for good: run it again."""
        connection = await asyncpg.connect(
            self._database_url, command_timeout=ANSWER_S, server_settings={"application_name": "listening"}
        )
        woken = asyncio.Event()

        def wake(*_: object) -> None:
            woken.set()

        connection.add_termination_listener(wake)
        try:
            await connection.add_listener(self._channel, wake)
            while not stop.is_set():
                woken.clear()
                await patiently(self._service, self._handle)
                await until_set(stop, most_s=self._gather_s)
                while not woken.is_set() and not stop.is_set():
                    await until_set(woken, stop, most_s=LOOK_AGAIN_S)
                    await connection.execute("SELECT 1")
        finally:
            connection.terminate()

    async def _handle(self) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            # First: what is appended from here on tells again.
            head = await connection.fetchval("SELECT position FROM ledger.head")
            await progress.reach(connection, self._service, self._listener.topic, head)
            await self._listener.handler(connection)
            failpoint(f"{self._service}.heard_appended")
        failpoint(f"{self._service}.heard_committed")
