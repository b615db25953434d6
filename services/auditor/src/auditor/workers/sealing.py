"""Sealing the ledger: every second or 10,000 events, whichever is first, when there is something new.

Nothing is signed that does not continue what was signed: the root is computed again from the stored tiles before each
checkpoint, the note is read back under the log's own key, and what the database says is the newest checkpoint must be
the one that this sealer made or found at its start. Whatever does not fit ends the task, which makes the auditor not
ready with the reason, and is looked at again after a while.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from common.errors import Permanent, Transient
from common.failpoints import failpoint
from common.ledger import Connection
from common.waiting import until_set
from transparency.checkpoints import Checkpoint, opened
from transparency.errors import TransparencyError
from transparency.notes import SigningKey, sign
from transparency.policies import NONE, Policy
from transparency.tiles import WIDTH, Tile, edge

from auditor.core import sealing
from auditor.ports import Kept, LedgerRows, LogBook

BATCH = 10_000
EVERY_S = 1.0
_LOOK_S = 0.2
_log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class Sealer:
    """Seals one realm's ledger. `disputed` says what a witness has against the log; `looked` is set once the
    witnesses were asked about what is sealed already; `sealed` is called after each checkpoint."""

    pool: Any
    rows: LedgerRows
    book: LogBook
    key: SigningKey
    policy: Policy
    wall: Callable[[], datetime]
    looked: asyncio.Event
    disputed: Callable[[], str | None]
    sealed: Callable[[], None]
    head: Checkpoint | None = field(default=None, init=False)

    async def run(self, stop: asyncio.Event) -> None:
        """Seal until told to stop. Raises `Permanent` when there is something that must not be signed."""
        self.head = await self.open()
        await until_set(self.looked, stop)
        while not stop.is_set():
            if not await self.seal():
                await self._pause(stop)

    async def open(self) -> Checkpoint:
        """The head from which to go on; an empty one at the very beginning.

        Raises `Permanent`: `checkpoint_unverified`, `tiles_inconsistent`, `sealed_event_changed`,
        `ledger_behind_log`.
        """
        async with self.pool.acquire() as conn, conn.transaction(isolation="repeatable_read", readonly=True):
            kept = await self.book.newest(conn)
            if kept is None:
                return sealing.empty(self.key.name)
            head = self._read(kept)
            sealing.check_root(await self.book.tiles(conn, edge(head.size)), head)
            await self._check_ledger(conn, head.size)
            return head

    def _read(self, kept: Kept) -> Checkpoint:
        """What was signed, if it was signed by this log."""
        try:
            head = opened(kept.note, self.key.name, [self.key.verifier]).checkpoint
        except TransparencyError as error:
            raise Permanent(
                "checkpoint_unverified", f"the newest checkpoint is not one of this log's key: {error.message}"
            ) from error
        if head.size != kept.size:
            raise Permanent("checkpoint_unverified", f"the checkpoint stored as size {kept.size} says {head.size}")
        return head

    async def _check_ledger(self, conn: Connection, size: int) -> None:
        """The ledger still has what was sealed; the newest 256 events, and those that share their tiles, are
        compared by their hashes."""
        there = await self.rows.size(conn)
        if there < size:
            raise Permanent(
                "ledger_behind_log",
                f"the ledger has {there} events, and {size} were sealed: is this a restored backup?",
            )
        for first in range(max(0, size - WIDTH) // WIDTH * WIDTH, size, WIDTH):
            end = min(first + WIDTH, size)
            tile = Tile(0, first // WIDTH, end - first)
            held = (await self.book.tiles(conn, [tile])).held.get(tile, b"")
            sealing.check_leaves(held, await self.rows.raw(conn, first, end), first)

    async def seal(self) -> bool:
        """Seal at most `BATCH` events; whether there may be more at once."""
        assert self.head is not None, "open comes first"
        if (why := self.disputed()) is not None:
            raise Permanent("log_disputed", f"nothing is sealed while a witness has something against the log: {why}")
        async with self.pool.acquire() as conn, conn.transaction():
            done = await self._seal(conn, self.head)
            if done is None:
                return False
            failpoint("auditor.checkpoint_written")
        failpoint("auditor.checkpoint_committed")
        added = done.size - self.head.size
        self.head = done
        self.sealed()
        return added == BATCH

    async def _seal(self, conn: Connection, former: Checkpoint) -> Checkpoint | None:
        await self._check_unmoved(conn, former)
        there = await self.rows.size(conn)
        if there < former.size:
            raise Permanent("ledger_behind_log", f"the ledger has {there} events, and {former.size} were sealed")
        if there == former.size:
            return None
        rows, versions = await self.rows.after(conn, former.size, BATCH)
        if len(rows) < min(BATCH, there - former.size):
            raise Permanent("row_missing", f"the ledger has no row at position {former.size + len(rows)}")
        tiles = await self.book.tiles(conn, edge(former.size))
        sealed = await asyncio.to_thread(sealing.seal, former, tiles, rows, versions)
        note = sign(sealed.checkpoint.text, self.key)
        kept = Kept(sealed.checkpoint.size, note, self.wall())
        await self.book.save(conn, former.size, sealed, kept, self.policy.quorum == NONE)
        return sealed.checkpoint

    async def _check_unmoved(self, conn: Connection, former: Checkpoint) -> None:
        kept = await self.book.newest(conn)
        stored = sealing.empty(self.key.name) if kept is None else self._read(kept)
        if stored == former:
            return
        if stored.size > former.size:
            raise Transient("log_moved", f"another sealer has sealed up to {stored.size}")
        raise Permanent(
            "checkpoint_changed",
            f"the newest checkpoint was of size {former.size} and is now another, of size {stored.size}: "
            "the database was restored or rewritten while the auditor ran",
        )

    async def _pause(self, stop: asyncio.Event) -> None:
        """A second, or until there is a whole batch."""
        assert self.head is not None
        loop = asyncio.get_running_loop()
        until = loop.time() + EVERY_S
        while loop.time() < until and not stop.is_set():
            await until_set(stop, most_s=_LOOK_S)
            async with self.pool.acquire() as conn:
                if await self.rows.size(conn) - self.head.size >= BATCH:
                    return
