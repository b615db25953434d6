"""The trace that a process leaves in the dates of its entities: where the time goes. Pure.

It knows nothing of where the moments and intervals come from: dated attributes are one moment each, computed ones
(`first`, `last`) too, while `between` two events of a case there is any number of intervals of one name.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

from common.declarations import periods
from common.declarations.values import Intervals, Slot
from common.events.differ import ProcessTrace, TraceLoop, TraceStep, TraceWait

MOST_STEPS = 20


@dataclass(frozen=True, slots=True, order=True)
class Moment:
    """Something that happened to an entity, at an instant."""

    at: datetime
    name: str


@dataclass(frozen=True, slots=True)
class Interval:
    """A span of time in which something held; without an `end` it still does."""

    name: str
    begin: datetime
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class Path:
    """What is known of one entity's way: in any order. `over`: the clock that is measured has stopped, or
    the entity is done."""

    moments: Sequence[Moment]
    intervals: Sequence[Interval] = ()
    over: bool = False


def moments_of(slots: Iterable[tuple[str, Slot]], zone: ZoneInfo) -> list[Moment]:
    """The moments in an entity's own attributes: those that are dates and known. What is sensitive is none."""
    found = []
    for name, value in slots:
        if isinstance(value, datetime):
            found.append(Moment((value if value.tzinfo else value.replace(tzinfo=zone)).astimezone(UTC), name))
        elif isinstance(value, date):
            found.append(Moment(periods.start_of(value, zone), name))
    return sorted(found)


def intervals_of(slots: Iterable[tuple[str, Slot]]) -> list[Interval]:
    """The spans in an entity's own attributes: those computed as `between` two of its events."""
    return [
        Interval(name, begin.astimezone(UTC), None if end is None else end.astimezone(UTC))
        for name, value in slots
        if isinstance(value, Intervals)
        for begin, end in value.spans
    ]


def trace(paths: Iterable[Path], asof: datetime, theirs: Collection[str] = ()) -> ProcessTrace | None:
    """Where the time went as of `asof`; None where no entity has two moments, nor waits after one.

    What lies after `asof` has not happened. A step is two moments of an entity with none between them; a loop is a
    moment or interval that came again; a wait is the time since the last moment of what is not over. It is their move
    while an interval named in `theirs` runs, else ours. Ordered by what matters most; any order of paths and moments
    gives the same.
    """
    steps: dict[tuple[str, str], list[int]] = {}
    loops: dict[str, list[int]] = {}
    waits: dict[tuple[str, bool], list[int]] = {}
    entities = 0
    for path in paths:
        moments = sorted(moment for moment in path.moments if moment.at <= asof)
        entities += bool(moments)
        for one, other in pairwise(moments):
            steps.setdefault((one.name, other.name), []).append(_seconds(one.at, other.at))
        intervals = [interval for interval in path.intervals if interval.begin <= asof]
        came = [moment.name for moment in moments] + [interval.name for interval in intervals]
        for name in set(came):
            if (again := came.count(name) - 1) > 0:
                loops.setdefault(name, []).append(again)
        if moments and not path.over:
            held = any(_runs(one, asof) and one.name in theirs for one in intervals)
            waits.setdefault((moments[-1].name, held), []).append(_seconds(moments[-1].at, asof))
    if not steps and not waits:
        return None
    return ProcessTrace(entities=entities, steps=_steps(steps), loops=_loops(loops), waits=_waits(waits))


def _steps(steps: dict[tuple[str, str], list[int]]) -> list[TraceStep]:
    told = [
        TraceStep(begin=begin, end=end, entities=len(took), median_s=_median(took), longest_s=max(took))
        for (begin, end), took in steps.items()
    ]
    return sorted(told, key=lambda step: (-step.median_s * step.entities, step.begin, step.end))[:MOST_STEPS]


def _loops(loops: dict[str, list[int]]) -> list[TraceLoop]:
    told = [TraceLoop(step=name, entities=len(again), times=sum(again)) for name, again in loops.items()]
    return sorted(told, key=lambda loop: (-loop.times, loop.step))[:MOST_STEPS]


def _waits(waits: dict[tuple[str, bool], list[int]]) -> list[TraceWait]:
    told = [
        TraceWait(after=name, whose="theirs" if held else "ours", entities=len(since), longest_s=max(since))
        for (name, held), since in waits.items()
    ]
    return sorted(told, key=lambda wait: (-wait.entities, wait.after, wait.whose))[:MOST_STEPS]


def _runs(interval: Interval, asof: datetime) -> bool:
    return interval.end is None or interval.end > asof


def _seconds(begin: datetime, end: datetime) -> int:
    return int((end - begin).total_seconds())


def _median(values: Sequence[int]) -> int:
    """The middle one, of two the lower."""
    return sorted(values)[(len(values) - 1) // 2]
