"""A service made of nothing but the runtime: one gap for each observation. Run as the differ, in its place."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from common.bus import Consumer
from common.clock import instant, wall_now
from common.ids import event_id
from common.ledger import AppendRefused, Connection, NewEvent, Recorded, append
from common.runtime import Parts, Runtime, Service, run
from fastapi import APIRouter

from support.ledgers import an_event

OPENED = "trueup.gap.opened.v1"


async def open_gaps(connection: Connection, events: Sequence[Recorded]) -> None:
    """One gap an observation, its id derived from the observation's."""
    requests = []
    for recorded in events:
        stream = f"gap/tiny/{recorded.event.id}/1"
        event = an_event("differ", stream=stream, identity=event_id(OPENED, stream, recorded.event.id))
        requests.append([NewEvent(replace(event, causationid=recorded.event.id, time=instant(wall_now())))])
    for answer in await append(connection, requests):
        if isinstance(answer, AppendRefused):
            raise answer.error()


async def compose(runtime: Runtime) -> Parts:
    router = APIRouter()
    failures = ["once"]

    @router.get("/hello")
    async def hello() -> str:
        return runtime.realm

    async def flaky(stop: asyncio.Event) -> None:
        if failures:
            raise ValueError(failures.pop())
        await stop.wait()

    return Parts(consumers=[Consumer(("state",), open_gaps)], tasks={"flaky": flaky}, routers=[router])


if __name__ == "__main__":
    run(Service(name="differ", compose=compose))
