"""Many instants in one go: every look as of its own instant, in order, as if each had been alone. Pure.

Looks that time asks for don't disturb each other: what is known of entities stays as it is meanwhile, and a look
decides one case. So what all of them need is read once and what they come to is written once, and a look that must be
repeated before the last of the instants takes its turn among them.

A case that was to close before a look, when it had been met for long enough, closes as of then, if it still is met:
whether its timer or something else came first makes no difference to that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from heapq import heapify, heappop, heappush
from itertools import count
from typing import TypeAlias

from common.declarations.evaluation import EntityView
from common.entities.rows import Ref
from common.events.differ import GapClosed
from common.objectives.contributing import Contribution

from differ.core.deciding import CaseKey, CaseState, Decision
from differ.core.diffing import diff
from differ.core.planning import Declared, Look

Due: TypeAlias = tuple[datetime, Look]
"""A look, and the instant as of which it is to be taken."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """As `diffing.Diff`. `decisions` with the instant of each, ascending; `alarms` lie after `until`."""

    decisions: list[tuple[datetime, Decision]]
    alarms: list[tuple[Look, datetime]]
    parts: list[tuple[Look, str, Contribution | None]]


def sweep(
    declared: Declared,
    due: Iterable[Due],
    views: Mapping[Ref, EntityView],
    cases: Mapping[CaseKey, CaseState],
    until: datetime,
) -> Sweep:
    """Take every look of `due`, none of them after `until`, and what must be looked at again by then.

    An alarm at or before its own look's instant is left in `alarms`, so that this ends whatever is declared.
    """
    serial = count()
    waiting = [(instant, next(serial), look) for instant, look in due]
    known = dict(cases)
    found = Sweep([], [], [])
    found.decisions.extend(_lasted(declared, waiting, views, known))
    known.update((decision.after.key, decision.after) for _, decision in found.decisions)
    heapify(waiting)
    while waiting:
        instant = waiting[0][0]
        looks = []
        while waiting and waiting[0][0] == instant:
            looks.append(heappop(waiting)[2])
        keys = map(_key, looks)
        result = diff(declared, looks, views, {key: known[key] for key in keys if key in known}, instant)
        known.update((decision.after.key, decision.after) for decision in result.decisions)
        found.decisions.extend((instant, decision) for decision in result.decisions)
        found.parts.extend(result.parts)
        for look, again in result.alarms:
            if instant < again <= until:
                heappush(waiting, (again, next(serial), look))
            else:
                found.alarms.append((look, again))
    found.decisions.sort(key=lambda said: said[0])
    return found


def _lasted(
    declared: Declared,
    waiting: Iterable[tuple[datetime, int, Look]],
    views: Mapping[Ref, EntityView],
    cases: Mapping[CaseKey, CaseState],
) -> Iterable[tuple[datetime, Decision]]:
    """The cases that were to close before their first look and still are met as of then."""
    first: dict[Look, datetime] = {}
    for asof, _, look in waiting:
        first[look] = min(asof, first.get(look, asof))
    for look, asof in first.items():
        case = cases.get(_key(look))
        if case is None or case.closes_at is None or asof <= case.closes_at:
            continue
        for decision in diff(declared, [look], views, {case.key: case}, case.closes_at).decisions:
            if isinstance(decision.data, GapClosed) and decision.data.steady is not None:
                yield case.closes_at, decision


def _key(look: Look) -> CaseKey:
    return look.desired_state, look.ref[1]
