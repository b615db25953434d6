"""What all event data models share."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Self

from pydantic import BaseModel, ConfigDict

from common.clock import instant
from common.events import upcasting
from common.events.envelope import Event
from common.ids import event_id

Scalar = str | int | bool | None
Value = Scalar | list[str]
"""A fact's value: text (also decimals and dates, as written), a whole number, a truth value, a list, or nothing."""


class Part(BaseModel):
    """A part of an event's data: strict, closed, unchangeable."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class EventData(Part):
    """The data of one event type. `TYPE` carries the version; `CATEGORY` is the stream category it belongs to."""

    TYPE: ClassVar[str]
    CATEGORY: ClassVar[str]

    @classmethod
    def of(cls, event: Event) -> Self:
        """The typed data of `event`, which must be of this type, or of an older version of it."""
        type_, data = upcasting.upcast(event.type, event.data)
        if type_ != cls.TYPE:
            raise ValueError(f"{event.type} is not {cls.TYPE}")
        return cls.model_validate(data)


class Fact(Part):
    """One thing that was known, or not known, when something was decided.

    `name` is the attribute (`position`, `retest.result`), `value` its value. `stream` and `event_id` name the
    observation it was read from; they are None when nothing was observed. `unknown` is the reason why there is no
    value, None when there is one.
    """

    name: str
    value: Value = None
    stream: str | None = None
    event_id: str | None = None
    unknown: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Who appends, when, and because of what: the envelope's fields that no data model holds."""

    source: str
    actor: str
    time: datetime
    asof: datetime
    cause: Event | None = None
    traceparent: str | None = None


def new_event(
    data: EventData,
    stream: str,
    origin: Origin,
    *discriminator: str,
    case: str | None = None,
    signature: str | None = None,
) -> Event:
    """The event that `data` makes on `stream`.

    Its id derives from the type, the stream, the cause's id and `discriminator`; the same decision made twice
    gets the same id. `origin.time` and `origin.asof` are aware datetimes.
    """
    cause = origin.cause
    parts = ((cause.id,) if cause else ()) + discriminator
    return Event(
        id=event_id(data.TYPE, stream, *parts),
        source=origin.source,
        type=data.TYPE,
        subject=stream,
        time=instant(origin.time),
        asof=instant(origin.asof),
        actor=origin.actor,
        data=data.model_dump(mode="json", exclude_none=True),
        caseid=case,
        causationid=cause.id if cause else None,
        correlationid=(cause.correlationid or cause.id) if cause else None,
        traceparent=origin.traceparent,
        signature=signature,
    )
