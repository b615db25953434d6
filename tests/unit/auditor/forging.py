"""Forging attestations: what somebody would do who wants a false one to pass, with every digest made again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from auditor.core import attestation
from auditor.core.attestation import Attestation
from auditor.core.evidence import Exhibit
from auditor.core.verification import Check, verify
from common.directory import Person
from common.events import Event
from support import service_keys
from support.walk import Walk, closed

Change = Callable[[dict[str, Any]], dict[str, Any]]


@cache
def original() -> Attestation:
    return issued(closed())


def issued(walk: Walk) -> Attestation:
    return issue(walk, walk.records)


def issue(walk: Walk, records: Iterable[tuple[int, bytes]], people: Iterable[Person] | None = None) -> Attestation:
    """The attestation that these records give."""
    everybody = walk.directory.people.values() if people is None else people
    return attestation.issue("demo", walk.id, walk.ledger[-1].asof, records, everybody, service_keys.trusted())


def forged(
    walk: Walk, events: Sequence[Event], people: Iterable[Person] | None = None, keyless: bool = False
) -> bytes:
    """The file that these events would give: statement, narrative, hashes and digest all made again.

    Positions and stream versions are dealt out anew, as a forger would who has stolen every service's key; `keyless`
    has not, and leaves the signatures as they were.
    """
    return issue(walk, dealt(events, keyless), people).encode()


def dealt(events: Sequence[Event], keyless: bool = False) -> list[tuple[int, bytes]]:
    """The records that `forged` would put into its file."""
    versions: dict[str, int] = {}
    records = []
    for position, event in enumerate(events):
        versions[event.subject] = versions.get(event.subject, 0) + 1
        version = versions[event.subject]
        made = replace(event, streamversion=version) if keyless else service_keys.numbered(event, version)
        records.append((position, made.encode()))
    return records


def altered(walk: Walk, index: int, change: Change) -> list[Event]:
    """The walk's events with the data of one of them changed."""
    events = list(walk.ledger)
    events[index] = replace(events[index], data=change(events[index].data))
    return events


def index_of(walk: Walk, event_type: str, nth: int = 0) -> int:
    return [n for n, event in enumerate(walk.ledger) if event.type == event_type][nth]


def failed(checks: Sequence[Check]) -> set[str]:
    return {check.name for check in checks if check.ok is False}


def failures(raw: bytes, **more: Any) -> set[str]:
    return failed(verify(raw, **more))


def resealed(document: Attestation, exhibits: Sequence[Exhibit] | None = None, **head: Any) -> bytes:
    """The document with another content and its outer digest and hashes made again, its text left alone."""
    items = document.exhibits if exhibits is None else tuple(exhibits)
    return attestation.assemble({**document.head, **head}, document.narrative, items).encode()
