"""Facts in words. What upstream wrote is quoted, bounded and never interpreted."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from zoneinfo import ZoneInfo

from common.declarations.values import Slot, Unknown, day_text, shown
from common.events.model import Fact

LONGEST_QUOTE = 200


def moment_text(moment: datetime, zone: ZoneInfo) -> str:
    """The day of `moment` in `zone`: `3 July 2023`."""
    return day_text(moment.astimezone(zone).date())


def clipped(text: str, length: int = LONGEST_QUOTE) -> str:
    """`text` on one line, cut to `length` characters, with an ellipsis where something was cut."""
    line = " ".join(text.split())
    return line if len(line) <= length else f"{line[: length - 1]}…"


def slot_text(name: str, slot: Slot | None) -> str:
    """`due is 30 June 2023`, or `due is unknown (completion_date is empty)`."""
    if slot is None:
        return f"{name} is unknown"
    if isinstance(slot, Unknown):
        return f"{name} is unknown ({clipped(slot.reason)})"
    return f"{name} is {clipped(shown(slot))}"


def listed(texts: Iterable[str]) -> str:
    """`a`, `a and b`, `a, b and c`; empty for nothing."""
    parts = list(texts)
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def sentence(text: str) -> str:
    """`text` with a full stop, unless it ends a sentence already."""
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."


def events_of(facts: Iterable[Fact]) -> list[str]:
    """The observations that the facts were read from, each once."""
    return list(dict.fromkeys(fact.event_id for fact in facts if fact.event_id is not None))
