"""Which observation of an entity counts: the newest by the upstream's own time, never by arrival. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import orjson

from common.clock import parse_instant
from common.declarations.computing import Happened
from common.errors import Permanent
from common.events.observer import EntityObserved, EntityWithdrawn, ErasureDone, SourceReported

if TYPE_CHECKING:  # rows are pure; only the type is the ledger client's
    from common.ledger import Recorded

Ref: TypeAlias = tuple[str, str]
"""An entity: (entity type, key)."""
Order: TypeAlias = tuple[datetime, int, str]
"""(source time, sequence, event id): a total order over the observations of one entity."""

_OBSERVED, _WITHDRAWN = EntityObserved.TYPE, EntityWithdrawn.TYPE
NO_SEQUENCE = -(2**62)
"""Stands for a missing sequence: before every sequence at the same source time."""
NEVER = datetime(1, 1, 1, tzinfo=UTC)
"""The source time of an entity that a snapshot names and of which no row has arrived yet."""


class Observation(NamedTuple):
    """One EntityObserved (`row` is the whole row) or EntityWithdrawn (`row` is None), as far as order needs it."""

    ref: Ref
    feed: str
    row: dict[str, Any] | None
    order: Order
    recorded: Recorded


@dataclass(frozen=True, slots=True)
class Report:
    """One part of a snapshot: the keys it names, held by `feed` as of `as_of`."""

    feed: str
    entity_type: str
    snapshot: str
    as_of: datetime
    keys: tuple[str, ...]
    complete: bool
    part: int
    parts: int
    recorded: Recorded


@dataclass(frozen=True, slots=True)
class StoredEntity:
    """The newest that is known of one entity.

    `as_of` is the latest instant at which its feed is known to have held it: the source time of the newest
    observation, or a later snapshot that names it. `missing` is the instant of a later complete snapshot that does
    not name it. `position` and `event_id` are the observation's. `events` are those of a case, in no order; None: the
    row is the whole.
    """

    ref: Ref
    row: dict[str, Any]
    feed: str
    source_time: datetime
    event_id: str
    position: int
    as_of: datetime
    missing: datetime | None
    withdrawn: bool
    events: Sequence[Happened] | None = None


def order_of(source_time: datetime, sequence: int | None, event_id: str) -> Order:
    """Observations of one entity count in this order; the highest one is its state."""
    return (source_time, NO_SEQUENCE if sequence is None else sequence, event_id)


def read_observation(recorded: Recorded) -> Observation | None:
    """The observation that an event is; None for an event that is none. Raises `Permanent` (`malformed_event`)."""
    kind, event_id, data = recorded.content
    if kind != _OBSERVED and kind != _WITHDRAWN:  # noqa: PLR1714 - asked of every event
        return None
    try:
        return Observation(
            (data["entity_type"], data["key"]),
            data["feed"],
            data["row"] if kind == _OBSERVED else None,
            order_of(parse_instant(data["source_time"]), data.get("sequence"), event_id),
            recorded,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Permanent("malformed_event", f"event {event_id} is no observation: {error!r}") from error


def read_erasure(recorded: Recorded) -> Ref | None:
    """The entity whose subject key was destroyed; None for an event that says nothing of the kind."""
    kind, _, data = recorded.content
    return (data["entity_type"], data["key"]) if kind == ErasureDone.TYPE else None


def read_report(recorded: Recorded) -> Report | None:
    """The snapshot report that an event is; None for an event that is none. Raises `Permanent`."""
    if recorded.content[0] != SourceReported.TYPE:
        return None
    try:
        data = SourceReported.of(recorded.event)
        as_of = parse_instant(data.as_of)
    except ValueError as error:
        raise Permanent("malformed_event", f"event {recorded.event.id} is no report: {error}") from error
    keys = tuple(dict.fromkeys((*data.refreshed, *data.stored)))
    return Report(
        data.feed, data.entity_type, data.snapshot, as_of, keys, data.complete, data.part, data.parts, recorded
    )


def newest(observations: Iterable[Observation]) -> dict[Ref, Observation]:
    """The one observation of each entity that counts. The order and repetitions of the input are irrelevant."""
    best: dict[Ref, Observation] = {}
    for item in observations:
        known = best.get(item.ref)
        if known is None or item.order > known.order:
            best[item.ref] = item
    return best


def seen_as_of(reports: Iterable[Report]) -> dict[Ref, Report]:
    """For each entity that reports name: the one with the latest `as_of` (equal ones: the highest position)."""
    best: dict[Ref, Report] = {}
    for report in reports:
        for key in report.keys:
            ref = (report.entity_type, key)
            known = best.get(ref)
            if known is None or (report.as_of, report.recorded.position) > (known.as_of, known.recorded.position):
                best[ref] = report
    return best


def told_apart(recorded: Iterable[Recorded]) -> tuple[list[Observation], list[Recorded]]:
    """The observations, and the other events."""
    observations, others = [], []
    for item in recorded:
        observation = read_observation(item)
        if observation is None:
            others.append(item)
        else:
            observations.append(observation)
    return observations, others


def columns_of(item: Observation) -> tuple[object, ...]:
    """What `staging.observe` takes of it."""
    ref, feed, row, order, recorded = item
    return *ref, None if row is None else orjson.dumps(row).decode(), feed, *order, recorded.position


def newest_of(item: Observation, as_of: datetime, missing: datetime | None) -> StoredEntity:
    """The entity of which `item` is the newest."""
    (source_time, _, event_id), row = item.order, item.row
    return StoredEntity(
        item.ref, row or {}, item.feed, source_time, event_id, item.recorded.position, as_of, missing, row is None
    )


def entity_of(row: Sequence[Any]) -> StoredEntity:
    """What is stored, as `EntityStore` reads it."""
    entity_type, key, body, feed, source_time, event_id, position, as_of, missing, withdrawn = list(row)[:10]
    stored = {} if body is None else orjson.loads(body)
    return StoredEntity(
        (entity_type, key), stored, feed, source_time, event_id, position, as_of, missing, withdrawn=withdrawn
    )
