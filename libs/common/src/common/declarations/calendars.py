"""Business days: Monday to Friday, but for the holidays that a declared calendar names. Pure."""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from datetime import date

from common.declarations.values import day_text

_WORKDAYS, _WEEK = 5, 7


class BeyondCalendar(ValueError):
    """A calendar was asked about days that it does not cover: their holidays are not known."""


@dataclass(frozen=True, slots=True)
class Calendar:
    """Which days are business days.

    `first` and `last` are the days it covers; `holidays` are days off between them, ascending, weekdays only.
    The business day number of a day is how many business days there are up to it, itself included, counted from
    the year 1: numbers of two days subtract to the business days between them.
    """

    name: str = ""
    first: date = date.min
    last: date = date.max
    holidays: tuple[date, ...] = field(default=(), repr=False)

    def moved(self, day: date, count: int, strict: bool = True) -> date:
        """The day `count` business days after `day` (before it, where negative).

        A day that is no business day counts as the last one before it; `count` 0 is the day itself. Raises
        `BeyondCalendar` when the way there is not covered; not `strict`: every weekday out there is a business day.
        Raises OverflowError beyond the years 1 to 9999.
        """
        if count == 0:
            return day
        if strict:
            self._covers(day)
        number = _weekdays_until(day) - bisect_right(self.holidays, day) + count
        found, off = _weekday(number), -1
        while off != (off := bisect_right(self.holidays, found)):
            found = _weekday(number + off)
        if strict:
            self._covers(found)
        return found

    def business(self, day: date) -> bool:
        """Whether `day` is a business day. Raises `BeyondCalendar`."""
        self._covers(day)
        at = bisect_left(self.holidays, day)
        return day.weekday() < _WORKDAYS and self.holidays[at : at + 1] != (day,)

    def _covers(self, day: date) -> None:
        if not self.first <= day <= self.last:
            reach = f"from {day_text(self.first)} to {day_text(self.last)}"
            raise BeyondCalendar(f"the calendar {self.name} knows the holidays {reach}, not that of {day_text(day)}")


WEEKDAYS = Calendar()
"""Every weekday is a business day: what counts where no calendar is declared."""


def _weekdays_until(day: date) -> int:
    weeks, rest = divmod(day.toordinal() - 1, _WEEK)  # day 1 of the calendar was a Monday
    return weeks * _WORKDAYS + min(rest + 1, _WORKDAYS)


def _weekday(number: int) -> date:
    """The weekday with this number, counted from 1."""
    weeks, rest = divmod(number - 1, _WORKDAYS)
    return _from_ordinal(weeks * _WEEK + rest + 1)


def _from_ordinal(ordinal: int) -> date:
    if not 1 <= ordinal <= date.max.toordinal():
        raise OverflowError("beyond the years 1 to 9999")
    return date.fromordinal(ordinal)
