"""The fields that declarations are made of: names, sentences, conditions, periods, ways to read a column."""

import re
from datetime import timedelta
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, InstanceOf, WithJsonSchema
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


def like(value: str, between: str) -> str:
    """A name or word that may be written, like the one that may not."""
    words = re.findall("[a-z0-9]+", value.lower())
    return between.join(words)[:63] if words and words[0][0].isalpha() else f"late{between}payments"


def _name(value: str) -> str:
    if not _NAME.fullmatch(value) or len(value) > 63:
        hint = f"Use lower-case letters, digits and hyphens: {like(value, '-')}."
        refuse("bad_name", f"{value!r} is not a name.", hint)
    return value


def _word(value: str) -> str:
    if not _WORD.fullmatch(value) or len(value) > 63:
        hint = f"Use lower-case letters, digits and _: {like(value, '_')}."
        refuse("bad_name", f"{value!r} cannot be used in expressions.", hint)
    if value in _TAKEN:
        refuse("bad_name", f"{value!r} already means something in expressions.", f"Use another word: {value}_value.")
    return value


def _sentence(value: str) -> str:
    if not value.strip() or len(value) > 1000:
        refuse("bad_text", "This text is empty or longer than 1000 characters.", "Write one or two plain sentences.")
    return value


def _expression(value: object) -> object:
    if isinstance(value, bool | int):
        shown = str(value).lower()
        refuse("not_an_expression", f"{shown} is not a condition.", "Write a condition, such as status == 'open'.")
    if isinstance(value, str) and not 0 < len(value) <= 2000:
        refuse("not_an_expression", "This condition is empty or longer than 2000 characters.")
    return value


def _period(value: object) -> object:
    if isinstance(value, periods.Period):
        return value
    period = periods.parse(value)
    if period is None:
        refuse("bad_period", f"{value!r} is not a period.", f"Write: {_in_days(value)} or 5 business days.")
    return period


def _span(value: object) -> object:
    if isinstance(value, timedelta):
        return value
    match = _SPAN.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        refuse("bad_period", f"{value!r} is not a span of time.", "Write: 30 minutes, 26 hours or 2 days.")
    return timedelta(**{f"{match[2]}s": int(match[1])})


def _in_days(value: object) -> str:
    """What was probably meant, in days."""
    found = re.match(r"(\d{1,4})\s*(w)?", str(value))
    return str(periods.Period(int(found[1]) * (7 if found[2] else 1), "day")) if found else "30 days"


def _day(value: str) -> str:
    if datepatterns.compiled("yyyy-MM-dd")(value) is None:
        refuse("bad_date", f"{value!r} is not a date.", "Write it as 2023-07-01.")
    if not "1000" <= value[:4] <= "9000":  # the day after it must be one, too, in every time zone
        refuse("bad_date", f"{value} is too far away to be reckoned with.", "Write a day that somebody will see.")
    return value


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        city = value.replace(" ", "_").lower()
        near = sorted(name for name in available_timezones() if name.lower().rpartition("/")[2] == city)
        hint = f"Did you mean {near[0]}?" if near else "Use a name such as America/New_York or UTC."
        refuse("bad_timezone", f"{value!r} is not a time zone.", hint)
    return value


def _quorum(value: dict[str, int]) -> dict[str, int]:
    for role, count in value.items():
        if not 1 <= count <= 9:
            refuse("bad_quorum", f"{role}: {count} is not a number of people.", "Use 1 to 9.")
    if not value:
        refuse("bad_quorum", "At least one role must agree.", "Write: {control-owner: 1}.")
    return value


def _shape(word: str, example: Any, **schema: Any) -> WithJsonSchema:
    """What editors and `trueup explain` are told of a field: the word for what stands there, and an example."""
    return WithJsonSchema({"type": "string", **schema, "title": word, "examples": [example]})


Name = Annotated[str, AfterValidator(_name), _shape("name", "late-payments", pattern=f"^{_NAME.pattern}$")]
Word = Annotated[str, AfterValidator(_word), _shape("word", "paid_on", pattern=f"^{_WORD.pattern}$")]
Formerly = Annotated[tuple[Name, ...], Field(strict=False, max_length=20)]
"""What a rule or an objective was called before: its history goes on under the new name."""
Sentence = Annotated[str, AfterValidator(_sentence), _shape("text", "...", minLength=1, maxLength=1000)]
Dated = Annotated[str, _shape("date attribute", "due_on")]
Column = Annotated[str, AfterValidator(_sentence), _shape("column", "paid_on", minLength=1, maxLength=1000)]
Expression = Annotated[str, BeforeValidator(_expression), _shape("condition", "status == 'open'", maxLength=2000)]
PeriodText = Annotated[
    InstanceOf[periods.Period],
    BeforeValidator(_period),
    _shape("period", "30 days", pattern=f"^{periods.PATTERN}$"),
]
SpanText = Annotated[
    InstanceOf[timedelta], BeforeValidator(_span), _shape("span of time", "26 hours", pattern=f"^{_SPAN.pattern}$")
]
Day = Annotated[str, AfterValidator(_day), _shape("date", "2023-07-01", pattern=r"^\d{4}-\d{2}-\d{2}$")]
Zone = Annotated[str, AfterValidator(_zone), _shape("time zone", "America/New_York")]
Quorum = Annotated[
    dict[Name, int],
    AfterValidator(_quorum),
    _shape(
        "people by role",
        {"control-owner": 1},
        type="object",
        minProperties=1,
        additionalProperties={"type": "integer", "minimum": 1, "maximum": 9},
    ),
]
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
    if value in ("date", "datetime", "day"):
        refuse("bad_read", f"{value!r} does not say how dates are written.", 'Write their pattern: "yyyy-MM-dd".')
    if not re.search("[yYmMdD]", value) or value.isalpha():
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


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _table(value: dict[Any, Any]) -> Read:
    kinds = {type(item): f"{key} gives {_shown(item)}" for key, item in value.items()}
    if len(kinds) > 1:
        told = f"A table gives words, numbers or true/false, and only one of these: {', '.join(kinds.values())}."
        refuse("bad_read", told, 'For yes and no write {"Y": true, "N": false}; for words {"Y": yes, "N": no}.')
    if not value or len(value) > 500 or not kinds.keys() <= {str, bool, int}:
        refuse("bad_read", "A table gives up to 500 words, numbers or true/false.", _READ_HINT)
    types: dict[type, ValueType] = {str: "text", bool: "yes/no", int: "number"}
    table = {" ".join(str(key).split()): item for key, item in value.items()}
    return Read(type=types[next(iter(kinds))], table=table)


def _template(value: object) -> object:
    items = value if isinstance(value, list | tuple) else [value]
    if not all(isinstance(item, str) or (isinstance(item, int) and not isinstance(item, bool)) for item in items):
        refuse("bad_parameter", f"{value!r} cannot fill a parameter.", "Write a text, a number or a list of texts.")
    return tuple(str(item) for item in items) if isinstance(value, list | tuple) else value


_CELL = {"type": ["string", "integer", "boolean"]}
Template = Annotated[
    str | int | tuple[str, ...],
    BeforeValidator(_template),
    _shape("parameter", "{today + 14 days}", type=["string", "integer", "array"], items={"type": "string"}),
]
ReadText = Annotated[
    Read,
    BeforeValidator(_read),
    _shape(
        "way to read",
        "yyyy-MM-dd",
        type=["string", "array", "object"],
        items=_CELL,
        additionalProperties=_CELL,
    ),
]
