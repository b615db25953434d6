"""Texts with `{attribute}` and `{today + 14 days}` in them, for people and for parameters."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from common.declarations import periods
from common.declarations.calendars import WEEKDAYS, BeyondCalendar, Calendar
from common.declarations.expressions import Scope
from common.declarations.problems import Wrong, did_you_mean
from common.declarations.values import Decimal, Slot, Unknown, ValueType, shown

_HOLE = re.compile(r"\{([^{}]*)\}")
_SUM = re.compile(r"\s*([A-Za-z_][\w.]*)\s*(?:([+-])\s*(.+?))?\s*")


@dataclass(frozen=True, slots=True)
class Hole:
    """One `{...}`: a variable, and for dates what is added to it."""

    name: str
    shift: periods.Period | None = None
    back: bool = False
    calendar: Calendar = WEEKDAYS


@dataclass(frozen=True, slots=True)
class Template:
    """A text whose holes (odd places) are filled from an entity."""

    parts: tuple[str | Hole, ...]

    @property
    def reads(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(part.name for part in self.parts if isinstance(part, Hole)))

    @property
    def only_hole(self) -> Hole | None:
        """The hole, when the template is nothing else."""
        return self.parts[0] if len(self.parts) == 1 and isinstance(self.parts[0], Hole) else None

    def text(self, slots: Mapping[str, Slot]) -> str:
        """The text for a person; what is Unknown reads `unknown`."""
        return "".join(part if isinstance(part, str) else shown(fill(part, slots)) for part in self.parts)


def parse(text: str, scope: Scope, calendar: Calendar = WEEKDAYS) -> Template:
    """The template a text is; business days are those of `calendar`.

    Raises Wrong for unknown attributes and sums that are not dates and periods.
    """
    parts: list[str | Hole] = []
    at = 0
    for hole in _HOLE.finditer(text):
        parts.extend([text[at : hole.start()]] if hole.start() > at else [])
        parts.append(_hole(hole[1], scope, calendar))
        at = hole.end()
    rest = text[at:]
    if "{" in rest or "}" in rest:
        raise Wrong("bad_template", f"A brace is not closed in {text!r}.", "Write {attribute} or {today + 14 days}.")
    return Template((*parts, rest) if rest or not parts else tuple(parts))


def _hole(inside: str, scope: Scope, calendar: Calendar) -> Hole:
    match = _SUM.fullmatch(inside)
    if match is None:
        raise Wrong("bad_template", f"{{{inside}}} cannot be filled in.", "Write {attribute} or {today + 14 days}.")
    name, sign, added = match.groups()
    if name not in scope:
        raise Wrong("unknown_attribute", f"There is no attribute {name!r}.", did_you_mean(name, scope))
    if added is None:
        return Hole(name)
    period = periods.parse(added)
    if period is None or scope[name] != "date":
        raise Wrong(
            "bad_template", f"{{{inside}}} cannot be computed.", "Write {today + 14 days}: a date and a period."
        )
    return Hole(name, period, sign == "-", calendar)


def fill(hole: Hole, slots: Mapping[str, Slot]) -> Slot:
    """The hole's value, Unknown when the attribute is (or when the date leaves the calendar)."""
    value = slots[hole.name]
    if hole.shift is None or not isinstance(value, date) or isinstance(value, datetime):
        return value
    try:
        return (periods.earlier if hole.back else periods.later)(value, hole.shift, hole.calendar)
    except BeyondCalendar as error:
        return Unknown("undecided", str(error))
    except OverflowError:
        return Unknown("unreadable", f"{hole.name} is beyond the calendar")


def parameter(
    template: str | int | tuple[str, ...], kind: str, scope: Scope, calendar: Calendar = WEEKDAYS
) -> Callable[[Mapping[str, Slot]], Slot | tuple[str, ...]]:
    """A function that fills one action parameter of type `kind` (text, date, list, number) for an entity.

    It gives Unknown when an attribute it needs is: a parameter is never guessed. Raises Wrong when the template
    cannot give that kind.
    """
    if kind == "list":
        texts = [
            parse(str(item), scope, calendar) for item in (template if isinstance(template, tuple) else (template,))
        ]
        return lambda slots: _list(texts, slots)
    if isinstance(template, tuple):
        raise Wrong("bad_parameter", f"A list cannot be a {kind}.", "Write one value.")
    if kind == "text":
        text = parse(str(template), scope, calendar)
        return lambda slots: _text(text, slots)
    return _typed(template, "date" if kind == "date" else "number", scope, calendar)


def _typed(
    template: str | int, kind: ValueType, scope: Scope, calendar: Calendar
) -> Callable[[Mapping[str, Slot]], Slot]:
    if kind == "number" and isinstance(template, int):
        return lambda _: template
    hole = parse(str(template), scope, calendar).only_hole
    if hole is not None and scope[hole.name] == kind:
        return lambda slots: fill(hole, slots)
    if kind == "date":
        try:
            day = date.fromisoformat(str(template))
        except ValueError:
            pass
        else:
            return lambda _: day
    hint = (
        'Write "{today + 14 days}" or 2023-07-01.' if kind == "date" else "Write a whole number or one {attribute}."
    )
    raise Wrong("bad_parameter", f"{template!r} is not a {kind}.", hint)


def _text(template: Template, slots: Mapping[str, Slot]) -> Slot:
    for part in template.parts:
        if isinstance(part, Hole) and isinstance(value := fill(part, slots), Unknown):
            return Unknown(value.kind, f"{part.name}: {value.reason}")
    return template.text(slots)


def _list(templates: list[Template], slots: Mapping[str, Slot]) -> Slot:
    items: list[str] = []
    for template in templates:
        hole = template.only_hole
        value = fill(hole, slots) if hole else _text(template, slots)
        if isinstance(value, Unknown):
            return value
        items.extend(
            value if isinstance(value, tuple) else (value.text if isinstance(value, Decimal) else shown(value),)
        )
    return tuple(items)
