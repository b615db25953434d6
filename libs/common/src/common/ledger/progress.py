"""How far everybody has come: what consumers have handled, what relays have published, what work is pending.

Positions are ledger positions. A service can write only its own rows; everybody reads all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import orjson

from common.errors import Refused, Transient
from common.ledger.client import Connection, Source
from common.topics import BY_NAME, TOPICS


@dataclass(frozen=True, slots=True)
class Move:
    """A partition's inbox goes from `old` (None: no row yet) to `new`."""

    old: int | None
    new: int


Partition = tuple[str, int]
"""(topic, partition)."""


async def handled(source: Source, service: str) -> dict[Partition, int]:
    """What `service` has handled: {(topic, partition): position}. Partitions it never touched are missing."""
    rows = await source.fetch("SELECT topic, partition, position FROM ledger.positions WHERE service = $1", service)
    return {(row["topic"], row["partition"]): row["position"] for row in rows}


async def advance(connection: Connection, service: str, moves: Mapping[Partition, Move]) -> None:
    """Write down, in the caller's transaction, what `service` has handled.

    Fenced: raises `Transient` (`inbox_moved`) when another instance moved a partition since `old` was read. The
    caller must then roll back, because what it did has been done already.
    """
    moved = 0
    fresh = [(at, move) for at, move in moves.items() if move.old is None]
    if fresh:
        query = (
            "INSERT INTO ledger.positions (service, topic, partition, position) "
            "SELECT $1, u.topic, u.partition, u.new FROM unnest($2::text[], $3::int[], $4::bigint[]) "
            "AS u (topic, partition, new) ON CONFLICT DO NOTHING RETURNING 1"
        )
        moved += len(await connection.fetch(query, service, *_columns(fresh)))
    known = [(at, move) for at, move in moves.items() if move.old is not None]
    if known:
        query = (
            "UPDATE ledger.positions p SET position = u.new "
            "FROM unnest($2::text[], $3::int[], $4::bigint[], $5::bigint[]) AS u (topic, partition, new, old) "
            "WHERE p.service = $1 AND p.topic = u.topic AND p.partition = u.partition AND p.position = u.old "
            "RETURNING 1"
        )
        moved += len(await connection.fetch(query, service, *_columns(known), [move.old for _, move in known]))
    if moved != len(moves):
        raise Transient("inbox_moved", f"another instance of {service} has handled these messages")


async def reach(connection: Connection, service: str, topic: str, position: int) -> None:
    """Write down, in the caller's transaction, that `service` has handled everything on `topic` up to `position`.

    For who reads the ledger and not the bus: what it has read it knows by itself, and so nothing is fenced here. A
    place that somebody else has brought further stays there.
    """
    await connection.execute(
        "INSERT INTO ledger.positions AS p (service, topic, partition, position) "
        "SELECT $1, $2, n, $4 FROM generate_series(0, $3::int - 1) AS n "
        "ON CONFLICT (service, topic, partition) DO UPDATE SET position = excluded.position "
        "WHERE p.position < excluded.position",
        service,
        topic,
        BY_NAME[topic].partitions,
        position,
    )


def _columns(moves: Iterable[tuple[Partition, Move]]) -> tuple[list[str], list[int], list[int]]:
    rows = list(moves)
    return [topic for (topic, _), _ in rows], [number for (_, number), _ in rows], [move.new for _, move in rows]


async def relayed(source: Source, service: str) -> int | None:
    """The position up to which everything `service` wrote is on the bus; None when it never relayed."""
    position = await source.fetchval("SELECT position FROM ledger.relays WHERE service = $1", service)
    return None if position is None else int(position)


async def set_relayed(connection: Connection, service: str, move: Move, published: Mapping[Partition, int]) -> None:
    """Write down, in the caller's transaction, that the relay of `service` has come to `move.new`.

    `published` is the last position it put on each (topic, partition). Fenced like `advance`, with `Transient`
    (`relay_moved`).
    """
    if move.old is None:
        query = (
            "INSERT INTO ledger.relays (service, position) VALUES ($1, $2) "
            "ON CONFLICT DO NOTHING RETURNING position, $3::bigint"
        )
    else:
        query = "UPDATE ledger.relays SET position = $2 WHERE service = $1 AND position = $3 RETURNING position"
    if await connection.fetchval(query, service, move.new, move.old) is None:
        raise Transient("relay_moved", f"another relay of {service} is running")
    if published:
        await connection.execute(
            "INSERT INTO ledger.published (service, topic, partition, position) "
            "SELECT $1, u.topic, u.partition, u.position FROM unnest($2::text[], $3::int[], $4::bigint[]) "
            "AS u (topic, partition, position) "
            "ON CONFLICT (topic, partition) DO UPDATE SET position = EXCLUDED.position",
            service,
            [topic for topic, _ in published],
            [partition for _, partition in published],
            list(published.values()),
        )


