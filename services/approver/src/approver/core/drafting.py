"""Events being added to a case: numbered, named after their cause, and folded in as they come."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from common.cases import Case
from common.events import Event, EventData, Origin, new_event
from common.events.approver import Decision

NAME = "approver"


def approval_stream(case: str) -> str:
    """The stream of all that people decide about one case."""
    return f"approval/{case}"


@dataclass(frozen=True, slots=True)
class When:
    """The instant of a decision: `time` on the wall clock, `asof` on the realm clock."""

    time: datetime
    asof: datetime


@dataclass(frozen=True, slots=True)
class Signed:
    """A decision, and what came with it as its signature."""

    decision: Decision
    signature: str


@dataclass(slots=True)
class Draft:
    """The case, and the events that are to be appended to its approval stream.

    `case` is as it will be once they are; `versions` are the stream versions that the events must get, in order.
    The same draft made again, from the same case, has the same event ids.
    """

    case: Case
    when: When
    events: list[Event] = field(default_factory=list)
    versions: list[int] = field(default_factory=list)

    def add(
        self,
        data: EventData,
        cause: Event | None,
        *discriminator: str,
        actor: str = f"service:{NAME}",
        signature: str | None = None,
    ) -> Event:
        """Add one event and fold it into the case."""
        stream = approval_stream(self.case.id)
        version = self.case.version(stream) + 1
        origin = Origin(source=NAME, actor=actor, time=self.when.time, asof=self.when.asof, cause=cause)
        names = discriminator or (str(version),)
        event = new_event(data, stream, origin, *names, case=self.case.id, signature=signature)
        self.case.apply(self.case.position + 1, event)
        self.events.append(event)
        self.versions.append(version)
        return event
