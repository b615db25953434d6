"""How fast what a service keeps is made again from the ledger, whole: folded, compared with what is live, swapped in.

The ledger holds observations of about 500 bytes, a fifth of them of entities observed before, and gaps, one in fifty.
The tables are first filled by a rebuild that nothing is measured of; the measured one finds them right. Reference:
reading the same events, in the same batches, and nothing else.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import asyncpg
from cli.stack.realm import Realm
from common import projections
from common.clock import parse_instant, wall_now
from common.declarations.loader import load
from common.events import Event, EventData, Origin, new_event
from common.events.approver import RealmCreated
from common.events.differ import FailingRule, GapOpened
from common.events.model import Fact
from common.events.observer import EntityObserved
from common.ids import REALM_STREAM, case_id, entity_stream
from common.ledger import Appended, Connection, Ledger, NewEvent, append, progress
from common.ledger.progress import Move
from common.projections import Rebuilt
from common.runtime import Service
from common.topics import SERVICES
from differ.main import SERVICE as DIFFER

from bench.declaring import declare
from bench.ingest import DECLARATIONS, START
from bench.realms import fresh_folder, fresh_realm

EVENTS = 100_000
SEEN_AGAIN = 5
GAPS = 50
ROUNDS = 3
_BATCH = 2_000
_TEXT = "Cash was drawn before it was needed. "


def measure() -> list[dict[str, Any]]:
    """The figure in the form of `bench.json`."""
    with fresh_folder() as folder, fresh_realm(folder) as realm:
        return [asyncio.run(rebuild_events(realm))]


async def rebuild_events(realm: Realm) -> dict[str, Any]:
    """`rebuild_events_per_s`, the best of three."""
    await _fill(realm)
    await _rest(realm)
    await _rebuilt(realm, DIFFER)
    ours, theirs = 0.0, 0.0
    for _ in range(ROUNDS):
        began = time.perf_counter()
        report = await _rebuilt(realm, DIFFER)
        ours = max(ours, (report.position + 1) / (time.perf_counter() - began))
        assert not report.differences, report.differences[0]
        theirs = max(theirs, await _read(realm.url("differ")))
    return {
        "name": "rebuild_events_per_s",
        "value": round(ours),
        "unit": "events/s",
        "reference": round(theirs),
        "ratio": round(ours / theirs, 3),
        "reference_name": "reading the same events in the same batches",
    }


async def _rebuilt(realm: Realm, service: Service) -> Rebuilt:
    assert service.projection is not None
    return await projections.rebuild(realm.url(service.name), service.projection, lambda *_: None)


async def _read(url: str) -> float:
    connection = await asyncpg.connect(url)
    try:
        ledger, position, began = Ledger(connection), -1, time.perf_counter()
        while batch := await ledger.read_after(connection, position, projections.BATCH):
            position = batch[-1].position
        return (position + 1) / (time.perf_counter() - began)
    finally:
        await connection.close()


async def _fill(realm: Realm) -> None:
    created = RealmCreated(realm=realm.name, mode="replay", timezone="UTC", start=START)
    await _append(realm, "approver", iter([new_event(created, REALM_STREAM, _origin("approver"), "bench")]))
    loaded = load(DECLARATIONS, "bench")
    assert not loaded.problems, loaded.problems
    await declare(realm.url("approver"), realm.name, loaded.documents, START)
    entities = EVENTS - EVENTS // SEEN_AGAIN
    await _append(realm, "observer", (_observed(number, number % entities) for number in range(EVENTS)))
    await _append(realm, "differ", (_gap(number) for number in range(EVENTS // GAPS)))


async def _append(realm: Realm, service: str, events: Iterator[Event]) -> None:
    connection = await asyncpg.connect(realm.url(service))
    try:
        waiting: list[Event] = []
        for event in events:
            waiting.append(event)
            if len(waiting) == _BATCH:
                await _committed(connection, waiting)
                waiting = []
        await _committed(connection, waiting)
    finally:
        await connection.close()


async def _committed(connection: Connection, events: list[Event]) -> None:
    for answer in await append(connection, [[NewEvent(event)] for event in events]):
        assert isinstance(answer, Appended), answer


def _origin(service: str) -> Origin:
    return Origin(source=service, actor=f"service:{service}", time=wall_now(), asof=parse_instant(START))


def _observed(number: int, entity: int) -> Event:
    key = f"K-{entity:06}"
    row = {"id": key, "title": f"Finding {number}", "text": _TEXT, "owner": "Transportation", "amount": number}
    data = EntityObserved(
        feed="bench",
        entity_type="thing",
        key=key,
        source_time=START,
        sequence=number,
        row=row,
        upstream_id=f"m-{number}",
        origin="bus",
    )
    return new_event(data, entity_stream("thing", key), _origin("observer"), str(number))


def _gap(number: int) -> Event:
    case = case_id("things-closed", f"K-{number:06}", 1)
    fact = Fact(name="title", value=f"Finding {number}")
    rule = FailingRule(name="closed", kind="expectation", status="missed", says="It is open.", facts=[fact])
    data: EventData = GapOpened(
        case=case,
        desired_state="things-closed",
        version="v" * 64,
        entity_type="thing",
        key=f"K-{number:06}",
        occurrence=1,
        severity="high",
        rules=[rule],
    )
    return new_event(data, f"gap/{case}", _origin("differ"), "1", case=case)


async def _rest(realm: Realm) -> None:
    """Say of every service that all it wrote is on the bus: a rebuild waits for that."""
    for service in SERVICES:
        connection = await asyncpg.connect(realm.url(service))
        head = await Ledger(connection).head(connection)
        async with connection.transaction():
            await progress.set_relayed(connection, service, Move(None, head), {})
        await connection.close()


if __name__ == "__main__":
    print(measure())
