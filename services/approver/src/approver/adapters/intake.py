"""Taking in what is observed while nobody decides, so that a decision waits only for what came just before it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
from common.waiting import until_set

CHANNEL = "ledger_observer"
GATHER_S = 5.0
"""How long observations may gather once some have come: a transaction for many costs little more than one for one."""
RESTS = 3
"""After each part, as many times as long as that took: it may wait, and what is observed meanwhile may not."""
LOOK_AGAIN_S = 60.0
"""How long it is trusted that a notification arrives. A decision catches up by itself, whoever was told what."""


class Intake:
    """`follow` takes in a bounded part, in a transaction of its own, and says how much lies beyond it.

    At rest it waits for a notification and asks nothing. While observations gather it does not listen: of a stream
    of them it is told once a round, however many there are.
    """

    def __init__(self, database_url: str, follow: Callable[[], Awaitable[int]]) -> None:
        self._database_url = database_url
        self._follow = follow

    async def run(self, stop: asyncio.Event) -> None:
        """Follow until told to stop; then at most one part is finished. Raises when the database fails: run it
        again."""
        connection = await asyncpg.connect(
            self._database_url, server_settings={"application_name": "approver intake"}
        )
        woken = asyncio.Event()

        def wake(*_: object) -> None:
            woken.set()

        connection.add_termination_listener(wake)
        try:
            while not stop.is_set():
                await self._all(stop)
                woken.clear()
                await connection.add_listener(CHANNEL, wake)
                # Once more, now that nothing is missed: what came before the listener did tells nobody.
                if not stop.is_set() and not await self._follow():
                    await until_set(woken, stop, most_s=LOOK_AGAIN_S)
                await connection.remove_listener(CHANNEL, wake)
                await until_set(stop, most_s=GATHER_S)
        finally:
            connection.terminate()

    async def _all(self, stop: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        while not stop.is_set() and await self._follow():
            await until_set(stop, most_s=RESTS * (loop.time() - began))
            began = loop.time()
