"""The approver as it runs, on a real database and over real HTTP; tests play the other services and the bus."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import uvicorn
from cli.client import Client
from cli.stack.realm import Realm
from common.clock import wall_now
from common.directory import Directory
from common.events import Event
from common.ledger import Appended, Ledger, NewEvent, Recorded, append
from common.runtime import Parts
from common.topics import topic_of

from support.casework import FINDINGS
from support.walk import Walk, keys


@dataclass
class Office:
    """A running approver and everybody around it. `walk` holds the case as the ledger has it."""

    realm: Realm
    folder: Path
    parts: Parts
    url: str
    pool: Any
    delivered: int = -1
    walk: Walk = field(default_factory=Walk)
    clients: dict[str, Client] = field(default_factory=dict)

    def client(self, person: str) -> Client:
        """The person's client, signed in."""
        if person not in self.clients:
            path = self.folder / f"{person}.key"
            path.write_text(keys()[person])
            path.chmod(0o600)
            self.clients[person] = Client(self.url, person, path)
            self.clients[person].login()
        return self.clients[person]

    async def ask(self, person: str, method: str, *given: Any, **named: Any) -> Any:
        """Call a method of the person's client, off the loop that serves."""
        return await asyncio.to_thread(lambda: getattr(self.client(person), method)(*given, **named))

    async def decide(self, person: str, kind: str, **named: Any) -> list[str]:
        """The short types of the events that the decision brought about; then everybody learns of them."""
        answer = await self.ask(person, "decide", kind, self.walk.id, **named)
        await self.sync()
        return [kind.removeprefix("trueup.").removesuffix(".v1") for kind in answer["types"]]

    async def write(self, *events: Event) -> None:
        """Append as the services that wrote these events, each in its own role; then everybody learns of them."""
        await self.put(*events)
        await self.deliver()

    async def put(self, *events: Event) -> None:
        """Append, and tell nobody."""
        for event in events:
            conn = await asyncpg.connect(self.realm.url(event.source))
            try:
                answers = await append(conn, [[NewEvent(event, event.streamversion)]])
                assert isinstance(answers[0], Appended), answers[0]
            finally:
                await conn.close()
        await self.sync()

    async def sync(self) -> None:
        """The walk knows what the ledger knows."""
        recorded = await Ledger(self.pool).read_after(self.pool, -1, 10_000)
        self.walk.ledger = [item.event for item in recorded]
        self.walk.events = [item.event for item in recorded if item.event.caseid == self.walk.id]
        self.walk.wall = wall_now()

    async def deliver(self, only: str | None = None) -> None:
        """Play the bus: everything new goes to the handler of its topic, in one transaction a topic."""
        recorded = await Ledger(self.pool).read_after(self.pool, self.delivered, 10_000)
        for consumer in self.parts.consumers:
            batch: list[Recorded] = [
                item for item in recorded if topic_of(item.event.subject).name in consumer.topics
            ]
            if batch and (only is None or only in consumer.topics):
                async with self.pool.acquire() as conn, conn.transaction():
                    await consumer.handler(conn, batch)
        if recorded:
            self.delivered = recorded[-1].position
        await self.sync()

    async def make(self, *steps: Callable[[], Event]) -> None:
        """Do these steps of the walk, one after the other, on the real ledger."""
        for step in steps:
            await self.write(step())

    async def declare(self, text: str | None = None) -> None:
        file = self.folder / "findings.yaml"
        file.write_text(text or FINDINGS.read_text())
        proposal = await self.ask("c.adeyemi", "propose", file)
        await self.ask("t.brandt", "activate", proposal["id"])
        await self.deliver()

    async def types(self) -> list[str]:
        await self.sync()
        return [event.type.removeprefix("trueup.").removesuffix(".v1") for event in self.walk.events]

    async def open_gap(self) -> None:
        """The declarations are active and the finding's gap is found."""
        await self.declare()
        await self.make(lambda: self.walk.report("2023-07-01 00:00"), self.walk.open_gap)

    async def open_ticket(self) -> None:
        """The gap is confirmed, a plan drafted, its ticket open."""
        await self.open_gap()
        await self.decide("j.moreau", "confirm")
        await self.make(self.walk.draft)


def write_directory(path: Path, people: Directory) -> None:
    entries = [person.model_dump(mode="json") for person in people.everybody()]
    path.write_text(json.dumps({"realm": people.realm, "people": entries, "agents": sorted(people.agents)}))


def with_roles(people: Directory, person: str, *roles: str) -> Directory:
    """The same directory in which `person` holds more roles."""
    changed = people.people[person].model_copy(update={"roles": (*people.people[person].roles, *roles)})
    return Directory.of(people.realm, [*({**people.people, person: changed}.values())], sorted(people.agents))


class Served:
    """Serves an application on a free port of the loopback while it is entered."""

    def __init__(self, app: Any) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> str:
        self._task = asyncio.create_task(self._server.serve([self._socket]))
        while not self._server.started:
            await asyncio.sleep(0.01)
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    async def __aexit__(self, *_: object) -> None:
        self._server.should_exit = True
        assert self._task is not None
        await self._task
