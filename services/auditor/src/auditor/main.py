"""The auditor, put together. The only place that wires."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from common.bus import Consumer, Listener
from common.clock import wall_now
from common.current import Current
from common.directory import WatchedDirectory
from common.entities import EntityStore
from common.errors import Permanent, Transient
from common.http_api import harden
from common.http_auth import Bearer, Tokens, read_secret
from common.jobs import JobQueue, Nudge, work
from common.runtime import Parts, Runtime, Service, run
from common.service_keys import ServiceKey, signing_of
from common.subject_keys import subject_keys
from common.timers import Timers, WallTimers
from transparency.bundles import Signing

from auditor.adapters.bundles import StoredExports
from auditor.adapters.ledger_rows import StoredRows
from auditor.adapters.log_book import LogTables
from auditor.adapters.log_files import read_log_key, read_policy
from auditor.adapters.log_reading import StoredLog
from auditor.adapters.naming import Naming
from auditor.adapters.projection import CaseLines
from auditor.adapters.reading import StoredReading
from auditor.adapters.records import LedgerRecords, ReadEntities
from auditor.adapters.tables import AttestationTable, CaseTable, TimedAlarms
from auditor.adapters.witness_http import HttpWitnesses
from auditor.api.exports import exports_router
from auditor.api.log import log_router
from auditor.api.routes import MAX_BODY_BYTES, no_keys, router
from auditor.handlers import Auditor, Outside
from auditor.ports import Proofs, Reading
from auditor.settings import AuditorSettings
from auditor.workers.issuing import Issuer
from auditor.workers.sealing import Sealer
from auditor.workers.witnessing import Witnesses

NAME = "auditor"
GATHER_S = 0.2
CASE_TOPICS = ("gaps", "plans", "approvals", "executions")
REALM_LOOK_S = 0.5


async def compose(runtime: Runtime) -> Parts:
    """The auditor's parts. Raises `Permanent` when directory, issuer's secret, signing key, or the log's key or
    policy can't be used."""
    settings = runtime.settings
    assert isinstance(settings, AuditorSettings)
    people = WatchedDirectory(_required(settings.directory, "TRUEUP_DIRECTORY"), settings.realm)
    tokens = Tokens(read_secret(_required(settings.issuer_key, "TRUEUP_ISSUER_KEY")), settings.realm)
    signing = signing_of(NAME, settings, wall_now())
    timers, queue, nudge = Timers(NAME), JobQueue(NAME), Nudge()
    records = LedgerRecords(runtime.ledger, signing.key)
    keys = subject_keys(settings.subject_keys)
    outside = Outside(
        current=Current(runtime.ledger, people),
        entities=ReadEntities(EntityStore(NAME, keys), runtime.ledger),
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
    )
    duties = _Duties(runtime, outside, auditor, issuer, nudge, settings.lease_s)
    log = _log(runtime, settings)
    bearer = Bearer(tokens, people)
    reading = StoredReading(runtime.pool, runtime.ledger)
    return Parts(
        consumers=[
            Consumer(CASE_TOPICS, auditor.on_cases),
            Consumer(("declarations",), auditor.on_declarations),
            Consumer(("clock",), auditor.on_clock),
        ],
        listeners=[Listener("state", auditor.on_state)],
        tasks={
            "issuer": duties.issue,
            "timers": duties.timers,
            "sealer": log.sealer.run,
            "witnesses": log.witnesses.run,
        },
        routers=[
            router(
                reading,
                bearer,
                keys.read if keys else no_keys,
                Naming(runtime.pool, outside.current, keys).known_as,
            ),
            log_router(log.reading, bearer),
            exports_router(
                _exports(
                    runtime, _required(settings.log_policy, "TRUEUP_LOG_POLICY"), reading, log.reading, signing.key
                ),
                bearer,
            ),
        ],
        setup=lambda app: harden(app, MAX_BODY_BYTES),
        close=log.http.close,
        gather_s=GATHER_S,
    )


@dataclass(frozen=True, slots=True)
class _Log:
    """The parts of the transparency log."""

    sealer: Sealer
    witnesses: Witnesses
    reading: StoredLog
    http: HttpWitnesses


def _log(runtime: Runtime, settings: AuditorSettings) -> _Log:
    key = read_log_key(_required(settings.log_key, "TRUEUP_LOG_KEY"))
    policy = read_policy(_required(settings.log_policy, "TRUEUP_LOG_POLICY"), key)
    book, rows, http, failing = LogTables(), StoredRows(), HttpWitnesses(), runtime.failing

    def tell(name: str, problem: str | None) -> None:
        failing.pop(name, None)
        if problem is not None:
            failing[name] = problem

    def problems() -> list[str]:
        return [f"{name}: {why}" for name, why in failing.items() if name.startswith(("sealer", "witness"))]

    witnesses = Witnesses(pool=runtime.pool, book=book, ask=http, policy=policy, wall=wall_now, tell=tell)
    sealer = Sealer(
        pool=runtime.pool,
        rows=rows,
        book=book,
        key=key,
        policy=policy,
        wall=wall_now,
        looked=witnesses.looked,
        disputed=witnesses.disputed,
        sealed=witnesses.nudge,
    )
    reading = StoredLog(runtime.pool, rows, book, key, policy, witnesses.lines, problems)
    return _Log(sealer, witnesses, reading, http)


def _exports(
    runtime: Runtime, policy: Path, reading: Reading, proofs: Proofs, key: Callable[[], ServiceKey]
) -> StoredExports:
    def signing() -> Signing:
        return Signing(NAME, key().secret)

    return StoredExports(runtime.pool, runtime.ledger, reading, proofs, policy.read_bytes, signing)


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
        wall = WallTimers(runtime.pool, self._outside.timers, self._auditor.fire_due, self._outside.wall)
        await wall.run_until(stop)

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
    projection=CaseLines,
    description="Verifies from newer observations, closes cases, and issues attestations that anyone can check.",
)


def main() -> None:
    """Run the auditor until it is told to stop."""
    run(SERVICE)


if __name__ == "__main__":
    main()
