"""Which of a batch is new, which is known, which clashes: decided before anything is appended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from common.events.envelope import Event

from observer.core.moments import Moment
from observer.core.observations import Answer, Incoming, clash, same_content
from observer.core.rejections import Rejection, rejection


@dataclass(frozen=True, slots=True)
class Stored:
    """An event of the observer's that is in the ledger already."""

    position: int
    event: Event


@dataclass(frozen=True, slots=True)
class Settled:
    """`append` has what is to be appended, by its place in the batch; `known` the answers of what is stored.

    `repeats` are places whose message stands earlier in the same batch, with that earlier place.
    """

    append: dict[int, Event | Rejection]
    known: dict[int, Answer]
    repeats: dict[int, int]


def event_of(planned: Event | Rejection) -> Event:
    return planned.event if isinstance(planned, Rejection) else planned


def settle(
    incoming: Sequence[Incoming],
    planned: Sequence[Event | Rejection],
    stored: Mapping[str, Stored],
    moment: Moment,
) -> Settled:
    """Sort out `planned` (one for each of `incoming`) against `stored`, the ledger's events with the same ids.

    A message that is stored is a duplicate if it says the same, and clashes if not; so does one whose id stands
    earlier in the batch.
    """
    settled = Settled({}, {}, {})
    first: dict[str, int] = {}
    for place, item in enumerate(planned):
        event = event_of(item)
        known = stored.get(event.id)
        if known is None and event.id not in first:
            first[event.id] = place
            settled.append[place] = item
        elif known is not None and (isinstance(item, Rejection) or same_content(event, known.event)):
            settled.known[place] = answer(item, known.position, duplicate=True)
        elif known is None and same_content(event, event_of(planned[first[event.id]])):
            settled.repeats[place] = first[event.id]
        else:
            clashing = incoming[place]
            refused = rejection(clashing.raw, clash(event), clashing.origin, moment, clashing.headers)
            if refused.event.id in first:
                settled.repeats[place] = first[refused.event.id]
            else:
                first[refused.event.id] = place
                settled.append[place] = refused
    return settled


def answer(planned: Event | Rejection, position: int, duplicate: bool) -> Answer:
    """What the sender of a message is told once it is in the ledger at `position`."""
    data = event_of(planned).data
    if isinstance(planned, Rejection):
        return Answer("rejected", data.get("upstream_id"), position, data["reason_code"], data["reason"])
    return Answer("duplicate" if duplicate else "accepted", data["upstream_id"], position)
