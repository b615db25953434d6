"""The auditor as it runs, on a real database and over real HTTP; tests play the other services and the bus."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import asyncpg
import httpx
from auditor.workers.issuing import Issuer
from cli.stack.realm import Realm
from common.clock import instant, wall_now
from common.events import Event, Origin, new_event
from common.events.approver import ClockAdvanced
from common.ledger import Appended, Ledger, NewEvent, Recorded, append
from common.runtime import Parts
from common.topics import topic_of

from support.walk import Walk, at


@dataclass
class AuditRoom:
    """A running auditor and everybody around it. `walk` holds the case as the ledger has it."""

    realm: Realm
    parts: Parts
    issuer: Issuer
    pool: Any
    url: str
    token: str
    delivered: int = -1
    walk: Walk = field(default_factory=Walk)
    connections: dict[str, Any] = field(default_factory=dict)

    async def write(self, *events: Event, deliver: bool = True) -> None:
        """Append as the services that wrote these events, each in its own role; then the bus delivers."""
        for event in events:
            answers = await append(await self._as(event.source), [[NewEvent(event, event.streamversion)]])
            assert isinstance(answers[0], Appended), answers[0]
        await self.sync()
        if deliver:
            await self.deliver()

    async def _as(self, service: str) -> Any:
        if service not in self.connections:
            self.connections[service] = await asyncpg.connect(self.realm.url(service))
        return self.connections[service]

    async def leave(self) -> None:
        for connection in self.connections.values():
            await connection.close()

    async def make(self, *steps: Callable[[], Any], deliver: bool = True) -> None:
        """Do these steps of the walk, one after the other, on the real ledger."""
        for step in steps:
            before = len(self.walk.ledger)
            step()
            await self.write(*self.walk.ledger[before:], deliver=deliver)

    async def copy(self, walk: Walk) -> None:
        """Append everything that happened in `walk`, which was made elsewhere, and deliver it."""
        self.walk = walk
        await self.write(*walk.ledger)

    async def sync(self) -> None:
        """The walk knows what the ledger knows."""
        recorded = await Ledger(self.pool).read_after(self.pool, -1, 10_000)
        self.walk.ledger = [item.event for item in recorded]
        self.walk.events = [item.event for item in recorded if item.event.caseid == self.walk.id]
        self.walk.wall = wall_now()

    async def deliver(self) -> None:
        """Play the bus: everything new goes to the handler of its topic, in one transaction a topic."""
        recorded = await Ledger(self.pool).read_after(self.pool, self.delivered, 10_000)
        for listener in self.parts.listeners:
            if any(topic_of(item.event.subject).name == listener.topic for item in recorded):
                async with self.pool.acquire() as conn, conn.transaction():
                    await listener.handler(conn)
        for consumer in self.parts.consumers:
            batch: list[Recorded] = [
                item for item in recorded if topic_of(item.event.subject).name in consumer.topics
            ]
            if batch:
                async with self.pool.acquire() as conn, conn.transaction():
                    await consumer.handler(conn, batch)
        if recorded:
            self.delivered = recorded[-1].position
        await self.issue()
        await self.sync()

    async def issue(self) -> None:
        """Play the issuer's worker until nothing waits."""
        while True:
            async with self.pool.acquire() as conn:
                job = await self.issuer.queue.lease(conn, 30)
            if job is None:
                return
            await self.issuer.look(job)

    async def advance(self, to: str, deliver: bool = True) -> None:
        """The replay clock moves to `to` (`2023-09-20 12:00`)."""
        moment = at(to)
        origin = Origin(source="approver", actor="person:k.weber", time=wall_now(), asof=moment)
        data = ClockAdvanced(was=instant(self.walk.asof), now=instant(moment))
        self.walk.asof = moment
        await self.write(new_event(data, "realm", origin, instant(moment)), deliver=deliver)

    def said(self) -> list[str]:
        """The short types of what the auditor has recorded."""
        own = [event for event in self.walk.ledger if event.source == "auditor"]
        return [event.type.removeprefix("trueup.").removesuffix(".v1") for event in own]

    def last(self, event_type: str) -> Event:
        """The newest event of this short type (`proof.seen`)."""
        return [event for event in self.walk.ledger if event.type == f"trueup.{event_type}.v1"][-1]

    async def timers(self) -> list[tuple[str, str, datetime]]:
        rows = await self.pool.fetch("SELECT subject, name, instant FROM auditor.timers ORDER BY instant")
        return [tuple(row) for row in rows]

    async def get(self, path: str, token: str | None = None) -> httpx.Response:
        """Ask the API as an examiner; `token=""` asks without one."""
        async with self._client(token) as client:
            return await client.get(path)

    async def post(self, path: str, body: Any, token: str | None = None) -> httpx.Response:
        async with self._client(token) as client:
            return await client.post(path, json=body)

    def _client(self, token: str | None) -> httpx.AsyncClient:
        given = self.token if token is None else token
        headers = {"authorization": f"Bearer {given}"} if given else {}
        return httpx.AsyncClient(base_url=self.url, headers=headers, trust_env=False)
