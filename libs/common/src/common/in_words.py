"""What is wrong with something that was read, in words for people: which field, and what with it."""

from __future__ import annotations

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from common.errors import TrueupError

_SHOWN = 3
_LONGEST = 300
_WORDS = {"missing": "is missing", "extra_forbidden": "is not known here"}


def in_words(error: Exception) -> str:
    """One line, without the values that were read: they may be personal, and a stranger's."""
    if isinstance(error, TrueupError):
        return error.message
    if isinstance(error, ValidationError):
        found = error.errors(include_url=False, include_input=False)
        more = [f"and {len(found) - _SHOWN} more"] if len(found) > _SHOWN else []
        return "; ".join([*map(_problem, found[:_SHOWN]), *more])
    if isinstance(error, KeyError):
        return f"there is no {error.args[0]}" if error.args else "something is missing"
    return " ".join(str(error).split())[:_LONGEST] or type(error).__name__


def _problem(found: ErrorDetails) -> str:
    where = ".".join(map(str, found["loc"])) or "it"
    said = found["msg"].removeprefix("Value error, ").replace("Input should be", "should be")
    return f"{where} {_WORDS.get(found['type'], said)}"[:_LONGEST]
