"""Days and clock times of zones: clocks put forward and back, midnights that are not there or there twice, a skipped
day; calendar days are as long as they are, and a promise is due when the day of the place is over."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from common.clock import instant, parse_instant
from common.declarations import periods
from common.declarations.calendars import Calendar
from common.declarations.catalogue import Catalogue
from common.declarations.evaluation import EntityView, RuleResult, evaluate
from common.declarations.loader import load
from common.declarations.values import Status
from hypothesis import example, given
from hypothesis import strategies as st

from .conftest import PAGE

DAYS = {  # zone, day: when it begins and ends
    ("UTC", "2023-07-03"): ("2023-07-03T00:00:00Z", "2023-07-04T00:00:00Z"),
    ("America/New_York", "2023-07-03"): ("2023-07-03T04:00:00Z", "2023-07-04T04:00:00Z"),
    ("America/New_York", "2023-03-12"): ("2023-03-12T05:00:00Z", "2023-03-13T04:00:00Z"),  # 23 hours
    ("America/New_York", "2023-11-05"): ("2023-11-05T04:00:00Z", "2023-11-06T05:00:00Z"),  # 25 hours
    ("Australia/Lord_Howe", "2023-10-01"): ("2023-09-30T13:30:00Z", "2023-10-01T13:00:00Z"),  # half an hour less
    ("Asia/Kathmandu", "2023-07-03"): ("2023-07-02T18:15:00Z", "2023-07-03T18:15:00Z"),
    ("Pacific/Kiritimati", "2023-07-03"): ("2023-07-02T10:00:00Z", "2023-07-03T10:00:00Z"),
    ("Pacific/Pago_Pago", "2023-07-03"): ("2023-07-03T11:00:00Z", "2023-07-04T11:00:00Z"),
    # No midnight: the day begins at 01:00, and the day before ends then.
    ("America/Sao_Paulo", "2018-11-03"): ("2018-11-03T03:00:00Z", "2018-11-04T03:00:00Z"),
    ("America/Sao_Paulo", "2018-11-04"): ("2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z"),
    ("Africa/Cairo", "2023-04-28"): ("2023-04-27T22:00:00Z", "2023-04-28T21:00:00Z"),
    ("Asia/Beirut", "2022-03-27"): ("2022-03-26T22:00:00Z", "2022-03-27T21:00:00Z"),
    # At the end of the day 24:00 becomes 23:00: its last hour is there twice, midnight once.
    ("America/Sao_Paulo", "2018-02-17"): ("2018-02-17T02:00:00Z", "2018-02-18T03:00:00Z"),
    # 01:00 becomes 00:00: midnight is there twice, and the first one counts.
    ("America/Havana", "2023-11-04"): ("2023-11-04T04:00:00Z", "2023-11-05T04:00:00Z"),
    ("America/Havana", "2023-11-05"): ("2023-11-05T04:00:00Z", "2023-11-06T05:00:00Z"),
    # Samoa crossed the date line: there was no 30 December 2011.
    ("Pacific/Apia", "2011-12-29"): ("2011-12-29T10:00:00Z", "2011-12-30T10:00:00Z"),
    ("Pacific/Apia", "2011-12-30"): ("2011-12-30T10:00:00Z", "2011-12-30T10:00:00Z"),
    ("Pacific/Apia", "2011-12-31"): ("2011-12-30T10:00:00Z", "2011-12-31T10:00:00Z"),
}


@pytest.mark.parametrize(("zone", "day"), DAYS)
def test_a_day_begins_and_ends_as_it_does_in_its_zone(zone: str, day: str) -> None:
    place, when = ZoneInfo(zone), date.fromisoformat(day)
    found = periods.start_of(when, place), periods.end_of(when, place)
    assert tuple(instant(one) for one in found) == DAYS[zone, day]


ZONES = sorted({zone for zone, _ in DAYS} | {"Europe/Amsterdam", "America/Santiago", "Asia/Gaza", "America/St_Johns"})


@given(st.sampled_from(ZONES), st.dates(date(1990, 1, 1), date(2037, 12, 31)))
@example("America/St_Johns", date(2010, 11, 7))  # a minute past midnight became 23:01 of the day before
@example("Pacific/Apia", date(2011, 12, 30))
def test_days_follow_each_other_without_a_gap_and_begin_with_their_first_moment(zone: str, day: date) -> None:
    place = ZoneInfo(zone)
    start, end = periods.start_of(day, place), periods.end_of(day, place)
    assert end == periods.start_of(day + timedelta(days=1), place)
    assert (start - timedelta(microseconds=1)).astimezone(place).date() < day
    if start == end:
        assert start.astimezone(place).date() == day + timedelta(days=1), "a day that the zone skips"
    else:
        assert start.astimezone(place).date() == day
        assert timedelta(hours=22) <= end - start <= timedelta(hours=26)


FREE = Calendar("free", date(2023, 1, 1), date(2024, 12, 31), (date(2023, 3, 13),))
MOVES = [  # zone, moment, period, the moment so much later
    ("UTC", "2023-03-11T12:00:00Z", "1 day", "2023-03-12T12:00:00Z"),
    # The same clock time: 23 hours, and 25 hours later.
    ("America/New_York", "2023-03-11T22:00:00Z", "1 day", "2023-03-12T21:00:00Z"),
    ("America/New_York", "2023-11-04T21:00:00Z", "1 day", "2023-11-05T22:00:00Z"),
    # 02:30 is skipped: 03:30. 01:30 is there twice: the first.
    ("America/New_York", "2023-03-11T07:30:00Z", "1 day", "2023-03-12T07:30:00Z"),
    ("America/New_York", "2023-11-04T05:30:00Z", "1 day", "2023-11-05T05:30:00Z"),
    # From the second 02:30 on: itself; the second one a year on; and where 02:30 is skipped, 03:30 and not 01:30.
    ("Europe/Berlin", "2023-10-29T01:30:00Z", "0 days", "2023-10-29T01:30:00Z"),
    ("Europe/Berlin", "2023-10-29T01:30:00Z", "364 days", "2024-10-27T01:30:00Z"),
    ("Europe/Berlin", "2023-10-29T00:30:00Z", "154 days", "2024-03-31T01:30:00Z"),
    ("Europe/Berlin", "2023-10-29T01:30:00Z", "154 days", "2024-03-31T01:30:00Z"),
    # Friday at 17:00; Monday, and without Monday, Tuesday at 17:00, in summer time.
    ("America/New_York", "2023-03-10T22:00:00Z", "1 business day", "2023-03-13T21:00:00Z"),
    ("America/New_York", "2023-03-10T22:00:00Z", "1 business day but the holiday", "2023-03-14T21:00:00Z"),
    # It is Saturday in Auckland already, which counts as the Friday before it.
    ("Pacific/Auckland", "2023-03-10T22:00:00Z", "1 business day", "2023-03-12T22:00:00Z"),
    # Half past midnight of a day without that hour.
    ("America/Sao_Paulo", "2018-11-03T03:30:00Z", "1 day", "2018-11-04T03:30:00Z"),
    # The day that is not there takes the place of the next.
    ("Pacific/Apia", "2011-12-29T22:00:00Z", "1 day", "2011-12-30T22:00:00Z"),
]  # fmt: skip


@pytest.mark.parametrize(("zone", "moment", "written", "expected"), MOVES)
def test_a_period_is_of_the_days_and_clock_times_of_the_zone(
    zone: str, moment: str, written: str, expected: str
) -> None:
    text, _, holiday = written.partition(" but ")
    period = periods.parse(text)
    assert period is not None
    calendar = FREE if holiday else Calendar()
    found = periods.later_instant(parse_instant(moment), period, ZoneInfo(zone), calendar)
    assert instant(found) == expected


BACK = [  # zone, moment, period, the moment so much earlier
    ("America/New_York", "2023-03-13T16:00:00Z", "2 days", "2023-03-11T17:00:00Z"),
    ("America/New_York", "2023-03-13T06:30:00Z", "1 day", "2023-03-12T07:30:00Z"),  # 02:30 is skipped
    ("America/New_York", "2023-11-06T06:30:00Z", "1 day", "2023-11-05T05:30:00Z"),  # 01:30 is there twice
    ("America/New_York", "2023-03-13T21:00:00Z", "1 business day", "2023-03-10T22:00:00Z"),
    ("America/Sao_Paulo", "2018-11-05T02:30:00Z", "1 day", "2018-11-04T03:30:00Z"),
]


@pytest.mark.parametrize(("zone", "moment", "written", "expected"), BACK)
def test_a_lead_goes_back_by_the_days_and_clock_times_of_the_zone(
    zone: str, moment: str, written: str, expected: str
) -> None:
    period = periods.parse(written)
    assert period is not None
    assert instant(periods.earlier_instant(parse_instant(moment), period, ZoneInfo(zone))) == expected


DUE = [  # zone, the promised day, what is added, what it is due
    ("America/New_York", "2023-03-11", "", "2023-03-12T05:00:00Z"),
    ("America/New_York", "2023-03-12", "", "2023-03-13T04:00:00Z"),
    ("America/Sao_Paulo", "2018-11-03", "", "2018-11-04T03:00:00Z"),
    ("America/Sao_Paulo", "2018-11-02", "plus: 2 days, ", "2018-11-05T02:00:00Z"),
    ("America/Havana", "2023-11-04", "", "2023-11-05T04:00:00Z"),
    ("Pacific/Apia", "2011-12-29", "", "2011-12-30T10:00:00Z"),
    ("Pacific/Apia", "2011-12-29", "plus: 1 day, ", "2011-12-30T10:00:00Z"),
    ("Africa/Cairo", "2023-04-26", "plus: 1 business day, ", "2023-04-27T22:00:00Z"),
]


@pytest.mark.parametrize(("zone", "day", "plus", "expected"), DUE)
def test_a_promise_is_missed_from_the_instant_on_at_which_its_day_is_over(
    zone: str, day: str, plus: str, expected: str, invoice: Callable[..., EntityView]
) -> None:
    rule = f"  deadlines:\n    - {{name: paid-by, expect: paid, by: due, {plus}says: Due.}}\n  verification:"
    text = PAGE.replace("  verification:", rule, 1).replace("America/New_York", zone, 1)
    loaded = load(text.replace("effective: 2023-01-01", "effective: 2010-01-01"), "page.yaml")
    assert not loaded.problems, loaded.problems
    state = Catalogue().with_documents(loaded.documents).compiled("invoices-paid")
    view, due = invoice(status="open", paid=False, due=date.fromisoformat(day)), parse_instant(expected)

    def decided(at: datetime) -> RuleResult:
        return next(rule for rule in evaluate(state, view, at).rules if rule.name == "paid-by")

    before = due - timedelta(microseconds=1)
    assert (decided(before).status, decided(before).due) == (Status.PENDING, due)
    assert due in evaluate(state, view, before).next_timers
    assert decided(due.astimezone(UTC)).status is Status.MISSED
