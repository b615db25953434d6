"""Business days of a declared calendar, against counting day by day; and deadlines with a lead."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest
from common.declarations import periods
from common.declarations.calendars import WEEKDAYS, BeyondCalendar, Calendar
from common.declarations.catalogue import Catalogue
from common.declarations.checks import check
from common.declarations.evaluation import CompiledDesiredState, EntityView, RuleResult, evaluate
from common.declarations.loader import load
from common.declarations.periods import Period
from common.declarations.values import Status
from hypothesis import given
from hypothesis import strategies as st

from .conftest import PAGE

Invoice = Callable[..., EntityView]
FIRST, LAST = date(2023, 1, 1), date(2024, 12, 31)
DAYS = st.dates(FIRST, LAST)
CALENDARS = st.lists(DAYS.filter(lambda day: day.weekday() < 5), unique=True, max_size=60).map(
    lambda days: Calendar("nl-bank", FIRST, LAST, tuple(sorted(days)))
)
HOLIDAYS = """\
---
apiVersion: trueup/v1alpha1
kind: HolidayCalendar
metadata: {name: us-federal}
spec:
  about: Days on which the Federal Reserve is closed.
  source: federalreserve.gov, read on 3 July 2023
  from: 2023-01-01
  to: 2023-12-31
  days: [2023-06-19, 2023-07-04, 2023-12-25]
