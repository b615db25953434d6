"""The realm's clock: fixed when the realm is created; a replay clock is moved by its keeper, and only forward."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from common.clock import RealmClock, instant, parse_instant
from common.directory import Person
from common.errors import Permanent, Refused
from common.events.approver import ClockAdvanced, RealmCreated

KEEPER = "clock-keeper"


def created(realm: str, clock: str, timezone: str) -> RealmCreated:
    """The realm's first event. `clock` is `wall` or `replay:<instant>`. Raises `Permanent` (`bad_clock`,
    `bad_timezone`): neither can be changed afterwards."""
    try:
        ZoneInfo(timezone)
    except (KeyError, ValueError, OSError) as error:
        raise Permanent("bad_timezone", f"{timezone!r} is not a time zone, such as America/New_York") from error
    if clock == "wall":
        return RealmCreated(realm=realm, mode="wall", timezone=timezone)
    kind, _, start = clock.partition(":")
    if kind != "replay":
        raise Permanent("bad_clock", f"the clock {clock!r} is neither wall nor replay:<instant>")
    try:
        return RealmCreated(realm=realm, mode="replay", timezone=timezone, start=instant(parse_instant(start)))
    except ValueError as error:
        raise Permanent("bad_clock", f"the clock starts at {start!r}, which is not an instant: {error}") from error


def start_of(data: RealmCreated, wall: datetime) -> datetime:
    """The realm's now when it is created: a replay clock's start, else the wall clock."""
    return parse_instant(data.start) if data.start else wall


def check_keeper(person: Person) -> None:
    """Raise `Refused` (`role_not_held`) unless the person keeps the clock."""
    if KEEPER not in person.roles:
        raise Refused(
            "role_not_held", f"{person.name} does not hold the role {KEEPER}", "Ask whoever keeps the clock."
        )


def advanced(clock: RealmClock, to: str) -> ClockAdvanced:
    """The move of `clock` to `to`. Raises `Refused` (`wall_clock`, `malformed_request`, `not_forward`)."""
    if clock.mode != "replay" or clock.at is None:
        raise Refused("wall_clock", "this realm runs on the wall clock, which nobody moves")
    try:
        goal = parse_instant(to)
    except ValueError as error:
        raise Refused(
            "malformed_request", f"{to!r} is not an instant: {error}", "Write 2023-07-15T00:00:00Z."
        ) from error
    if goal <= clock.at:
        raise Refused("not_forward", f"the clock is at {instant(clock.at)} and only moves forward")
    return ClockAdvanced(was=instant(clock.at), now=instant(goal))


def behind(names: list[str]) -> Refused:
    """The refusal to move on while somebody has not handled what came before."""
    shown = "; ".join(names[:8])
    return Refused("not_quiescent", f"not everything before has been handled: {shown}", "Try again in a moment.")