async def republish(administrator: Connection) -> dict[str, int]:
    """Set every relay back to the beginning and forget what was published, in the caller's transaction.

    After its commit relays that run begin anew at once, others when they start; consumers drop what they have
    handled. Returns how many events each service will publish. Raises `Refused` (`superuser_needed`) for a login
    that may not change the services' rows.
    """
    if not await administrator.fetchval(
        "SELECT rolsuper OR rolbypassrls FROM pg_catalog.pg_roles WHERE rolname = current_user"
    ):
        raise Refused(
            "superuser_needed",
            "How far a relay has come is its service's to say; this login may not set it back.",
            "Give the address of a superuser, or of a role with BYPASSRLS.",
        )
    # In the order in which a relay takes them.
    await administrator.execute("UPDATE ledger.relays SET position = -1")
    await administrator.execute("UPDATE ledger.published SET position = -1")
    await administrator.execute("SELECT pg_notify('ledger_' || service, '') FROM ledger.services")
    rows = await administrator.fetch("SELECT source, count(*) AS n FROM ledger.events GROUP BY source")
    return {row["source"]: row["n"] for row in rows}


async def published(source: Source) -> dict[Partition, int]:
    """The last position that was put on each partition: {(topic, partition): position}."""
    rows = await source.fetch("SELECT topic, partition, position FROM ledger.published")
    return {(row["topic"], row["partition"]): row["position"] for row in rows}


async def set_pending(connection: Connection, service: str, pending: int) -> None:
    """Write down, in the caller's transaction, how much durable work `service` still has to do."""
    await connection.execute(
        "INSERT INTO ledger.work (service, pending) VALUES ($1, $2) "
        "ON CONFLICT (service) DO UPDATE SET pending = EXCLUDED.pending",
        service,
        pending,
    )


async def add_pending(connection: Connection, service: str, more: int) -> None:
    """Add `more` (negative: work that is done) to the durable work of `service`, in the caller's transaction."""
    await connection.execute(
        "INSERT INTO ledger.work (service, pending) VALUES ($1, greatest($2, 0)) "
        "ON CONFLICT (service) DO UPDATE SET pending = work.pending + $2",
        service,
        more,
    )


async def pending(source: Source) -> dict[str, int]:
    """{service: durable work outstanding}."""
    rows = await source.fetch("SELECT service, pending FROM ledger.work")
    return {row["service"]: row["pending"] for row in rows}


@dataclass(frozen=True, slots=True)
class Progress:
    """All of it, as of one moment. `lag` is {service: {topic: ledger positions behind}}; 0 is caught up.

    `unrelayed` is {service: events it wrote that are not on the bus yet}; `pending` {service: outstanding work}.
    """

    head: int
    lag: dict[str, dict[str, int]]
    unrelayed: dict[str, int]
    pending: dict[str, int]

    @property
    def behind(self) -> list[str]:
        """Who still has something to do, in words. Empty when the realm is at rest."""
        relays = [f"{service}: {n} events not on the bus yet" for service, n in self.unrelayed.items() if n]
        consumers = [
            f"{service}: {topic} not handled yet" for service, by in self.lag.items() for topic, n in by.items() if n
        ]
        work = [f"{service}: {n} pending" for service, n in self.pending.items() if n]
        return relays + consumers + work


_PROGRESS = """
SELECT (SELECT position FROM ledger.head) AS head,
       (SELECT coalesce(json_object_agg(u.source, u.n), '{}') FROM (
            SELECT e.source, count(*) AS n FROM ledger.events e LEFT JOIN ledger.relays r ON r.service = e.source
            WHERE e.position > (SELECT coalesce(min(coalesce(r.position, -1)), -1)
                                FROM ledger.services s LEFT JOIN ledger.relays r ON r.service = s.service)
              AND e.position > coalesce(r.position, -1) GROUP BY e.source) u) AS unrelayed,
       (SELECT coalesce(json_object_agg(w.service, w.pending), '{}') FROM ledger.work w) AS pending,
       (SELECT coalesce(json_agg(json_build_array(c.service, c.topic, c.behind)), '[]') FROM (
            SELECT c.service, c.topic, max(p.position - coalesce(h.position, -1)) AS behind
            FROM unnest($1::text[], $2::text[]) AS c (service, topic)
            JOIN ledger.published p ON p.topic = c.topic
            LEFT JOIN ledger.positions h
              ON h.service = c.service AND h.topic = p.topic AND h.partition = p.partition
            GROUP BY c.service, c.topic) c) AS behind
"""


async def progress(source: Source) -> Progress:
    """How far everybody is, read in one snapshot."""
    consumers = [(service, topic.name) for topic in TOPICS if topic.producer for service in topic.readers]
    row = await source.fetchrow(_PROGRESS, [s for s, _ in consumers], [t for _, t in consumers])
    lag: dict[str, dict[str, int]] = {}
    for service, topic in consumers:
        lag.setdefault(service, {})[topic] = 0
    for service, topic, behind in orjson.loads(row["behind"]):
        lag[service][topic] = max(0, behind)
    return Progress(row["head"], lag, orjson.loads(row["unrelayed"]), orjson.loads(row["pending"]))


async def lag(source: Source) -> dict[str, dict[str, int]]:
    """{service: {topic: ledger positions between what is published and what is handled}}; 0 is caught up."""
    return (await progress(source)).lag


async def quiescent(source: Source) -> tuple[bool, list[str]]:
    """Whether nothing is under way in the realm, and if not, who is behind with what.

    True means, as of one snapshot: every event is on the bus, every consumer has handled everything that is on
    the bus, and no service has durable work pending. Upstream messages the observer has not fetched don't count.
    """
    behind = (await progress(source)).behind
    return not behind, behind
