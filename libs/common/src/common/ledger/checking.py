"""Whether a stored event is what an append could have left: each row by itself, decided from the row alone. Pure.

What takes the rest of the ledger (versions, ids, causes) is asked of the database; see `cli.ledger.fsck`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from common.clock import parse_instant
from common.directory import Directory
from common.errors import Permanent, Refused
from common.events import SIGNED, Event, EventData, typed, upcasting
from common.events.approver import Decision
from common.events.copies import differing
from common.ids import category
from common.in_words import in_words
from common.service_keys import ServiceKeys, check_service_signature
from common.signing import check_signature
from common.topics import rights

CLOCK_BOUND = timedelta(minutes=5, seconds=1)
"""How far an event's `time` may be from when it was recorded: the database's bound, which it reads to the second."""
_RIGHT = {type_: (service, wanted) for service, wanted, type_ in rights()}


@dataclass(frozen=True, slots=True)
class Row:
    """One row of `ledger.events`, column by column."""

    position: int
    event: str
    source: str
    id: str
    stream: str
    version: int
    type: str
    case_id: str | None
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that does not hold. `position` is None for what concerns no single event."""

    position: int | None
    reason_code: str
    what: str


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose signatures are checked, and by which keys: people's, services', None for those that are not."""

    directory: Directory | None = None
    service_keys: ServiceKeys | None = None


def examine(row: Row, trust: Trust) -> tuple[Event | None, list[Finding]]:
    """The event, None when its bytes are none, and all there is to say against the row by itself.

    Codes: `malformed_event`, `not_canonical`, `copy_differs`, `time_out_of_bounds`, `event_type_unknown`,
    `forbidden_stream`, `data_malformed`, and those of `signing.check_signature`, `Directory.decided` and
    `service_keys.check_service_signature`.
    """
    raw = row.event.encode()
    try:
        event = Event.decode(raw)
    except Permanent as error:
        return None, [Finding(row.position, error.reason_code, error.message)]
    return event, [Finding(row.position, code, what) for code, what in _problems(row, raw, event, trust)]


def _problems(row: Row, raw: bytes, event: Event, trust: Trust) -> Iterator[tuple[str, str]]:
    if not _is_canonical(event, raw):
        yield "not_canonical", "the bytes are not those that the event is written with"
    for column, stored, said in differing(row, event.envelope()):
        yield "copy_differs", f"the column {column} has {stored!r}, the event says {said!r}"
    if not _in_bounds(event.time, row.recorded_at):
        yield "time_out_of_bounds", f"the event says {event.time}, and was recorded at {row.recorded_at.isoformat()}"
    right = _RIGHT.get(upcasting.newest(event.type)) if isinstance(event.type, str) else None
    if right is None:
        yield "event_type_unknown", f"this release knows no event type {event.type}"
        return
    if right != (event.source, category(str(event.subject))):
        yield "forbidden_stream", f"{event.type} by {event.source} on {event.subject}; only {right[0]} on {right[1]}/"
    try:
        data = typed(event)
    except (Permanent, ValueError, KeyError, TypeError) as error:
        yield "data_malformed", f"the data is not that of {event.type}: {in_words(error)}"
        return
    yield from _signatures(event, data, trust)


def _is_canonical(event: Event, raw: bytes) -> bool:
    try:
        return event.encode() == raw
    except Permanent:
        return False


def _in_bounds(time: str, recorded_at: datetime) -> bool:
    try:
        return abs(parse_instant(time) - recorded_at) <= CLOCK_BOUND
    except (TypeError, ValueError, AttributeError):
        return False


def _signatures(event: Event, data: EventData, trust: Trust) -> Iterator[tuple[str, str]]:
    decision = getattr(data, "decision", None)
    try:
        if isinstance(decision, Decision) and trust.directory is not None:
            check_signature(decision, event.signature, trust.directory.decided(decision.person, event.time)[1])
        elif event.type in SIGNED and trust.service_keys is not None:
            check_service_signature(event, trust.service_keys)
    except Refused as refusal:
        yield refusal.reason_code, refusal.message
