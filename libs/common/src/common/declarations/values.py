"""The values a rule may read, and what is said when there is none."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Literal, TypeAlias

from common.sealing import SHOWN


class Status(StrEnum):
    """The result of a condition. `PENDING` is a deadline that is still ahead and not yet met; `SOON` is one so near
    that a case opens (its `lead`), though nothing is missed."""

    MET = "Met"
    MISSED = "Missed"
    UNKNOWN = "Unknown"
    PENDING = "Pending"
    SOON = "Due soon"


UnknownKind: TypeAlias = Literal["absent", "unreadable", "stale", "undecided"]


@dataclass(frozen=True, slots=True)
class Unknown:
    """Why there is no value.

    `absent`: the source gives none. `unreadable`: it gives something that the declaration cannot read.
    `stale`: it was read too long ago. `undecided`: it exists, but which one counts cannot be told.
    `known(x)` is Missed for the first two and Unknown for the others: a stale row says nothing about today.
    """

    kind: UnknownKind
    reason: str


@dataclass(frozen=True, slots=True)
class Decimal:
    """A decimal number as its canonical text: compared as a double inside CEL, never stored as a float."""

    text: str


@dataclass(frozen=True, slots=True)
class Intervals:
    """Times from one event to another, in order and apart. One that is not over has no end. For clocks that stand
    still; conditions can't read it."""

    spans: "tuple[tuple[datetime, datetime | None], ...]"


Value: TypeAlias = str | bool | int | Decimal | date | datetime | tuple[str, ...] | Intervals


@dataclass(frozen=True, slots=True)
class Sensitive:
    """A value of a sensitive column: `value` for conditions, in memory alone; `sealed` for all that is written."""

    value: Value = field(repr=False)
    sealed: str


Slot: TypeAlias = Value | Sensitive | Unknown
Json: TypeAlias = str | bool | int | list["Json"] | dict[str, "Json"] | None

ValueType: TypeAlias = Literal["text", "yes/no", "number", "decimal", "date", "moment", "list"]


def to_json(value: Slot) -> Json:  # noqa: PLR0911 - one for each kind of value
    """The value as JSON for an event: dates `2023-06-30`, moments RFC 3339 (UTC `Z` when the zone is known),
    decimals as text, Unknown as null, what is sensitive sealed."""
    match value:
        case Unknown():
            return None
        case Sensitive():
            return value.sealed
        case Decimal():
            return value.text
        case datetime():
            return instant_text(value) if value.tzinfo else value.isoformat()
        case date():
            return value.isoformat()
        case tuple():
            return list(value)
        case Intervals():
            return [f"{instant_text(start)}/{instant_text(end) if end else '..'}" for start, end in value.spans]
        case _:
            return value


def from_json(value: Json, type_: ValueType) -> Slot:
    """The inverse of `to_json`; null is Unknown (absent). Raises ValueError when the text does not fit."""
    if value is None:
        return Unknown("absent", "no value was recorded")
    if type_ == "date":
        return date.fromisoformat(str(value))
    if type_ == "moment":
        return datetime.fromisoformat(str(value))
    if type_ == "decimal":
        return Decimal(str(value))
    if isinstance(value, list):
        return tuple(str(item) for item in value)
    if isinstance(value, dict):
        raise ValueError("an attribute value is never an object")  # noqa: TRY004 (of the text, not of the call)
    return value


def instant_text(moment: datetime) -> str:
    """RFC 3339 UTC with `Z`, fractions only when there are some: `2023-07-03T00:00:00Z`."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def shown(value: Slot) -> str:  # noqa: PLR0911 - one for each kind of value
    """The value as a person reads it: `30 June 2023`, `yes`, `A, B`; Unknown as `unknown`, and never what is
    sensitive."""
    match value:
        case Unknown():
            return "unknown"
        case Sensitive():
            return SHOWN
        case bool():
            return "yes" if value else "no"
        case Decimal():
            return value.text
        case date():
            return _date_text(value)
        case tuple():
            return ", ".join(value)
        case _:
            return str(value)


def _date_text(value: date) -> str:
    if not isinstance(value, datetime):
        return day_text(value)
    zone = f" {value.tzname()}" if value.tzinfo else ""
    return f"{day_text(value)}, {value:%H:%M}{zone}"


def day_text(day: date) -> str:
    """`3 July 2023`, whatever the process's locale is."""
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"


MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

Row: TypeAlias = Mapping[str, Json]
