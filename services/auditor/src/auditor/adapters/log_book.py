"""The transparency log's own tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import asyncpg
from common.errors import Permanent, Transient
from common.ledger import Connection
from transparency.errors import Unverified
from transparency.merkle import HASH_BYTES
from transparency.notes import Note, Signature
from transparency.policies import Policy
from transparency.tiles import Tile, Tiles

from auditor.core.sealing import Sealed
from auditor.ports import Alarm, Kept

_NEWEST = "SELECT size, note, sealed_at FROM auditor.checkpoints ORDER BY size DESC LIMIT 1"
_PUBLISHED = "SELECT size, note, sealed_at FROM auditor.checkpoints WHERE cosigned ORDER BY size DESC LIMIT 1"
_TILES = """
    SELECT level, n, width, hashes FROM auditor.tiles
    JOIN unnest($1::smallint[], $2::bigint[]) AS wanted (l, i) ON level = wanted.l AND n = wanted.i
"""
# A tile only ever grows at its end: one that would change is not written, and the count of rows tells.
_SAVE_TILES = """
    INSERT INTO auditor.tiles AS t (level, n, width, hashes)
    SELECT * FROM unnest($1::smallint[], $2::bigint[], $3::smallint[], $4::bytea[])
    ON CONFLICT (level, n) DO UPDATE SET width = excluded.width, hashes = excluded.hashes
    WHERE excluded.width > t.width AND substr(excluded.hashes, 1, octet_length(t.hashes)) = t.hashes
"""


def satisfies(policy: Policy, note: bytes) -> bool:
    """Whether this checkpoint is one to publish. A signature that does not verify raises `Unverified` even so."""
    try:
        policy.accept(note)
    except Unverified as error:
        if error.reason_code not in ("quorum_not_reached", "log_not_signed", "no_known_signature"):
            raise
        return False
    return True


class LogTables:
    """See `ports.LogBook`."""

    async def newest(self, conn: Connection) -> Kept | None:
        return _kept(await conn.fetchrow(_NEWEST))

    async def published(self, conn: Connection) -> Kept | None:
        return _kept(await conn.fetchrow(_PUBLISHED))

    async def tiles(self, conn: Connection, wanted: Iterable[Tile]) -> Tiles:
        places = {(tile.level, tile.index): tile for tile in wanted}
        found = await conn.fetch(_TILES, [level for level, _ in places], [index for _, index in places])
        held = {}
        for level, index, width, hashes in found:
            tile = places[level, index]
            if width >= tile.width:
                held[tile] = hashes[: tile.width * HASH_BYTES]
        return Tiles(held)

    async def save(self, conn: Connection, former: int, sealed: Sealed, kept: Kept, cosigned: bool) -> None:
        try:
            await conn.execute(
                "INSERT INTO auditor.checkpoints (size, former, note, sealed_at, cosigned) "
                "VALUES ($1, $2, $3, $4, $5)",
                kept.size,
                former,
                kept.note,
                kept.sealed_at,
                cosigned,
            )
        except asyncpg.UniqueViolationError as error:
            raise Transient("log_moved", f"another sealer has continued the log from size {former}") from error
        places = list(sealed.tiles)
        written = await conn.execute(
            _SAVE_TILES,
            [tile.level for tile in places],
            [tile.index for tile in places],
            [tile.width for tile in places],
            list(sealed.tiles.values()),
        )
        if written != f"INSERT 0 {len(places)}":
            raise Permanent("tiles_inconsistent", "a stored tile is not the beginning of what it would become")

    async def cosign(self, conn: Connection, size: int, cosignatures: Sequence[Signature], policy: Policy) -> bool:
        raw = await conn.fetchval("SELECT note FROM auditor.checkpoints WHERE size = $1 FOR UPDATE", size)
        if raw is None:
            raise Transient("log_moved", f"the checkpoint of size {size} is not there any more")
        note = Note.parse(raw).signed_also(cosignatures).encode()
        enough = satisfies(policy, note)
        await conn.execute(
            "UPDATE auditor.checkpoints SET note = $2, cosigned = $3 WHERE size = $1", size, note, enough
        )
        return enough

    async def review(self, conn: Connection, policy: Policy) -> None:
        published, newest = await self.published(conn), await self.newest(conn)
        if published is not None and not satisfies(policy, published.note):
            await conn.execute("UPDATE auditor.checkpoints SET cosigned = false WHERE cosigned")
        if newest is not None and satisfies(policy, newest.note):
            await conn.execute("UPDATE auditor.checkpoints SET cosigned = true WHERE size = $1", newest.size)

    async def raise_alarm(self, conn: Connection, alarm: Alarm) -> None:
        await conn.execute(
            "INSERT INTO auditor.alarms (witness, kind, message, note, raised_at) VALUES ($1, $2, $3, $4, $5) "
            "ON CONFLICT (witness) WHERE ended_at IS NULL DO NOTHING",
            alarm.witness,
            alarm.kind,
            alarm.message,
            alarm.note,
            alarm.raised_at,
        )

    async def end_alarm(self, conn: Connection, witness: str, at: datetime) -> None:
        await conn.execute(
            "UPDATE auditor.alarms SET ended_at = $2 WHERE witness = $1 AND ended_at IS NULL", witness, at
        )

    async def open_alarms(self, conn: Connection) -> list[Alarm]:
        found = await conn.fetch(
            "SELECT witness, kind, message, note, raised_at FROM auditor.alarms WHERE ended_at IS NULL ORDER BY id"
        )
        return [Alarm(*row) for row in found]


def _kept(row: Any) -> Kept | None:
    return None if row is None else Kept(*row)
