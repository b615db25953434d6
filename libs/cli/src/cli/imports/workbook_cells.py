"""The text that a workbook's cell shows. Pure.

A cell holds a number and a format. What counts is what people see: `0042`, `30 June 2023`, `12.5%`. Two things differ
from the screen: separators of thousands and signs of currencies are left out, so that `$1,234.50` can be read as a
number; and a date whose format says nothing that is the same everywhere is written as 2023-06-30.
"""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal

from common.declarations.values import MONTHS, WEEKDAYS

LONGEST_CELL = 64 * 1024
_MOST_DECIMALS = 30
_LITERAL = re.compile(r'"[^"]*"|\\.|_.|\*.|\[[^\]]*\]')
_DATE_PIECE = re.compile(r'"(?P<quoted>[^"]*)"|\\(?P<escaped>.)|_.|\*.|\[[^\]]*\]|(?P<ampm>(?i:am/pm|a/p))|'
                         r"(?P<field>(?i:y+|m+|d+|h+|s+))(?P<fraction>\.0+)?|(?P<other>.)", re.DOTALL)  # fmt: skip
_OF_THE_READER = ("General", "@", "mm-dd-yy", "m/d/yy h:mm", "[$-F800]dddd\\,\\ mmmm\\ dd\\,\\ yyyy")
"""Formats that every reader's own settings decide."""


def number_text(value: float, pattern: str) -> str:
    """A number as its format shows it: its decimals rounded, its zeros in front, `%`; without thousands' separators,
    currencies and other words. Without a format the shortest decimal of 15 digits, as workbooks show it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    section = _LITERAL.sub("", _section(value, pattern))
    exact = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if not exact.is_finite():
        return str(value)
    if pattern in _OF_THE_READER or not re.search(r"[0#?]", section) or re.search(r"[eE/]", section):
        return _shortest(exact)
    percent = section.count("%")
    whole, _, fraction = section.replace("%", "").replace(",", "").partition(".")
    thousands = len(re.search(r",*$", re.sub(r"[^0#?,]", "", section.partition(".")[0])).group())  # type: ignore[union-attr]
    shown = exact.scaleb(2 * percent - 3 * thousands)
    most, least = len(re.sub(r"[^0#?]", "", fraction)), fraction.count("0")
    text = f"{abs(shown.quantize(Decimal(1).scaleb(-min(most, _MOST_DECIMALS)), ROUND_HALF_UP)):f}"
    digits, _, rest = text.partition(".")
    rest = rest[:least] + rest[least:].rstrip("0")
    digits = digits.zfill(whole.count("0"))
    sign = "-" if shown < 0 and (digits + rest).strip("0") else ""
    return sign + digits + (f".{rest}" if rest else "") + "%" * percent


def _section(value: float, pattern: str) -> str:
    """The part of the format for numbers of this sign. A second part shows no sign of its own; ours is kept."""
    sections = re.split(r""";(?=(?:[^"]*"[^"]*")*[^"]*$)""", pattern)
    if value < 0 and len(sections) > 1:
        return sections[1]
    return sections[2] if value == 0 and len(sections) > 2 else sections[0]


def _shortest(exact: Decimal) -> str:
    text = f"{exact.normalize():f}" if len(exact.as_tuple().digits) <= 15 else f"{Decimal(f'{exact:.15g}'):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def moment_text(value: date | time | timedelta, pattern: str) -> str:
    """A date, a time of day or a duration as its format shows it, where that is the same for every reader: with a
    year of four digits; else ISO 8601."""
    if isinstance(value, timedelta):
        return str(value)
    if isinstance(value, time) or pattern in _OF_THE_READER or "yyyy" not in pattern.lower():
        return _iso(value)
    moment = value if isinstance(value, datetime) else datetime.combine(value, time())
    return _written(moment, pattern.partition(";")[0]).strip() or _iso(value)


def _iso(value: date | time) -> str:
    if isinstance(value, datetime) and value.time() == time():
        return value.date().isoformat()
    return value.isoformat()


def _written(moment: datetime, pattern: str) -> str:
    half = bool(re.search(r"(?i)am/pm|a/p", _LITERAL.sub("", pattern)))
    found, last = [], ""
    for piece in _DATE_PIECE.finditer(pattern):
        if piece["field"]:
            name = piece["field"].lower()
            if name[0] == "m" and len(name) < 3 and (last == "h" or _seconds_follow(pattern, piece.end())):
                name = name.replace("m", "n")  # minutes
            found.append(_field(moment, name, half))
            last = name[0]
        elif piece["ampm"]:
            found.append("AM" if moment.hour < 12 else "PM")
        else:
            found.append(next((item for item in (piece["quoted"], piece["escaped"], piece["other"]) if item), ""))
    return "".join(found)


def _seconds_follow(pattern: str, at: int) -> bool:
    following = re.search(r"[A-Za-z]", _LITERAL.sub("", pattern[at:]))
    return following is not None and following[0] in "sS"


def _field(moment: datetime, name: str, half: bool) -> str:
    month, day = MONTHS[moment.month - 1], WEEKDAYS[moment.weekday()]
    hour = (moment.hour % 12 or 12) if half else moment.hour
    texts = {
        "yy": f"{moment.year % 100:02}", "yyyy": f"{moment.year:04}",
        "m": str(moment.month), "mm": f"{moment.month:02}", "mmm": month[:3], "mmmm": month, "mmmmm": month[0],
        "d": str(moment.day), "dd": f"{moment.day:02}", "ddd": day[:3], "dddd": day,
        "h": str(hour), "hh": f"{hour:02}", "n": str(moment.minute), "nn": f"{moment.minute:02}",
        "s": str(moment.second), "ss": f"{moment.second:02}",
    }  # fmt: skip
    return texts.get(name, texts["yyyy"] if name[0] == "y" else "")
