"""The auditor, put together. The only place that wires."""

from __future__ import annotations

import asyncio
from pathlib import Path

from common.bus import Consumer
from common.clock import wall_now
from common.current import Current
from common.directory import WatchedDirectory
from common.entities import EntityStore
from common.errors import Permanent, Transient
from common.http_api import harden
from common.http_auth import Bearer, Tokens, read_secret
from common.jobs import JobQueue, Nudge, work
from common.runtime import Parts, Runtime, Service, run
from common.service_keys import signing_of
from common.timers import Timers, WallTimers

from auditor.adapters.projection import CaseLines
from auditor.adapters.reading import StoredReading
from auditor.adapters.records import LedgerRecords, ReadEntities
from auditor.adapters.tables import AttestationTable, CaseTable, TimedAlarms
from auditor.api.routes import MAX_BODY_BYTES, router
from auditor.handlers import Auditor, Outside
from auditor.settings import AuditorSettings
from auditor.workers import Issuer

NAME = "auditor"
GATHER_S = 0.05
CASE_TOPICS = ("gaps", "plans", "approvals", "executions")
REALM_LOOK_S = 0.5


async def compose(runtime: Runtime) -> Parts:
    """The auditor's parts. Raises `Permanent` when directory, issuer's secret or signing key can't be used."""
    settings = runtime.settings
    assert isinstance(settings, AuditorSettings)
    people = WatchedDirectory(_required(settings.directory, "TRUEUP_DIRECTORY"), settings.realm)
    tokens = Tokens(read_secret(_required(settings.issuer_key, "TRUEUP_ISSUER_KEY")), settings.realm)
    signing = signing_of(NAME, settings, wall_now())
    timers, queue, nudge = Timers(NAME), JobQueue(NAME), Nudge()
    records = LedgerRecords(runtime.ledger, signing.key)
    outside = Outside(
        current=Current(runtime.ledger),
        entities=ReadEntities(EntityStore(NAME), runtime.ledger),
        records=records,
        cases=CaseTable(),
        alarms=TimedAlarms(timers),
        timers=timers,
        queue=queue,
        service_keys=signing.keys,
        wall=wall_now,
        nudge=nudge,
    )
    auditor = Auditor(outside)
    issuer = Issuer(
        pool=runtime.pool,
        realm=settings.realm,
        records=records,
        attestations=AttestationTable(),
        queue=queue,
        directory=people,
        service_keys=signing.keys,
        wall=wall_now,
        on_commit=runtime.committed,
    )
    duties = _Duties(runtime, outside, auditor, issuer, nudge, settings.lease_s)
    return Parts(
        consumers=[
            Consumer(("state",), auditor.on_state),
            Consumer(CASE_TOPICS, auditor.on_cases),
            Consumer(("declarations",), auditor.on_declarations),
            Consumer(("clock",), auditor.on_clock),
        ],
        tasks={"issuer": duties.issue, "timers": duties.timers},
        routers=[router(StoredReading(runtime.pool, runtime.ledger), Bearer(tokens, people))],
        setup=lambda app: harden(app, MAX_BODY_BYTES),
        gather_s=GATHER_S,
    )


class _Duties:
    """What the auditor does beside messages and requests."""

    def __init__(
        self, runtime: Runtime, outside: Outside, auditor: Auditor, issuer: Issuer, nudge: Nudge, lease_s: float
    ) -> None:
        self._runtime = runtime
        self._outside = outside
        self._auditor = auditor
        self._issuer = issuer
        self._nudge = nudge
        self._lease_s = lease_s

    async def issue(self, stop: asyncio.Event) -> None:
        """Issue attestations. What could not be issued before is tried again at each start."""
        queue, pool = self._outside.queue, self._runtime.pool
        async with pool.acquire() as conn, conn.transaction():
            await queue.wake(conn)
        await work(pool, queue, self._issuer.look, self._nudge, self._lease_s, stop)

    async def timers(self, stop: asyncio.Event) -> None:
        """On a wall clock, fire what comes due and what came due while the auditor was down; a replay clock's timers
        fire when it moves."""
        if await self._mode(stop) != "wall":
            await stop.wait()
            return
        runtime = self._runtime
        timers = WallTimers(
            runtime.pool, self._outside.timers, self._auditor.fire, self._outside.wall, runtime.committed
        )
        await timers.run_until(stop)

    async def _mode(self, stop: asyncio.Event) -> str:
        """The realm clock's mode, as soon as there is a realm; "" when told to stop before."""
        while not stop.is_set():
            try:
                async with self._runtime.pool.acquire() as conn:
                    return (await self._outside.current.clock(conn)).mode
            except Transient as error:
                if error.reason_code != "realm_missing":
                    raise
            await asyncio.sleep(REALM_LOOK_S)
        return ""


def _required(value: Path | None, variable: str) -> Path:
    if value is None:
        raise Permanent("setting_missing", f"{variable} is not set: the auditor needs it")
    return value


SERVICE = Service(
    name=NAME,
    compose=compose,
    settings=AuditorSettings,
    title="Trueup auditor",
    projection=lambda _ledger: CaseLines(),
    description="Verifies from newer observations, closes cases, and issues attestations that anyone can check.",
)


def main() -> None:
    """Run the auditor until it is told to stop."""
    run(SERVICE)


if __name__ == "__main__":
    main()
