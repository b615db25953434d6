"""Why a message is refused, and what is recorded of it: never the payload, which may be anything."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, TypeAlias

from common.errors import Permanent
from common.events.envelope import Event
from common.events.observer import ObservationRejected
from common.ids import event_id, source_stream

from observer.core.limits import MAX_KEPT_PAYLOAD_BYTES, MAX_REASON
from observer.core.moments import Moment

UNIDENTIFIED = "unidentified"
"""The feed of messages that do not say where they come from. No feed may have this name."""

Headers: TypeAlias = tuple[tuple[str, bytes], ...]
"""What stands beside a message's bytes, in order; a name may be there more than once."""


@dataclass(slots=True)
class Identity:
    """What is known of a message when it is refused. Filled in as it is read, with checked values only."""

    feed: str | None = None
    upstream_id: str | None = None
    entity_type: str | None = None
    key: str | None = None


class Rejected(Permanent):
    """The message is refused. `reason_code` is one of the codes of the observer's README."""

    def __init__(self, reason_code: str, message: str, identity: Identity | None = None) -> None:
        super().__init__(reason_code, message[:MAX_REASON])
        self.identity = identity or Identity()


@dataclass(frozen=True, slots=True)
class Rejection:
    """A refused message: the event that records it, and for the quarantine its payload (None when not kept) and the
    headers that stood beside it."""

    event: Event
    payload: bytes | None
    headers: Headers = ()


def rejection(raw: bytes, rejected: Rejected, origin: str, moment: Moment, headers: Headers = ()) -> Rejection:
    """What is recorded of the refused message `raw`, which arrived by `origin`.

    The id derives from the bytes, the reason and the origin: a message that is delivered again is the same
    rejection.
    """
    identity = rejected.identity
    feed = identity.feed or UNIDENTIFIED
    stream = source_stream(feed)
    payload_digest = hashlib.sha256(raw).hexdigest()
    event_type = ObservationRejected.TYPE
    named = event_id(event_type, stream, payload_digest, rejected.reason_code, origin)
    kept = len(raw) + size_of(headers) <= MAX_KEPT_PAYLOAD_BYTES
    data: dict[str, Any] = {
        "feed": feed,
        "reason_code": rejected.reason_code,
        "reason": rejected.message,
        "payload_digest": payload_digest,
        "payload_bytes": len(raw),
        "origin": origin,
    }
    optional = {
        "upstream_id": identity.upstream_id,
        "entity_type": identity.entity_type,
        "key": identity.key,
        "quarantine": named if kept else None,
    }
    data |= {name: value for name, value in optional.items() if value is not None}
    event = Event(
        id=named,
        source="observer",
        type=event_type,
        subject=stream,
        time=moment.time,
        asof=moment.asof,
        actor=f"feed:{feed}",
        data=data,
    )
    return Rejection(event, raw, headers) if kept else Rejection(event, None)


def size_of(headers: Headers) -> int:
    """Bytes, about: a name's characters are counted."""
    return sum(len(name) + len(value) for name, value in headers)
