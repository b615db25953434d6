"""Which entities keep an objective from its target: the worst first, a bounded number of them. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from datetime import datetime
from zoneinfo import ZoneInfo

from common.declarations.objectives import CompiledObjective
from common.declarations.values import day_text
from common.events.differ import Contributor
from common.objectives import wording
from common.objectives.contributing import Against, Contribution, against, begin_of

MOST_NAMED = 20
Keyed = tuple[str, Contribution]


def blamed(
    objective: CompiledObjective, every: Iterable[Keyed], asof: datetime, zone: ZoneInfo, most: int
) -> tuple[list[tuple[str, Against]], int]:
    """(key, how) of the worst `most` that keep the objective from its target as of `asof`, and how many more do.

    The same contributions give the same answer, in whatever order they come.
    """
    begin = begin_of(objective, asof, zone)
    found = [(key, how) for key, one in every if (how := against(objective, one, asof, begin)) is not None]
    worst = heapq.nsmallest(most, found, key=lambda item: (item[1].order, item[0]))
    return worst, len(found) - len(worst)


def named(objective: CompiledObjective, found: Iterable[tuple[str, Against]], zone: ZoneInfo) -> list[Contributor]:
    """The entities found, in words. (A date that is sensitive can't be read by an objective.)"""
    return [Contributor(key=key, says=_says(objective, how, zone)) for key, how in found]


def _says(objective: CompiledObjective, how: Against, zone: ZoneInfo) -> str:
    if how.seconds is not None:
        took = wording.amount(objective.spec.measure, how.seconds)
        state = "not known to be over after" if how.unknown else "open for" if how.running else "took"
        return f"{state} {took}"
    if how.unknown:
        return "unknown"
    told = f"{'is not met' if _refuses(objective) else 'counts against it'}"
    return told if how.since is None else f"{told}, since {day_text(how.since.astimezone(zone).date())}"


def _refuses(objective: CompiledObjective) -> bool:
    """Whether the objective asks for a rule, so that what counts against it is that the rule is not met."""
    return objective.asked is not None
