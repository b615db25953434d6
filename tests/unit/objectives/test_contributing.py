"""From entities to a measure: who belongs to the population, when, with what; in any order, with anything hidden."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest
from common.declarations.catalogue import Catalogue
from common.declarations.checks import check
from common.declarations.evaluation import EntityView, Origin, evaluate
from common.declarations.loader import load
from common.declarations.values import Slot, Unknown
from common.objectives import wording
from common.objectives.blaming import blamed
from common.objectives.contributing import (
    Contribution,
    Passed,
    Result,
    begin_of,
    contribution,
    has_passed,
    measured,
)
from common.objectives.standing import Baseline
from hypothesis import given
from hypothesis import strategies as st

PAGE = """\
apiVersion: trueup/v1alpha1
kind: EntityType
metadata: {name: application}
spec:
  about: One application.
  source: loans
  key: id
  attributes:
    opened:   {from: opened, read: "yyyy-MM-dd'T'HH:mm:ssXXX"}
    closed:   {from: closed, read: "yyyy-MM-dd'T'HH:mm:ssXXX"}
    promised: {from: promised, read: "yyyy-MM-dd"}
    reworked: {from: reworked, read: {"Y": true, "N": false}}
    kind:     {from: kind}
---
apiVersion: trueup/v1alpha1
kind: DesiredState
metadata: {name: opened-in-time}
spec:
  statement: Accounts are opened in time.
  basis: Onboarding Policy
  owner: onboarding
  effective: 2012-01-01
  timezone: Europe/Amsterdam
  selector: {entity: application, where: kind != 'test'}
  done: known(closed)
  severity: {medium: otherwise}
  deadlines:
    - {name: promised, expect: done, by: promised, says: Promised.}
  objectives:
    - {name: days, mean: {from: opened, to: closed}, atMost: 3 days, window: rolling 30 days}
    - {name: most, p90: {from: opened, to: closed}, atMost: 5 days}
    - {name: rework, share: reworked, at: closed, atMost: 15 %, window: calendar month, minimum: 2}
    - {name: on-time, share: met('promised'), atLeast: 90 %, window: rolling 30 days}
    - {name: left, count: not_met('done'), atMost: 0, of: reworked, guard: {population: may not shrink}}
  verification: {proof: done, soak: 1 day, within: 30 days}
  remediation: {autonomy: L1}
---
apiVersion: trueup/v1alpha1
kind: ApprovalPolicy
metadata: {name: approvals}
spec:
  covers: opened-in-time
  confirmGap: {lead: 1}
  approvePlan: [{when: "true", roles: {lead: 1}}]
  releaseStep: {operations: 1}
  apart: [author, confirmer, approver, releaser, implementer]
  expires: 5 business days
