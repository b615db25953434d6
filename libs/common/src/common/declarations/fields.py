"""The fields that declarations are made of: names, sentences, conditions, periods, ways to read a column."""

import re
from datetime import timedelta
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, InstanceOf
from pydantic.alias_generators import to_camel

from common.declarations import datepatterns, periods
from common.declarations.problems import Wrong, refuse
from common.declarations.values import ValueType

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_SPAN = re.compile(r"([1-9]\d{0,4}) (minute|hour|day)s?")
_WORD = re.compile(r"[a-z][a-z0-9_]*")
_TAKEN = frozenset(
    # what CEL reserves, and what conditions and templates already mean
    """as break const continue else false for function if import in let loop namespace null package return true var
    void while days done dyn has known now risk severity system this today unchanged""".split()  # noqa: SIM905
)


class Strict(BaseModel):
    """Every model here: no unknown field, no coercion, no change after reading."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, alias_generator=to_camel)


def _name(value: str) -> str:
    if not _NAME.fullmatch(value) or len(value) > 63:
        refuse("bad_name", f"{value!r} is not a name.", "Use lower-case letters, digits and hyphens: late-payments.")
    return value


def _word(value: str) -> str:
    if not _WORD.fullmatch(value) or len(value) > 63:
        refuse("bad_name", f"{value!r} cannot be used in expressions.", "Use lower-case letters, digits and _.")
    if value in _TAKEN:
        refuse("bad_name", f"{value!r} already means something in expressions.", f"Use another word: {value}_value.")
    return value


def _sentence(value: str) -> str:
    if not value.strip() or len(value) > 1000:
        refuse("bad_text", "This text is empty or longer than 1000 characters.", "Write one or two plain sentences.")
    return value


def _expression(value: object) -> object:
    if isinstance(value, bool | int):
        refuse("not_an_expression", f"{value!r} is not a condition.", "Write a condition, such as status == 'open'.")
    if isinstance(value, str) and not 0 < len(value) <= 2000:
        refuse("not_an_expression", "This condition is empty or longer than 2000 characters.")
    return value


def _period(value: object) -> object:
    if isinstance(value, periods.Period):
        return value
    period = periods.parse(value)
    if period is None:
        refuse("bad_period", f"{value!r} is not a period.", "Write: 30 days, 1 day or 5 business days.")
    return period


def _span(value: object) -> object:
    if isinstance(value, timedelta):
        return value
    match = _SPAN.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        refuse("bad_period", f"{value!r} is not a span of time.", "Write: 30 minutes, 26 hours or 2 days.")
    return timedelta(**{f"{match[2]}s": int(match[1])})


def _day(value: str) -> str:
    if datepatterns.compiled("yyyy-MM-dd")(value) is None:
        refuse("bad_date", f"{value!r} is not a date.", "Write it as 2023-07-01.")
    return value


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        refuse("bad_timezone", f"{value!r} is not a time zone.", "Use a name such as America/New_York or UTC.")
    return value


def _quorum(value: dict[str, int]) -> dict[str, int]:
    for role, count in value.items():
        if not 1 <= count <= 9:
            refuse("bad_quorum", f"{role}: {count} is not a number of people.", "Use 1 to 9.")
    if not value:
        refuse("bad_quorum", "At least one role must agree.", "Write: {control-owner: 1}.")
    return value


Name = Annotated[str, AfterValidator(_name)]
Word = Annotated[str, AfterValidator(_word)]
Sentence = Annotated[str, AfterValidator(_sentence)]
Expression = Annotated[str, BeforeValidator(_expression)]
PeriodText = Annotated[InstanceOf[periods.Period], BeforeValidator(_period)]
SpanText = Annotated[InstanceOf[timedelta], BeforeValidator(_span)]
Day = Annotated[str, AfterValidator(_day)]
Zone = Annotated[str, AfterValidator(_zone)]
Quorum = Annotated[dict[Name, int], AfterValidator(_quorum)]
Level = Literal["L0", "L1", "L2", "L3"]
Risk = Literal["low", "medium", "high"]


class Read(BaseModel):
    """How one cell becomes a value: `type` of the result, and the table or pattern it is read with."""

    model_config = ConfigDict(frozen=True)
    type: ValueType
    table: dict[str, str | bool | int] | None = None
    pattern: str | None = None


def _read(value: object) -> Read:
    if isinstance(value, Read):
        return value
    if value is None or value == "text":
        return Read(type="text")
    if isinstance(value, dict):
        return _table(value)
    if isinstance(value, list | tuple):  # these texts and no others, each meaning itself
        return _table({str(item): str(item) for item in value})
    if value in ("number", "decimal", "list"):
        return Read(type=value)
    if not isinstance(value, str):
        refuse("bad_read", f"{value!r} does not say how to read the column.", _READ_HINT)
    if not re.search("y|M|d", value) or value.isalpha():
        refuse("bad_read", f"{value!r} does not say how to read the column.", _READ_HINT)
    try:
        datepatterns.compiled(value)
    except Wrong as fault:
        refuse(fault.reason_code, fault.message, fault.hint)
    return Read(type="moment" if datepatterns.has_time(value) else "date", pattern=value)


_READ_HINT = (
    'Use number, decimal, list, a date pattern ("MMMM d, yyyy"), '
    'a table ({"Y": true, "N": false}) or the texts to accept ([Education, Labor]).'
)


def _table(value: dict[Any, Any]) -> Read:
    kinds = {type(item) for item in value.values()}
    if not value or len(value) > 500 or len(kinds) != 1 or not kinds <= {str, bool, int}:
        refuse("bad_read", "A table gives words, numbers or true/false, and only one of these kinds.", _READ_HINT)
    types: dict[type, ValueType] = {str: "text", bool: "yes/no", int: "number"}
    return Read(type=types[kinds.pop()], table={" ".join(str(key).split()): item for key, item in value.items()})


def _template(value: object) -> object:
    items = value if isinstance(value, list | tuple) else [value]
    if not all(isinstance(item, str) or (isinstance(item, int) and not isinstance(item, bool)) for item in items):
        refuse("bad_parameter", f"{value!r} cannot fill a parameter.", "Write a text, a number or a list of texts.")
    return tuple(str(item) for item in items) if isinstance(value, list | tuple) else value


Template = Annotated[str | int | tuple[str, ...], BeforeValidator(_template)]


ReadText = Annotated[Read, BeforeValidator(_read)]
