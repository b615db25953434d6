"""Measures over a population: count, share, mean, percentile. Exact: fractions, no floats.

What is Unknown is taken both ways: a measure is decided only when both ways agree, and what is shown is the worse
one, so that missing information never makes a measure better. Running clocks (cases that are still open) count so
that neither slow ones vanish from a measure nor new ones flatter it:

- In a mean a running clock counts, at its age, once it is past the target and makes the mean worse. (Counted as soon
  as it is past the target it would improve a mean that is far above: seen on the BPI 2012 log.)
- In a percentile it is a censored observation: the product-limit estimator of Kaplan and Meier ("Nonparametric
  estimation from incomplete observations", JASA 53, 1958). That it runs since yesterday changes nothing; that it runs
  for a year moves every percentile it has outlived.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal, TypeAlias

Side: TypeAlias = Literal["at most", "at least"]
Verdict: TypeAlias = Literal["met", "missed", "undecided"]


@dataclass(frozen=True, slots=True)
class Target:
    """What a measure must be: a number, a share from 0 to 1, or seconds."""

    side: Side
    value: Fraction

    def holds(self, value: Fraction) -> bool:
        return value <= self.value if self.side == "at most" else value >= self.value

    def worse(self, one: Fraction, other: Fraction) -> Fraction:
        """The one of two values that is further from holding."""
        return max(one, other) if self.side == "at most" else min(one, other)


@dataclass(frozen=True, slots=True)
class Measure:
    """What was measured. `value` is the worse of what is possible, None where there is nothing to measure, and for a
    percentile that too many running clocks have not reached; `sample` are the entities that it rests on, `unknown`
    those of them (or beside them) of which something that matters is Unknown, `maybe` those beside them of which it
    is not even known whether they belong to it. `why` says why it is undecided, `shrunk` that the population is
    smaller than it may be."""

    verdict: Verdict
    value: Fraction | None
    sample: int
    unknown: int = 0
    why: str = ""
    shrunk: bool = False
    maybe: int = 0

    @property
    def among(self) -> int:
        """How many the value is of, at most: never fewer than a count counts."""
        return self.sample + self.maybe


@dataclass(frozen=True, slots=True)
class Ayes:
    """A yes-or-no question put to a population. Of `unknown` it is not known what they say, of `maybe` not even
    whether they belong to it."""

    yes: int = 0
    no: int = 0
    unknown: int = 0
    maybe: int = 0


def count(ayes: Ayes, target: Target) -> Measure:
    """How many say yes."""
    low, high = Fraction(ayes.yes), Fraction(ayes.yes + ayes.unknown + ayes.maybe)
    sample = ayes.yes + ayes.no + ayes.unknown
    return replace(_between(low, high, target, sample, ayes.unknown + ayes.maybe), maybe=ayes.maybe)


def share(ayes: Ayes, target: Target) -> Measure:
    """How many of all say yes, from 0 to 1. Of nobody there is no share: undecided."""
    sample, unknown = ayes.yes + ayes.no + ayes.unknown, ayes.unknown + ayes.maybe
    if sample + ayes.maybe == 0:
        return Measure("undecided", None, 0, 0, "there is nothing to measure yet")
    everybody = sample + ayes.maybe
    low = Fraction(ayes.yes, everybody)  # all that may be is there, and says no
    high = Fraction(ayes.yes + unknown, everybody)
    return replace(_between(low, high, target, sample, unknown), maybe=ayes.maybe)


@dataclass(frozen=True, slots=True)
class Clock:
    """How long one entity took, or takes: seconds. `running`: it is not over. `unknown`: when it ended is Unknown, so
    that it may still run."""

    seconds: Fraction
    running: bool = False
    unknown: bool = False


def mean(clocks: Iterable[Clock], target: Target) -> Measure:
    """The mean of what is over, and of what runs past the target and makes it worse. For targets of `at most`.

    What may be over counts like what runs; undecided when leaving it out would decide otherwise. Where nothing is
    over there is no mean, and it is missed once something runs past the target.
    """
    every = list(clocks)
    over = [clock.seconds for clock in every if not (clock.running or clock.unknown)]
    late = [clock for clock in every if (clock.running or clock.unknown) and clock.seconds > target.value]
    surely = [clock.seconds for clock in late if not clock.unknown]
    unknown = sum(clock.unknown for clock in every)
    if not over:
        verdict: Verdict = "missed" if surely else "undecided"
        return Measure(verdict, None, len(late), unknown, "nothing is over yet")
    worse, sample = _worsened(over, [clock.seconds for clock in late])
    better, _ = _worsened(over, surely)
    return _between(better, worse, target, sample, unknown)


def _worsened(over: Sequence[Fraction], late: Sequence[Fraction]) -> tuple[Fraction, int]:
    """The mean of what is over and of those of `late` that make it longer, and how many these are."""
    total, number = _total(over), len(over)
    for seconds in sorted(late, key=ranked, reverse=True):
        if seconds * number <= total:
            break
        total, number = total + seconds, number + 1
    return total / number, number


def _total(values: Iterable[Fraction]) -> Fraction:
    """The sum. Those of one denominator are added as whole numbers: adding fractions takes ten times as long."""
    parts: dict[int, int] = {}
    for value in values:
        parts[value.denominator] = parts.get(value.denominator, 0) + value.numerator
    return sum((Fraction(above, below) for below, above in parts.items()), Fraction(0))


def percentile(clocks: Iterable[Clock], percent: int, target: Target) -> Measure:
    """The time within which `percent` of 100 are over, by the product-limit estimator.

    What may be over counts like what runs. Where so many still run that the estimate does not come that far there is
    no value, and it is missed once one of them has outlived the target, because the estimate at the target is known.
    """
    every = list(clocks)
    unknown = sum(clock.unknown for clock in every)
    left = Fraction(100 - percent, 100)
    value = next((seconds for seconds, surviving in survival(every) if surviving <= left), None)
    if value is not None:
        return Measure("met" if target.holds(value) else "missed", value, len(every), unknown)
    if any(clock.seconds > target.value for clock in every):
        return Measure("missed", None, len(every), unknown, "too many still run to tell it; it is past the target")
    return Measure("undecided", None, len(every), unknown, "too few are over to tell it")


def survival(clocks: Iterable[Clock]) -> list[tuple[Fraction, Fraction]]:
    """(seconds, share that takes longer) at every duration at which something was over, ascending.

    The product-limit estimator: what is over at the same duration as a running clock's age came before it.
    """
    every = sorted((*ranked(clock.seconds), not (clock.running or clock.unknown)) for clock in clocks)
    found: list[tuple[Fraction, Fraction]] = []
    surviving, first = Fraction(1), 0
    while first < len(every):
        roughly, seconds, _ = every[first]
        after = first + 1
        while after < len(every) and every[after][0] == roughly and every[after][1] == seconds:
            after += 1
        at_risk, ended = len(every) - first, sum(over for *_, over in every[first:after])
        if ended:
            surviving *= Fraction(at_risk - ended, at_risk)
            found.append((seconds, surviving))
        first = after
    return found


def ranked(value: Fraction) -> tuple[float, Fraction]:
    """The same order, told by floats where they differ: comparing two fractions takes ten times as long."""
    return float(value), value


def _between(low: Fraction, high: Fraction, target: Target, sample: int, unknown: int) -> Measure:
    worse, better = target.worse(low, high), low if target.worse(low, high) == high else high
    if target.holds(worse):
        return Measure("met", worse, sample, unknown)
    if not target.holds(better):
        return Measure("missed", worse, sample, unknown)
    return Measure("undecided", worse, sample, unknown, f"it depends on {unknown} of which something is unknown")
