"""What completeness is judged by, in PostgreSQL: read from the ledger itself, so that no way in can be forgotten."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson
from common import ledger as ledgers
from common.clock import RealmClock, parse_instant
from common.errors import Transient
from common.events.envelope import Event
from common.events.observer import Doubt, EntityObserved, EntityWithdrawn, SourceCounted, SourceReported
from common.ids import REALM_STREAM, source_stream
from common.ledger import AppendRefused, Connection, Ledger, NewEvent
from common.ledger.progress import set_pending
from common.realm import fold_clock

from observer.core.completeness import Heard, Held, Run, Total

COUNT_TIMEOUT_S = 600.0
_DECIMAL = "^-?[0-9]{1,40}([.][0-9]{1,40})?$"
_ROWS = (EntityObserved.TYPE, EntityWithdrawn.TYPE)
_TAIL = """
    SELECT position, type, d ->> 'feed' AS feed, d ->> 'entity_type' AS entity_type,
           (d ->> 'sequence')::bigint AS sequence,
           coalesce(d ->> 'source_time', d ->> 'as_of')::timestamptz AS at, id,
           CASE WHEN type = $3 THEN d::text END AS said
    FROM ledger.events e CROSS JOIN LATERAL (SELECT e.event::json -> 'data' AS d) x
    WHERE position > $1 AND position <= $2 AND source = 'observer' AND type = ANY ($4::text[])
      AND (type = $3 OR d ->> 'feed' = ANY ($5::text[]))
    ORDER BY position
"""
_FLOOR = """
    SELECT max((e.event::json -> 'data' ->> 'sequence')::bigint) FROM ledger.events e
    WHERE position <= $1 AND source = 'observer' AND type = ANY ($2::text[])
      AND e.event::json -> 'data' ->> 'feed' = $3
"""
# What a complete snapshot no longer names is not held any more, though nobody withdrew it.
_HELD = """
    WITH reports AS (
        SELECT d, (d ->> 'as_of')::timestamptz AS at, (d ->> 'complete')::boolean AS complete
        FROM ledger.events e CROSS JOIN LATERAL (SELECT e.event::json -> 'data' AS d) x
        WHERE e.stream = $1 AND e.type = $2 AND d ->> 'entity_type' = $3 AND (d ->> 'as_of')::timestamptz <= $4
    ), whole AS (
        SELECT max(at) AS at FROM (
            SELECT at FROM reports WHERE complete GROUP BY at, d ->> 'snapshot', (d ->> 'parts')::int
            HAVING count(*) >= (d ->> 'parts')::int) r
    ), named AS (
        SELECT DISTINCT k.key FROM reports r CROSS JOIN whole w
        CROSS JOIN LATERAL (SELECT json_array_elements_text(r.d -> 'refreshed') AS key
                            UNION ALL SELECT json_array_elements_text(r.d -> 'stored')) k
        WHERE r.at >= w.at
    ), latest AS (
        SELECT DISTINCT ON (e.stream) d ->> 'key' AS key, e.type, d -> 'row' AS cells,
               (d ->> 'source_time')::timestamptz AS at
        FROM ledger.events e CROSS JOIN LATERAL (SELECT e.event::json -> 'data' AS d) x
        WHERE e.stream >= 'entity/' || $3 || '/' AND e.stream < 'entity/' || $3 || '0'
          AND e.type = ANY ($5::text[]) AND d ->> 'feed' = $6 AND (d ->> 'source_time')::timestamptz <= $4
        ORDER BY e.stream, (d ->> 'source_time')::timestamptz DESC,
                 coalesce((d ->> 'sequence')::bigint, -4611686018427387904) DESC, e.id DESC
    ), held AS (
        SELECT l.key, l.cells FROM latest l CROSS JOIN whole w
        WHERE l.type = $7 AND (w.at IS NULL OR l.at >= w.at OR l.key IN (SELECT key FROM named))
    )
    SELECT (SELECT count(*) FROM held) AS rows,
           (SELECT encode(sha256(convert_to(coalesce(
               string_agg(key || chr(10), '' ORDER BY key COLLATE "C"), ''), 'UTF8')), 'hex') FROM held WHERE $8)
               AS keys_digest,
           (SELECT coalesce(json_object_agg(c, (
               SELECT CASE WHEN bool_and(fit) IS NOT FALSE
                           THEN coalesce(sum(CASE WHEN fit THEN v::numeric END), 0)::text END
               FROM (SELECT cells ->> c AS v, coalesce(cells ->> c ~ $10, false) AS fit FROM held) a
            )), '{}')::text FROM unnest($9::text[]) AS u (c)) AS sums
