"""JSON that a stranger sent, read so that everybody would read it alike."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from common.canonical import parse_strict
from common.errors import Permanent

from observer.core.limits import MAX_MESSAGE_BYTES
from observer.core.rejections import Rejected


def parsed(raw: bytes) -> Any:
    """The value that `raw` is. Raises `Permanent` (`oversized`, `not_utf8`, `malformed_json`, `duplicate_key`,
    `too_deep`, `nan`, `integer_too_large`, `nul_character`)."""
    try:
        value = parse_strict(raw, MAX_MESSAGE_BYTES)
    except Permanent as error:
        if error.reason_code == "malformed_json":
            _explain_malformed(raw, error.message)
        raise
    if b"\\u0000" in raw and _holds_nul(value):
        raise Rejected("nul_character", "a text holds U+0000, which no database text can hold")
    return value


def _explain_malformed(raw: bytes, message: str) -> None:
    """Raise a reason that says more than "malformed" where there is one; return otherwise."""
    if "depth limit" in message:
        raise Rejected("too_deep", "the message is nested too deep")

    def constant(name: str) -> NoReturn:
        raise Rejected("nan", f"{name} is not a JSON value; leave the column out or send null")

    def finite(literal: str) -> float:
        value = float(literal)
        if value in (float("inf"), float("-inf")):
            raise Rejected("nan", "a number is larger than any double; send it as a string")
        return value

    def whole(literal: str) -> int:
        if len(literal) > 300:
            raise Rejected("integer_too_large", "an integer has more than 300 digits; send it as a string")
        return 0

    try:
        json.loads(raw, parse_constant=constant, parse_float=finite, parse_int=whole)
    except RecursionError as error:
        raise Rejected("too_deep", "the message is nested too deep") from error
    except ValueError:
        return


def _holds_nul(value: Any) -> bool:
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            if "\x00" in item:
                return True
        elif isinstance(item, dict):
            waiting.extend(item)
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
    return False
