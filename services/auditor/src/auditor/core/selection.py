"""Which records an attestation needs beside the case's own: observations, and declarations with their proposals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from common.events import typed
from common.events.approver import DeclarationActivated, DeclarationProposed
from common.events.auditor import AttestationIssued, CaseClosed
from common.events.differ import Acceptance, GapClosed, GapSnapshot
from common.events.envelope import Event
from common.events.observer import EntityObserved, EntityWithdrawn

from auditor.core.evidence import facts_cited

Placed = tuple[int, Event]
Name = tuple[str, str]
"""A declaration: (kind, name)."""


def own(events: Iterable[Placed]) -> list[Placed]:
    """The case's own records: everything up to its closing. Raises ValueError for a case that is not closed."""
    found: list[Placed] = []
    for position, event in events:
        if event.type != AttestationIssued.TYPE:
            found.append((position, event))
        if event.type == CaseClosed.TYPE:
            return found
    raise ValueError("the case is not closed")


def cited(events: Iterable[Placed]) -> set[str]:
    """The ids of other events that the case's records rest on: observations, mostly."""
    listed = list(events)
    return facts_cited(typed(event) for _, event in listed) - {event.id for _, event in listed}


def cases(cited: Iterable[Event], declared: Iterable[Placed]) -> list[str]:
    """The streams among these observations of which every event counts: those of a type that was declared a log."""
    logs = {
        data.name
        for _, event in declared
        if isinstance(data := typed(event), DeclarationActivated)
        and data.kind == "EntityType"
        and data.spec.get("events")
    }
    return sorted({event.subject for event in cited if event.data.get("entity_type") in logs and _observed(event)})


def _observed(event: Event) -> bool:
    return event.type in (EntityObserved.TYPE, EntityWithdrawn.TYPE)


def declarations(declared: Sequence[Placed], case: Sequence[Placed]) -> set[int]:
    """The positions of the declarations that the case was decided by, with all that was proposed together with them.

    `declared` are all events of the category `declaration`. A declaration counts from the version in force when the
    gap was first seen to the one in force at the closing.
    """
    gaps = [(position, typed(event)) for position, event in case if event.subject.startswith("gap/")]
    snapshots = [(position, data) for position, data in gaps if isinstance(data, GapSnapshot)]
    first, last = snapshots[0][0], case[-1][0]
    activated = [
        (position, data)
        for position, event in declared
        if position < last and isinstance(data := typed(event), DeclarationActivated)
    ]
    names = _names(snapshots[0][1].desired_state, [data for _, data in activated])
    names |= {("AcceptedGap", one.name) for _, data in gaps for one in _accepted(data)}
    used = {data.proposal for position, data in activated if _counts(position, data, activated, names, first)}
    return {
        position
        for position, event in declared
        if position < last
        and isinstance(data := typed(event), DeclarationProposed | DeclarationActivated)
        and data.proposal in used
    }


def _accepted(data: object) -> Sequence[Acceptance]:
    """The accepted gaps that it names."""
    return data.accepted.by if isinstance(data, GapClosed) and data.accepted is not None else ()


def _counts(
    position: int,
    data: DeclarationActivated,
    activated: Sequence[tuple[int, DeclarationActivated]],
    names: set[Name],
    first: int,
) -> bool:
    """Whether this version was in force at some time from `first` on."""
    if (data.kind, data.name) not in names:
        return False
    later = [at for at, other in activated if (other.kind, other.name) == (data.kind, data.name) and at > position]
    return not later or later[0] > first


def _names(desired_state: str, activated: Sequence[DeclarationActivated]) -> set[Name]:
    """The desired state and everything that it refers to, in any version."""
    specs: dict[Name, list[Mapping[str, Any]]] = {}
    for data in activated:
        specs.setdefault((data.kind, data.name), []).append(data.spec)
    found: set[Name] = set()
    waiting: list[Name] = [("DesiredState", desired_state)]
    waiting += [
        name for name, versions in specs.items() if any(spec.get("covers") == desired_state for spec in versions)
    ]
    while waiting:
        name = waiting.pop()
        if name in found or name not in specs:
            continue
        found.add(name)
        waiting += [other for spec in specs[name] for other in _references(name[0], spec)]
    return found


def _references(kind: str, spec: Mapping[str, Any]) -> Iterable[Name]:
    if kind == "DesiredState":
        yield "EntityType", spec["selector"]["entity"]
        yield "HolidayCalendar", spec.get("holidays", "")
        for field in ("actions", "processActions"):
            yield from (("ActionType", action) for action in spec["remediation"].get(field, ()))
    elif kind == "EntityType":
        for relation in spec.get("related", {}).values():
            yield "EntityType", next(relation[word] for word in ("latest", "earliest", "count") if word in relation)
    elif kind == "ActionType":
        yield "System", spec["system"]
