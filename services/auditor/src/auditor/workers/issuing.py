"""Issuing: collect the records of a closed case, write the attestation, check it as a stranger would, append.

An attestation that does not pass the verifier is not issued. The case then stays closed without one, the reason is
logged and kept in the queue, and a person must look.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import asyncpg
from common.clock import parse_instant
from common.declarations.computing import MAX_CASE_EVENTS
from common.directory import Directory
from common.errors import Permanent, Transient
from common.events import Origin, new_event
from common.events.auditor import AttestationIssued, CaseClosed
from common.events.envelope import Event
from common.failpoints import failpoint
from common.jobs import Job, JobQueue, try_again
from common.ledger import Connection, Recorded
from common.service_keys import ServiceKeys

from auditor.core import attestation, selection
from auditor.core.attestation import Attestation
from auditor.core.deciding import ACTOR
from auditor.core.verification import verify
from auditor.ports import Attestations, Records

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """Works through the queue of closed cases. `directory` gives the people as they are now, `service_keys` the
    services' keys that are trusted."""

    pool: Any
    realm: str
    records: Records
    attestations: Attestations
    queue: JobQueue
    directory: Callable[[], Directory]
    service_keys: Callable[[], ServiceKeys]
    wall: Callable[[], datetime]

    async def look(self, job: Job) -> None:
        """Issue the attestation of one case and end the job; what may pass is tried again, the rest is parked."""
        try:
            async with self.pool.acquire() as conn, conn.transaction():
                await self.queue.done(conn, job)
                await self.issue(conn, job.case_id)
                failpoint("auditor.attestation_appended")
            failpoint("auditor.attestation_committed")
        except (Transient, OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            await try_again(self.pool, self.queue, job, error)
        except (Permanent, ValueError, KeyError) as error:
            _log.error("no attestation is issued of %s: %s", job.case_id, error)
            await self._park(job, str(error))

    async def _park(self, job: Job, why: str) -> None:
        async with self.pool.acquire() as conn, conn.transaction():
            await self.queue.park(conn, job, why[:500])

    async def issue(self, conn: Connection, case_id: str) -> None:
        """Issue the attestation of a closed case, unless it was, in the caller's transaction."""
        history = (await self.records.cases(conn, [case_id]))[case_id]
        if any(recorded.event.type == AttestationIssued.TYPE for recorded in history):
            return
        closed = next(recorded.event for recorded in history if recorded.event.type == CaseClosed.TYPE)
        people = self.directory().everybody()
        records = [(recorded.position, recorded.raw) for recorded in await self._evidence(conn, history)]
        document = attestation.issue(self.realm, case_id, closed.asof, records, people, self.service_keys())
        raw = document.encode()
        wrong = [f"{check.name}: {check.detail}" for check in verify(raw) if check.ok is False]
        if wrong:
            raise Permanent("not_verifiable", f"its own verifier refuses it: {'; '.join(wrong)}")
        await self.attestations.keep(conn, document, str(closed.data["how"]), raw)
        version = 1 + sum(recorded.event.subject == closed.subject for recorded in history)
        await self.records.append(conn, [[self._event(document, closed, version)]])

    async def _evidence(self, conn: Connection, history: list[Recorded]) -> list[Recorded]:
        own = selection.own((recorded.position, recorded.event) for recorded in history)
        cited = await self.records.events(conn, selection.cited(own))
        declared = await self.records.declarations(conn)
        placed = [(recorded.position, recorded.event) for recorded in declared]
        wanted = selection.declarations(placed, own)
        logs = selection.cases((recorded.event for recorded in cited), placed)
        kept = {position for position, _ in own}
        found = [
            *(recorded for recorded in history if recorded.position in kept),
            *cited,
            *await self.records.happened(conn, logs, own[-1][0], MAX_CASE_EVENTS + 1),
            *(recorded for recorded in declared if recorded.position in wanted),
            *await self.records.realm(conn),
        ]
        return list({recorded.position: recorded for recorded in found}.values())

    def _event(self, document: Attestation, closed: Event, version: int) -> Event:
        data = AttestationIssued(
            case=document.case,
            digest=document.digest,
            evidence=[item.position for item in document.exhibits],
            statement=document.head,
        )
        origin = Origin(
            source="auditor", actor=ACTOR, time=self.wall(), asof=parse_instant(closed.asof), cause=closed
        )
        event = new_event(data, closed.subject, origin, str(version), case=document.case)
        return replace(event, streamversion=version)
