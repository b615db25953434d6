"""The bytes of events and statements: RFC 8785, for the profile of JSON that Trueup stores.

In that profile numbers are whole and within ±(2^53−1), so that the standard library writes the RFC's bytes, at a
quarter of what `rfc8785` takes; tests compare the two. Object keys are within the basic multilingual plane, where the
order of code points is that of UTF-16. Many lines are taken together by orjson where it finds all of them canonical,
in half of the time; the standard library judges those of which it does not, and tests hold the two to one verdict.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, TypeVar

import orjson

from transparency.errors import Malformed, TransparencyError, Unverified

T = TypeVar("T")

MAX_INTEGER = 2**53 - 1
_BATCH = 64
_OPTIONS = orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER
_BEYOND = re.compile("[\U00010000-\U0010ffff]")


class _OutsideProfileError(ValueError):
    pass


def _whole(written: str) -> int:
    if len(written) > 17 or abs(value := int(written)) > MAX_INTEGER:
        raise _OutsideProfileError("a number is beyond ±(2^53−1)")
    return value


def _refused(written: str) -> Any:
    raise _OutsideProfileError(f"{written[:20]} is no whole number")


_READER = json.JSONDecoder(parse_float=_refused, parse_constant=_refused, parse_int=_whole)
_WRITER = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)


def encode(value: Any) -> bytes:
    """The RFC 8785 bytes of a value within the profile."""
    return _WRITER.encode(value).encode()


def parse(raw: bytes, what: str) -> dict[str, Any]:
    """The object whose canonical bytes these are. Raises `Malformed` or `Unverified`, naming `what`."""
    if b"\n" in raw:
        raise Unverified("not_canonical", f"{what}: it is not on one line")
    return _parse(raw, what)


def lines(raw: bytes, keep: Callable[[dict[str, Any]], T]) -> tuple[list[bytes], list[T]]:
    """The lines of a file of events, without their newlines, and what `keep` makes of each: canonical objects, all.

    Raises `Malformed` or `Unverified`, naming the first line that is something else, and what `keep` raises. (Only
    what is kept stays: a hundred thousand parsed events would cost more in garbage collection than in parsing.)
    """
    *records, rest = raw.split(b"\n")
    if rest or not records:
        raise Malformed("events_invalid", "the events do not end with a newline")
    found: list[T] = []
    for first in range(0, len(records), _BATCH):
        batch = records[first : first + _BATCH]
        together = _together(batch)
        if together is None:  # one of them is wrong, or may be: say which
            together = [_parse(record, f"event {first + n}") for n, record in enumerate(batch, start=1)]
        found += map(keep, together)
    return records, found


def _together(batch: list[bytes]) -> list[dict[str, Any]] | None:
    """What is in these lines when all are certainly canonical objects. Many at once, and by a reader that is several
    times as fast; whatever it doesn't take is for `_parse` to judge."""
    try:
        found = [orjson.loads(record) for record in batch]
        whole = b",".join(batch)
        same = orjson.dumps(found, option=_OPTIONS) == b"[%b]" % whole
    except (ValueError, TypeError):
        return None
    certain = same and {*map(type, found)} == {dict} and not any(map(_fractional, found))
    return found if certain and (whole.isascii() or not _BEYOND.search(whole.decode())) else None


def _fractional(value: Any) -> bool:
    """Whether a number in it was read as no integer."""
    for item in value.values() if type(value) is dict else value:
        kind = type(item)
        if kind is float or ((kind is dict or kind is list) and _fractional(item)):
            return True
    return False


def _parse(raw: bytes, what: str) -> dict[str, Any]:
    try:
        text = raw.decode()
        value, end = _READER.raw_decode(text)
        if end != len(text) or type(value) is not dict:
            raise Unverified("not_canonical", f"{what} is not one JSON object and nothing else")
        _check(value)
        same = _WRITER.encode(value) == text
    except (ValueError, RecursionError, TransparencyError) as error:
        if isinstance(error, Unverified):
            raise
        told = " ".join(str(error).split())[:120]
        raise Malformed("not_json", f"{what} is not JSON as it is stored: {told}") from error
    if not same:
        raise Unverified("not_canonical", f"{what} is not in its canonical form (RFC 8785)")
    return value


def _check(value: Any) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            if _BEYOND.search(key):
                raise _OutsideProfileError("an object key has a character beyond U+FFFF")
            _check(item)
    elif isinstance(value, list):
        for item in value:
            _check(item)
