"""Instants as text, and the realm clock.

`time` is the wall clock. `asof` is the realm clock: the wall clock itself, or in a replay realm the instant that
the last ClockAdvanced names. All decisions use `asof`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

TOLERANCE = timedelta(minutes=5)
"""How far an event's `time` may be from the database's clock: `ledger.append` refuses what is beyond."""


def instant(moment: datetime) -> str:
    """RFC 3339 in UTC with `Z`; microseconds only where there are any. Raises ValueError for a naive moment."""
    if moment.tzinfo is None:
        raise ValueError("an instant needs a time zone")
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def parse_instant(text: str) -> datetime:
    """The moment that `text` (RFC 3339 with a zone) names, in UTC. Raises ValueError for anything else."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone; write it like 2023-07-03T00:00:00Z")
    return moment if moment.tzinfo is UTC else moment.astimezone(UTC)


def wall_now() -> datetime:
    """The wall clock, in UTC. Only composition roots and adapters call it; cores get instants as arguments."""
    return datetime.now(UTC)


def apart(here: datetime, database: datetime) -> str:
    """What is wrong when this machine's clock is too far from the database's for anything to be appended; else
    nothing."""
    off = here - database
    if abs(off) <= TOLERANCE:
        return ""
    return (
        f"this machine's clock is {abs(off).total_seconds():.0f} s {'ahead of' if here > database else 'behind'} the "
        f"database's, which takes events {TOLERANCE.total_seconds():.0f} s off at most; set the one that is wrong"
    )


@dataclass(frozen=True, slots=True)
class RealmClock:
    """The realm clock as the ledger has it. `at` is None for a wall clock."""

    mode: Literal["wall", "replay"] = "wall"
    at: datetime | None = None
    timezone: str = "UTC"

    def now(self, wall: datetime) -> datetime:
        """The realm's now when the wall clock shows `wall`."""
        return wall if self.at is None else self.at
