"""Laws of measures: what is missing, new or gone never makes one better; the estimator is the textbook's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import product
from typing import Any

import pytest
from common.objectives import measures
from common.objectives.measures import Ayes, Clock, Measure, Target, Verdict
from common.objectives.standing import Baseline, Guard, guarded, path, sampled, standing
from hypothesis import given
from hypothesis import strategies as st

DAY = 86_400
SECONDS = st.integers(0, 40).map(lambda days: Fraction(days * DAY))
CLOCKS = st.lists(st.builds(Clock, SECONDS, st.booleans(), st.booleans()), max_size=12)
AT_MOST = st.integers(1, 30).map(lambda days: Target("at most", Fraction(days * DAY)))
SHARES = st.builds(Target, st.sampled_from(["at most", "at least"]), st.fractions(0, 1, max_denominator=20))
NUMBERS = st.builds(Target, st.sampled_from(["at most", "at least"]), st.integers(0, 9).map(Fraction))
AYES = st.builds(Ayes, *[st.integers(0, 6)] * 4)
RANK = {"missed": 0, "undecided": 1, "met": 2}


def no_better(measure: Measure, than: Measure, target: Target) -> bool:
    """Neither the verdict nor the value is closer to what is wanted."""
    if RANK[measure.verdict] > RANK[than.verdict] and than.verdict != "undecided":
        return False
    if measure.verdict == "met" and than.verdict == "undecided":
        return False
    if measure.value is None or than.value is None:
        return True
    return target.worse(measure.value, than.value) == measure.value


def worlds(ayes: Ayes) -> list[tuple[int, int]]:
    """(yes, no) in every way that the unknown may turn out."""
    maybe = product(range(ayes.unknown + 1), range(ayes.maybe + 1), range(ayes.maybe + 1))
    return [
        (ayes.yes + known + more, ayes.no + ayes.unknown - known + less)
        for known, more, less in maybe
        if more + less <= ayes.maybe
    ]


def agreed(verdicts: set[bool]) -> str:
    """What is decided when these are all that may be."""
    if len(verdicts) > 1:
        return "undecided"
    return "met" if verdicts == {True} else "missed"


@given(AYES, NUMBERS)
def test_a_count_is_never_of_fewer_than_it_counts(ayes: Ayes, target: Target) -> None:
    """Also where it is not known of anybody whether they belong to the population: 80 of 80, not of 0."""
    found = measures.count(ayes, target)
    assert found.value is not None
    assert found.value <= found.among == ayes.yes + ayes.no + ayes.unknown + ayes.maybe
    assert found.unknown <= found.among
    assert found.sample == ayes.yes + ayes.no + ayes.unknown, "what may belong to it makes no sample large enough"


@given(AYES, SHARES)
def test_a_share_is_decided_only_when_every_way_that_things_may_be_agrees(ayes: Ayes, target: Target) -> None:
    measured = measures.share(ayes, target)
    shares = [Fraction(yes, yes + no) for yes, no in worlds(ayes) if yes + no]
    if not shares:
        assert (measured.verdict, measured.value) == ("undecided", None)
        return
    verdicts = {target.holds(share) for share in shares}
    assert measured.verdict == agreed(verdicts)
    assert measured.value == (max(shares) if target.side == "at most" else min(shares))


@given(AYES, NUMBERS)
def test_a_count_is_decided_only_when_every_way_that_things_may_be_agrees(ayes: Ayes, target: Target) -> None:
    measured = measures.count(ayes, target)
    counts = [yes for yes, _ in worlds(ayes)]
    verdicts = {target.holds(Fraction(number)) for number in counts}
    assert measured.verdict == agreed(verdicts)
    assert measured.value == (max(counts) if target.side == "at most" else min(counts))


@given(CLOCKS, AT_MOST, st.integers(1, 1000))
def test_a_thousand_new_cases_improve_no_duration(clocks: list[Clock], target: Target, new: int) -> None:
    more = clocks + [Clock(Fraction(0), running=True)] * new
    assert no_better(measures.mean(more, target), measures.mean(clocks, target), target)
    for percent in (50, 90):
        before, after = measures.percentile(clocks, percent, target), measures.percentile(more, percent, target)
        assert no_better(after, before, target)


@given(CLOCKS, AT_MOST, st.integers(1, 30))
def test_waiting_improves_no_duration(clocks: list[Clock], target: Target, days: int) -> None:
    later = [
        Clock(clock.seconds + days * DAY, clock.running, clock.unknown) if clock.running or clock.unknown else clock
        for clock in clocks
    ]
    assert no_better(measures.mean(later, target), measures.mean(clocks, target), target)
    assert no_better(measures.percentile(later, 90, target), measures.percentile(clocks, 90, target), target)


@given(CLOCKS, AT_MOST, st.sets(st.integers(0, 11)), st.integers(0, 9))
def test_not_knowing_when_something_ended_never_meets_a_target(
    clocks: list[Clock], target: Target, hidden: set[int], since: int
) -> None:
    """Its age is then counted up to now, which is no less than it took."""
    unsure = [
        Clock(clock.seconds + since * DAY, unknown=True) if at in hidden and not clock.running else clock
        for at, clock in enumerate(clocks)
    ]
    for measure in (measures.mean, lambda clocks, target: measures.percentile(clocks, 90, target)):
        assert measure(clocks, target).verdict == "met" or measure(unsure, target).verdict != "met"


@given(CLOCKS, AT_MOST, st.randoms())
def test_order_is_irrelevant(clocks: list[Clock], target: Target, order: Any) -> None:
    shuffled = list(clocks)
    order.shuffle(shuffled)
    assert measures.mean(clocks, target) == measures.mean(shuffled, target)
    assert measures.percentile(clocks, 90, target) == measures.percentile(shuffled, 90, target)


@given(st.lists(SECONDS, min_size=1, max_size=30), st.sampled_from([50, 75, 90, 95]), AT_MOST)
def test_where_all_is_over_a_percentile_is_the_smallest_that_covers_it(
    seconds: list[Fraction], percent: int, target: Target
) -> None:
    measured = measures.percentile([Clock(one) for one in seconds], percent, target)
    covering = [
        one for one in sorted(seconds) if sum(other <= one for other in seconds) * 100 >= percent * len(seconds)
    ]
    assert measured.value == covering[0]
    assert measured.verdict == ("met" if covering[0] <= target.value else "missed")


def test_the_estimator_is_that_of_kaplan_and_meier() -> None:
    """The remission times of the 6-MP group in Freireich et al. (Blood 21, 1963), as every textbook has them."""
    over = [6, 6, 6, 7, 10, 13, 16, 22, 23]
    running = [6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]
    clocks = [Clock(Fraction(week)) for week in over] + [Clock(Fraction(week), running=True) for week in running]
    found = [(int(week), round(float(share), 4)) for week, share in measures.survival(clocks)]
    assert found == [(6, 0.8571), (7, 0.8067), (10, 0.7529), (13, 0.6902), (16, 0.6275), (22, 0.5378), (23, 0.4482)]
    assert measures.percentile(clocks, 50, Target("at most", Fraction(30))).value == 23
    ninety = measures.percentile(clocks, 90, Target("at most", Fraction(30)))
    assert (ninety.verdict, ninety.value) == ("missed", None)  # not that far yet, and some are past the target
    assert measures.percentile(clocks, 90, Target("at most", Fraction(40))).verdict == "undecided"


def test_a_running_clock_past_the_target_counts_where_it_makes_the_mean_worse() -> None:
    target = Target("at most", Fraction(3))
    over = [Clock(Fraction(2)), Clock(Fraction(10))]
    assert measures.mean(over, target).value == 6
    assert measures.mean([*over, Clock(Fraction(5), running=True)], target).value == 6, "it would flatter the mean"
    assert measures.mean([*over, Clock(Fraction(12), running=True)], target).value == 8
    assert measures.mean([Clock(Fraction(2)), Clock(Fraction(3), running=True)], target).verdict == "met"


NOW = datetime(2023, 7, 1, tzinfo=UTC)
REACH = datetime(2023, 12, 31, tzinfo=UTC)


@given(st.integers(0, 100), st.integers(0, 100), st.integers(0, 50))
def test_a_population_that_shrinks_too_far_is_never_met(before: int, now: int, percent: int) -> None:
    measure = Measure("met", Fraction(0), now)
    result = guarded(measure, now, Baseline(NOW, Fraction(1), before), Guard(Fraction(percent, 100)))
    assert (result.verdict == "met") == (now * 100 >= before * (100 - percent))


@given(st.sampled_from(["met", "missed", "undecided"]), st.integers(0, 100), st.integers(0, 100), st.integers(0, 100))
def test_what_may_belong_to_the_population_is_no_alarm_and_no_success(
    verdict: Verdict, before: int, now: int, maybe: int
) -> None:
    """A source that went quiet makes every selection Unknown: nobody left, and nothing is met by that."""
    baseline, guard = Baseline(NOW, Fraction(1), before), Guard(Fraction(0))
    found = guarded(Measure(verdict, Fraction(0), now), now, baseline, guard, maybe)
    assert found.shrunk == (now + maybe < before)
    assert found.verdict != "met" or now >= before
    assert verdict != "missed" or found.shrunk or found.verdict == "missed"


@pytest.mark.parametrize(("sample", "verdict"), [(29, "undecided"), (30, "met")])
def test_below_the_minimum_sample_nothing_is_decided(sample: int, verdict: str) -> None:
    assert sampled(Measure("met", Fraction(0), sample), 30).verdict == verdict


@pytest.mark.parametrize(
    ("value", "after", "expected"),
    [(40, 0, "on track"), (41, 0, "behind"), (30, 45, "on track"), (31, 45, "behind"), (0, 45, "met"),
     (1, 179, "behind"), (1, 200, "missed")],
)  # fmt: skip
def test_the_path_to_a_dated_target_is_straight(value: int, after: int, expected: str) -> None:
    target = Target("at most", Fraction(0))
    baseline = Baseline(NOW, Fraction(40), 47)
    reach = NOW + timedelta(days=180)
    measure = Measure("met" if value == 0 else "missed", Fraction(value), 47)
    assert standing(measure, target, baseline, reach, NOW + timedelta(days=after)) == expected


def test_without_a_baseline_what_is_not_met_is_behind_until_it_is_missed() -> None:
    measure, target = Measure("missed", Fraction(4), 9), Target("at most", Fraction(0))
    assert standing(measure, target, None, REACH, NOW) == "behind"
    assert standing(measure, target, None, None, NOW) == "missed"
    assert path(target, Baseline(NOW, None, 9), REACH, NOW) is None
