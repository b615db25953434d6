"""A case on the approver's desk: what the walk has made so far, and the draft that the approver adds to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from approver.core.decisions import decide, nonces
from approver.core.drafting import Draft, Signed, When
from approver.core.reactions import left_behind, react
from approver.core.surroundings import Surroundings
from common.events import Event
from common.events.approver import Decision

from support import service_keys
from support.casework import once
from support.walk import Walk, at, opened

CONFIRM_ROLE = "head-of-compliance"


def around(walk: Walk, **changes: Any) -> Surroundings:
    keys = service_keys.trusted(walk.realm)
    return replace(Surroundings(walk.catalogue, walk.directory, keys, walk.facts(), walk.facts()), **changes)


def draft(walk: Walk, asof: datetime | None = None) -> Draft:
    return Draft(walk.case, When(walk.wall, asof or walk.asof))


def keep(walk: Walk, made: Draft) -> Sequence[Event]:
    """What the draft added becomes part of the walk, as it would be appended."""
    versions = zip(made.events, made.versions, strict=True)
    kept = [service_keys.numbered(event, version) for event, version in versions]
    walk.ledger.extend(kept)
    walk.events.extend(kept)
    return kept


def reacted(walk: Walk, **changes: Any) -> list[str]:
    """What follows by itself, kept; the event types in short."""
    made = draft(walk)
    react(made, around(walk, **changes), left_behind(walk.events, made.case))
    return short(keep(walk, made))


def decided(walk: Walk, decision: Decision, signature: str, **changes: Any) -> list[str]:
    """The decision and what follows from it, kept. Raises `Refused`."""
    made = draft(walk)
    decide(made, Signed(decision, signature), nonces(walk.events), around(walk, **changes))
    return short(keep(walk, made))


def short(events: Sequence[Event]) -> list[str]:
    return [event.type.removeprefix("trueup.").removesuffix(".v1") for event in events]


@once
def confirmed(**row: str) -> Walk:
    """Gate 1 has been passed and a plan is drafted; nobody has opened a ticket."""
    walk = opened("demo", None, **row)
    walk.asof = at("2023-07-03 15:20")
    walk.confirm()
    walk.draft()
    return walk


@once
def ticketed(**row: str) -> Walk:
    """The approver has opened the plan's ticket."""
    walk = confirmed(**row)
    assert reacted(walk) == ["ticket.opened"]
    return walk


def signed(
    walk: Walk, kind: str, person: str, role: str, step: int | None = None, **more: Any
) -> tuple[Decision, str]:
    """A decision on what stands now, signed by the person."""
    case = walk.case
    if kind in ("confirm", "dispute"):
        assert case.gap is not None
        subject = case.gap.data.digest
    elif kind == "outcome":
        assert step is not None
        subject = case.attempts[step].intended.event.id
    else:
        assert case.ticket is not None
        subject = case.ticket.data.digest
    return walk.decide(kind, person, role, more.pop("subject", subject), step, **more)
