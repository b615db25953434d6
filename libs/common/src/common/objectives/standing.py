"""From a measure to what it means: a minimum sample, a guarded population, a path to a dated target."""

from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction
from typing import Literal, TypeAlias

from common.objectives.measures import Measure, Target

Standing: TypeAlias = Literal["met", "on track", "behind", "missed", "undecided"]


@dataclass(frozen=True, slots=True)
class Baseline:
    """What was measured when the objective was put in force. `population` is how many the measure was over."""

    at: datetime
    value: Fraction | None
    population: int


@dataclass(frozen=True, slots=True)
class Guard:
    """By what share of its baseline the population may shrink before the measure counts for nothing."""

    shrink: Fraction


def guarded(
    measure: Measure, population: int, baseline: Baseline | None, guard: Guard | None, maybe: int = 0
) -> Measure:
    """The measure, undecided when the population has shrunk by more than it may: that is not getting better. Of
    `maybe` more it can't be told whether they belong to it: that is no alarm, and no success."""
    if guard is None or baseline is None:
        return measure
    least = baseline.population * (1 - guard.shrink)
    if population >= least or (measure.verdict == "missed" and population + maybe >= least):
        return measure
    shrunk = population + maybe < least
    why = f"of {maybe:,} it can't be told whether they belong to the population"
    if shrunk:
        why = f"the population shrank from {baseline.population:,} to {population:,}"
    return replace(measure, verdict="undecided", why=why, shrunk=shrunk)


def sampled(measure: Measure, minimum: int) -> Measure:
    """The measure, undecided on a sample that is too small: never met, never missed by chance."""
    if measure.sample >= minimum:
        return measure
    return replace(measure, verdict="undecided", why=f"{measure.sample:,} of the {minimum:,} it takes to tell")


def standing(
    measure: Measure, target: Target, baseline: Baseline | None, reach: datetime | None, asof: datetime
) -> Standing:
    """Where the objective stands. Until `reach`, what is not met is on track while it is at least as good as the
    straight line from the baseline to the target, and behind after that."""
    if measure.verdict != "missed":
        return "met" if measure.verdict == "met" else "undecided"
    if reach is None or asof >= reach:
        return "missed"
    expected = path(target, baseline, reach, asof)
    if measure.value is None or expected is None:
        return "behind"
    return "on track" if replace(target, value=expected).holds(measure.value) else "behind"


LAG = Fraction(1, 10)
"""How much of the whole way a measure may lag behind its path before people are called: a straight line is left on
its second day by whatever comes in steps."""


def lags(value: Fraction | None, target: Target, baseline: Baseline | None, reach: datetime, asof: datetime) -> bool:
    """Whether what is behind is so far behind that it is a gap: by more than `LAG` of the way from the baseline to
    the target, or by nobody knows how much."""
    expected = path(target, baseline, reach, asof)
    if value is None or expected is None or baseline is None or baseline.value is None:
        return True
    return abs(value - expected) > LAG * abs(target.value - baseline.value)


def path(target: Target, baseline: Baseline | None, reach: datetime, asof: datetime) -> Fraction | None:
    """What the measure should be at `asof` to reach the target in time; None without a baseline."""
    if baseline is None or baseline.value is None:
        return None
    if asof >= reach or reach <= baseline.at:
        return target.value
    gone = Fraction((asof - baseline.at).total_seconds()) / Fraction((reach - baseline.at).total_seconds())
    return baseline.value + (target.value - baseline.value) * max(gone, Fraction(0))
