"""A store that is not fed with messages, kept up with the ledger by whoever decides from it."""

from __future__ import annotations

from common.declarations.catalogue import Catalogue
from common.entities.rows import Ref
from common.entities.store import READ_LIMIT, EntityStore, later
from common.ledger import Connection, Ledger, Recorded

STRETCH = 4_000
"""Positions that are taken in at once: who waits for the store's turn meanwhile waits for so many at most."""
FEW = 200
"""Of so many positions the observations are read one by one: the database's own way costs more to begin."""
_SOURCE = "observer"
_SLOT = 0


class Following:
    """Takes what the observer has appended into `store`.

    For a service that decides from the newest state and does not consume `state` (or must not wait for it). Every
    method that takes something in works in the caller's transaction and holds the store's turn from its beginning:
    how far the store is, is read, and moved, by one at a time. So a background task and a decision may both follow,
    each from where the other left off.
    """

    def __init__(self, store: EntityStore, ledger: Ledger) -> None:
        self._store = store
        self._ledger = ledger

    async def some(self, conn: Connection, catalogue: Catalogue, most: int | None = None) -> int:
        """Take in the next `most` positions, or `STRETCH`; returns how many there are beyond, 0 at the head."""
        await self._store.lock(conn)
        start, head = await self._store.reached(conn), await self._ledger.head(conn)
        until = min(head, start + (STRETCH if most is None else most))
        if until <= start:
            return 0
        if until - start <= FEW:
            await self._store.fill(conn, await self._read(conn, start, until), catalogue)
        else:
            await self._store.staging.ensure(conn, _SLOT)
            others = await self._store.staging.stage(conn, _SLOT, start, until, until, _SOURCE)
            await self._store.fill(conn, others, catalogue, _SLOT)
        await self._store.mark(conn, until)
        return head - until

    async def all(self, conn: Connection, catalogue: Catalogue) -> None:
        """Take in everything up to the ledger's head."""
        while await self.some(conn, catalogue):
            pass

    async def behind(self, conn: Connection, most: int) -> int:
        """How many events of the observer are not taken in yet; counted up to `most`."""
        return int(
            await conn.fetchval(
                "SELECT count(*) FROM (SELECT 1 FROM ledger.events WHERE position > $1 AND source || '' = $2 "
                "ORDER BY position LIMIT $3) e",
                await self._store.reached(conn),
                _SOURCE,
                most,
            )
        )

    async def changes(
        self, conn: Connection, catalogue: Catalogue, since: int | None = None, until: int | None = None
    ) -> dict[Ref, Recorded]:
        """Take in all that was appended since the last time, or after `since`, up to the ledger's head, or to
        `until`, and say what changed by it: what `EntityStore.apply` returns. Dearer than `all`."""
        await self._store.lock(conn)
        start = await self._store.reached(conn)
        position = start if since is None else since
        head = await self._ledger.head(conn) if until is None else until
        changed: dict[Ref, Recorded] = {}
        while batch := await self._ledger.read_after(conn, position, READ_LIMIT, source=_SOURCE):
            position = batch[-1].position
            if until is not None:
                batch = [recorded for recorded in batch if recorded.position <= until]
            for ref, recorded in (await self._store.apply(conn, batch, catalogue)).items():
                later(changed, ref, recorded)
            if until is not None and position >= until:
                break
        if (position := until if until is not None else max(position, head)) > start:
            await self._store.mark(conn, position)
        return changed

    async def _read(self, conn: Connection, after: int, until: int) -> list[Recorded]:
        found = await self._ledger.read_after(conn, after, until - after, source=_SOURCE)
        return [recorded for recorded in found if recorded.position <= until]
