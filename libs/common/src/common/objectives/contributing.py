"""What one entity contributes to an objective, and what many contributions come to."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from fractions import Fraction
from typing import NamedTuple
from zoneinfo import ZoneInfo

from common.declarations import periods
from common.declarations.evaluation import CompiledDesiredState, Evaluation
from common.declarations.objectives import CLOCKS, CompiledObjective
from common.declarations.values import Intervals, Sensitive, Slot, Status, Unknown
from common.objectives import measures
from common.objectives.measures import Ayes, Clock, Measure, Target
from common.objectives.standing import Baseline, Standing, guarded, sampled, standing

_MICROSECOND = datetime.resolution
ENDLESS = Fraction(10**12)
"""Stands for a clock of which it is Unknown when it began: longer than any other."""


@dataclass(frozen=True, slots=True)
class Contribution:
    """What is known of one entity that belongs to the population, or may (`surely` is False).

    `answer` is what a count or a share asks, None where it is Unknown. `at` is when it counts; `dated` is False where
    that is Unknown. `start` and `stop` are those of its clock: no start is Unknown, no stop runs, or `stop_unknown`.
    `still` are the instants at which the clock stops to run and runs again, by turns; it may end standing still.
    Nothing of it depends on the clock but what its rules say, so that it is kept until one of them changes.
    """

    surely: bool = True
    answer: bool | None = None
    at: datetime | None = None
    dated: bool = True
    start: datetime | None = None
    stop: datetime | None = None
    stop_unknown: bool = False
    still: tuple[datetime, ...] = ()


@dataclass(frozen=True, slots=True)
class Passed:
    """How many there are of whom all that is known lies before the window: they belong to the population, or
    (`maybe`) may, and nothing of them counts."""

    surely: int = 0
    maybe: int = 0


NOBODY = Passed()


@dataclass(frozen=True, slots=True)
class Result:
    """An objective measured at one instant over a population of `population` entities."""

    objective: CompiledObjective
    measure: Measure
    standing: Standing
    population: int
    baseline: Baseline | None = None


def contribution(
    objective: CompiledObjective, state: CompiledDesiredState, evaluation: Evaluation
) -> Contribution | None:
    """What the entity that was evaluated contributes, None where it does not belong to the population.

    An entity of which it is Unknown whether it is
    selected may belong to it, and nothing else is known of it.
    """
    if evaluation.selected.status is Status.MISSED:
        return None
    if evaluation.selected.status is Status.UNKNOWN:
        return Contribution(surely=False, dated=False, stop_unknown=True)
    slots = evaluation.slots
    member = Status.MET if objective.of is None else state.language.answer(objective.of, slots).status
    if member is Status.MISSED:
        return None
    surely, timespan = member is Status.MET, objective.timespan
    if timespan is not None:
        found_of = _timed(surely, slots[timespan.start], slots[timespan.stop], state.zone)
        return found_of if timespan.without is None else _without(found_of, slots.get(timespan.without))
    found = _answered(objective, state, evaluation)
    return None if found is None else _dated(objective, surely, *found, slots, state.zone)


def _dated(
    objective: CompiledObjective,
    surely: bool,
    answer: bool | None,
    due: datetime | None,
    slots: Mapping[str, Slot],
    zone: ZoneInfo,
) -> Contribution | None:
    """An answer with the moment at which it counts: that of `at`, else the rule's deadline. None: it has none yet."""
    if objective.spec.at is None:
        return Contribution(surely, answer, due, dated=due is not None or objective.window is None)
    slot = slots[objective.spec.at]
    at = _instant(slot, zone)
    if isinstance(slot, Unknown) and slot.kind == "absent":
        return None
    return Contribution(surely, answer, at, dated=at is not None)


def _answered(
    objective: CompiledObjective, state: CompiledDesiredState, evaluation: Evaluation
) -> tuple[bool | None, datetime | None] | None:
    """What the entity answers (None: Unknown), and the deadline of the rule asked; None where it does not apply."""
    asked = objective.asked
    if asked is None:
        assert objective.condition is not None
        return _yes(state.language.answer(objective.condition, evaluation.slots).status), None
    word, name = asked
    rule = evaluation.done if name == "done" else next(one for one in evaluation.rules if one.name == name)
    assert rule is not None
    if not rule.applies:
        return None
    met = None if rule.status is Status.UNKNOWN else rule.status is Status.MET
    return (met if met is None or word == "met" else not met), rule.due


