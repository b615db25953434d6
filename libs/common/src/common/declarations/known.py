"""What is known of an entity when it is decided: its attributes, what it is related to, and where that was read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from common.declarations.values import Json, Slot, Unknown


class Limit(NamedTuple):
    """The instant from which what a source reported can't be relied on, and why: `source_quiet: ...`."""

    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Origin:
    """The observation a row was read from, and the instant from which it is stale (None: never). `because`: why,
    where it is not for its age."""

    stream: str
    event_id: str
    fresh_until: datetime | None = None
    because: str = ""


@dataclass(frozen=True, slots=True)
class Related:
    """The related entity that counts (the latest retest), with its own attributes and observation."""

    key: str
    values: Mapping[str, Slot]
    origin: Origin


@dataclass(frozen=True, slots=True)
class Counted:
    """How many related entities count, and the instant from which that is stale (None: never)."""

    number: int
    fresh_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class EntityView:
    """All that is known of one entity. `related` has, by relation name, the entity that counts, a number, or why
    it is Unknown; a relation that is left out is absent (latest) or undecided (count). `origin` is None when
    nothing was ever observed of it; its attributes are then Unknown. `limits`: by relation, from when on its source
    can't be relied on, also in that it reports nothing."""

    entity_type: str
    key: str
    values: Mapping[str, Slot]
    origin: Origin | None
    related: Mapping[str, Related | Counted | Unknown] = field(default_factory=dict)
    limits: Mapping[str, Limit] = field(default_factory=dict)


class Fact(NamedTuple):
    """One thing a decision read: the value as JSON, or why it is Unknown, and the observation it came from."""

    name: str
    value: Json
    stream: str | None
    event_id: str | None
    unknown: str | None


def stale(since: datetime, because: str = "") -> Unknown:
    return Unknown("stale", because or f"stale since {since.astimezone(UTC):%Y-%m-%d %H:%M} UTC")


def stale_at(limit: datetime | None, asof: datetime) -> Unknown | None:
    return stale(limit) if limit is not None and asof >= limit else None


def staleness(origin: Origin, asof: datetime) -> Unknown | None:
    """Why the row says nothing about `asof`; None where it does."""
    until = origin.fresh_until
    return stale(until, origin.because) if until is not None and asof >= until else None
