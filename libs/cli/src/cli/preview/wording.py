"""Words and marks that the pages of a preview share."""

import unicodedata
from collections.abc import Sequence

from rich.text import Text

STRONG, FAINT, WARN, BAD, GOOD = "bold", "dim", "yellow", "bold red", "green"


def line(*parts: tuple[str, str]) -> Text:
    """One line of (text, style) parts. Never markup: what upstream wrote is only ever text."""
    text = Text()
    for part, style in parts:
        text.append(part, style or None)
    return text


def clean(text: str) -> str:
    """Text from outside, on one line, without control characters that a terminal would obey."""
    spaced = " ".join(text.split())
    if spaced.isprintable():
        return spaced
    return "".join(
        char if not unicodedata.category(char).startswith("C") else "\N{REPLACEMENT CHARACTER}" for char in spaced
    )


def clip(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 3].rstrip()}..."


def counted(count: int, noun: str) -> str:
    """`1 case`, `2 cases`, `3 entities`."""
    if count == 1:
        return f"1 {noun}"
    plural = f"{noun[:-1]}ies" if noun.endswith("y") and noun[-2:-1] not in "aeiou" else f"{noun}s"
    return f"{count:,} {plural}"


def joined(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def keys_text(keys: Sequence[str], most: int = 6) -> str:
    shown = ", ".join(clean(key) for key in keys[:most])
    return shown if len(keys) <= most else f"{shown} and {len(keys) - most:,} more"


def severity_style(severity: str) -> str:
    return {"urgent": BAD, "high": BAD, "medium": WARN}.get(severity, "")
