"""A realm with the ledger and the differ in it, driven by hand: append as another service, hand the differ its batch.

The differ's real handlers run as the differ's own role on real PostgreSQL; only the bus is left out.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self

import asyncpg
from cli.stack.realm import Realm
from common.cases import Case
from common.clock import instant, parse_instant, wall_now
from common.declarations.loader import load
from common.errors import Transient
from common.events import SIGNED, Event, EventData, Origin, new_event
from common.events.approver import ClockAdvanced, RealmCreated
from common.events.auditor import CaseClosed
from common.events.observer import EntityObserved, EntityWithdrawn, SourceReported
from common.ids import REALM_STREAM, category, entity_stream, source_stream
from common.ledger import Appended, Ledger, NewEvent, Recorded, append, progress
from common.ledger.progress import Move
from differ.handlers import Differ
from differ.main import assemble

from support import declared, service_keys

FINDINGS = Path(__file__).parents[2] / "examples" / "findings" / "findings.yaml"
START = parse_instant("2023-07-03T00:00:00Z")
FEEDS = {"finding": "audit-tracker", "retest": "control-testing", "door": "guards"}
ATTEMPTS = 3


def finding(key: str, **changes: Any) -> dict[str, Any]:
    """A finding on money, in progress and promised for a day that lies ahead of `START`: on track."""
    return {
        "reference": key,
        "title": f"Finding {key}",
        "department": "Education",
        "material_weakness": "N",
        "repeat_finding": "N",
        "prior_references": "",
        "compliance_requirements": "C",
        "corrective_action_status": "Corrective action in progress",
        "completion_date": "July 31, 2023",
        **changes,
    }


def retest(key: str, of: str, result: str = "passed", on: str = "2023-07-02") -> dict[str, Any]:
    return {"id": key, "finding": of, "result": result, "team": "internal-audit", "tested_on": on, "samples": "9"}


class DifferRealm:
    """`clock` is `replay` from `START`, or `wall`. The wall clock is `wall`, which tests may move."""

    def __init__(self, realm: Realm, clock: str = "replay") -> None:
        self.realm = realm
        self.mode = clock
        self.wall = wall_now()
        self.connections: dict[str, Any] = {}
        self.asof = START
        self.serial = 0

    async def __aenter__(self) -> Self:
        for service in ("observer", "differ", "approver", "executor", "auditor"):
            self.connections[service] = await asyncpg.connect(self.realm.url(service))
        self.pool = await asyncpg.create_pool(self.realm.url("differ"), min_size=1, max_size=3)
        self.ledger = Ledger(self.pool)
        self.differ = self.restarted()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.pool.close()
        for connection in self.connections.values():
            await connection.close()

    def restarted(self) -> Differ:
        """A new process of the differ over the same tables."""
        self.differ = assemble(self.ledger, lambda: self.wall)
        return self.differ

    # What others append.

    async def append(
        self, service: str, stream: str, data: EventData, *unique: str, case: str | None = None
    ) -> Recorded:
        return (await self.append_all(service, [(stream, data)], *unique, case=case))[0]

    async def append_all(
        self, service: str, said: Iterable[tuple[str, EventData]], *unique: str, case: str | None = None
    ) -> list[Recorded]:
        """All in one request, as the approver activates a proposal."""
        self.serial += 1
        origin = Origin(source=service, actor=f"service:{service}", time=wall_now(), asof=self.asof)
        parts = unique or (str(self.serial), secrets.token_hex(4))
        events = [new_event(data, stream, origin, *parts, case=case) for stream, data in said]
        return await self._put(service, events)

    async def _put(self, service: str, events: Iterable[Event]) -> list[Recorded]:
        connection = self.connections[service]
        async with connection.transaction():
            signed = [await self._signed(event) for event in events]
            answers = await append(connection, [[NewEvent(event, event.streamversion) for event in signed]])
        assert isinstance(answers[0], Appended), answers
        return [Recorded(position, None, raw) for position, raw in await self._bytes(answers[0].positions)]

    async def _signed(self, event: Event) -> Event:
        """The event with its service's signature, where it carries one; it is the next one of its stream."""
        if event.type not in SIGNED:
            return event
        stored = await self.pool.fetchval("SELECT count(*) FROM ledger.events WHERE stream = $1", event.subject)
        return service_keys.numbered(event, stored + 1)

    async def _bytes(self, positions: Sequence[int]) -> list[tuple[int, bytes]]:
        found = await self.ledger.read_positions(self.pool, positions)
        return [(item.position, item.raw) for item in found]

    async def create(self) -> Recorded:
        start = instant(START) if self.mode == "replay" else None
        data = RealmCreated(realm=self.realm.name, mode=self.mode, timezone="UTC", start=start)  # type: ignore[arg-type]
        return await self.append("approver", REALM_STREAM, data)

    async def activate(self, text: str) -> list[Recorded]:
        """Every document of `text`, activated together."""
        loaded = load(text, "test.yaml")
        assert not loaded.problems, loaded.problems
        proposed, activated = declared.events(loaded.documents, self.asof)
        await self._put("approver", proposed)
        return await self._put("approver", activated)

    async def observe(
        self, entity_type: str, row: dict[str, Any], at: datetime | None = None, sequence: int | None = None
    ) -> Recorded:
        key = row["reference" if entity_type == "finding" else "id"]
        data = EntityObserved(
            entity_type=entity_type, key=key, feed=FEEDS[entity_type], row=row,
            source_time=instant(at or self.asof), upstream_id=str(self.serial), sequence=sequence,
        )  # fmt: skip
        return await self.append("observer", entity_stream(entity_type, key), data)

    async def withdraw(self, entity_type: str, key: str, at: datetime | None = None) -> Recorded:
        data = EntityWithdrawn(
            entity_type=entity_type, key=key, feed=FEEDS[entity_type], source_time=instant(at or self.asof),
            upstream_id=str(self.serial),
        )  # fmt: skip
        return await self.append("observer", entity_stream(entity_type, key), data)

    async def snapshot(self, entity_type: str, at: datetime, *keys: str, part: int = 1, parts: int = 1) -> Recorded:
        """A complete snapshot that names `keys`, all of them unchanged."""
        data = SourceReported(
            feed=FEEDS[entity_type], entity_type=entity_type, snapshot=instant(at), as_of=instant(at), rows=len(keys),
            rows_digest="0", complete=True, refreshed=list(keys), stored=[], part=part, parts=parts,
        )  # fmt: skip
        return await self.append("observer", source_stream(data.feed), data)

    async def clock_to(self, to: datetime) -> Recorded:
        data = ClockAdvanced(was=instant(self.asof), now=instant(to))
        self.asof = to
        return await self.append("approver", REALM_STREAM, data)

    async def close_case(self, case: str) -> Recorded:
        data = CaseClosed(case=case, how="resolved", verification="0")
        return await self.append("auditor", f"attestation/{case}", data, case=case)

    # What the differ does.

    async def deliver(self, *batch: Recorded) -> None:
        """Hand the differ one batch of one topic, as its consumer does: in a transaction, again when it is
        transient."""
        handlers = {
            "entity": self.differ.on_state,
            "source": self.differ.on_state,
            "declaration": self.differ.on_declarations,
            "realm": self.differ.on_clock,
            "attestation": self.differ.on_attestations,
        }
        (category,) = {item.event.subject.partition("/")[0].replace("source", "entity") for item in batch}
        await self.transact(handlers[category], batch)
        if category == "entity":
            await self.came(batch[-1].position)

    async def came(self, handled: int, relayed: int | None = None) -> None:
        """How far the differ has come with what was observed, and how far the bus (where None: no further)."""
        observer, differ = self.connections["observer"], self.connections["differ"]
        async with observer.transaction():
            old = await progress.relayed(observer, "observer")
            new = max(-1 if old is None else old, handled if relayed is None else relayed)
            await progress.set_relayed(observer, "observer", Move(old, new), {("state", 0): new})
        async with differ.transaction():
            await progress.reach(differ, "differ", "state", handled)

    async def transact(self, handler: Any, *arguments: Any) -> Any:
        for attempt in range(ATTEMPTS):
            try:
                async with self.pool.acquire() as conn, conn.transaction():
                    return await handler(conn, *arguments)
            except Transient:
                if attempt + 1 == ATTEMPTS:
                    raise
        raise AssertionError("unreachable")

    async def review(self) -> None:
        """Do all reviews under way."""
        while await self.transact(self.differ.review):
            pass

    async def measure(self) -> None:
        """Measure every objective whose population has changed."""
        while await self.transact(self.differ.measure):
            pass

    async def begin(self, text: str | None = None) -> None:
        """The realm exists, the declarations are active, the differ knows."""
        await self.deliver(await self.create())
        await self.deliver(*await self.activate(text or FINDINGS.read_text()))
        await self.review()
        await self.measure()

    # What came of it.

    async def gap_events(self, case: str | None = None) -> list[Event]:
        found = [event for event in await self.events() if category(event.subject) == "gap"]
        return [event for event in found if case is None or event.caseid == case]

    async def events(self) -> list[Event]:
        """All that the differ appended."""
        return [item.event for item in await self.ledger.read_after(self.pool, -1, 10_000, source="differ")]

    async def said(self, case: str | None = None) -> list[str]:
        """The differ's event types in short: opened, changed, closed, undecided."""
        return [event.type.split(".")[2] for event in await self.gap_events(case)]

    async def case(self, case: str) -> Case:
        return Case.fold(case, [(item.position, item.event) for item in await self.ledger.read_case(self.pool, case)])

    async def failing(self, case: str) -> dict[str, str]:
        """{rule: status} of what fails now; empty when the gap is closed."""
        folded = await self.case(case)
        if folded.gap is None or folded.gap_closed is not None:
            return {}
        return {rule.name: rule.status for rule in folded.gap.data.rules}


def days(count: float) -> timedelta:
    return timedelta(days=count)
