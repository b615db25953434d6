"""Data in Protobuf, read so that nothing in it goes unseen.

A Protobuf parser that is made from proto/ forgets what a reader in JSON refuses: of a field or a map's key that
stands twice it keeps the last, and what it does not know it steps over. So the runtime is given a message without
fields: all of it is unknown to it, and it tells each field, in order, with its number and how it is written. What
they mean is said by the layouts below; tests/unit/contract compares them with proto/.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet

from observer.core.limits import MAX_COLUMNS, MAX_ROW_DEPTH
from observer.core.rejections import Rejected

Layout: TypeAlias = Mapping[str, tuple[int, Literal["length", "integer", "flag"]]]
LAYOUTS: Mapping[str, Layout] = {
    "UpstreamObserved": {
        "entity_type": (1, "length"),
        "key": (2, "length"),
        "row": (3, "length"),
        "sequence": (4, "integer"),
        "simulated": (5, "flag"),
    },
    "UpstreamWithdrawn": {
        "entity_type": (1, "length"),
        "key": (2, "length"),
        "sequence": (3, "integer"),
        "reason": (4, "length"),
        "simulated": (5, "flag"),
    },
    "UpstreamCounted": {
        "entity_type": (1, "length"),
        "rows": (2, "integer"),
        "keys_digest": (3, "length"),
        "sums": (4, "length"),
        "simulated": (5, "flag"),
    },
    "Entry": {"key": (1, "length"), "value": (2, "length")},
    "Value": {
        "null": (1, "length"),
        "text": (2, "length"),
        "number": (3, "integer"),
        "flag": (4, "flag"),
        "list": (5, "length"),
        "object": (6, "length"),
    },
    "Null": {},
    "List": {"items": (1, "length")},
    "Object": {"fields": (1, "length")},
}
"""Of each message its fields, each with its number and how it is written. `Entry` is what a map consists of."""

_NO_FIELD = ("", "", -1)
_LARGEST = 2**63 - 1
_WIRE_TYPES = {"integer": 0, "flag": 0, "length": 2}
_BY_NUMBER = {
    message: {number: (name, written, _WIRE_TYPES[written]) for name, (number, written) in layout.items()}
    for message, layout in LAYOUTS.items()
}


def read(message: str, raw: bytes) -> dict[str, Any]:
    """The JSON object that `raw`, one of the upstream messages of `LAYOUTS`, stands for; what isn't set is left out.

    Raises `Rejected` (`malformed_protobuf`, `data_malformed`, `row_malformed`, `duplicate_key`, `not_utf8`,
    `nul_character`, `too_deep`).
    """
    found = _open(message, raw, "data")
    data: dict[str, Any] = {}
    for name, values in found.items():
        where = f"data.{name}"
        if name in ("row", "sums"):
            if len(values) > MAX_COLUMNS:
                raise Rejected(
                    "row_malformed", f"the row has {len(values)} columns; at most {MAX_COLUMNS} are accepted"
                )
            data[name] = _object(values, where, 0)
        else:
            value = _only(values, where)
            data[name] = _text(value, where) if type(value) is bytes else value
    return data


def _object(entries: Sequence[bytes], where: str, depth: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for raw in entries:
        entry = _open("Entry", raw, where)
        name = _text(_only(entry.get("key", (b"",)), f"a key in {where}"), f"a key in {where}")
        if name in found:
            raise Rejected("duplicate_key", f"the key {name[:60]!r} stands twice in {where}")
        at = f"the column {name[:60]!r}" if depth == 0 else where
        found[name] = _value(_only(entry.get("value", (b"",)), at), at, depth)
    return found


def _value(raw: bytes, where: str, depth: int) -> Any:
    if depth > MAX_ROW_DEPTH + 1:
        raise Rejected("too_deep", f"{where} is nested more than {MAX_ROW_DEPTH} levels deep")
    found = _open("Value", raw, where)
    if not found:
        raise Rejected("row_malformed", f"{where} has a value of no kind; a missing value is null")
    if len(found) > 1:
        raise Rejected("duplicate_key", f"{where} has a value of several kinds: {', '.join(found)}")
    ((kind, values),) = found.items()
    value = _only(values, where)
    if kind == "text":
        return _text(value, where)
    if kind == "null":
        _open("Null", value, where)
        return None
    if kind == "list":
        return [_value(item, where, depth + 1) for item in _open("List", value, where).get("items", ())]
    if kind == "object":
        return _object(_open("Object", value, where).get("fields", ()), where, depth + 1)
    return value


def _open(message: str, raw: bytes, where: str) -> dict[str, list[Any]]:
    """All that stands in `raw`, by field, in order."""
    try:
        fields: Any = UnknownFieldSet(Empty.FromString(raw))  # iterable, which its stub does not know
    except DecodeError as error:
        raise Rejected("malformed_protobuf", f"{where} can't be read as the Protobuf message it must be") from error
    known = _BY_NUMBER[message]
    found: dict[str, list[Any]] = {}
    for field in fields:
        name, written, wire_type = known.get(field.field_number, _NO_FIELD)
        if field.wire_type != wire_type:
            raise Rejected("data_malformed", f"{where} has a field {field.field_number} that is not known here")
        found.setdefault(name, []).append(_plain(field.data, written))
    return found


def _plain(value: Any, written: str) -> Any:
    if written == "integer" and value > _LARGEST:
        return value - 2**64
    return value != 0 if written == "flag" else value


def _only(values: Sequence[Any], where: str) -> Any:
    if len(values) > 1:
        raise Rejected("duplicate_key", f"{where} is given twice")
    return values[0]


def _text(value: bytes, where: str) -> str:
    if b"\0" in value:
        raise Rejected("nul_character", f"{where} holds U+0000, which no database text can hold")
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Rejected("not_utf8", f"{where} is not valid UTF-8") from error
