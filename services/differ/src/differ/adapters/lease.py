"""One active differ a realm: relations between entities cross the bus's partitions, so one instance sees them all.

Two at once would not do harm, only work: they take turns by the entity store's lock, and the inbox is fenced.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import asyncpg
from common.errors import Transient
from common.waiting import until_set

_LOCK = "SELECT pg_try_advisory_lock(hashtext('trueup lease'), hashtext($1))"
LOOK_S = 0.25
TELL_EVERY = 40
CHECK_S = 2.0
PATIENCE_S = 30.0
"""How long a lost lease may take to come back: the server may think for a while that the old connection lives."""
_log = logging.getLogger(__name__)


class Lease:
    """An advisory lock on a connection of its own: PostgreSQL gives it up as soon as this process is gone."""

    def __init__(self, url: str, name: str) -> None:
        self._url = url
        self._name = name
        self._conn: Any = None

    async def take(self, stop: asyncio.Event) -> bool:
        """Wait until the lease is ours, also for the database; False when told to stop before."""
        looks = 0
        while not stop.is_set():
            try:
                if await self._try():
                    return True
                if looks % TELL_EVERY == 0:
                    _log.info("another %s is active; this one waits", self._name)
            except Transient as error:
                _log.warning("%s", error)
            looks += 1
            await until_set(stop, most_s=LOOK_S)
        return False

    async def keep(self, stop: asyncio.Event) -> None:
        """Until told to stop: see that the lease is still ours, and take it again when the connection was lost.

        When another instance has it by then, this one stops: its supervisor starts it again, to wait. Raises
        `Transient` (`lease_unavailable`) while the database does not answer.
        """
        until = asyncio.get_running_loop().time() + PATIENCE_S
        while not stop.is_set():
            if await self._try():
                until = asyncio.get_running_loop().time() + PATIENCE_S
            elif asyncio.get_running_loop().time() > until:
                _log.critical("another %s is active now; this one stops", self._name)
                stop.set()
            await until_set(stop, most_s=CHECK_S)

    async def release(self) -> None:
        """Give it up."""
        if self._conn is not None and not self._conn.is_closed():
            await self._conn.close(timeout=CHECK_S)

    async def _try(self) -> bool:
        """Whether the lease is ours. Asking again while it is takes it twice, which one disconnection ends too."""
        try:
            if self._conn is None or self._conn.is_closed():
                self._conn = await asyncpg.connect(
                    self._url, timeout=CHECK_S, server_settings={"application_name": f"{self._name} lease"}
                )
            return bool(await self._conn.fetchval(_LOCK, self._name, timeout=CHECK_S))
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            await self._forget()
            raise Transient("lease_unavailable", f"the lease of {self._name} can't be asked for: {error}") from error

    async def _forget(self) -> None:
        if self._conn is not None:
            self._conn.terminate()
            self._conn = None
