"""Days off as they are declared."""

from datetime import date
from typing import Self

from pydantic import Field, model_validator

from common.declarations.calendars import Calendar
from common.declarations.fields import Day, Sentence, Strict
from common.declarations.problems import refuse


class HolidayCalendar(Strict):
    """The days off that somebody vouches for: which days are business days is declared, not looked up."""

    about: Sentence
    source: Sentence
    first: Day = Field(alias="from")
    last: Day = Field(alias="to")
    days: tuple[Day, ...] = Field(strict=False, max_length=5_000)

    @property
    def calendar(self) -> Calendar:
        """What it means, without its name."""
        days = {date.fromisoformat(day) for day in self.days}
        weekdays = sorted(day for day in days if day.weekday() < 5)
        return Calendar("", date.fromisoformat(self.first), date.fromisoformat(self.last), tuple(weekdays))

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.first > self.last:
            refuse("bad_calendar", f"It ends on {self.last}, before it begins.", "Give from: and to: in order.")
        for index, day in enumerate(self.days):
            at = ("days", index)
            if not self.first <= day <= self.last:
                refuse("bad_calendar", f"{day} lies outside {self.first} to {self.last}.", "Move from: or to:.", at)
            if day in self.days[:index]:
                refuse("bad_calendar", f"{day} stands there twice.", "Drop one of them.", at)
        return self
