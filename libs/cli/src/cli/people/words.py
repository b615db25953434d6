"""Instants, values and names as people read them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from common.clock import parse_instant

MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_ISO_DAY = re.compile(r"\d{4}-\d\d-\d\d")
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def moment(text: str | None, zone: str = "UTC") -> str:
    """`5 July 2023, 10:12 EDT`: local time in `zone`, never without saying which."""
    if text is None:
        return "never"
    local = parse_instant(text).astimezone(ZoneInfo(zone))
    return f"{_day(local)}, {local:%H:%M %Z}"


def due(text: str | None, zone: str = "UTC") -> str:
    """`Tue 11 July 2023, 16:00 EDT`."""
    if text is None:
        return "no date"
    local = parse_instant(text).astimezone(ZoneInfo(zone))
    return f"{DAYS[local.weekday()]} {_day(local)}, {local:%H:%M %Z}"


def _day(local: date) -> str:
    return f"{local.day} {MONTHS[local.month - 1]} {local.year}"


def value(fact: Mapping[str, Any]) -> str:
    """A fact's value: `unknown: why` where there is none."""
    if fact.get("unknown") is not None:
        return f"unknown ({fact['unknown']})"
    return plain(fact.get("value"))


def plain(known: object) -> str:
    """A value as people write it: `yes`, `A, B`, `30 June 2023`."""
    if isinstance(known, bool):
        return "yes" if known else "no"
    if isinstance(known, list):
        return ", ".join(map(plain, known))
    if isinstance(known, str) and _ISO_DAY.fullmatch(known):
        with suppress(ValueError):
            return _day(date.fromisoformat(known))
    return str(known)


def fingerprint(digest: str) -> str:
    """The first eight hex digits of a digest, in two groups: what a person compares."""
    return f"{digest[:4]} {digest[4:8]}"


def name(person: str, names: Mapping[str, str]) -> str:
    return names.get(person, person)


def people(ids: Sequence[str], names: Mapping[str, str], most: int = 4) -> str:
    """The names, or nobody; long lists are cut."""
    shown = [name(person, names) for person in ids[:most]]
    more = f" and {len(ids) - most} more" if len(ids) > most else ""
    return (", ".join(shown) + more) or "nobody"


class Citations:
    """Event ids as short marks in the order in which they are first cited: `[E1, E3]`."""

    def __init__(self) -> None:
        self._marks: dict[str, str] = {}

    def mark(self, ids: Sequence[str | None]) -> str:
        """The marks of these events, with brackets; empty for none."""
        known = [self._marks.setdefault(cited, f"E{len(self._marks) + 1}") for cited in ids if cited]
        return f"[{', '.join(dict.fromkeys(known))}]" if known else ""

    @property
    def index(self) -> list[tuple[str, str]]:
        """(mark, event id)"""
        return [(mark, cited) for cited, mark in self._marks.items()]
