"""A row's values as they may be stored: the JSON profile of the ledger, and no loss of precision."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import orjson
from common.canonical import MAX_INTEGER

from observer.core.limits import MAX_CELL_BYTES, MAX_COLUMNS, MAX_ROW_DEPTH
from observer.core.rejections import Rejected

_LAST_BMP = "\uffff"
_EXACT_FLOATS = 2.0**53
_SHORT_CELL = MAX_CELL_BYTES // 4  # a character has at most four bytes


def stored_row(row: dict[str, Any], raw: bytes) -> dict[str, Any]:
    """`row` (parsed from the message `raw`) with floats as decimal strings; a new object only where one changes.

    Raises `Rejected` (`row_malformed`, `oversized`, `integer_too_large`, `too_deep`).
    """
    if len(row) > MAX_COLUMNS:
        raise Rejected("row_malformed", f"the row has {len(row)} columns; at most {MAX_COLUMNS} are accepted")
    changed: dict[str, Any] = {}
    rounded: list[str] = []  # columns with floats that may have been written as integers
    for column, value in row.items():
        if not column.isascii():
            _check_column(column)
        kind = type(value)
        if kind is str:
            if len(value) > _SHORT_CELL:
                _check_size(column, len(value.encode()))
        elif kind is int:
            if not -MAX_INTEGER <= value <= MAX_INTEGER:
                raise _too_large(column)
        elif kind is float:
            changed[column] = _decimal(column, value, rounded)
        elif kind is dict or kind is list:
            _check_size(column, len(_dumped(column, value)))
            changed[column] = _nested(column, value, rounded, 1)
    # read once for the whole message: reading it for each number would take a hostile one's square of time
    if rounded and _has_large_integer(raw):
        raise _too_large(rounded[0])
    return {**row, **changed} if changed else row


def _nested(column: str, value: Any, rounded: list[str], depth: int) -> Any:
    kind = type(value)
    if depth > MAX_ROW_DEPTH:
        raise Rejected("too_deep", f"the column {column!r} is nested more than {MAX_ROW_DEPTH} levels deep")
    if kind is dict:
        for name in value:
            _check_column(name)
        return {name: _nested(column, item, rounded, depth + 1) for name, item in value.items()}
    if kind is list:
        return [_nested(column, item, rounded, depth + 1) for item in value]
    if kind is float:
        return _decimal(column, value, rounded)
    if kind is int and not -MAX_INTEGER <= value <= MAX_INTEGER:
        raise _too_large(column)
    return value


def _decimal(column: str, value: float, rounded: list[str]) -> str:
    """The shortest decimal that is this double, without an exponent where it has at most 30 digits.

    A whole number this large may have been written as an integer, which a double can't hold exactly: its column is
    noted in `rounded`.
    """
    if abs(value) >= _EXACT_FLOATS:
        rounded.append(column)
    text = repr(value)
    if "e" in text and 1e-30 < abs(value) < 1e30:
        text = format(Decimal(text), "f")
    return text


def _has_large_integer(raw: bytes) -> bool:
    """Whether an integer beyond ±2^53 is written anywhere in `raw`."""
    large = False

    def whole(literal: str) -> int:
        nonlocal large
        large = large or len(literal) > 17 or abs(int(literal)) > MAX_INTEGER
        return 0

    json.loads(raw, parse_int=whole)
    return large


def _too_large(column: str) -> Rejected:
    return Rejected("integer_too_large", f"the column {column!r} holds an integer beyond ±2^53; send it as a string")


def _check_column(column: str) -> None:
    if max(column, default="") > _LAST_BMP:
        raise Rejected("row_malformed", f"the column {column!r} has a character beyond U+FFFF in its name")


def _dumped(column: str, value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError as error:  # orjson's own bound
        raise Rejected("too_deep", f"the column {column!r} is nested too deep") from error


def _check_size(column: str, size: int) -> None:
    if size > MAX_CELL_BYTES:
        raise Rejected(
            "oversized", f"the column {column!r} has {size} bytes; at most {MAX_CELL_BYTES} are accepted in one cell"
        )
