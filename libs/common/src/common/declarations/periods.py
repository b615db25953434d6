"""Periods as people write them: `60 days`, `5 business days`, `1 day`."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

from common.declarations.calendars import WEEKDAYS, Calendar

LONGEST_DAYS = 36_500
PATTERN = r"(\d{1,5}) (business day|day)s?"
_PERIOD = re.compile(PATTERN)


@dataclass(frozen=True, slots=True)
class Period:
    """`count` calendar days, or business days of a calendar (without one: Monday to Friday)."""

    count: int
    unit: Literal["day", "business day"]

    def __str__(self) -> str:
        return f"{self.count} {self.unit}{'' if self.count == 1 else 's'}"


def parse(text: object) -> Period | None:
    """The period a text names, or None when it names none."""
    match = _PERIOD.fullmatch(text) if isinstance(text, str) else None
    if match is None or int(match[1]) > LONGEST_DAYS:
        return None
    return Period(int(match[1]), "business day" if match[2] == "business day" else "day")


def later(day: date, period: Period, calendar: Calendar = WEEKDAYS, strict: bool = True) -> date:
    """The calendar day that lies `period` after `day`; business days are those of `calendar` (`Calendar.moved`).

    Raises OverflowError beyond the year 9999, and `BeyondCalendar`.
    """
    if period.unit == "day":
        return day + timedelta(days=period.count)
    return calendar.moved(day, period.count, strict)


def earlier(day: date, period: Period, calendar: Calendar = WEEKDAYS) -> date:
    """The calendar day that lies `period` before `day`. Raises as `later`."""
    if period.unit == "day":
        return day - timedelta(days=period.count)
    return calendar.moved(day, -period.count)


def later_instant(
    moment: datetime, period: Period, zone: ZoneInfo, calendar: Calendar = WEEKDAYS, strict: bool = True
) -> datetime:
    """The instant at the same clock time `period` later in `zone`: days are calendar days, not 24 hours.

    A clock time that the day skips is as much later as the clocks were put forward. One that it has twice is the
    first; the second, where `moment` is in a second one, too.
    """
    local = moment.astimezone(zone)
    return _at(later(local.date(), period, calendar, strict), local)


def earlier_instant(moment: datetime, period: Period, zone: ZoneInfo, calendar: Calendar = WEEKDAYS) -> datetime:
    """The instant at the same clock time `period` earlier in `zone`; skipped or there twice: as `later_instant`."""
    local = moment.astimezone(zone)
    return _at(earlier(local.date(), period, calendar), local)


def _at(day: date, local: datetime) -> datetime:
    found = datetime.combine(day, local.timetz())
    if found.fold and found.utcoffset() > found.replace(fold=0).utcoffset():  # type: ignore[operator] # a zone has both
        found = found.replace(fold=0)  # the day skips it: a second one is no less late than a first
    return found.astimezone(UTC)


@lru_cache(maxsize=4096)  # most entities share a few days, and a zone's rules are slow to ask
def end_of(day: date, zone: ZoneInfo) -> datetime:
    """The instant at which `day` is over in `zone` (the start of the next day), in UTC."""
    return start_of(day + timedelta(days=1), zone)


def start_of(day: date, zone: ZoneInfo) -> datetime:
    """The instant at which `day` begins in `zone`, in UTC: where it has no midnight, when the clocks are put forward;
    where it has two, the first. A day that the zone skips begins and ends when the next one begins."""
    return datetime.combine(day, time(), zone).astimezone(UTC)
