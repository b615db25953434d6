"""A case state from the ledger's own events: the truth, when the differ's table has fallen out of step. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from common.clock import parse_instant
from common.entities.rows import Ref
from common.events.auditor import CaseClosed
from common.events.differ import GapClosed, GapMet, GapOpened, GapSuspended, GapUndecided
from common.events.envelope import Event

from differ.core.deciding import CaseState, ended
from differ.core.findings import recorded_fingerprint


def fold(desired_state: str, ref: Ref, events: Iterable[Event]) -> CaseState:
    """The latest occurrence after `events`: the gap events and CaseClosed of all occurrences, in ledger order."""
    case = CaseState(desired_state, ref)
    for event in events:
        occurrence = int((event.caseid or "").rpartition("/")[2])
        if event.type == CaseClosed.TYPE:
            case = ended(case, occurrence)
        elif occurrence >= case.occurrence:
            case = _gap(case, occurrence, event)
    return case


def _gap(case: CaseState, occurrence: int, event: Event) -> CaseState:
    if occurrence > case.occurrence:
        case = CaseState(case.desired_state, case.ref, occurrence)
    version = case.stream_version + 1
    if event.type == GapSuspended.TYPE:
        return replace(case, stream_version=version)
    if event.type == GapClosed.TYPE or case.ended:
        case = replace(case, condition="closed", fingerprint="", stream_version=version)
        return replace(case, met_since=None, closes_at=None)
    if event.type == GapMet.TYPE:
        since, until = parse_instant(event.data["since"]), parse_instant(event.data["until"])
        return replace(case, met_since=since, closes_at=until, stream_version=version)
    condition = case.condition
    if event.type in (GapOpened.TYPE, GapUndecided.TYPE):
        condition = "gap" if event.type == GapOpened.TYPE else "undecided"
    return replace(
        case,
        ref=(event.data["entity_type"], event.data["key"]),
        condition=condition,
        stream_version=version,
        gap=event.data,
        fingerprint=recorded_fingerprint(event.data),
        met_since=None,
        closes_at=None,
    )
