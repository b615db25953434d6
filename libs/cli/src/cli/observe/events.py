"""A file of events, sent to the observer: XES, or CSV and JSONL with a row for each event.

Message ids derive from what an event says and from how many of its case stand before it at the same time, so that
sending a log again stores nothing twice, also one that has grown. Memory holds one request, and one case.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import orjson
from common.clock import instant, parse_instant
from common.errors import Refused

from cli.imports.source import Place
from cli.observe.sending import BATCH_BYTES, BATCH_ROWS, Import, Observer, Outcome, type_of
from cli.preview.logs import Columns, Logged, events_of

Message = dict[str, Any]


def send_events(
    observer: Observer, wanted: Import, columns: Columns | None, until: str, read: Callable[[int], None]
) -> Outcome:
    """Send the events up to `until` (empty: all). `read` is told how many bytes of the file were read.

    Raises `Refused` when the file can't be read, the type isn't active or is none of events, or the observer doesn't
    answer; what was sent until then is stored, and is not stored again when the file is sent again.
    """
    rule = type_of(observer, wanted.entity_type)
    if columns is None:
        told = f"rows of {wanted.entity_type} are whole, and {wanted.source.name} is a log of events"
        raise Refused("not_events", told, "Declare the columns of events: events: {activity: activity, at: time}.")
    outcome = Outcome("", rule["source"])
    last = parse_instant(until) if until else None
    events = (
        event
        for event in events_of(wanted.source.path, columns, outcome.faults, read)
        if last is None or event.at <= last
    )
    for batch in _batches(messages(events, wanted, rule["source"])):
        answers = observer.observations(None, [message for _, message in batch])
        for (line, _), answer in zip(batch, answers, strict=True):
            outcome.counts[answer["status"]] += 1
            if answer["status"] == "rejected":
                outcome.refused.append((line, str(answer["reason_code"]), str(answer["reason"])))
    return outcome


def messages(events: Iterable[Logged], wanted: Import, feed: str) -> Iterator[tuple[Place, Message]]:
    """Each event as an upstream message, with its line."""
    for event in events:
        said = [wanted.entity_type, instant(event.at), event.nth, event.row]
        identity = hashlib.sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]
        yield event.line, _message(event, wanted, feed, identity)


def _message(event: Logged, wanted: Import, feed: str, identity: str) -> Message:
    data: dict[str, Any] = {"entity_type": wanted.entity_type, "row": event.row}
    if event.sequence is not None:
        data["sequence"] = event.sequence
    if wanted.simulated:
        data["simulated"] = True
    return {
        "specversion": "1.0",
        "id": f"{wanted.entity_type}-{identity}",
        "source": feed,
        "type": "trueup.upstream.observed.v1",
        "time": instant(event.at),
        "data": data,
    }


def _batches(found: Iterable[tuple[Place, Message]]) -> Iterator[list[tuple[Place, Message]]]:
    batch: list[tuple[Place, Message]] = []
    size = 0
    for line, message in found:
        weight = len(orjson.dumps(message))
        if batch and (len(batch) == BATCH_ROWS or size + weight > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append((line, message))
        size += weight
    if batch:
        yield batch


def size_of(wanted: Import) -> int:
    """How many bytes there are to read, for the progress bar."""
    return wanted.source.path.stat().st_size
