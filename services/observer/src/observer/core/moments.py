"""One batch's instants: read once, so that all of its events agree."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from common.clock import RealmClock, instant

from observer.core.limits import FUTURE_TOLERANCE


@dataclass(frozen=True, slots=True)
class Moment:
    """`time` (wall clock) and `asof` (realm clock) as text; `latest` is the last source time that is believed."""

    time: str
    asof: str
    latest: datetime


def moment(clock: RealmClock, wall: datetime) -> Moment:
    """The realm's moment when the wall clock shows `wall`."""
    now = clock.now(wall)
    return Moment(instant(wall), instant(now), now + FUTURE_TOLERANCE)