"""
NOW = datetime(2012, 2, 1, 11, tzinfo=UTC)
LOADED = load(PAGE, "page.yaml")
assert not [*LOADED.problems, *check(LOADED.documents)], list(map(str, check(LOADED.documents)))
STATE = Catalogue().with_documents(LOADED.documents).compiled("opened-in-time")
OBJECTIVES = {one.name: one for one in STATE.objectives}
NONE = Unknown("absent", "no value")
UNREAD = Unknown("unreadable", "?")


def application(opened: Slot, closed: Slot = NONE, **more: Slot) -> dict[str, Slot]:
    return {"opened": opened, "closed": closed, "promised": NONE, "reworked": False, "kind": "loan", **more}


def ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def parts(name: str, *rows: dict[str, Slot], at: datetime = NOW) -> list[Contribution]:
    found = []
    for number, row in enumerate(rows):
        view = EntityView("application", f"A-{number}", row, Origin(f"entity/application/A-{number}", f"e-{number}"))
        part = contribution(OBJECTIVES[name], STATE, evaluate(STATE, view, at))
        found += [part] if part is not None else []
    return found


def result(name: str, *rows: dict[str, Slot], baseline: Baseline | None = None, at: datetime = NOW) -> Result:
    return measured(OBJECTIVES[name], parts(name, *rows, at=at), at, STATE.zone, baseline)


def days(name: str, *rows: dict[str, Slot]) -> Fraction | None:
    value = result(name, *rows).measure.value
    return None if value is None else value / 86_400


def test_a_mean_is_over_what_ended_in_the_window() -> None:
    recent, older = application(ago(12), ago(2)), application(ago(90), ago(31))
    assert days("days", recent, older) == 10
    assert days("days", recent, older, application(ago(4), ago(2))) == 6
    assert days("days", recent, application(ago(1), NOW + timedelta(days=1))) == 10  # it has not ended yet


def test_what_is_not_selected_or_never_began_is_not_measured() -> None:
    assert parts("days", application(ago(3), kind="test"), application(NONE)) == []
    assert parts("left", application(ago(3), reworked=False)) == []


@pytest.mark.parametrize(
    "row", [application(UNREAD, ago(1)), application(ago(9), UNREAD), application(ago(9), ago(2), kind=UNREAD)]
)
def test_what_is_unknown_is_counted_as_such_and_meets_nothing(row: dict[str, Slot]) -> None:
    alone = result("days", application(ago(3), ago(2)), row)
    assert (alone.measure.verdict, alone.measure.unknown) == ("undecided", 1)


def test_a_share_counts_from_the_date_that_is_named() -> None:
    rows = [application(ago(9), NOW.replace(hour=1), reworked=True), application(ago(9), NOW.replace(hour=2))]
    january = application(ago(40), ago(2), reworked=True)
    open_ones = [application(ago(1)) for _ in range(50)]
    found = result("rework", *rows, january, *open_ones)
    assert (found.measure.value, found.measure.sample, found.standing) == (Fraction(1, 2), 2, "missed")
    assert result("rework", rows[1], *open_ones).measure.verdict == "undecided"  # one is too few


def test_a_deadline_counts_on_its_own_date() -> None:
    late = application(ago(40), NONE, promised=date(2012, 1, 20))
    kept = application(ago(40), ago(20), promised=date(2012, 1, 19))
    ahead = application(ago(2), NONE, promised=date(2012, 2, 9))
    long_ago = application(ago(99), NONE, promised=date(2011, 12, 1))
    found = result("on-time", late, kept, ahead, long_ago)
    assert (found.measure.value, found.measure.sample) == (Fraction(1, 2), 2)
    unread = result("on-time", kept, application(ago(2), promised=UNREAD))
    assert (unread.measure.verdict, unread.measure.value, unread.measure.unknown) == ("undecided", Fraction(1, 2), 1)


def test_a_population_that_shrinks_closes_nothing() -> None:
    rows = [application(ago(9), ago(1), reworked=True) for _ in range(3)]
    baseline = Baseline(ago(10), Fraction(3), 4)
    found = result("left", *rows, baseline=baseline)
    assert (found.measure.value, found.standing) == (Fraction(0), "undecided")
    assert found.measure.why == "the population shrank from 4 to 3"
    assert result("left", *rows, application(ago(1), ago(0.5), reworked=True), baseline=baseline).standing == "met"


MOMENTS = st.integers(0, 900).map(lambda hours: NOW - timedelta(hours=hours))
ROWS = st.lists(
    st.builds(
        lambda opened, took, promised, reworked, kind: application(
            opened, took if isinstance(took, Unknown) else opened + timedelta(hours=took),
            promised=promised, reworked=reworked, kind=kind,
        ),
        MOMENTS,
        st.integers(0, 500) | st.sampled_from([NONE, UNREAD]),
        st.dates(date(2011, 12, 1), date(2012, 3, 1)) | st.sampled_from([NONE, UNREAD]),
        st.booleans() | st.just(UNREAD),
        st.sampled_from(["loan", "test", UNREAD]),
    ),
    max_size=8,
)  # fmt: skip
NAMES = st.sampled_from(sorted(OBJECTIVES))


@given(NAMES, ROWS, st.randoms())
def test_the_order_of_entities_is_irrelevant(name: str, rows: list[dict[str, Slot]], order: Any) -> None:
    shuffled = list(rows)
    order.shuffle(shuffled)
    assert result(name, *rows) == result(name, *shuffled)


@given(NAMES, ROWS, ROWS)
def test_what_was_asked_of_others_before_changes_nothing(
    name: str, before: list[dict[str, Slot]], rows: list[dict[str, Slot]]
) -> None:
    for condition in (OBJECTIVES[name].of, OBJECTIVES[name].condition):
        if condition is not None:
            condition.answers.clear()
    alone = parts(name, *rows)
    parts(name, *before)
    assert parts(name, *rows) == alone


@given(NAMES, ROWS, st.integers(0, 40), st.none() | st.integers(1, 8))
def test_who_has_passed_out_of_the_window_may_be_left_out(
    name: str, rows: list[dict[str, Slot]], later: int, population: int | None
) -> None:
    objective, at = OBJECTIVES[name], NOW + timedelta(days=later)
    every, begin = parts(name, *rows, at=at), begin_of(objective, at, STATE.zone)
    kept = [one for one in every if not has_passed(objective, one, begin)]
    gone = [one for one in every if has_passed(objective, one, begin)]
    passed = Passed(sum(one.surely for one in gone), sum(not one.surely for one in gone))
    baseline = None if population is None else Baseline(ago(10), Fraction(3), population)
    whole = measured(objective, every, at, STATE.zone, baseline)
    assert measured(objective, kept, at, STATE.zone, baseline, passed) == whole
    keys = {id(one): f"A-{number}" for number, one in enumerate(every)}
    told = blamed(objective, [(keys[id(one)], one) for one in every], at, STATE.zone, 3)
    assert blamed(objective, [(keys[id(one)], one) for one in kept], at, STATE.zone, 3) == told


@given(NAMES, ROWS, st.sampled_from(["opened", "closed", "promised", "reworked", "kind"]), st.integers(0, 7))
def test_hiding_anything_never_meets_an_objective(
    name: str, rows: list[dict[str, Slot]], column: str, at: int
) -> None:
    hidden = [{**row, column: UNREAD} if number == at else row for number, row in enumerate(rows)]
    if any(row != other and not isinstance(row[column], Unknown) for row, other in zip(rows, hidden, strict=True)):
        before, after = result(name, *rows).measure, result(name, *hidden).measure
        assert before.verdict == "met" or after.verdict != "met", (before, after)


@given(ROWS, st.integers(1, 50))
def test_new_applications_improve_nothing(rows: list[dict[str, Slot]], new: int) -> None:
    more = [*rows, *[application(NOW)] * new]
    for name in ("days", "most", "rework"):
        before, after = result(name, *rows).measure, result(name, *more).measure
        assert before.verdict == "met" or after.verdict != "met"
        if before.value is not None and after.value is not None:
            assert after.value >= before.value


def test_a_count_is_never_told_of_fewer_than_it_counts() -> None:
    """A source in doubt: of nobody it is known whether they belong to the population."""
    hidden = [{**application(ago(9)), "kind": UNREAD} for _ in range(3)]
    found = result("left", *hidden)
    assert (found.population, found.measure.sample) == (0, 0)
    assert wording.found(found).startswith("3 of 3 (3 unknown)")
    mixed = result("left", *hidden, application(ago(9), reworked=True))
    assert wording.found(mixed).startswith("4 of 4 (3 unknown)")


def test_words() -> None:
    found = result("days", application(ago(12), ago(2)), application(ago(9)))
    assert wording.found(found) == "10 days on average over 1 in the last 30 days"
    assert wording.wanted(found.objective) == "at most 3 days wanted"
    rework = result("rework", application(ago(12), NOW.replace(hour=1), reworked=True))
    assert wording.found(rework) == "100 % of 1 in this calendar month: 1 of the 2 it takes to tell"
    assert [wording.amount("mean", Fraction(seconds)) for seconds in (0, 90, 5_400, 1_529_280)] == [
        "0 seconds", "1.5 minutes", "1.5 hours", "17.7 days",
    ]  # fmt: skip