def _yes(status: Status) -> bool | None:
    return None if status is Status.UNKNOWN else status is Status.MET


def _timed(surely: bool, start: Slot, stop: Slot, zone: ZoneInfo) -> Contribution | None:
    began, ended = _instant(start, zone), _instant(stop, zone)
    if began is None:
        absent = isinstance(start, Unknown) and start.kind == "absent"
        # Nothing that began is measured; what began at an unknown time may be of any length.
        return None if absent else Contribution(surely, stop=ended, stop_unknown=True)
    unknown = ended is None and not (isinstance(stop, Unknown) and stop.kind == "absent")
    return Contribution(surely, start=began, stop=ended, stop_unknown=unknown)


def _without(one: Contribution | None, excluded: Slot | None) -> Contribution | None:
    """The clock that stands still meanwhile; where that is Unknown, of any length."""
    if one is None or isinstance(excluded, Intervals):
        spans = excluded.spans if isinstance(excluded, Intervals) else ()
        still = tuple(mark.astimezone(UTC) for span in spans for mark in span if mark is not None)
        return None if one is None else replace(one, still=still)
    return replace(one, start=None, stop_unknown=True)


def _instant(slot: Slot, zone: ZoneInfo) -> datetime | None:
    """A moment, or the beginning of a day, in UTC; None where it is Unknown."""
    value = slot.value if isinstance(slot, Sensitive) else slot
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=zone)).astimezone(UTC)
    return periods.start_of(value, zone) if isinstance(value, date) else None


def measured(
    objective: CompiledObjective,
    contributions: Iterable[Contribution],
    asof: datetime,
    zone: ZoneInfo,
    baseline: Baseline | None = None,
    passed: Passed = NOBODY,
) -> Result:
    """Measure an objective over everybody's contributions as of `asof`: those of `passed` may be left out."""
    every = list(contributions)
    begin = begin_of(objective, asof, zone)
    spec, target = objective.spec, objective.target
    if objective.timespan is not None:
        clocks = [clock for one in every if (clock := _clock(one, begin, asof)) is not None]
        percent = CLOCKS[spec.measure]
        measure = measures.percentile(clocks, percent, target) if percent else _mean(clocks, target)
    else:
        ayes = _ayes(every, begin, asof)
        measure = measures.count(ayes, target) if spec.count is not None else measures.share(ayes, target)
    sure = sum(one.surely for one in every)
    population, maybe = sure + passed.surely, len(every) - sure + passed.maybe
    guard = spec.guard.guard if spec.guard else None
    measure = guarded(sampled(measure, spec.minimum), population, baseline, guard, maybe)
    where = standing(measure, target, baseline, objective.reach, asof)
    return Result(objective, measure, where, population, baseline)


def has_passed(objective: CompiledObjective, one: Contribution, begin: datetime | None) -> bool:
    """Whether nothing of it counts where the window begins at `begin` (`begin_of`), nor where it begins later."""
    if begin is None:
        return False
    if objective.timespan is None:
        return one.at is not None and one.at <= begin
    return one.start is not None and one.stop is not None and one.stop <= begin


def begin_of(objective: CompiledObjective, asof: datetime, zone: ZoneInfo) -> datetime | None:
    """From when on moments count as of `asof`; None: always."""
    return objective.window.begin(asof, zone) if objective.window is not None else None


@dataclass(frozen=True, slots=True)
class Against:
    """One contribution that keeps an objective from its target. `microseconds` is its clock (None: no duration is
    measured, or when it began is Unknown), `since` when its answer began to count."""

    unknown: bool
    microseconds: int | None = None
    running: bool = False
    since: datetime | None = None

    @property
    def seconds(self) -> Fraction | None:
        return None if self.microseconds is None else Fraction(self.microseconds, 1_000_000)

    @property
    def order(self) -> tuple[bool, int, bool, datetime]:
        """The worst first: known before Unknown, the longest first, then what has counted longest."""
        return (self.unknown, -(self.microseconds or 0), self.since is None, self.since or _ALWAYS)


