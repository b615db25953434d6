"""The realm's own stream: its clock, fixed when the realm is created, and how far a replay clock has moved."""

from __future__ import annotations

from collections.abc import Iterable

from common.clock import RealmClock, parse_instant
from common.errors import Transient
from common.events.approver import ClockAdvanced, RealmCreated
from common.events.envelope import Event


def fold_clock(events: Iterable[Event]) -> RealmClock:
    """The realm clock after `events` of the stream `realm`.

    Raises `Transient` (`realm_missing`) while there is none: the approver creates the realm when it first starts.
    """
    clock: RealmClock | None = None
    for event in events:
        if event.type == RealmCreated.TYPE:
            created = RealmCreated.of(event)
            start = parse_instant(created.start) if created.start else None
            clock = RealmClock(created.mode, start, created.timezone)
        elif event.type == ClockAdvanced.TYPE and clock is not None:
            clock = RealmClock(clock.mode, parse_instant(ClockAdvanced.of(event).now), clock.timezone)
    if clock is None:
        raise Transient("realm_missing", "the realm has not been created yet; the approver does so when it starts")
    return clock
