"""What is recorded of a batch of upstream messages, and what their senders are told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from common.canonical import digest
from common.events.envelope import Event
from common.events.observer import EntityObserved, EntityWithdrawn, SourceCounted
from common.ids import entity_stream, event_id, source_stream

from observer.core import messages
from observer.core.counts import Count
from observer.core.messages import Message
from observer.core.moments import Moment
from observer.core.personal import as_erased
from observer.core.rejections import Headers, Identity, Rejected, Rejection, rejection
from observer.core.sources import EntityRules

UPSTREAM = "trueup.upstream.message.v1"
MAX_EVENT_BYTES = 900_000
"""What the ledger takes at most. Only a message that grows when floats become text can exceed it."""
_COULD_GROW_BEYOND = 100_000
PART_BYTES = 256 * 1024
MAY_BE_STALE = frozenset(("unknown_entity_type", "feed_mismatch", "key_missing", "key_mismatch", "time_in_future"))
"""Refusals that a declaration or an advance of the clock, committed but not yet read here, would undo."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """One message as it arrived. `origin` says by which way: `observations/3/1234`, `api`."""

    raw: bytes
    origin: str
    headers: Headers = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one message. `unchanged`: a snapshot's row that is stored already, word for word."""

    status: Literal["accepted", "duplicate", "unchanged", "rejected"]
    upstream_id: str | None
    position: int | None = None
    reason_code: str | None = None
    reason: str | None = None


def message_event_id(feed: str, upstream_id: str) -> str:
    """The event id of an upstream message. A feed's ids are its own; one id names one message, whatever it says,
    so that the ledger itself notices when the same id comes with another content."""
    return event_id(UPSTREAM, source_stream(feed), upstream_id)


def observation(message: Message, origin: str, moment: Moment) -> Event:
    """The event that records `message`."""
    data: dict[str, Any] = {
        "entity_type": message.entity_type,
        "key": message.key,
        "feed": message.feed,
        "source_time": message.source_time,
        "upstream_id": message.upstream_id,
        "simulated": message.simulated,
    }
    if message.sequence is not None:
        data["sequence"] = message.sequence
    if message.row is None:
        data["reason"] = message.reason
    else:
        data["row"] = message.row
        data["origin"] = origin
    return Event(
        id=message_event_id(message.feed, message.upstream_id),
        source="observer",
        type=EntityObserved.TYPE if message.row is not None else EntityWithdrawn.TYPE,
        subject=entity_stream(message.entity_type, message.key),
        time=moment.time,
        asof=moment.asof,
        actor=f"feed:{message.feed}",
        data=data,
    )


def count(said: Count, moment: Moment) -> Event:
    """The event that records a control total."""
    data: dict[str, Any] = {
        "feed": said.feed,
        "entity_type": said.entity_type,
        "as_of": said.as_of,
        "rows": said.rows,
        "upstream_id": said.upstream_id,
        "sums": said.sums,
        "simulated": said.simulated,
    }
    if said.keys_digest is not None:
        data["keys_digest"] = said.keys_digest
    return Event(
        id=message_event_id(said.feed, said.upstream_id),
        source="observer",
        type=SourceCounted.TYPE,
        subject=source_stream(said.feed),
        time=moment.time,
        asof=moment.asof,
        actor=f"feed:{said.feed}",
        data=data,
    )


def read_all(
    incoming: Sequence[Incoming], rules: EntityRules, moment: Moment, sender: str | None = None
) -> list[Message | Count | Rejected]:
    """Each message, or why it is refused; in order."""
    read: list[Message | Count | Rejected] = []
    for item in incoming:
        try:
            read.append(messages.read(item.raw, rules, moment.latest, sender, item.headers))
        except Rejected as rejected:
            read.append(rejected)
    return read


def parts(incoming: Sequence[Incoming]) -> Iterator[Sequence[Incoming]]:
    """`incoming`, in order, in parts that take a fraction of a second to read, whatever they hold."""
    start = size = 0
    for place, item in enumerate(incoming):
        size += len(item.raw)
        if size >= PART_BYTES:
            yield incoming[start : place + 1]
            start, size = place + 1, 0
    yield incoming[start:]


def may_be_stale(read: Sequence[Message | Count | Rejected]) -> bool:
    """Whether a refusal might come from not knowing the latest declarations or the latest clock; or what is recorded
    of it would be too much, once it may be about an entity type whose key nobody may read."""
    return any(
        isinstance(item, Rejected) and (item.reason_code in MAY_BE_STALE or item.identity.entity_type is None)
        for item in read
    )


def to_record(
    incoming: Sequence[Incoming], read: Sequence[Message | Count | Rejected], moment: Moment
) -> list[Event | Rejection]:
    """What is to be appended for each message, in order."""
    return [_planned(item, result, moment) for item, result in zip(incoming, read, strict=True)]


def _planned(item: Incoming, result: Message | Count | Rejected, moment: Moment) -> Event | Rejection:
    if isinstance(result, Rejected):
        return rejection(item.raw, result, item.origin, moment, item.headers)
    if isinstance(result, Count):
        return count(result, moment)
    event = observation(result, item.origin, moment)
    if len(item.raw) > _COULD_GROW_BEYOND and len(event.encode()) > MAX_EVENT_BYTES:
        identity = Identity(result.feed, result.upstream_id, result.entity_type, result.key)
        too_large = Rejected("oversized", f"the event would have more than {MAX_EVENT_BYTES} bytes", identity)
        return rejection(item.raw, too_large, item.origin, moment, item.headers)
    return event


def same_content(event: Event, stored: Event) -> bool:
    """Whether both record the same upstream message: all but when and by which way it arrived."""
    return (
        event.type == stored.type
        and event.subject == stored.subject
        and digest({**event.data, "origin": ""}) == digest({**as_erased(stored.data, event.data), "origin": ""})
    )


def clash(event: Event) -> Rejected:
    """The refusal of a message whose id its feed has used for something else."""
    data = event.data
    return Rejected(
        "id_clash",
        f"the feed {data['feed']} has used the id {data['upstream_id']!r} before, for another content; "
        "send what is new under a new id",
        Identity(data["feed"], data["upstream_id"], data["entity_type"], data.get("key")),
    )