"""


class PostgresJudgements:
    """`observer.ports.Judgements` over asyncpg connections."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def begin(self, connection: Connection) -> tuple[int, int]:
        # Before anything is read: who notes work waits for us, and we for them, so that none is overlooked.
        await set_pending(connection, "observer", 0)
        until = await connection.fetchval("SELECT position FROM observer.judged_until")
        return until, await self._ledger.head(connection)

    async def clock(self, connection: Connection) -> RealmClock:
        return fold_clock(item.event for item in await self._ledger.read_stream(connection, REALM_STREAM))

    async def numberings(self, connection: Connection) -> dict[str, int | None]:
        return dict(await connection.fetch("SELECT feed, floor FROM observer.numberings"))

    async def number(self, connection: Connection, feed: str, since: int) -> int | None:
        floor: int | None = await connection.fetchval(_FLOOR, since, list(_ROWS), feed, timeout=COUNT_TIMEOUT_S)
        await connection.execute("INSERT INTO observer.numberings VALUES ($1, $2)", feed, floor)
        return floor

    async def unnumber(self, connection: Connection, feeds: Sequence[str]) -> None:
        for table in ("numberings", "runs"):
            await connection.execute(f"DELETE FROM observer.{table} WHERE feed = ANY ($1::text[])", feeds)  # noqa: S608

    async def tail(self, connection: Connection, after: int, head: int, feeds: Iterable[str]) -> list[Heard]:
        watched = sorted(set(feeds))
        types = [SourceCounted.TYPE, *((*_ROWS, SourceReported.TYPE) if watched else ())]
        rows = await connection.fetch(_TAIL, after, head, SourceCounted.TYPE, types, watched)
        return [
            Heard(row["feed"], row["entity_type"], row["at"], row["sequence"], _total(row["id"], row["said"]))
            for row in rows
        ]

    async def runs(self, connection: Connection, feed: str) -> list[Run]:
        rows = await connection.fetch("SELECT low, high, at FROM observer.runs WHERE feed = $1 ORDER BY low", feed)
        return [Run(*row) for row in rows]

    async def keep_runs(self, connection: Connection, feed: str, runs: Sequence[Run]) -> None:
        await connection.execute("DELETE FROM observer.runs WHERE feed = $1", feed)
        await connection.executemany(
            "INSERT INTO observer.runs VALUES ($1, $2, $3, $4)", [(feed, run.low, run.high, run.at) for run in runs]
        )

    async def totals(self, connection: Connection) -> list[tuple[Total, Held | None]]:
        rows = await connection.fetch(
            "SELECT event_id, said, held FROM observer.totals ORDER BY feed, as_of DESC, event_id"
        )
        found = [(_total(row[0], row[1]), _held(row[2])) for row in rows]
        return [(total, held) for total, held in found if total is not None]

    async def keep_totals(self, connection: Connection, totals: Sequence[tuple[Total, Held | None]]) -> None:
        before = await self.totals(connection)
        if before == list(totals):
            return
        await connection.execute("DELETE FROM observer.totals")
        await connection.executemany(
            "INSERT INTO observer.totals VALUES ($1, $2, $3, $4, $5, $6)",
            [
                (
                    total.feed,
                    total.entity_type,
                    total.event_id,
                    total.as_of,
                    orjson.dumps(total).decode(),
                    None if held is None else orjson.dumps(held).decode(),
                )
                for total, held in totals
            ],
        )

    async def held(self, connection: Connection, total: Total) -> Held:
        row = await connection.fetchrow(
            _HELD,
            source_stream(total.feed),
            SourceReported.TYPE,
            total.entity_type,
            total.as_of,
            list(_ROWS),
            total.feed,
            EntityObserved.TYPE,
            total.keys_digest is not None,
            sorted(total.sums),
            _DECIMAL,
            timeout=COUNT_TIMEOUT_S,
        )
        digest = row["keys_digest"] if total.keys_digest is not None else None
        return Held(row["rows"], digest, orjson.loads(row["sums"]))

    async def judgements(self, connection: Connection) -> dict[str, list[Doubt]]:
        rows = await connection.fetch("SELECT feed, doubts FROM observer.judgements")
        return {feed: [Doubt.model_validate(item) for item in orjson.loads(doubts)] for feed, doubts in rows}

    async def say(
        self, connection: Connection, events: Sequence[Event], judgements: Mapping[str, Sequence[Doubt]], until: int
    ) -> None:
        await connection.execute("UPDATE observer.judged_until SET position = $1", until)
        await connection.executemany(
            "INSERT INTO observer.judgements VALUES ($1, $2) "
            "ON CONFLICT (feed) DO UPDATE SET doubts = excluded.doubts",
            [
                (feed, orjson.dumps([doubt.model_dump(mode="json") for doubt in doubts]).decode())
                for feed, doubts in judgements.items()
            ],
        )
        if not events:
            return
        for answer in await ledgers.append(connection, [[NewEvent(event)] for event in events]):
            if isinstance(answer, AppendRefused):
                raise Transient(answer.reason_code, f"the ledger refused a judgement: {answer.message}")


def _total(event_id: str, said: str | None) -> Total | None:
    """A control total from the data of its event, or as it was kept."""
    if said is None:
        return None
    data: dict[str, Any] = orjson.loads(said)
    return Total(
        data["feed"],
        data["entity_type"],
        parse_instant(data["as_of"]),
        data["rows"],
        event_id,
        data.get("keys_digest"),
        data.get("sums", {}),
    )


def _held(kept: str | None) -> Held | None:
    return None if kept is None else Held(**orjson.loads(kept))
