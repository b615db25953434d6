"""A realm's database, written to as each service by its own role, with a ticketing database beside it.

The real workers run on it as their own roles; only the bus is left out: a test puts a case into the queue itself.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from cli.stack.realm import Realm
from common.cases import Case
from common.clock import instant, parse_instant, wall_now
from common.declarations.loader import load
from common.events import SIGNED, Event, Origin, new_event
from common.events.approver import ClockAdvanced, RealmCreated
from common.ids import REALM_STREAM
from common.ledger import Appended, Ledger, NewEvent
from common.ledger.progress import pending

from support import declared, service_keys, walk
from support.casework import AUTHOR, FINDINGS, Casework

TICKETING = Path(__file__).parents[2] / "examples" / "findings" / "ticketing.sql"
START = "2023-07-03T12:00:00Z"


@dataclass
class Ground:
    """One realm. `pools` are logged in as the services; `target` is the ticketing database's address for the
    executor, `target_admin` its owner's."""

    realm: Realm
    pools: dict[str, Any]
    target: str
    target_admin: str
    now: str = START
    ledgers: dict[str, Ledger] = field(default_factory=dict)

    def ledger(self, service: str) -> Ledger:
        return self.ledgers.setdefault(service, Ledger(self.pools[service]))

    async def put(self, events: Iterable[Event]) -> None:
        """Append events, each as its source's own role, in order; what services sign, at the version it then has."""
        for event in events:
            ledger, version = self.ledger(event.source), None
            if event.type in SIGNED:
                version = 1 + len(await ledger.read_stream(ledger.pool, event.subject))
                event = service_keys.numbered(event, version)  # noqa: PLW2901 - the same one, as it is appended
            (answer,) = await ledger.append([[NewEvent(event, version)]])
            assert isinstance(answer, Appended), answer

    async def declare(self, text: str) -> None:
        """Activate every document of `text`, written by `AUTHOR`."""
        documents, asof = load(text, "findings.yaml").documents, parse_instant(self.now)
        for events in declared.events(documents, asof, AUTHOR, realm=self.realm.name, keys=walk.keys()):
            await self.put(events)

    async def advance(self, now: str) -> None:
        """Move the replay clock."""
        data = ClockAdvanced(was=self.now, now=now)
        origin = Origin(source="approver", actor="person:x", time=wall_now(), asof=parse_instant(now))
        await self.put([new_event(data, REALM_STREAM, origin, now)])
        self.now = now

    async def case(self, case_id: str) -> Case:
        recorded = await self.ledger("auditor").read_case(self.pools["auditor"], case_id)
        return Case.fold(case_id, ((one.position, one.event) for one in recorded))

    async def events(self, case_id: str) -> list[Event]:
        recorded = await self.ledger("auditor").read_case(self.pools["auditor"], case_id)
        return [one.event for one in recorded]

    async def types(self, case_id: str) -> list[str]:
        """The case's event types, without `trueup.` and `.v1`."""
        return [event.type.removeprefix("trueup.").removesuffix(".v1") for event in await self.events(case_id)]

    async def bring(self, work: Casework) -> None:
        """Append what `work` has and the ledger has not."""
        known = {event.id for event in await self.events(work.id)}
        observed = await self.ledger("auditor").by_ids(
            self.pools["auditor"], [("observer", event.id) for event in work.observations()]
        )
        known |= {one.event.id for one in observed}
        await self.put(event for event in [*work.observations(), *work.events] if event.id not in known)

    async def take(self, work: Casework) -> Casework:
        """Let `work` know what the services have written meanwhile."""
        work.events = await self.events(work.id)
        return work

    async def requests(self, case_id: str) -> list[Any]:
        """What the ticketing database holds for the case."""
        return list(await self._ask("SELECT * FROM requests WHERE case_id = $1 ORDER BY id", case_id))

    async def receipts(self, case_id: str) -> list[Any]:
        return list(await self._ask("SELECT * FROM trueup_receipts WHERE case_id = $1", case_id))

    async def _ask(self, query: str, *values: Any) -> Any:
        connection = await asyncpg.connect(self.target_admin)
        try:
            return await connection.fetch(query, *values)
        finally:
            await connection.close()

    async def pending(self, service: str) -> int:
        return (await pending(self.pools["auditor"])).get(service, 0)


def at_database(url: str, database: str, user: str | None = None, password: str = "") -> str:
    """`url` with another database and, if given, another login."""
    parts = urlsplit(url)
    netloc = f"{user}:{password}@{parts.netloc.rpartition('@')[2]}" if user else parts.netloc
    return urlunsplit((parts.scheme, netloc, f"/{database}", parts.query, ""))


@asynccontextmanager
async def ground_of(realm: Realm) -> AsyncIterator[Ground]:
    """The realm with a replay clock at `START`, the findings example in force, and a ticketing database."""
    name = f"tickets_{secrets.token_hex(6)}"
    password = secrets.token_hex(12)
    admin = await asyncpg.connect(realm.admin_url)
    await admin.execute(f'CREATE DATABASE "{name}"')
    target_admin = at_database(realm.admin_url, name)
    owner = await asyncpg.connect(target_admin)
    await owner.execute(TICKETING.read_text())
    await owner.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{password}' IN ROLE trueup_requests")
    await owner.close()
    services = ("observer", "differ", "planner", "approver", "executor", "auditor")
    pools = {service: await asyncpg.create_pool(realm.url(service), min_size=0, max_size=6) for service in services}
    target = at_database(realm.admin_url, name, name, password)
    ground = Ground(realm, pools, target, target_admin)
    origin = Origin(source="approver", actor="service:approver", time=wall_now(), asof=parse_instant(START))
    created = RealmCreated(realm="demo", mode="replay", timezone="America/New_York", start=START)
    await ground.put([new_event(created, REALM_STREAM, origin)])
    await ground.declare(FINDINGS.read_text())
    try:
        yield ground
    finally:
        for pool in pools.values():
            async with asyncio.timeout(10):
                await pool.close()
        await admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
        await admin.execute(f"DROP ROLE {name}")
        await admin.close()


def casework(key: str, **row: Any) -> Casework:
    """A case about finding `key`, made now, as of `START`."""
    work = Casework(wall=wall_now(), asof=parse_instant(START))
    work.row = {**work.row, "reference": key, **row}
    return work


__all__ = ["START", "TICKETING", "Ground", "casework", "ground_of", "instant"]
