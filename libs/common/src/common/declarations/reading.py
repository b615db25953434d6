"""A raw row becomes typed attributes; what cannot be read is Unknown, with the reason."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from common.declarations import datepatterns
from common.declarations.expressions import Language, Scope
from common.declarations.models import Attribute, EntityType
from common.declarations.values import Decimal, Json, Row, Slot, Status, Unknown

_NUMBER = re.compile(r"[-+]?\d{1,16}", re.ASCII)
_DECIMAL = re.compile(r"[-+]?\d{1,30}(\.\d{1,30})?", re.ASCII)
_LARGEST = 2**53
_CLIP = 80


@dataclass(frozen=True, slots=True)
class Reading:
    """One row, read. Every declared attribute has a slot. `set_aside` names the failed check, when one failed:
    then every slot is Unknown, because the row contradicts itself."""

    values: Mapping[str, Slot]
    set_aside: str = ""


def scope_of(entity_type: EntityType) -> Scope:
    """The attributes of a type and what they hold."""
    return {name: attribute.read.type for name, attribute in entity_type.attributes.items()}


class Reader:
    """Prepared once for an EntityType; reads rows fast. Raises nothing for what a row contains."""

    def __init__(self, entity_type: EntityType) -> None:
        self._key = entity_type.key
        self._columns = [(name, item.column, _cell(item)) for name, item in entity_type.attributes.items()]
        self._language = Language(scope_of(entity_type), ZoneInfo("UTC"), with_clock=False)
        self._checks = [self._language.compile(source) for source in entity_type.checks]

    @property
    def key_column(self) -> str:
        """The column that the key is read from."""
        return self._key

    def key(self, row: Row) -> str | None:
        """The entity's key, or None when the row has none that can be used."""
        value = row.get(self._key)
        if isinstance(value, bool) or not isinstance(value, str | int):
            return None
        return str(value).strip() or None

    def read(self, row: Row) -> Reading:
        """The row's attributes. A row that fails a declared check is set aside; an undecidable check is not."""
        values: dict[str, Slot] = {}
        for name, column, cell in self._columns:
            value = row.get(column)
            if value is None:
                values[name] = Unknown("absent", f"{column} is empty" if column in row else f"there is no {column}")
            else:
                values[name] = cell(value)
        for check in self._checks:
            bound = self._language.bind(values, check.reads)
            if self._language.decide(check, bound).status is Status.MISSED:
                reason = f"the row is set aside: it fails the check {check.source}"
                return Reading(dict.fromkeys(values, Unknown("undecided", reason)), reason)
        return Reading(values)


def _cell(attribute: Attribute) -> Callable[[Json], Slot]:
    read, column = attribute.read, attribute.column

    def unreadable(text: object, wanted: str) -> Unknown:
        shown = str(text)
        shown = shown if len(shown) <= _CLIP else f"{shown[: _CLIP - 1]}…"
        return Unknown("unreadable", f'{column} "{shown}" is not {wanted}')

    empty = Unknown("absent", f"{column} is empty")
    if read.type == "list":
        return lambda value: _list(value, empty, unreadable)
    convert = _converter(attribute, unreadable)

    def cell(value: Json) -> Slot:
        if isinstance(value, list | dict):
            return unreadable(value, "a single value")
        text = ("true" if value else "false") if isinstance(value, bool) else str(value).strip()
        return convert(text) if text else empty

    return cell


def _converter(attribute: Attribute, unreadable: Callable[[object, str], Unknown]) -> Callable[[str], Slot]:
    read = attribute.read
    if read.table is not None:
        table = read.table

        def lookup(text: str) -> Slot:
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


def _list(value: Json, empty: Unknown, unreadable: Callable[[object, str], Unknown]) -> Slot:
    if isinstance(value, list):
        if all(isinstance(item, str) for item in value):
            return tuple(str(item).strip() for item in value)
        return unreadable(value, "a list of texts")
    if not isinstance(value, str):
        return unreadable(value, "a list of texts")
    items = tuple(item for part in value.split(",") if (item := part.strip()))
    return items or empty