"""


def slow(day: date, count: int, calendar: Calendar) -> date:
    """Day by day: a day off counts as the business day before it."""
    step = timedelta(days=1 if count > 0 else -1)
    while not (day.weekday() < 5 and day not in calendar.holidays):
        day -= timedelta(days=1)
    while count:
        day += step
        if day.weekday() < 5 and day not in calendar.holidays:
            count -= step.days
    return day


@given(DAYS, st.integers(-120, 120).filter(bool), CALENDARS)
def test_days_off_are_not_counted(day: date, count: int, calendar: Calendar) -> None:
    try:
        found = calendar.moved(day, count)
    except BeyondCalendar:
        assert not FIRST <= slow(day, count, calendar) <= LAST
    else:
        assert found == slow(day, count, calendar)


@given(DAYS, CALENDARS)
def test_a_business_day_is_one_on_which_counting_ends(day: date, calendar: Calendar) -> None:
    assert calendar.business(day) == (day.weekday() < 5 and day not in calendar.holidays)


@given(DAYS, st.integers(1, 60), CALENDARS)
def test_there_and_back(day: date, count: int, calendar: Calendar) -> None:
    there = calendar.moved(day, count, strict=False)
    back = calendar.moved(there, -count, strict=False)
    assert back == day if calendar.business(day) else back < day


def test_without_a_calendar_every_weekday_counts() -> None:
    assert WEEKDAYS.moved(date(2023, 12, 22), 1) == date(2023, 12, 25)
    assert periods.earlier(date(2023, 7, 3), Period(1, "business day")) == date(2023, 6, 30)


def compiled(deadline: str, holidays: str = "us-federal") -> CompiledDesiredState:
    text = PAGE.replace(
        "  verification:",
        f"  deadlines:\n    - {{name: paid-by, expect: paid, {deadline}, says: Due.}}\n  verification:",
        1,
    ).replace("  timezone: America/New_York", f"  timezone: America/New_York\n  holidays: {holidays}", 1)
    loaded = load(text + HOLIDAYS, "page.yaml")
    problems = [*loaded.problems, *check(loaded.documents)]
    assert problems == [], problems
    return Catalogue().with_documents(loaded.documents).compiled("invoices-paid")


def decided(state: CompiledDesiredState, view: EntityView, at: datetime) -> RuleResult:
    return next(rule for rule in evaluate(state, view, at).rules if rule.name == "paid-by")


def test_a_deadline_skips_the_holidays_of_its_calendar(invoice: Invoice) -> None:
    state = compiled("by: due, plus: 2 business days")
    view = invoice(status="open", paid=False, due=date(2023, 6, 30))  # a Friday; Monday, and Wednesday 5 July
    assert decided(state, view, datetime(2023, 7, 3, tzinfo=UTC)).due == datetime(2023, 7, 6, 4, tzinfo=UTC)


def test_a_lead_opens_the_case_before_it_is_late(invoice: Invoice) -> None:
    state = compiled("by: due, plus: 2 business days, lead: 3 business days")
    view = invoice(status="open", paid=False, due=date(2023, 6, 30))
    soon, late = datetime(2023, 6, 29, 4, tzinfo=UTC), datetime(2023, 7, 6, 4, tzinfo=UTC)
    before = evaluate(state, view, soon - timedelta(microseconds=1))
    assert (before.standing, before.next_timers[0]) == ("on track", soon)
    lead = evaluate(state, view, soon)
    assert (lead.standing, lead.next_timers[0]) == ("due soon", late)
    assert [(rule.name, rule.status) for rule in lead.failing] == [("paid-by", Status.SOON)]
    assert evaluate(state, view, late).standing == "gap"


def test_a_lead_before_a_moment_ends_at_the_same_clock_time(invoice: Invoice) -> None:
    state = compiled("by: seen, lead: 1 day")
    view = invoice(status="open", paid=False, seen=datetime(2023, 11, 5, 15, tzinfo=UTC))  # 10:00 in winter
    assert decided(state, view, datetime(2023, 11, 4, 13, 59, tzinfo=UTC)).status is Status.PENDING
    assert decided(state, view, datetime(2023, 11, 4, 14, tzinfo=UTC)).status is Status.SOON  # 10:00 in summer


def test_what_lies_beyond_the_calendar_is_ahead_until_it_ends_and_then_unknown(invoice: Invoice) -> None:
    state = compiled("by: due, plus: 5 business days")
    view = invoice(status="open", paid=False, due=date(2023, 12, 28))
    end = datetime(2024, 1, 1, 5, tzinfo=UTC)
    before = decided(state, view, end - timedelta(seconds=1))
    assert (before.status, before.due) == (Status.PENDING, None)
    assert evaluate(state, view, end - timedelta(seconds=1)).next_timers == (end,)
    after = decided(state, view, end)
    assert after.status is Status.UNKNOWN
    assert "us-federal knows the holidays from 1 January 2023 to 31 December 2023" in after.reason


def test_what_lies_before_the_calendar_is_unknown(invoice: Invoice) -> None:
    state = compiled("by: due, plus: 5 business days")
    view = invoice(status="open", paid=False, due=date(2022, 12, 28))
    assert decided(state, view, datetime(2023, 6, 1, tzinfo=UTC)).status is Status.UNKNOWN


def test_a_changed_calendar_is_another_version() -> None:
    loaded = load(PAGE.replace("  basis:", "  holidays: us-federal\n  basis:", 1) + HOLIDAYS, "page.yaml")
    other = load(HOLIDAYS.replace(", 2023-12-25", ""), "page.yaml")
    before = Catalogue().with_documents(loaded.documents)
    assert before.version_digest("invoices-paid") != before.with_documents(other.documents).version_digest(
        "invoices-paid"
    )
    without = Catalogue().with_documents([item for item in loaded.documents if item.kind != "HolidayCalendar"])
    assert without.missing("invoices-paid") == ("HolidayCalendar/us-federal",)
    assert without.desired_states_for("invoice") == ()


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("from: 2024-01-01", "bad_calendar"),
        ("days: [2023-06-19, 2023-06-19]", "bad_calendar"),
        ("days: [2022-06-19]", "bad_calendar"),
        ("days: [19 June]", "bad_date"),
    ],
)
def test_a_calendar_that_contradicts_itself_is_refused(written: str, code: str) -> None:
    name = written.partition(":")[0]
    lines = [f"  {written}" if line.startswith(f"  {name}:") else line for line in HOLIDAYS.splitlines()]
    assert [problem.reason_code for problem in load("\n".join(lines), "page.yaml").problems] == [code]


def test_a_calendar_that_is_not_there_is_named() -> None:
    page = PAGE.replace("  basis:", "  holidays: us-federall\n  basis:", 1) + HOLIDAYS
    (problem,) = check(load(page, "page.yaml").documents)
    assert (problem.reason_code, problem.hint) == ("unknown_name", "Did you mean us-federal?")
