"""The ledger and the observer's tables in PostgreSQL."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence

import orjson
from common import ledger as ledgers
from common.clock import RealmClock
from common.events.envelope import Event
from common.ids import REALM_STREAM, erased_stream, erasure_stream
from common.ledger import Answer, Connection, Ledger, NewEvent, Recorded
from common.ledger.progress import set_pending
from common.pseudonyms import BEGINS
from common.realm import fold_clock
from common.sealing import Subject

from observer.core.rejections import Headers, Rejection
from observer.core.settling import Stored
from observer.core.snapshots import SnapshotRow
from observer.ports import SnapshotName

_PAGE = 1_000
_STORED = (
    "SELECT e.id, e.position, e.event FROM unnest($1::text[]) AS u (id) "
    "JOIN ledger.events e ON e.source = 'observer' AND e.id = u.id"
)
_HISTORIES = (
    "SELECT u.stream, e.event FROM unnest($1::text[]) AS u (stream) CROSS JOIN LATERAL ("
    " SELECT event, version FROM ledger.events e WHERE e.stream = u.stream ORDER BY version DESC LIMIT $2) e"
)
_QUARANTINE = (
    "INSERT INTO observer.rejections (id, feed, event, payload, headers) "
    "SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[], $5::text[]) ON CONFLICT (id) DO NOTHING"
)
_ERASE_PAYLOADS = (
    "UPDATE observer.rejections SET payload = NULL, headers = NULL, erased = true WHERE payload IS NOT NULL AND ("
    "(event::json ->> 'entity_type' = $1 AND event::json ->> 'key' = $2) "
    "OR position(convert_to($2, 'UTF8') IN payload) > 0 "
    # Of a pseudonym's subject no payload can be found by its key: what nobody knows whom it is about goes with it.
    "OR ($3 AND event::json ->> 'key' IS NULL)) RETURNING 1"
)
_KEEP = (
    "INSERT INTO observer.snapshot_rows (feed, entity_type, snapshot, key, row_digest, stored) "
    "SELECT $1, $2, $3, * FROM unnest($4::text[], $5::text[], $6::boolean[]) "
    "ON CONFLICT (feed, entity_type, snapshot, key) DO UPDATE "
    "SET row_digest = excluded.row_digest, stored = excluded.stored OR snapshot_rows.stored"
)


def _kept(headers: Headers) -> str | None:
    """Any name and any bytes, as text that the database can hold."""
    return (
        orjson.dumps([(name, base64.b64encode(value).decode()) for name, value in headers]).decode()
        if headers
        else None
    )


class Checked(NewEvent):
    """An event whose data the core has checked, cell by cell: checking again would take a fifth of the observer's
    time. It takes its stream's next version."""

    __slots__ = ()

    def encode(self) -> str:
        return self.event.encode_checked().decode()


class PostgresRecords:
    """`observer.ports.Records` over asyncpg connections."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def declarations(self, connection: Connection, after: int) -> list[Recorded]:
        found: list[Recorded] = []
        while True:
            page = await self._ledger.read_category(connection, "declaration/", after, _PAGE)
            found += page
            if len(page) < _PAGE:
                return found
            after = page[-1].position

    async def clock(self, connection: Connection) -> RealmClock:
        recorded = await self._ledger.read_stream(connection, REALM_STREAM)
        return fold_clock(item.event for item in recorded)

    async def stored(self, connection: Connection, ids: Sequence[str]) -> Mapping[str, Stored]:
        rows = await connection.fetch(_STORED, list(ids)) if ids else []
        return {found: Stored(position, Event.decode(event)) for found, position, event in rows}

    async def histories(
        self, connection: Connection, streams: Sequence[str], limit: int
    ) -> Mapping[str, Sequence[Event]]:
        rows = await connection.fetch(_HISTORIES, sorted(set(streams)), limit) if streams else []
        found: dict[str, list[Event]] = {}
        for stream, event in rows:
            found.setdefault(stream, []).append(Event.decode(event))
        return found

    async def quarantine(self, connection: Connection, rejections: Sequence[Rejection]) -> None:
        if rejections:
            ordered = sorted(rejections, key=lambda item: item.event.id)  # everybody in one order: no deadlocks
            await connection.execute(
                _QUARANTINE,
                [item.event.id for item in ordered],
                [item.event.data["feed"] for item in ordered],
                [orjson.dumps(item.event.data).decode() for item in ordered],
                [item.payload for item in ordered],
                [_kept(item.headers) for item in ordered],
            )

    async def erasure(self, connection: Connection, subject: Subject) -> list[Event]:
        streams = (erasure_stream(*subject), erased_stream(*subject))
        return [item.event for stream in streams for item in await self._ledger.read_stream(connection, stream)]

    async def erased(self, connection: Connection) -> list[Event]:
        found: list[Event] = []
        after = -1
        while page := await self._ledger.read_category(connection, "erased/", after, _PAGE):
            found += [item.event for item in page]
            after = page[-1].position
        return found

    async def erase_payloads(self, connection: Connection, subject: Subject) -> int:
        rows = await connection.fetch(_ERASE_PAYLOADS, *subject, subject[1].startswith(BEGINS))
        return len(rows)

    async def append(self, connection: Connection, requests: Sequence[Sequence[Event]]) -> list[Answer]:
        if not requests:
            return []
        return await ledgers.append(connection, [[Checked(event) for event in request] for request in requests])

    async def counted(self, connection: Connection) -> set[str]:
        return {row[0] for row in await connection.fetch("SELECT DISTINCT feed FROM observer.totals")}

    async def note_work(self, connection: Connection) -> None:
        await set_pending(connection, "observer", 1)

    async def keep_snapshot_rows(
        self, connection: Connection, snapshot: SnapshotName, rows: Sequence[SnapshotRow]
    ) -> None:
        ordered = sorted(rows, key=lambda row: row.key)
        await connection.execute(
            _KEEP,
            *snapshot,
            [row.key for row in ordered],
            [row.row_digest for row in ordered],
            [row.stored for row in ordered],
        )

    async def snapshot_rows(self, connection: Connection, snapshot: SnapshotName) -> list[SnapshotRow]:
        rows = await connection.fetch(
            "SELECT key, row_digest, stored FROM observer.snapshot_rows "
            "WHERE feed = $1 AND entity_type = $2 AND snapshot = $3",
            *snapshot,
        )
        return [SnapshotRow(key, row_digest, stored) for key, row_digest, stored in rows]

    async def forget_snapshot(self, connection: Connection, snapshot: SnapshotName) -> None:
        await connection.execute(
            "DELETE FROM observer.snapshot_rows WHERE (feed = $1 AND entity_type = $2 AND snapshot = $3) "
            "OR received_at < now() - interval '7 days'",
            *snapshot,
        )
