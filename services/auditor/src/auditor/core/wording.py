"""Words for records: dates, quotations and lists, the same on every machine.

What comes from outside (rows, comments, drafts) enters a narrative only through `quoted` or `plain`: bounded, on one
line, and without the characters that could pass for a citation, a heading or another direction of reading.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from datetime import date, datetime

from common.clock import parse_instant
from common.declarations.values import day_text
from common.events.model import Fact, Value
from common.sealing import SHOWN, is_sealed

LONGEST_QUOTE = 240
_BRACKETS = str.maketrans({"[": "(", "]": ")", '"': "'", "“": "'", "”": "'"})
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def plain(text: str, longest: int = LONGEST_QUOTE) -> str:
    """`text` on one line, at most `longest` characters, without control or bidirectional characters or brackets."""
    if not text.isprintable():  # of what is printable nothing is of these categories
        text = "".join(" " if unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp", "Cs") else char for char in text)
    line = " ".join(text.translate(_BRACKETS).split())
    return line if len(line) <= longest else f"{line[: longest - 1].rstrip()}…"


def quoted(text: str, longest: int = LONGEST_QUOTE) -> str:
    """`text` as a quotation."""
    return f'"{plain(text, longest)}"'


def day(instant_text: str) -> str:
    """`3 July 2023` (UTC) for an instant of a record."""
    return day_text(parse_instant(instant_text).date())


def moment(instant_text: str) -> str:
    """`3 July 2023 at 15:20` (UTC); seconds are in the record."""
    at = parse_instant(instant_text)
    return f"{day_text(at.date())} at {at:%H:%M}"


def value(given: Value) -> str:
    """A fact's value as a person reads it. Dates are recognised by their form."""
    if given is None:
        return "nothing"
    if isinstance(given, bool):
        return "yes" if given else "no"
    if isinstance(given, list):
        return plain(", ".join(given), 80)
    if isinstance(given, int):
        return str(given)
    if is_sealed(given):
        return SHOWN
    return _dated(given) or quoted(given, 80)


def _dated(text: str) -> str | None:
    try:
        if len(text) == 10:
            return day_text(date.fromisoformat(text))
        return moment(text) if datetime.fromisoformat(text).tzinfo else None
    except ValueError:
        return None


def fact(known: Fact) -> str:
    """`position "in progress"`, or `due unknown (completion_date is empty)`."""
    name = plain(known.name, 60)
    if known.unknown is not None:
        return f"{name} unknown ({plain(known.unknown, 120)})"
    return f"{name} {value(known.value)}"


def listed(items: Iterable[str], last: str = "and") -> str:
    """`a`, `a and b`, `a, b and c`."""
    words = list(items)
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {last} {words[-1]}"


def bounded(items: Sequence[str], most: int) -> list[str]:
    """The first `most` items, and how many are not shown."""
    return list(items) if len(items) <= most else [*items[:most], f"{len(items) - most} more"]


def counted(number: int, noun: str) -> str:
    """`one step`, `two steps`, `12 steps`."""
    word = _NUMBERS[number] if number < len(_NUMBERS) else str(number)
    return f"{word} {noun}" if number == 1 else f"{word} {noun}s"


def sentence_case(text: str) -> str:
    """`text` with its first letter upper case."""
    return text[:1].upper() + text[1:]


def lower_first(text: str) -> str:
    """`text` with its first letter lower case, unless it begins with an abbreviation."""
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]


def unended(text: str) -> str:
    """`text` without its final stop, to go on after it."""
    return text.rstrip(" .;:")
