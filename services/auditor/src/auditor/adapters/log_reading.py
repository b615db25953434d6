"""What the API serves of the log."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from common.clock import instant
from common.errors import Permanent, Refused
from transparency.checkpoints import Checkpoint, read
from transparency.entries import MAX_STANDARD_RECORD_BYTES, format_bundle
from transparency.errors import TransparencyError
from transparency.merkle import prove_inclusion
from transparency.notes import Note, SigningKey
from transparency.policies import Policy
from transparency.proofs import Proof
from transparency.tiles import WIDTH, Bundle, Tile, TiledTree, tiles_for_inclusion

from auditor.ports import BundleText, LedgerRows, LogBook, LogStanding, WitnessLine

TOGETHER = 8
"""Events of a bundle that are in memory at once: each may have 900,000 bytes."""
_SIZES = """
    SELECT count(*) AS n, sum(octet_length(event)) AS total, max(octet_length(event)) AS longest FROM ledger.events
    WHERE position >= $1 AND position < $2
"""


class StoredLog:
    """See `ports.LogReading`. `witnesses` gives their lines, for the newest size; `problems` what is wrong now."""

    def __init__(
        self,
        pool: Any,
        rows: LedgerRows,
        book: LogBook,
        key: SigningKey,
        policy: Policy,
        witnesses: Callable[[int], list[WitnessLine]],
        problems: Callable[[], list[str]],
    ) -> None:
        self._pool = pool
        self._rows = rows
        self._book = book
        self._key = key
        self._policy = policy
        self._witnesses = witnesses
        self._problems = problems

    async def standing(self) -> LogStanding:
        async with self._pool.acquire() as conn:
            events = await self._rows.size(conn)
            newest, published = await self._book.newest(conn), await self._book.published(conn)
        sealed = newest.size if newest else 0
        return LogStanding(
            origin=self._key.name,
            key=self._key.verifier.encode(),
            quorum=self._policy.quorum,
            events=events,
            sealed=sealed,
            sealed_at=instant(newest.sealed_at) if newest else None,
            cosigned=published.size if published else 0,
            problems=self._problems(),
            witnesses=self._witnesses(sealed),
        )

    async def checkpoint(self) -> bytes | None:
        async with self._pool.acquire() as conn:
            published = await self._book.published(conn)
        return None if published is None else published.note

    async def tile(self, tile: Tile) -> bytes | None:
        async with self._pool.acquire() as conn:
            return (await self._book.tiles(conn, [tile])).held.get(tile)

    async def bundle(self, bundle: Bundle) -> BundleText | None:
        first = bundle.index * WIDTH
        end = first + bundle.width
        async with self._pool.acquire() as conn:
            newest = await self._book.newest(conn)
            if newest is None or newest.size < end:
                return None
            sizes = await conn.fetchrow(_SIZES, first, end)
        if sizes["n"] < bundle.width:
            raise Permanent("sealed_event_changed", f"sealed events from position {first} on are not there any more")
        if bundle.kind == "entries" and sizes["longest"] > MAX_STANDARD_RECORD_BYTES:
            return None
        prefix = 2 if bundle.kind == "entries" else 4
        return BundleText(sizes["total"] + prefix * bundle.width, self._parts(bundle, first, end))

    async def _parts(self, bundle: Bundle, first: int, end: int) -> AsyncIterator[bytes]:
        for start in range(first, end, TOGETHER):
            async with self._pool.acquire() as conn:
                raws = await self._rows.raw(conn, start, min(start + TOGETHER, end))
            yield format_bundle(bundle.kind, raws)

    async def proofs(self, positions: Sequence[int]) -> tuple[Checkpoint, dict[int, bytes]]:
        async with self._pool.acquire() as conn:
            published = await self._book.published(conn)
            size = published.size if published else 0
            beyond = [position for position in positions if position >= size]
            if published is None or beyond:
                raise Refused(
                    "not_sealed_yet",
                    f"the published checkpoint covers {size} events: there is no proof of position {max(beyond)} yet",
                    "Ask again in a few seconds; if that does not help, /log shows which witness is awaited.",
                )
            wanted = {tile for position in positions for tile in tiles_for_inclusion(position, size, size)}
            tiles = await self._book.tiles(conn, wanted)
        checkpoint = read(Note.parse(published.note))
        tree = TiledTree(tiles, size)
        try:
            found = {at: Proof(at, prove_inclusion(tree, at, size), published.note).encode() for at in positions}
        except TransparencyError as error:
            raise Permanent("tiles_inconsistent", f"the stored tiles can't be read: {error.message}") from error
        return checkpoint, found
