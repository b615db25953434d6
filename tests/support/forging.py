"""Events changed after the fact, as somebody would who can write the ledger; and the executor's view of a case."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from common import signing
from common.events import SIGNED, Event, EventData
from common.events.approver import Decision
from common.events.executor import ExecutionStarted
from executor.core import records
from executor.core.checks import Scene

from support import service_keys
from support.casework import Casework, people


def scene(work: Casework, **changes: Any) -> Scene:
    return replace(Scene(work.catalogue, work.directory, service_keys.trusted(), work.facts(), work.asof), **changes)


def without(work: Casework, kind: type[EventData]) -> Casework:
    """The case as if these events had never been recorded."""
    work.events = [event for event in work.events if event.type != kind.TYPE]
    return work


def changed(work: Casework, kind: type[EventData], change: Callable[[Event], Event]) -> Casework:
    """The case with its events of `kind` forged, by somebody who has the key of the service that signs them."""
    assert any(event.type == kind.TYPE for event in work.events)
    work.events = [_again(change(event)) if event.type == kind.TYPE else event for event in work.events]
    return work


def _again(event: Event) -> Event:
    return event if event.type not in SIGNED else service_keys.numbered(event, event.streamversion or 1)


def with_decision(event: Event, **fields: Any) -> Event:
    return replace(event, data={**event.data, "decision": {**event.data["decision"], **fields}})


def resigned(event: Event, person: str, **fields: Any) -> Event:
    """The event with another decision, properly signed by `person`."""
    forged = with_decision(event, person=person, **fields)
    decision = Decision.model_validate(forged.data["decision"])
    return replace(forged, signature=signing.sign(decision, people()[1][person]))


def started(work: Casework) -> Casework:
    work.add(records.started(work.case, ["checked"]), "executor", "service:executor")
    assert work.events[-1].type == ExecutionStarted.TYPE
    return work
