"""Clocks that stand still: what lies between two events does not count."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from common.declarations.catalogue import Catalogue
from common.declarations.checks import check
from common.declarations.computing import Happened
from common.declarations.evaluation import EntityView, Origin, evaluate
from common.declarations.loader import load
from common.events import Origin as From
from common.events import new_event
from common.events.differ import ProcessTrace
from common.objectives.contributing import Contribution, contribution, measured
from common.objectives.population import Stood
from differ.core import population
from differ.core.deciding import CaseState
from differ.core.measuring import measure
from hypothesis import given
from hypothesis import strategies as st

START = datetime(2012, 2, 1, tzinfo=UTC)
PAGE = """\
apiVersion: trueup/v1alpha1
kind: EntityType
metadata: {name: application}
spec:
  about: One application.
  source: loans
  key: case
  events: {activity: what, at: time}
  attributes:
    amount: {from: amount, read: number}
  computed:
    opened: first('open')
    closed: first('close')
    waiting: between('ask', 'answer')
---
apiVersion: trueup/v1alpha1
kind: DesiredState
metadata: {name: quick}
spec:
  statement: Quick.
  basis: Policy
  owner: somebody
  effective: 2012-01-01
  selector: {entity: application}
  done: known(closed)
  severity: {medium: otherwise}
  objectives:
    - {name: ours, mean: {from: opened, to: closed, without: waiting}, atMost: 3 days}
  verification: {proof: done, soak: 1 day, within: 30 days}
  remediation: {autonomy: L1}
---
apiVersion: trueup/v1alpha1
kind: ApprovalPolicy
metadata: {name: approvals}
spec:
  covers: quick
  confirmGap: {lead: 1}
  approvePlan: [{when: "true", roles: {lead: 1}}]
  releaseStep: {lead: 1}
  apart: [author, confirmer, approver, releaser, implementer]
  expires: 5 days
"""


def catalogue(text: str = PAGE) -> Catalogue:
    loaded = load(text, "page.yaml")
    assert not loaded.problems, loaded.problems
    assert check(loaded.documents) == []
    return Catalogue().with_documents(loaded.documents)


QUICK = catalogue()


def seconds(asof: int, *events: tuple[int, str]) -> tuple[float, bool] | None:
    """How long the clock of a case of these events ran by `asof`, and whether it runs; in seconds since START."""
    found = [
        Happened(START + timedelta(seconds=at), n, str(n), {"what": what}) for n, (at, what) in enumerate(events)
    ]
    reading = QUICK.readers["application"].read_case(found)
    view = EntityView("application", "1", reading.values, Origin("s", "e"))
    state = QUICK.compiled("quick")
    now = START + timedelta(seconds=asof)
    one = contribution(state.objectives[0], state, evaluate(state, view, now))
    if one is None:
        return None
    result = measured(state.objectives[0], [one], now, ZoneInfo("UTC"))
    return float(result.measure.value or 0), result.measure.value is None


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([(0, "open"), (10, "ask"), (40, "answer"), (100, "close")], 70),
        ([(0, "open"), (10, "ask"), (100, "close")], 10),  # never answered: it stands still to the end
        ([(50, "open"), (10, "ask"), (60, "answer"), (100, "close")], 40),  # asked before it was opened
        ([(0, "open"), (10, "ask"), (200, "answer"), (100, "close")], 10),  # answered after it was closed
        ([(0, "open"), (10, "ask"), (20, "answer"), (30, "ask"), (50, "answer"), (100, "close")], 70),
        ([(0, "open"), (100, "ask"), (120, "answer"), (90, "close")], 90),
        ([(0, "open"), (0, "ask"), (90, "answer"), (90, "close")], 0),
    ],
)
def test_what_lies_between_does_not_count(events: list[tuple[int, str]], expected: int) -> None:
    assert seconds(300, *events) == (expected, False)


def evidence(asof: int, *cases: tuple[tuple[int, str], ...]) -> ProcessTrace | None:
    """The trace in the gap of these cases, in days since START."""
    state, now = QUICK.compiled("quick"), START + timedelta(days=asof)
    views = {}
    for key, events in enumerate(cases):
        happened = [
            Happened(START + timedelta(days=at), n, str(n), {"what": what}) for n, (at, what) in enumerate(events)
        ]
        reading = QUICK.readers["application"].read_case(happened)
        views["application", str(key)] = EntityView("application", str(key), reading.values, Origin("s", "e"))
    (ours,) = state.objectives
    parts = {
        ours.name: [
            (ref[1], part)
            for ref, view in views.items()
            if (part := contribution(ours, state, evaluate(state, view, now))) is not None
        ]
    }
    data = measure(state, ours, parts[ours.name], None, now)
    assert data is not None
    event = new_event(data, "objective/quick/ours", From(source="differ", actor="d", time=now, asof=now), "1")
    case = CaseState("quick", population.ref_of(state))
    found = population.finding(state, {ours.name: Stood(data, event)}, case, now)
    worst = population.worst(state, found, parts, now)
    (rule,) = population.with_evidence(state, found, worst, views, now).stated
    assert rule.measured is not None
    return rule.measured.trace


def test_the_trace_says_whose_move_it_is_and_how_often_it_went_back() -> None:
    asked = ((0, "open"), (5, "ask"), (6, "answer"), (7, "ask"))
    answered = ((0, "open"), (2, "ask"), (3, "answer"))
    trace = evidence(30, asked, answered)
    assert trace is not None
    assert [(loop.step, loop.entities, loop.times) for loop in trace.loops] == [("waiting", 1, 1)]
    assert {(wait.after, wait.whose, wait.longest_s) for wait in trace.waits} == {
        ("opened", "theirs", 30 * 86_400), ("opened", "ours", 30 * 86_400),
    }  # fmt: skip


def test_a_running_clock_that_stands_still_gets_no_older() -> None:
    def age(days: int, *events: tuple[int, str]) -> Any:
        day = 86_400
        one = Contribution(start=START, still=tuple(START + timedelta(days=at) for at, _ in events))
        return measured(
            QUICK.compiled("quick").objectives[0], [one], START + timedelta(seconds=days * day), ZoneInfo("UTC")
        ).measure.verdict

    assert age(5) == "missed"  # past three days
    assert age(5, (2, "ask")) == "undecided"  # it ran two days, and still waits
    assert age(5, (2, "ask"), (3, "answer")) == "missed"  # it ran four
    assert age(4, (2, "ask"), (3, "answer")) == "undecided"  # three, which is not past the target


marks = st.lists(st.tuples(st.integers(0, 50), st.sampled_from(["ask", "answer"])), max_size=8)


@given(marks, st.integers(0, 50))
def test_the_clock_is_what_one_gets_second_by_second(found: list[tuple[int, str]], end: int) -> None:
    ordered = sorted(found, key=lambda mark: mark[0])
    waits, ran = False, 0
    for second in range(end):
        for at, what in ordered:
            waits = what == "ask" if at == second else waits
        ran += not waits
    assert seconds(60, (0, "open"), *ordered, (end, "close")) == (ran, False)


def test_without_names_a_time_between_two_events() -> None:
    for wrong, hint in (("opened", "Known here: waiting."), ("waitin", "Did you mean waiting?")):
        loaded = load(PAGE.replace("without: waiting", f"without: {wrong}"), "page.yaml")
        (problem,) = check(loaded.documents)
        assert (problem.reason_code, problem.path) == ("not_between", "spec.objectives[0].mean.without")
        assert hint in problem.hint
    with pytest.raises(AssertionError, match="unknown_attribute"):
        catalogue(PAGE.replace("done: known(closed)", "done: known(waiting)"))
