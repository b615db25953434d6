"""One way to write JSON down: the RFC 8785 bytes of a value, and digests over them.

The profile of stored events is narrower than RFC 8785: integers within ±(2^53−1), no floats (decimals are strings),
and no object key beyond the basic multilingual plane. Within it `orjson` with sorted keys writes the RFC 8785
bytes; tests compare it with the `rfc8785` package.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, TypeAlias

import orjson

from common.errors import Permanent

JSON: TypeAlias = dict[str, "JSON"] | list["JSON"] | str | int | bool | None

MAX_DEPTH = 32
MAX_INTEGER = 2**53 - 1
_OPTIONS = orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER
_LAST_BMP = "\uffff"


def check_profile(value: Any, depth: int = 0) -> None:
    """Raise `Permanent` unless `value` is JSON within the profile and at most `MAX_DEPTH` levels deep."""
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return
    if kind is int:
        if not -MAX_INTEGER <= value <= MAX_INTEGER:
            raise Permanent("integer_too_large", f"the integer {value} is beyond ±(2^53−1); send it as a string")
        return
    if depth >= MAX_DEPTH:
        raise Permanent("too_deep", f"the value is nested more than {MAX_DEPTH} levels deep")
    if kind is dict:
        _check_object(value, depth)
    elif kind is list or kind is tuple:
        for item in value:
            check_profile(item, depth + 1)
    elif kind is float:
        raise Permanent("float_not_allowed", f"{value!r} is a float; decimals are written as strings")
    else:
        raise Permanent("not_json", f"a {kind.__name__} is not JSON")


def _check_object(value: dict[Any, Any], depth: int) -> None:
    for key, item in value.items():
        if type(key) is not str:
            raise Permanent("not_json", f"an object key is a {type(key).__name__}, not a string")
        if not key.isascii() and max(key) > _LAST_BMP:
            raise Permanent("key_not_supported", f"the object key {key!r} has a character beyond U+FFFF")
        if type(item) is not str:  # most are texts, and any text will do: spare the call
            check_profile(item, depth + 1)


def canonical(value: Any) -> bytes:
    """The RFC 8785 bytes of `value`. Raises `Permanent` when it is outside the profile."""
    check_profile(value)
    return canonical_of_checked(value)


def canonical_of_checked(value: Any) -> bytes:
    """The RFC 8785 bytes of a `value` that is known to be within the profile. What isn't gets other bytes."""
    try:
        return orjson.dumps(value, option=_OPTIONS)
    except TypeError as error:
        raise Permanent("not_json", str(error)) from error


def digest(value: Any) -> str:
    """SHA-256, in lower-case hex, of the canonical bytes of `value`."""
    return hashlib.sha256(canonical(value)).hexdigest()


def parse_strict(raw: bytes, max_bytes: int) -> Any:
    """Parse JSON that a stranger sent.

    Raises `Permanent` with `oversized`, `not_utf8`, `malformed_json`, `duplicate_key` or `too_deep`. Floats come
    back as floats: it is for the caller to say how they are written down.
    """
    if len(raw) > max_bytes:
        raise Permanent("oversized", f"{len(raw)} bytes; at most {max_bytes} are accepted")
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        try:
            raw.decode("utf-8")
        except UnicodeDecodeError as bad:
            raise Permanent("not_utf8", f"byte {bad.start} is not valid UTF-8") from error
        beyond = "is infinity" in str(error)  # the parser's own words, which no author of 1e400 would know again
        told = "a number is larger than any double; write it as a text" if beyond else str(error)
        raise Permanent("malformed_json", told) from error
    # Bytes that orjson would write itself hold every key once; anything else is read again, slowly, to be sure.
    try:
        compact = orjson.dumps(value)
    except TypeError as error:  # it reads deeper than it writes
        raise Permanent("too_deep", "the value is nested too deep") from error
    if compact != raw:
        _refuse_duplicate_keys(raw)
    return value


def _refuse_duplicate_keys(raw: bytes) -> None:
    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        seen = dict(items)
        if len(seen) != len(items):
            names = [name for name, _ in items]
            twice = sorted({name for name in names if names.count(name) > 1})
            raise Permanent("duplicate_key", f"the key {twice[0]!r} stands twice in one object")
        return seen

    try:
        json.loads(raw, object_pairs_hook=pairs)
    except RecursionError as error:
        raise Permanent("too_deep", "the value is nested too deep") from error
