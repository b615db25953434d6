"""Date patterns in the style of Unicode CLDR: `MMMM d, yyyy`, `yyyy-MM-dd'T'HH:mm:ssXXX`."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone

from common.declarations.problems import Wrong
from common.declarations.values import MONTHS

_FIELDS = {
    "yyyy": r"(?P<year>\d{4})",
    "MMMM": r"(?P<month_name>[A-Za-z]+)",
    "MM": r"(?P<month>\d{2})",
    "M": r"(?P<month>\d{1,2})",
    "dd": r"(?P<day>\d{2})",
    "d": r"(?P<day>\d{1,2})",
    "HH": r"(?P<hour>\d{2})",
    "mm": r"(?P<minute>\d{2})",
    "ss": r"(?P<second>\d{2})",
    "XXX": r"(?P<zone>Z|[+-]\d{2}:\d{2})",
}
_TOKEN = re.compile(r"'(?P<quoted>[^']*)'|(?P<field>([A-Za-z])\3*)|(?P<other>[^A-Za-z']+)")
_MONTH_NUMBER = {name.lower(): number for number, name in enumerate(MONTHS, 1)}
LONGEST_PATTERN = 60


def has_time(pattern: str) -> bool:
    """Whether the pattern reads a moment rather than a day."""
    return "HH" in re.sub(r"'[^']*'", "", pattern)


def compiled(pattern: str) -> Callable[[str], date | datetime | None]:
    """A reader of texts in this pattern: a `date`, or a `datetime` when the pattern has hours (aware when it
    has a zone, else naive: local to the declaration that reads it). The whole text must fit, or it gives None.

    Raises Wrong for a pattern outside the subset.
    """
    regex = _regex(pattern)
    with_time = has_time(pattern)

    def read(text: str) -> date | datetime | None:
        match = regex.fullmatch(text)
        if match is None:
            return None
        try:
            return _value(match.groupdict(), with_time)
        except (ValueError, KeyError):  # 30 February, a month that is none
            return None

    return read


def _regex(pattern: str) -> re.Pattern[str]:
    parts, seen, at = [], [], 0
    while at < len(pattern) and len(pattern) <= LONGEST_PATTERN:
        match = _TOKEN.match(pattern, at)
        if match is None:
            break
        if match["field"]:
            if match["field"] not in _FIELDS:
                told = f"{match['field']!r} in {pattern!r} is not a known date field."
                raise Wrong("date_pattern", told, _suggestion(pattern) or _HINT)
            seen.append(match["field"][0])
            parts.append(_FIELDS[match["field"]])
        else:
            parts.append(re.escape(match["quoted"] if match["quoted"] is not None else match["other"]))
        at = match.end()
    if at < len(pattern):
        raise Wrong("date_pattern", f"{pattern!r} is not a date pattern.", _HINT)
    if not {"y", "M", "d"} <= set(seen) or len(seen) != len(set(seen)) or ("H" in seen) != ("m" in seen):
        raise Wrong("date_pattern", f"{pattern!r} does not name one day (and one time).", _HINT)
    if {"s", "X"} & set(seen) and "H" not in seen:
        raise Wrong("date_pattern", f"{pattern!r} has seconds or a zone without hours.", _HINT)
    return re.compile("".join(parts), re.ASCII)


_HINT = 'Use yyyy, MMMM, MM, M, dd, d, HH, mm, ss, XXX; text in quotes: "MMMM d, yyyy", "yyyy-MM-dd\'T\'HH:mm:ssXXX".'


_ELSEWHERE = {"%Y": "yyyy", "%m": "MM", "%d": "dd", "%H": "HH", "%M": "mm", "%S": "ss", "YYYY": "yyyy", "DD": "dd"}


def _suggestion(pattern: str) -> str:
    """What to write for a pattern as other programs write it; empty where that is not known."""
    ours = re.sub("|".join(_ELSEWHERE), lambda found: _ELSEWHERE[found[0]], pattern)
    ours = "MM".join(ours.split("mm", 1)) if "MM" not in ours else ours  # months, in what looks like minutes
    fields = {match["field"] for match in _TOKEN.finditer(ours) if match["field"]}
    return f'Write: "{ours}".' if fields <= _FIELDS.keys() and {"yyyy", "MM", "dd"} <= fields else ""


def _value(found: dict[str, str | None], with_time: bool) -> date | datetime:
    name = found.get("month_name")
    month = _MONTH_NUMBER[name.lower()] if name else int(found["month"] or "")
    year, day = int(found["year"] or ""), int(found["day"] or "")
    if not with_time:
        return date(year, month, day)
    hour, minute, second = (int(found.get(part) or 0) for part in ("hour", "minute", "second"))
    zone = found.get("zone")
    return datetime(year, month, day, hour, minute, second, tzinfo=_zone(zone) if zone else None)


def _zone(text: str) -> timezone:
    if text == "Z":
        return UTC
    offset = timedelta(hours=int(text[1:3]), minutes=int(text[4:6]))
    return timezone(-offset if text[0] == "-" else offset)
