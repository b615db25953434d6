"""A raw row becomes typed attributes; what cannot be read is Unknown, with the reason."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias
from zoneinfo import ZoneInfo

from common.declarations import computing, datepatterns
from common.declarations.computing import MAX_CASE_EVENTS, Happened, History
from common.declarations.expressions import MOST_DIGITS, Language, Scope
from common.declarations.models import Attribute, EntityType
from common.declarations.values import Decimal, Json, Row, Sensitive, Slot, Status, Unknown, Value
from common.sealing import is_sealed

_NUMBER = re.compile(r"[-+]?\d{1,16}", re.ASCII)
_DECIMAL = re.compile(rf"[-+]?\d{{1,{MOST_DIGITS}}}(\.\d{{1,{MOST_DIGITS}}})?", re.ASCII)
_LARGEST = 2**53
MOST_KEPT = 2_048
LONGEST_KEPT = 64
"""What cells of a column say is kept: of so many different texts of at most this length. Dates and tables repeat."""
_CLIP = 80

Opener: TypeAlias = Callable[[str], Json | Unknown]
"""Opens a sealed value of one entity, or says why it can't be."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One row, read. Every declared attribute has a slot. `set_aside` names the failed check, when one failed:
    then every slot is Unknown, because the row contradicts itself."""

    values: Mapping[str, Slot]
    set_aside: str = ""


def scope_of(entity_type: EntityType) -> Scope:
    """The attributes of a type and what they hold; with what is computed, as far as conditions can read it."""
    scope = dict(row_scope(entity_type))
    for name, item in computing.computations(entity_type.computed).items():
        if item.kind != "intervals":
            scope[name] = item.kind
    return scope


def row_scope(entity_type: EntityType) -> Scope:
    """The attributes that are read of a row."""
    return {name: attribute.read.type for name, attribute in entity_type.attributes.items()}


class Reader:
    """Prepared once for an EntityType; reads rows fast. Raises nothing for what a row contains."""

    def __init__(self, entity_type: EntityType) -> None:
        self._key = entity_type.key
        hidden = entity_type.sensitive_columns
        columns = [(name, item.column, item) for name, item in entity_type.attributes.items()]
        self._columns = [(name, column, _cell(item)) for name, column, item in columns if column not in hidden]
        self._sensitive = [
            (name, column, _cell(item, quotes=False)) for name, column, item in columns if column in hidden
        ]
        self._read_columns = frozenset((self._key, *(column for _, column, _ in columns)))
        self._language = Language(row_scope(entity_type), ZoneInfo("UTC"), with_clock=False)
        self._activity = entity_type.events.activity if entity_type.events else ""
        self._computed = list(computing.computations(entity_type.computed).items())
        self._names = (*entity_type.attributes, *entity_type.computed)
        self._checks = [self._language.compile(source) for source in entity_type.checks]

    @property
    def key_column(self) -> str:
        """The column that the key is read from."""
        return self._key

    @property
    def columns(self) -> frozenset[str]:
        """Every column that something is read from."""
        return self._read_columns

    @property
    def checked(self) -> frozenset[str]:
        """The attributes that checks read."""
        return frozenset(name for check in self._checks for name in check.reads)

    def key(self, row: Row) -> str | None:
        """The entity's key, or None when the row has none that can be used."""
        value = row.get(self._key)
        if isinstance(value, bool) or not isinstance(value, str | int):
            return None
        return str(value).strip() or None

    def read(self, row: Row, opener: Opener | None = None) -> Reading:
        """The row's attributes. A row that fails a declared check is set aside; an undecidable check is not.

        `opener` opens the row's sealed cells; without one they are Unknown. With one, a sensitive column must be
        sealed: what was stored before it was declared sensitive is Unknown, too.
        """
        values: dict[str, Slot] = {}
        for name, column, cell in self._columns:
            value = row.get(column)
            if value is None:
                values[name] = Unknown("absent", f"{column} is empty" if column in row else f"there is no {column}")
            else:
                values[name] = cell(value)
        for name, column, cell in self._sensitive:
            values[name] = _sensitive(column, cell, row, opener)
        for check in self._checks:
            bound = self._language.bind(values, check.reads)
            if self._language.decide(check, bound).status is Status.MISSED:
                reason = f"the row is set aside: it fails the check {check.source}"
                return Reading(dict.fromkeys(values, Unknown("undecided", reason)), reason)
        return Reading(values)

    def read_case(self, events: Sequence[Happened], opener: Opener | None = None) -> Reading:
        """The attributes of a case of these events, in any order: of each column the newest cell that is not empty,
        and what is computed. Of a case with more than `MAX_CASE_EVENTS` events all is Unknown."""
        if len(events) > MAX_CASE_EVENTS:
            reason = f"the case has more than {MAX_CASE_EVENTS:,} events"
            return Reading(dict.fromkeys(self._names, Unknown("undecided", reason)))
        ordered = computing.ordered_events(events)
        reading = self.read(computing.newest_cells(ordered, self.columns), opener)
        if reading.set_aside:
            why = Unknown("undecided", reading.set_aside)
            return Reading({**reading.values, **{name: why for name, _ in self._computed}}, reading.set_aside)
        history = History(ordered, self._activity)
        return Reading({**reading.values, **{name: item.compute(history) for name, item in self._computed}})


