"""How much of one action type is done: per case, per day of the realm, and at once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from common.clock import parse_instant
from common.declarations.models import Limits


@dataclass(frozen=True, slots=True)
class Usage:
    """How often one action was intended and did not certainly fail: in this case, on this day, and still open."""

    case: int
    day: int
    open: int


@dataclass(frozen=True, slots=True)
class Reached:
    """A limit that stands against the next one. Only a limit that time lifts is worth waiting for."""

    reason: str
    passes: bool


def reached(action: str, limits: Limits, usage: Usage) -> Reached | None:
    """The first limit that one more of `action` would break, or None."""
    if limits.per_case is not None and usage.case >= limits.per_case:
        return Reached(f"{action} was done {usage.case} times in this case; the limit is {limits.per_case}", False)
    if limits.per_day is not None and usage.day >= limits.per_day:
        return Reached(f"{action} was done {usage.day} times today; the limit is {limits.per_day}", True)
    if limits.at_once is not None and usage.open >= limits.at_once:
        return Reached(f"{usage.open} of {action} are under way; the limit is {limits.at_once}", True)
    return None


def realm_day(asof: str, zone: ZoneInfo) -> date:
    """The day of an instant in the realm's time zone: what `perDay` counts by."""
    return parse_instant(asof).astimezone(zone).date()
