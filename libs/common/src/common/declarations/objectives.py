"""Objectives as they are written, and what their words mean."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, model_validator

from common.declarations.expressions import Condition
from common.declarations.fields import Day, Expression, Formerly, Name, Strict
from common.declarations.problems import refuse
from common.objectives.measures import Side, Target
from common.objectives.standing import Guard

CLOCKS = {"mean": 0, "p50": 50, "p75": 75, "p90": 90, "p95": 95, "p99": 99}
"""The measures of durations, and the percentile each is (the mean: none)."""
ASKED = re.compile(r"\s*(met|not_met)\(\s*'([^']*)'\s*\)\s*")
"""`met('rule')` and `not_met('rule')`, which stand alone."""
_SPAN = re.compile(r"(\d{1,5}) (day|hour|minute)s?")
_SHARE = re.compile(r"(\d{1,3}(?:\.\d{1,3})?) ?%")
_ROLLING = re.compile(r"rolling (\d{1,5}) days?")
_CALENDAR = re.compile(r"calendar (month|quarter|year)")
_SHRINK = re.compile(r"may not shrink(?: by more than (\d{1,2}) ?%)?")
_SECONDS = {"day": 86_400, "hour": 3_600, "minute": 60}
_MONTHS = {"month": 1, "quarter": 3, "year": 12}


@dataclass(frozen=True, slots=True)
class Window:
    """Which moments count: those of the last `days`, or of the calendar month, quarter or year under way."""

    text: str
    days: int = 0
    months: int = 0

    def begin(self, asof: datetime, zone: ZoneInfo) -> datetime:
        """From when on, in UTC: days begin at the same clock time in `zone`, calendar spans at its midnight."""
        local = asof.astimezone(zone)
        if self.days:
            return datetime.combine(local.date() - timedelta(days=self.days), local.timetz()).astimezone(UTC)
        month = (local.month - 1) // self.months * self.months + 1
        return datetime.combine(date(local.year, month, 1), time(), zone).astimezone(UTC)


def _window(value: str) -> str:
    if window(value) is None:
        refuse("bad_window", f"{value!r} is not a window.", "Write: rolling 30 days, or calendar quarter.")
    return value


def window(text: str) -> Window | None:
    """The window that a text names; None when it names none."""
    if (rolling := _ROLLING.fullmatch(text)) is not None and int(rolling[1]) > 0:
        return Window(text, days=int(rolling[1]))
    calendar = _CALENDAR.fullmatch(text)
    return None if calendar is None else Window(text, months=_MONTHS[calendar[1]])


def _shrink(value: str) -> str:
    if _SHRINK.fullmatch(value) is None:
        refuse("bad_guard", f"{value!r} does not guard a population.",
               "Write: may not shrink, or: may not shrink by more than 20 %.")  # fmt: skip
    return value


class Timespan(Strict):
    """A clock: it starts at one date of an entity and stops at another. It stands still `without`."""

    start: str = Field(alias="from")
    stop: str = Field(alias="to")
    without: str | None = None


class PopulationGuard(Strict):
    population: Annotated[str, AfterValidator(_shrink)]

    @property
    def guard(self) -> Guard:
        share = (_SHRINK.fullmatch(self.population) or [None, None])[1]
        return Guard(Fraction(int(share or 0), 100))


class Objective(Strict):
    """What must hold over all selected entities (`of`: over those among them), by one measure."""

    name: Name
    formerly: Formerly = ()
    count: Expression | None = None
    share: Expression | None = None
    mean: Timespan | None = None
    p50: Timespan | None = None
    p75: Timespan | None = None
    p90: Timespan | None = None
    p95: Timespan | None = None
    p99: Timespan | None = None
    of: Expression | None = None
    at: str | None = None
    at_most: str | int | None = None
    at_least: str | int | None = None
    reach: Day | None = None
    window: Annotated[str, AfterValidator(_window)] | None = None
    minimum: int = Field(default=1, ge=1)
    open_cases: Literal["count once past the target"] | None = None
    guard: PopulationGuard | None = None

    @property
    def measure(self) -> str:
        """`count`, `share`, `mean`, `p90`, ..."""
        return next(name for name in ("count", "share", *CLOCKS) if getattr(self, name) is not None)

    @property
    def condition(self) -> str:
        """What is counted; empty for a measure of durations."""
        return self.count or self.share or ""

    @property
    def timespan(self) -> Timespan | None:
        found: Timespan | None = getattr(self, self.measure) if self.measure in CLOCKS else None
        return found

    @property
    def asked(self) -> tuple[str, str] | None:
        """(`met` or `not_met`, rule) where that is what is counted."""
        found = ASKED.fullmatch(self.condition)
        return (found[1], found[2]) if found else None

    @property
    def target(self) -> Target:
        side: Side = "at most" if self.at_most is not None else "at least"
        value = number_of(self.measure, self.at_most if self.at_most is not None else self.at_least)
        assert value is not None, "checked when it was read"
        return Target(side, value)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if sum(getattr(self, name) is not None for name in ("count", "share", *CLOCKS)) != 1:
            refuse("bad_objective", "An objective has one measure.",
                   "Write one of: count, share, mean, p50, p75, p90, p95, p99.")  # fmt: skip
        if (self.at_most is None) == (self.at_least is None):
            refuse("bad_objective", "An objective is at most something, or at least.",
                   "Write atMost: or atLeast:, and one of them.")  # fmt: skip
        given = self.at_most if self.at_most is not None else self.at_least
        if number_of(self.measure, given) is None:
            hint = {"count": "Write a whole number: atMost: 0.", "share": "Write a share: atLeast: 90 %."}
            refuse("bad_target", f"{given!r} is no target for {self.measure}.",
                   hint.get(self.measure, "Write a duration: atMost: 3 days."),
                   ("atMost" if self.at_most is not None else "atLeast",))  # fmt: skip
        if self.timespan is not None and self.at_least is not None:
            refuse("bad_target", "A duration is to stay below its target.", "Write atMost: 3 days.", ("atLeast",))
        self._check_population()
        return self

    def _check_population(self) -> None:
        if self.timespan is not None and self.at is not None:
            refuse("bad_objective", "A duration counts when it is over.", "Drop at:.", ("at",))
        if self.timespan is None and self.open_cases is not None:
            refuse("bad_objective", "openCases is for durations.", "Drop openCases:.", ("openCases",))
        if self.condition and self.asked is None and self.window is not None and self.at is None:
            refuse("window_of_what", "Which entities fall into the window is not said.",
                   "Name the date that counts: at: closed_on.")  # fmt: skip
        if self.share is not None and self.at_most is not None and self.at is None and self.asked is None:
            refuse("diluted", "Whatever is new would make this share smaller before anything is known of it.",
                   "Name the date from which an entity counts: at: closed_on.")  # fmt: skip


def number_of(measure: str, given: str | int | None) -> Fraction | None:
    """A count, a share from 0 to 1, or seconds; None where the text is none of that measure."""
    if measure == "count":
        return Fraction(given) if isinstance(given, int) and given >= 0 else None
    text = str(given)
    if measure == "share":
        found = _SHARE.fullmatch(text)
        return Fraction(found[1]) / 100 if found and Fraction(found[1]) <= 100 else None
    span = _SPAN.fullmatch(text)
    return Fraction(int(span[1]) * _SECONDS[span[2]]) if span else None


@dataclass(frozen=True, slots=True)
class CompiledObjective:
    """An objective ready to be measured. `reads` are the variables that an entity's contribution depends on; `reach`
    is the instant from which the target counts without a path. `timespan` and `asked` are those of `spec`, found once
    because they are asked of every entity."""

    name: str
    spec: Objective
    timespan: Timespan | None
    asked: tuple[str, str] | None
    target: Target
    of: Condition | None
    condition: Condition | None
    window: Window | None
    reach: datetime | None
    reads: tuple[str, ...]
