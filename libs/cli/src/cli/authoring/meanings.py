"""What each kind and each field means, from the one page where people read it: docs/declarations.md."""

from __future__ import annotations

import re
from dataclasses import dataclass

_ROW = re.compile(r"^\| `([^`]+)` \| ([^|]+) \| (.+) \|$", re.MULTILINE)
_HEADING = re.compile(r"^## (.+)$", re.MULTILINE)
_ABOVE = "As above"


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a kind is for, in a sentence or two, and what each of its fields means, by path (`deadlines[].by`)."""

    about: str
    fields: dict[str, str]


def read(page: str) -> dict[str, Meaning]:
    """The meanings on a page, by the heading of their table."""
    parts = _HEADING.split(page)
    return {name: _meaning(text) for name, text in zip(parts[1::2], parts[2::2], strict=True) if _ROW.search(text)}


def _meaning(text: str) -> Meaning:
    fields: dict[str, str] = {}
    for path, _, meaning in _ROW.findall(text):
        fields[path] = _above(path, meaning, fields) if meaning.startswith(_ABOVE) else meaning
    return Meaning(" ".join(text.partition("\n|")[0].split()), fields)


def _above(path: str, meaning: str, fields: dict[str, str]) -> str:
    """`As above; more.` in full: what the last field of the same name means, and more. Raises LookupError without."""
    last = path.rpartition(".")[2]
    found = [text for other, text in fields.items() if other.rpartition(".")[2] == last]
    if not found:
        raise LookupError(f"{path}: there is no {last} above")
    more = meaning.removeprefix(_ABOVE).lstrip("; ").removeprefix(".").strip()
    return f"{found[-1]} {more[:1].upper()}{more[1:]}".strip()
