"""Whether a feed is complete: no number of its messages is missing, and its control totals agree with what is held.

Everything here is a function of sets: any order of arrival, repetitions and late messages come to the same judgement.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from common.clock import instant
from common.events.observer import Doubt

MAX_RUNS = 10_000
SHOWN_HOLES = 5
_NEXT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Run:
    """Numbers that came, `low` to `high`, none missing. `at` is the earliest source time of the message `low`."""

    low: int
    high: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Total:
    """What a feed counted: see SourceCounted. `event_id` is that event's."""

    feed: str
    entity_type: str
    as_of: datetime
    rows: int
    event_id: str
    keys_digest: str | None = None
    sums: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Heard:
    """Something a feed said of a type, as of `at`: a row or its withdrawal, a snapshot, or a control total."""

    feed: str
    entity_type: str
    at: datetime
    sequence: int | None = None
    total: Total | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """What the ledger holds as of a total's instant. A sum is None where a cell of the column is no number."""

    rows: int
    keys_digest: str | None = None
    sums: Mapping[str, str | None] = field(default_factory=dict)


def joined(runs: Iterable[Run], numbers: Iterable[tuple[int, datetime]], floor: int | None = None) -> list[Run]:
    """All numbers that came, as runs, ascending. Numbers up to `floor` count as come.

    Of more than `MAX_RUNS` runs the middle is left out, which then counts as missing: a feed with so many holes is
    not complete in any case.
    """
    first: dict[int, Run] = {}
    for run in (*runs, *(Run(number, number, at) for number, at in numbers)):
        known = first.get(run.low)
        if known is None or (run.high, known.at) > (known.high, run.at):
            at = run.at if known is None else min(run.at, known.at)
            first[run.low] = Run(run.low, run.high if known is None else max(run.high, known.high), at)
    merged: list[Run] = []
    for run in sorted(first.values(), key=lambda item: item.low):
        if floor is not None and run.high <= floor:
            continue
        if merged and run.low <= merged[-1].high + 1:
            merged[-1] = Run(merged[-1].low, max(merged[-1].high, run.high), merged[-1].at)
        else:
            merged.append(run)
    return merged if len(merged) <= MAX_RUNS else [*merged[: MAX_RUNS - 1], merged[-1]]


def missing(runs: Sequence[Run], floor: int | None = None) -> list[tuple[int, int, datetime]]:
    """The holes: first and last missing number, and when the message after them was said."""
    before = floor
    holes = []
    for run in runs:
        if before is not None and run.low > before + 1:
            holes.append((before + 1, run.low - 1, run.at))
        before = run.high
    return holes


def judged(
    runs: Sequence[Run],
    floor: int | None,
    totals: Iterable[tuple[Total, Held]],
    late_by: timedelta,
    asof: datetime,
) -> list[Doubt]:
    """Why the feed is not complete as of `asof`, in a stable order. A hole counts once the message after it is older
    than `late_by`; `totals` are those that `due` picks."""
    doubts = []
    holes = [hole for hole in missing(runs, floor) if hole[2] + late_by <= asof]
    if holes:
        since = min(hole[2] for hole in holes) + late_by
        doubts.append(Doubt(reason_code="sequence_missing", since=instant(since), says=_holes(holes)))
    for total, held in sorted(totals, key=lambda pair: (pair[0].entity_type, pair[0].event_id)):
        doubts += _differences(total, held, late_by)
    return list({doubt.model_dump_json(): doubt for doubt in doubts}.values())


def due(totals: Iterable[Total], late_by: timedelta, asof: datetime) -> dict[str, datetime]:
    """By entity type: the instant of a feed's latest control totals for which everything should be in by now."""
    found: dict[str, datetime] = {}
    for total in totals:
        if total.as_of + late_by <= asof:
            found[total.entity_type] = max(total.as_of, found.get(total.entity_type, total.as_of))
    return found


def _holes(holes: Sequence[tuple[int, int, datetime]]) -> str:
    count = sum(last - first + 1 for first, last, _ in holes)
    named = [str(first) if first == last else f"{first} to {last}" for first, last, _ in holes[:SHOWN_HOLES]]
    more = ", ..." if len(holes) > SHOWN_HOLES else ""
    what = "message is" if count == 1 else "messages are"
    return f"{count} {what} missing: number {', '.join(named)}{more}"


def _differences(total: Total, held: Held, late_by: timedelta) -> list[Doubt]:
    since = instant(total.as_of + late_by)
    at = f"as of {total.as_of:%Y-%m-%d %H:%M} UTC"

    def doubt(code: str, says: str) -> Doubt:
        return Doubt(reason_code=code, since=since, says=says, entity_type=total.entity_type)  # type: ignore[arg-type]

    if held.rows < total.rows:
        return [doubt("rows_missing", f"{total.rows} rows were counted {at}, and {held.rows} are held")]
    if held.rows > total.rows:
        return [doubt("rows_unexpected", f"{total.rows} rows were counted {at}, and {held.rows} are held")]
    found = []
    if total.keys_digest is not None and total.keys_digest != held.keys_digest:
        found.append(doubt("contents_differ", f"the keys held {at} are not those that were counted"))
    for column, wanted in sorted(total.sums.items()):
        have = held.sums.get(column)
        if have is None:
            found.append(doubt("contents_differ", f"{column} holds something that is no number {at}"))
        elif Decimal(have) != Decimal(wanted):
            found.append(doubt("contents_differ", f"{column} adds up to {have} {at}, and not to {wanted}"))
    return found


def with_new(totals: Iterable[tuple[Total, Held | None]], heard: Iterable[Heard]) -> list[tuple[Total, Held | None]]:
    """These and the control totals that were heard, each once, in a stable order."""
    known = {total.event_id: (total, held) for total, held in totals}
    for one in heard:
        if one.total is not None:
            known.setdefault(one.total.event_id, (one.total, None))
    return [pair for _, pair in sorted(known.items())]


def recounted(totals: Iterable[tuple[Total, Held | None]], heard: Iterable[Heard]) -> list[tuple[Total, Held | None]]:
    """The same, without what is held where something came in since that belongs to it."""
    first: dict[tuple[str, str], datetime] = {}
    for one in heard:
        if one.total is None:
            name = (one.feed, one.entity_type)
            first[name] = min(one.at, first.get(name, one.at))
    return [
        (total, None if first.get((total.feed, total.entity_type), total.as_of + _NEXT) <= total.as_of else held)
        for total, held in totals
    ]
