"""Events without a story, for tests of the ledger and the bus themselves."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import asyncpg
from cli.stack.realm import Realm
from common.clock import instant, wall_now
from common.events import SIGNED, Event

OBSERVED = "trueup.entity.observed.v1"
STREAM = {
    "observer": ("entity/thing/{}", OBSERVED),
    "differ": ("gap/{}", "trueup.gap.opened.v1"),
    "planner": ("plan/{}", "trueup.plan.drafted.v1"),
    "approver": ("approval/{}", "trueup.ticket.opened.v1"),
    "executor": ("execution/{}", "trueup.execution.finished.v1"),
    "auditor": ("attestation/{}", "trueup.case.closed.v1"),
}


SIGNATURE = "service:{}/" + "0" * 16 + ":" + "A" * 86 + "=="
"""What looks like a service's signature, which is all that the database can tell."""


def name() -> str:
    """A name nobody else has."""
    return secrets.token_hex(8)


def an_event(
    service: str = "observer",
    *,
    stream: str | None = None,
    identity: str | None = None,
    type_: str | None = None,
    time: datetime | None = None,
    case: str | None = None,
    data: dict[str, Any] | None = None,
) -> Event:
    """An event that `service` may append, unless the arguments say otherwise."""
    pattern, usual_type = STREAM[service]
    now = instant(time or wall_now())
    kind = type_ or usual_type
    return Event(
        id=identity or name(),
        source=service,
        type=kind,
        subject=stream or pattern.format(name()),
        time=now,
        asof=now,
        actor=f"service:{service}",
        data=data or {},
        caseid=case,
        signature=SIGNATURE.format(service) if kind in SIGNED else None,
    )


@asynccontextmanager
async def connected(realm: Realm, role: str, size: int = 4) -> AsyncIterator[Any]:
    """A pool logged in as the role of a service, or as `reader`."""
    pool = await asyncpg.create_pool(realm.url(role), min_size=1, max_size=size)
    try:
        yield pool
    finally:
        pool.terminate()


async def kept_waiting(source: Any, connection: Any) -> None:
    """Returns when `connection` waits for another's lock; asks through `source`, of the same role."""
    async with asyncio.timeout(30):
        while not await source.fetchval(
            "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = $1", connection.get_server_pid()
        ):
            await asyncio.sleep(0.01)


@asynccontextmanager
async def unguarded(realm: Realm) -> AsyncIterator[None]:
    """Meanwhile the database lets pass what its own checks of privileged types and of signatures would refuse, as it
    did before it had them: services must not rely on it."""
    admin: Any = await asyncpg.connect(realm.admin_url)
    signed = await admin.fetch("SELECT role, signed FROM ledger.services")
    try:
        await admin.execute("ALTER TABLE ledger.events DISABLE TRIGGER privileged")
        await admin.execute("UPDATE ledger.services SET signed = '[]'")
        yield
    finally:
        await admin.executemany("UPDATE ledger.services SET signed = $2 WHERE role = $1", signed)
        await admin.execute("ALTER TABLE ledger.events ENABLE ALWAYS TRIGGER privileged")
        await admin.close()
