"""Snapshots: which rows are new, which are stored already, and the report that says what a snapshot held."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from common.canonical import digest
from common.clock import parse_instant
from common.errors import Refused
from common.events.envelope import Event
from common.events.observer import EntityObserved, SourceReported
from common.ids import event_id, is_key, source_stream

from observer.core.counts import Count
from observer.core.limits import MAX_HISTORY, MAX_PART_KEYS, MAX_SNAPSHOT_ROWS
from observer.core.messages import Message
from observer.core.moments import Moment
from observer.core.rejections import Identity, Rejected
from observer.core.sources import EntityRules


@dataclass(frozen=True, slots=True)
class SnapshotRow:
    """One row that the observer received for a snapshot. `stored`: an observation of this snapshot holds it;
    otherwise the row that was stored before is word for word the same."""

    key: str
    row_digest: str
    stored: bool


@dataclass(frozen=True, slots=True)
class Report:
    """What a feed says at the end of a snapshot. `rows` is how many rows it sent and got accepted.

    `complete`: what the snapshot doesn't name has gone missing.
    """

    feed: str
    entity_type: str
    snapshot: str
    as_of: str
    rows: int
    complete: bool
    simulated: bool = False


def in_snapshot(message: Message | Count | Rejected, snapshot: str, rules: EntityRules) -> Message | Count | Rejected:
    """The message, if it can be a part of `snapshot`: a whole row whose upstream id starts with the snapshot's."""
    if isinstance(message, Rejected):
        return message
    if isinstance(message, Count):
        identity = Identity(message.feed, message.upstream_id, message.entity_type)
        return Rejected("snapshot_mismatch", "a control total is no row of a snapshot; send it by itself", identity)
    identity = Identity(message.feed, message.upstream_id, message.entity_type, message.key)
    if message.row is None:
        return Rejected("snapshot_mismatch", "a snapshot has no withdrawals; leave the row out", identity)
    if rules[message.entity_type].events is not None:
        return Rejected("snapshot_of_log", "rows of this type are events, of which no snapshot is made", identity)
    if not message.upstream_id.startswith(f"{snapshot}/"):
        return Rejected("snapshot_mismatch", f"the id of a row of this snapshot starts with {snapshot}/", identity)
    return message


def is_snapshot_id(text: str) -> bool:
    return is_key(text) and len(text) <= 100 and text.isprintable()


def _order(event: Event) -> tuple[float, int, str]:
    # -1: a message without a sequence comes before those with one at the same instant
    data = event.data
    return (parse_instant(data["source_time"]).timestamp(), data.get("sequence", -1), event.id)


def is_unchanged(message: Message, history: Sequence[Event]) -> bool:
    """Whether the row is already the one that counts, so that the snapshot need not store it again.

    `history` holds the entity's last `MAX_HISTORY` + 1 events at most. With more than `MAX_HISTORY` it can't be
    told which one counts, and the answer is no; storing a row once more is never wrong.
    """
    own = [event for event in history if event.data["feed"] == message.feed]
    if not own or len(history) > MAX_HISTORY or message.sequence is not None:  # a number must be on record
        return False
    counts = max(own, key=_order)
    return (
        counts.type == EntityObserved.TYPE
        and counts.data["upstream_id"] != message.upstream_id
        and parse_instant(counts.data["source_time"]) <= parse_instant(message.source_time)
        and counts.data.get("simulated", False) == message.simulated
        and digest(counts.data["row"]) == digest(message.row)
    )


def rows_digest(rows: Iterable[SnapshotRow]) -> str:
    """SHA-256 over the lines `<key> <row digest>`, sorted by key: the same rows give it in any order."""
    lines = sorted(f"{row.key} {row.row_digest}\n" for row in rows)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def report_id(report: Report, part: int) -> str:
    """The event id of one part of the report."""
    return event_id(SourceReported.TYPE, source_stream(report.feed), report.entity_type, report.snapshot, str(part))


def check_report(report: Report, received: int, moment: Moment) -> None:
    """Raise `Refused` unless the report fits what was received.

    A snapshot that lost rows on the way would make entities go missing that are not.
    """
    if not is_snapshot_id(report.snapshot):
        raise Refused(
            "snapshot_malformed",
            "the snapshot's id must have 1 to 100 printable characters, no space, no slash",
            "Give the snapshot another id.",
        )
    try:
        as_of = parse_instant(report.as_of)
    except ValueError as error:
        raise Refused("time_malformed", f"as_of is {report.as_of[:60]!r}", "Write 2023-07-03T00:00:00Z.") from error
    if as_of > moment.latest:
        raise Refused(
            "time_in_future",
            f"as_of is {report.as_of}, which is in the future of the realm's clock",
            "Say a time that has come: --as-of, no later than what trueup clock show says.",
        )
    if received > MAX_SNAPSHOT_ROWS:
        raise Refused("oversized", f"a snapshot has at most {MAX_SNAPSHOT_ROWS} rows", "Split it by entity type.")
    if report.complete and received != report.rows:
        raise Refused(
            "snapshot_incomplete",
            f"the report counts {report.rows} rows and {received} were accepted; "
            "entities would go missing that are not",
            "Send the missing rows again, or report with complete: false.",
        )


def report_events(report: Report, rows: Sequence[SnapshotRow], moment: Moment) -> list[Event]:
    """The SourceReported events of the snapshot, at most `MAX_PART_KEYS` keys each; at least one."""
    ordered = sorted(rows, key=lambda row: row.key)
    slices = [ordered[start : start + MAX_PART_KEYS] for start in range(0, len(ordered), MAX_PART_KEYS)] or [[]]
    whole = rows_digest(rows)
    return [_part(report, keys, whole, (number, len(slices)), moment) for number, keys in enumerate(slices, 1)]


def _part(report: Report, rows: Sequence[SnapshotRow], whole: str, part: tuple[int, int], moment: Moment) -> Event:
    return Event(
        id=report_id(report, part[0]),
        source="observer",
        type=SourceReported.TYPE,
        subject=source_stream(report.feed),
        time=moment.time,
        asof=moment.asof,
        actor=f"feed:{report.feed}",
        data={
            "feed": report.feed,
            "entity_type": report.entity_type,
            "snapshot": report.snapshot,
            "as_of": report.as_of,
            "rows": report.rows,
            "rows_digest": whole,
            "complete": report.complete,
            "refreshed": [row.key for row in rows if not row.stored],
            "stored": [row.key for row in rows if row.stored],
            "part": part[0],
            "parts": part[1],
            "simulated": report.simulated,
        },
    )