_ALWAYS = datetime.max.replace(tzinfo=UTC)


def against(
    objective: CompiledObjective, one: Contribution, asof: datetime, begin: datetime | None
) -> Against | None:
    """How a contribution keeps the objective from its target as of `asof`, `begin` being `begin_of` then; None where
    it does not.

    It does with a clock that is past the target, and with the answer that the target wants less of; what is Unknown
    does too, because it is counted as the worse.
    """
    if objective.timespan is not None:
        run = _run(one, begin, asof)
        if run is None or not _past(run, objective.target.value):
            return None
        return Against(run.unknown, run.microseconds, run.running)
    if not _counts_now(one, begin, asof):
        return None
    unknown = one.answer is None or not one.surely or not one.dated
    wanted_less = objective.target.side == "at most"
    return Against(unknown, since=one.at) if unknown or one.answer is wanted_less else None


def _mean(clocks: Sequence[Clock], target: Target) -> Measure:
    """The mean of clocks whose beginning is known; of the others nobody can say how much longer they make it."""
    known = [clock for clock in clocks if clock.seconds is not ENDLESS]  # no other clock is as long
    endless = len(clocks) - len(known)
    measure = measures.mean(known, target)
    if endless and measure.verdict == "met":
        measure = replace(measure, verdict="undecided", why=f"when {endless:,} began is not known")
    return replace(measure, unknown=measure.unknown + endless)


class _Run(NamedTuple):
    """The clock of an entity, in microseconds; None: of any length."""

    microseconds: int | None
    running: bool
    unknown: bool


def _clock(one: Contribution, begin: datetime | None, asof: datetime) -> Clock | None:
    """The clock of an entity as of `asof`: over within the window, running, or Unknown. None: not now."""
    run = _run(one, begin, asof)
    return None if run is None else Clock(_seconds(run), run.running, run.unknown)


def _past(run: _Run, seconds: Fraction) -> bool:
    """Whether it is longer. Told by whole numbers: most clocks are not, and are no fractions then."""
    most = run.microseconds
    return most is None or most * seconds.denominator > seconds.numerator * 1_000_000


def _seconds(run: _Run) -> Fraction:
    return ENDLESS if run.microseconds is None else Fraction(run.microseconds, 1_000_000)


def _run(one: Contribution, begin: datetime | None, asof: datetime) -> _Run | None:
    if one.start is None:
        return _Run(None, running=False, unknown=True)
    if one.start > asof:
        return None
    if one.stop is not None and one.stop <= asof:
        if begin is not None and one.stop <= begin:
            return None
        return _Run(_ran(one, one.start, one.stop), running=False, unknown=not one.surely)
    return _Run(_ran(one, one.start, asof), running=True, unknown=one.stop_unknown or not one.surely)


def _ran(one: Contribution, start: datetime, end: datetime) -> int:
    """Microseconds from `start` to `end`, without those in which the clock stood still."""
    microseconds = (end - start) // _MICROSECOND
    if not one.still:
        return max(microseconds, 0)
    for since, until in zip(one.still[::2], (*one.still[1::2], end), strict=False):
        microseconds -= max((min(until, end) - max(since, start)) // _MICROSECOND, 0)
    return max(microseconds, 0)


def _counts_now(one: Contribution, begin: datetime | None, asof: datetime) -> bool:
    """Whether an answer falls into the window, or may."""
    return one.at is None or (one.at <= asof and (begin is None or one.at > begin))


def _ayes(every: Iterable[Contribution], begin: datetime | None, asof: datetime) -> Ayes:
    yes = no = unknown = maybe = 0
    for one in every:
        if not _counts_now(one, begin, asof):
            continue
        if not one.surely or not one.dated:
            maybe += 1
        elif one.answer is None:
            unknown += 1
        elif one.answer:
            yes += 1
        else:
            no += 1
    return Ayes(yes, no, unknown, maybe)
