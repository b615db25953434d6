"""The trace that a process leaves: time per step, what came again, whose move it is."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from common.declarations.values import Sensitive, Unknown
from common.events.differ import ProcessTrace, TraceLoop, TraceStep, TraceWait
from common.objectives.tracing import Interval, Moment, Path, moments_of, trace
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2012, 2, 1, tzinfo=UTC)
DAY = 86_400


def ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def test_time_per_step_is_the_middle_and_the_longest() -> None:
    paths = [
        Path([Moment(ago(10), "opened"), Moment(ago(10 - took), "accepted"), Moment(ago(1), "done")], over=True)
        for took in (1, 2, 8)
    ]
    found = trace(paths, NOW)
    assert found == ProcessTrace(
        entities=3,
        steps=[
            TraceStep(begin="accepted", end="done", entities=3, median_s=7 * DAY, longest_s=8 * DAY),
            TraceStep(begin="opened", end="accepted", entities=3, median_s=2 * DAY, longest_s=8 * DAY),
        ],
        loops=[],
        waits=[],
    )


def test_what_comes_again_is_a_loop_and_an_interval_that_runs_says_whose_move_it_is() -> None:
    again = Path(
        [Moment(ago(9), "sent"), Moment(ago(5), "returned"), Moment(ago(4), "sent"), Moment(ago(2), "sent")],
        [Interval("with_customer", ago(9), ago(5)), Interval("with_customer", ago(4))],
    )
    ours = Path([Moment(ago(3), "returned")], [Interval("with_customer", ago(8), ago(3))])
    found = trace([again, ours], NOW, theirs=["with_customer"])
    assert found is not None
    assert found.loops == [
        TraceLoop(step="sent", entities=1, times=2), TraceLoop(step="with_customer", entities=1, times=1)
    ]  # fmt: skip
    assert found.waits == [
        TraceWait(after="returned", whose="ours", entities=1, longest_s=3 * DAY),
        TraceWait(after="sent", whose="theirs", entities=1, longest_s=2 * DAY),
    ]


def test_what_lies_ahead_has_not_happened_and_what_is_sensitive_or_unknown_is_not_looked_at() -> None:
    zone = ZoneInfo("Europe/Amsterdam")
    slots = [
        ("closed", date(2012, 1, 31)),
        ("signed", Sensitive(date(2012, 1, 1), "x")),
        ("seen", Unknown("absent", "none")),
        ("opened", datetime(2012, 1, 3, 12)),
        ("amount", 7),
    ]
    found = moments_of(slots, zone)  # type: ignore[arg-type]
    assert found == [
        Moment(datetime(2012, 1, 3, 11, tzinfo=UTC), "opened"),
        Moment(datetime(2012, 1, 30, 23, tzinfo=UTC), "closed"),
    ]
    assert trace([Path([Moment(ago(-1), "opened")])], NOW) is None
    assert trace([], NOW) is None


PATHS = st.lists(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(-2, 20)), max_size=5).map(
        lambda found: Path([Moment(ago(days), name) for name, days in found])
    ),
    max_size=5,
)


@given(PATHS, st.randoms())
def test_any_order_of_paths_and_moments_gives_the_same_trace(paths: list[Path], order: Any) -> None:
    shuffled = [Path(order.sample(list(path.moments), len(path.moments))) for path in paths]
    order.shuffle(shuffled)
    found = trace(paths, NOW)
    assert found == trace(shuffled, NOW)
    if found is not None:
        happened = sum(sum(moment.at <= NOW for moment in path.moments) for path in paths)
        assert sum(step.entities for step in found.steps) + sum(wait.entities for wait in found.waits) == happened
