"""The observer's ports in memory: a ledger that behaves like the real one, as far as the observer sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from common.clock import RealmClock, parse_instant
from common.events.envelope import Event
from common.events.observer import ErasureDone
from common.ids import erased_stream, erasure_stream
from common.ledger import Answer, Appended, AppendRefused, Recorded
from observer.core.envelopes import OBSERVED
from observer.core.observations import Incoming
from observer.core.rejections import Rejection
from observer.core.settling import Stored
from observer.core.snapshots import SnapshotRow
from observer.ports import SnapshotName

NOW = parse_instant("2023-07-03T00:00:00Z")


def activation(name: str, source: str, key: str, sensitive: Sequence[str] = ()) -> Event:
    return Event(
        id=f"activation-{name}-{source}",
        source="approver",
        type="trueup.declaration.activated.v1",
        subject=f"declaration/EntityType/{name}",
        time="2026-01-01T00:00:00Z",
        asof="2023-07-03T00:00:00Z",
        actor="person:a",
        data={
            "kind": "EntityType",
            "name": name,
            "spec": {"source": source, "key": key, "attributes": {}, "sensitive": list(sensitive)},
        },
    )


def incoming(upstream_id: str = "m-1", row: dict[str, Any] | None = None, **envelope: Any) -> Incoming:
    message = {
        "specversion": "1.0",
        "id": upstream_id,
        "source": "audit-tracker",
        "type": OBSERVED,
        "time": "2023-07-03T00:00:00Z",
        "data": {"entity_type": "finding", "row": row or {"reference": "2022-090", "title": "a"}},
        **envelope,
    }
    return Incoming(orjson.dumps(message), "test")


class FakeRecords:
    """`observer.ports.Records`. `refuse` makes the next append fail with that reason code."""

    def __init__(self, *declared: Event) -> None:
        self.events: list[Event] = list(declared)
        self.realm_clock = RealmClock("replay", NOW)
        self.quarantined: dict[str, bytes | None] = {}
        self.kept: dict[SnapshotName, dict[str, SnapshotRow]] = {}
        self.hidden: set[str] = set()
        self.refuse: str | None = None
        self.appends = 0
        self.looked = 0
        self.noted = 0

    async def erasure(self, connection: Any, subject: tuple[str, str]) -> list[Event]:
        streams = (erasure_stream(*subject), erased_stream(*subject))
        return [event for event in self.events if event.subject in streams]

    async def erased(self, connection: Any) -> list[Event]:
        return self.of(ErasureDone.TYPE)

    async def erase_payloads(self, connection: Any, subject: tuple[str, str]) -> int:
        found = [name for name, payload in self.quarantined.items() if payload and subject[1].encode() in payload]
        self.quarantined |= dict.fromkeys(found)
        return len(found)

    def of(self, event_type: str) -> list[Event]:
        return [event for event in self.events if event.type == event_type]

    async def declarations(self, _connection: object, after: int) -> list[Recorded]:
        return [
            Recorded(position, event, b"")
            for position, event in enumerate(self.events)
            if position > after and event.source == "approver"
        ]

    async def clock(self, _connection: object) -> RealmClock:
        return self.realm_clock

    async def stored(self, _connection: object, ids: Sequence[str]) -> Mapping[str, Stored]:
        self.looked += 1
        return {
            event.id: Stored(position, event)
            for position, event in enumerate(self.events)
            if event.source == "observer" and event.id in ids and event.id not in self.hidden
        }

    async def histories(
        self, _connection: object, streams: Sequence[str], limit: int
    ) -> Mapping[str, Sequence[Event]]:
        found = {stream: [e for e in reversed(self.events) if e.subject == stream][:limit] for stream in streams}
        return {stream: events for stream, events in found.items() if events}

    async def quarantine(self, _connection: object, rejections: Sequence[Rejection]) -> None:
        for item in rejections:
            self.quarantined.setdefault(item.event.id, item.payload)

    async def append(self, _connection: object, requests: Sequence[Sequence[Event]]) -> list[Answer]:
        self.appends += 1
        return [self._append(request) for request in requests]

    def _append(self, request: Sequence[Event]) -> Answer:
        if self.refuse:
            return AppendRefused(self.refuse, "refused by the test")
        known = {event.id: position for position, event in enumerate(self.events)}
        if all(event.id in known for event in request):
            places = tuple(known[event.id] for event in request)
            stored = [self.events[place] for place in places]
            if any(a.subject != b.subject for a, b in zip(stored, request, strict=True)):
                return AppendRefused("id_clash", "another event has this id")
            return Appended(places, True, tuple(event.encode() for event in stored))
        for event in request:
            event.encode()
            self.events.append(event)
        return Appended(tuple(range(len(self.events) - len(request), len(self.events))))

    async def counted(self, _connection: object) -> set[str]:
        return set()

    async def note_work(self, _connection: object) -> None:
        self.noted += 1

    async def keep_snapshot_rows(
        self, _connection: object, snapshot: SnapshotName, rows: Sequence[SnapshotRow]
    ) -> None:
        self.kept.setdefault(snapshot, {}).update({row.key: row for row in rows})

    async def snapshot_rows(self, _connection: object, snapshot: SnapshotName) -> list[SnapshotRow]:
        return list(self.kept.get(snapshot, {}).values())

    async def forget_snapshot(self, _connection: object, snapshot: SnapshotName) -> None:
        self.kept.pop(snapshot, None)