def _sensitive(column: str, cell: Callable[[Json], Value | Unknown], row: Row, opener: Opener | None) -> Slot:
    stored = row.get(column)
    if stored is None:
        return Unknown("absent", f"{column} is empty" if column in row else f"there is no {column}")
    if not isinstance(stored, str) or not is_sealed(stored):
        if opener is None:
            return cell(stored)
        return Unknown("undecided", f"{column} was reported before it was declared sensitive; report it again")
    if opener is None:
        return Unknown("undecided", f"{column} is sealed, and there are no subject keys here")
    opened = opener(stored)
    value = opened if isinstance(opened, Unknown) else cell(opened)
    return value if isinstance(value, Unknown) else Sensitive(value, stored)


def _cell(attribute: Attribute, *, quotes: bool = True) -> Callable[[Json], Value | Unknown]:
    """`quotes`: whether what can't be read may be quoted in the reason."""
    read, column = attribute.read, attribute.column

    def unreadable(text: object, wanted: str) -> Unknown:
        if not quotes:
            return Unknown("unreadable", f"{column} is not {wanted}")
        shown = str(text)
        shown = shown if len(shown) <= _CLIP else f"{shown[: _CLIP - 1]}…"
        return Unknown("unreadable", f'{column} "{shown}" is not {wanted}')

    empty = Unknown("absent", f"{column} is empty")
    if read.type == "list":
        return lambda value: _list(value, empty, unreadable)
    convert = _converter(attribute, unreadable)

    known: dict[str, Value | Unknown] = {}
    # Never of a sensitive column (without quotes): what is erased must be gone from memory, too.
    keep = quotes and (read.table is not None or read.pattern is not None or read.type == "number")

    def cell(value: Json) -> Value | Unknown:
        if keep and type(value) is str:
            if (found := known.get(value)) is None:
                text = value.strip()
                found = convert(text) if text else empty
                if len(known) < MOST_KEPT and len(value) <= LONGEST_KEPT:
                    known[value] = found
            return found
        if isinstance(value, list | dict):
            return unreadable(value, "a single value")
        text = ("true" if value else "false") if isinstance(value, bool) else str(value).strip()
        return convert(text) if text else empty

    return cell


def _converter(
    attribute: Attribute, unreadable: Callable[[object, str], Unknown]
) -> Callable[[str], Value | Unknown]:
    read = attribute.read
    if read.table is not None:
        table = read.table

        def lookup(text: str) -> Value | Unknown:
            found = table.get(text)
            if found is None:
                found = table.get(" ".join(text.split()))
            return found if found is not None else unreadable(text, "in its table")

        return lookup
    if read.pattern is not None:
        parse = datepatterns.compiled(read.pattern)
        wanted = f"one date written as {read.pattern}"
        return lambda text: parse(text) or unreadable(text, wanted)
    if read.type == "number":
        return lambda text: number if (number := _number(text)) is not None else unreadable(text, "a whole number")
    if read.type == "decimal":
        return lambda text: (
            Decimal(_plain(text)) if _DECIMAL.fullmatch(text) else unreadable(text, "a decimal number")
        )
    return lambda text: text


def _number(text: str) -> int | None:
    if not _NUMBER.fullmatch(text):
        return None
    value = int(text)
    return value if -_LARGEST <= value <= _LARGEST else None


def _plain(text: str) -> str:
    sign = "-" if text[0] == "-" else ""
    whole, _, fraction = text.lstrip("+-").partition(".")
    whole, fraction = whole.lstrip("0") or "0", fraction.rstrip("0")
    number = f"{whole}.{fraction}" if fraction else whole
    return number if number == "0" else sign + number


def _list(value: Json, empty: Unknown, unreadable: Callable[[object, str], Unknown]) -> Value | Unknown:
    if isinstance(value, list):
        if all(isinstance(item, str) for item in value):
            return tuple(str(item).strip() for item in value)
        return unreadable(value, "a list of texts")
    if not isinstance(value, str):
        return unreadable(value, "a list of texts")
    items = tuple(item for part in value.split(",") if (item := part.strip()))
    return items or empty
