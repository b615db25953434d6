"""Periods: calendar days and business days, in the declaration's own time zone."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from common.declarations import periods
from common.declarations.periods import Period
from hypothesis import given
from hypothesis import strategies as st

NEW_YORK = ZoneInfo("America/New_York")
DAYS = st.dates(min_value=date(1990, 1, 1), max_value=date(2090, 1, 1))


@pytest.mark.parametrize("text", ["60 days", "1 day", "5 business days", "1 business day", "0 days"])
def test_periods_people_write(text: str) -> None:
    assert str(periods.parse(text)) == text


@pytest.mark.parametrize(
    "text", ["5", "5 weeks", "five days", "4 business hours", "-1 days", " 5 days", 5, None, "99999 days"]
)
def test_other_texts_are_no_period(text: object) -> None:
    assert periods.parse(text) is None


def slow_business_days(day: date, count: int) -> date:
    while count:
        day += timedelta(days=1)
        count -= day.weekday() < 5
    return day


@given(DAYS, st.integers(1, 400))
def test_business_days_are_counted_monday_to_friday(day: date, count: int) -> None:
    assert periods.later(day, Period(count, "business day")) == slow_business_days(day, count)


@given(DAYS)
def test_no_period_moves_nothing(day: date) -> None:
    assert periods.later(day, Period(0, "day")) == periods.later(day, Period(0, "business day")) == day


def test_a_day_ends_at_local_midnight_and_may_have_25_hours() -> None:
    day = date(2023, 11, 5)  # clocks go back
    assert periods.end_of(day, NEW_YORK) - periods.start_of(day, NEW_YORK) == timedelta(hours=25)


def test_an_instant_keeps_its_clock_time_across_summer_time() -> None:
    noon = datetime(2023, 11, 4, 12, tzinfo=NEW_YORK)
    assert periods.later_instant(noon, Period(1, "day"), NEW_YORK) == datetime(2023, 11, 5, 17, tzinfo=UTC)
