"""The executor's worker: fold one case, find the one next thing to do, do it, and look again until nothing is left.

What is decided is decided in `core`; here it is loaded, written down and carried out, in this order. Everything that
counts is in the ledger before and after, so that a process that dies anywhere is followed by one that goes on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
from common.approvals import check_services
from common.cases import Attempt, Case, Said
from common.clock import wall_now
from common.current import Current
from common.declarations import sql
from common.declarations.evaluation import EntityView
from common.declarations.values import Unknown
from common.directory import Directory
from common.entities import EntityStore, Following
from common.entities.naming import keys_behind
from common.errors import Permanent, Refused, Transient
from common.events import Event, EventData, Origin, new_event
from common.events.executor import ActionFailed, ActionIntended, ActionSucceeded, ActionUnknown
from common.events.planner import Step
from common.facts import exemptions, source_doubts
from common.failpoints import failpoint
from common.jobs import Job, JobQueue, try_again
from common.ledger import AppendRefused, Connection, Ledger, NewEvent, append
from common.service_keys import Signing
from common.standings import subject_facts
from common.subject_keys import SubjectKeys

from executor.acting import carried_out
from executor.core import records
from executor.core.checks import Scene, check_outcome, check_standing, checked_start, checked_step
from executor.core.effects import end_of
from executor.core.limits import reached, realm_day
from executor.core.progress import Finish, Halt, Intend, Move, Record, Resume, Start, Wait, next_move
from executor.ports import Actions, Order, Targets

LEASE_S = 5.0
_ENDS = (ActionSucceeded.TYPE, ActionFailed.TYPE, ActionUnknown.TYPE)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Loaded:
    """One case and what it is checked against, as of one moment. `latest` is the case's newest event, `key_behind`
    the entity's own key where it is known by a pseudonym."""

    case: Case
    scene: Scene
    zone: ZoneInfo
    latest: Event
    key_behind: str | Unknown | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the worker works with."""

    pool: Any
    ledger: Ledger
    current: Current
    store: EntityStore
    subject_keys: SubjectKeys | None
    queue: JobQueue
    directory: Callable[[], Directory]
    signing: Signing
    targets: Targets
    actions: Actions


class Executor:
    """Looks at cases, one at a time; several may look at different cases at once."""

    def __init__(self, parts: Parts, lease_s: float = LEASE_S) -> None:
        self._ = parts
        self.lease_s = lease_s

    async def look(self, job: Job) -> None:
        """Do all that can be done in the case now, and end the job.

        What may pass is tried again later; what goes on failing is parked, and said so, until news comes in.
        """
        try:
            while not await self._step(job):
                pass
        except (Transient, OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            await try_again(self._.pool, self._.queue, job, error)
        except Permanent as error:
            _log.error("%s can't be executed: %s", job.case_id, error)
            await self._park(job, f"{error.reason_code}: {error.message}")

    async def _park(self, job: Job, why: str) -> None:
        async with self._.pool.acquire() as conn, conn.transaction():
            await self._.queue.park(conn, job, why)

    async def _step(self, job: Job) -> bool:
        """Make the one next move; True when the job has ended."""
        loaded = await self._load(job.case_id)
        if loaded is None:
            return await self._done(job)
        move: Move = next_move(loaded.case)
        match move:
            case Wait():
                return await self._done(job)
            case Start():
                await self._start(job, loaded)
            case Intend(step):
                return await self._intend(job, loaded, step)
            case Resume(step, attempt):
                await self._carry_out(job, loaded, step, attempt.intended, tried_before=True)
            case Record(_, attempt, outcome):
                await self._record(job, loaded, attempt, outcome)
            case Finish():
                await self._finish(job, loaded)
            case Halt(reason_code, reason):
                await self._write(job, loaded, records.halted(loaded.case, reason_code, reason))
        return False

    # The moves

    async def _start(self, job: Job, loaded: Loaded) -> None:
        case = loaded.case
        cause = case.authorisation.event if case.authorisation is not None else loaded.latest
        try:
            data: EventData = records.started(case, checked_start(case, loaded.scene))
        except Refused as refusal:
            _log.warning("%s is not executed: %s", case.id, refusal)
            data = records.halted_by(case, refusal)
        await self._write(job, loaded, data, cause)

    async def _intend(self, job: Job, loaded: Loaded, step: Step) -> bool:
        case, scene = loaded.case, loaded.scene
        try:
            release = checked_step(case, step, scene)
        except Refused as refusal:
            if refusal.reason_code == "release_missing":
                return await self._done(job)
            _log.warning("%s, step %d is not done: %s", case.id, step.number, refusal)
            await self._write(job, loaded, records.halted_by(case, refusal))
            return False
        intent = records.intended(case, step, release)
        cause = release.event if release is not None else loaded.latest
        event = self._event(loaded, intent, cause, str(step.number))
        async with self._.pool.acquire() as conn, conn.transaction():
            await self._.queue.renew(conn, job, self.lease_s)
            day = realm_day(event.asof, loaded.zone)
            used = await self._.actions.usage(conn, step.action, case.id, day)
            limit = reached(step.action, scene.catalogue.actions[step.action].limits, used)
            if limit is None:
                await self._.actions.note(conn, [event], loaded.zone)
                await self._append(conn, case, event)
            elif limit.passes:
                _log.info("%s, step %d waits: %s", case.id, step.number, limit.reason)
                await self._.queue.park(conn, job, f"limit_reached: {limit.reason}")
                return True
        if limit is not None:
            await self._write(job, loaded, records.halted(case, "limit_reached", limit.reason))
            return False
        failpoint("executor.after_intent")
        if step.provider != "manual":
            said = Said(-1, event, intent)
            await self._carry_out(job, loaded, step, said, tried_before=False)
        return False

    async def _carry_out(
        self, job: Job, loaded: Loaded, step: Step, said: Said[ActionIntended], tried_before: bool
    ) -> None:
        """Act on what `said` intends. `tried_before`: it was intended earlier, and perhaps done."""
        refusal = _stands(loaded, step) if tried_before else None
        declared = loaded.scene.catalogue.actions.get(step.action)
        statement = declared.sql.statement if declared is not None and declared.sql is not None else ""
        refusal = refusal or _unaddressed(loaded, statement)
        order = _order(loaded, said.data, statement)
        effect, doubtful = await carried_out(self._.targets, order, tried_before, refusal)
        end = end_of(said.data, effect, doubtful)
        _log.info("%s, step %d: %s", job.case_id, step.number, end.TYPE)
        await self._write(job, loaded, end, said.event, since=0 if tried_before else 1)

    async def _record(self, job: Job, loaded: Loaded, attempt: Attempt, outcome: Said[Any]) -> None:
        try:
            check_outcome(loaded.case, outcome, attempt.intended, loaded.scene)
        except Refused as refusal:
            _log.warning("%s: the outcome of step %d does not count: %s", job.case_id, outcome.data.step, refusal)
            await self._write(job, loaded, records.halted_by(loaded.case, refusal))
            return
        end = records.of_outcome(attempt, outcome)
        await self._write(job, loaded, end, attempt.intended.event)

    async def _finish(self, job: Job, loaded: Loaded) -> None:
        """Finished, if it was the executor that did all of it."""
        try:
            check_services(loaded.case, loaded.scene.service_keys)
            data: EventData = records.finished(loaded.case)
        except Refused as refusal:
            _log.warning("%s is not finished: %s", job.case_id, refusal)
            data = records.halted_by(loaded.case, refusal)
        await self._write(job, loaded, data)

    # Reading and writing

    async def _load(self, case_id: str) -> Loaded | None:
        """The case and its scene, read in one transaction; None for a case without a gap or without a declaration
        of it: nothing can be executed there."""
        async with self._.pool.acquire() as conn, conn.transaction():
            catalogue = await self._.current.catalogue(conn)
            clock = await self._.current.clock(conn)
            await Following(self._.store, self._.ledger).all(conn, catalogue)
            recorded = await self._.ledger.read_case(conn, case_id)
            case = Case.fold(case_id, ((one.position, one.event) for one in recorded))
            if case.gap is None or case.gap.data.desired_state not in catalogue.desired_states:
                return None
            ref = (case.gap.data.entity_type, case.gap.data.key)
            views = await self._.store.views(conn, catalogue, [ref])
            state = catalogue.compiled(case.gap.data.desired_state)
            asof = clock.now(wall_now())
            facts = await subject_facts(conn, state, ref, views, asof)
            behind = await keys_behind(conn, catalogue, [ref], self._.subject_keys)
        view = views.get(ref, EntityView(*ref, {}, None))
        doubts, exempt = source_doubts(state, view, asof), exemptions(state, view, asof)
        scene = Scene(catalogue, self._.directory(), self._.signing.keys(), facts, asof, doubts, exempt)
        return Loaded(case, scene, ZoneInfo(clock.timezone), recorded[-1].event, behind.get(ref))

    def _event(self, loaded: Loaded, data: EventData, cause: Event, *unique: str) -> Event:
        origin = Origin(
            source="executor", actor="service:executor", time=wall_now(), asof=loaded.scene.asof, cause=cause
        )
        return new_event(data, f"execution/{loaded.case.id}", origin, *unique, case=loaded.case.id)

    async def _write(
        self, job: Job, loaded: Loaded, data: EventData, cause: Event | None = None, since: int = 0
    ) -> None:
        """Append `data`, with what is counted; durable when this returns. `since`: how many events the executor
        has appended after the fold."""
        event = self._event(loaded, data, cause or loaded.latest)
        async with self._.pool.acquire() as conn, conn.transaction():
            await self._.queue.renew(conn, job, self.lease_s)
            await self._.actions.note(conn, [event], loaded.zone)
            if event.type in _ENDS:
                await self._.queue.wake(conn)  # a limit on how many run at once may have room now
            await self._append(conn, loaded.case, event, since)
            failpoint("executor.written_appended")
        failpoint("executor.written_committed")

    async def _append(self, conn: Connection, case: Case, event: Event, since: int = 0) -> None:
        """The last statement of the caller's transaction."""
        version = case.version(f"execution/{case.id}") + since + 1
        signed = self._.signing.key().signed(event, version)
        (answer,) = await append(conn, [[NewEvent(signed, version)]])
        if isinstance(answer, AppendRefused):
            raise answer.error()

    async def _done(self, job: Job) -> bool:
        async with self._.pool.acquire() as conn, conn.transaction():
            await self._.queue.done(conn, job)
        return True


def _order(loaded: Loaded, intent: ActionIntended, statement: str) -> Order:
    key = loaded.key_behind
    if key is None:
        return Order(intent, statement, intent.target.partition("/")[2])
    return Order(intent, statement, key if isinstance(key, str) else "", sensitive_key=True)


def _unaddressed(loaded: Loaded, statement: str) -> Refused | None:
    """Why the target can't be told whom the statement is about, or None."""
    if not isinstance(loaded.key_behind, Unknown) or "entity_key" not in sql.names(statement):
        return None
    why = loaded.key_behind.reason
    return Refused("key_unknown", f"the key behind the pseudonym can't be told: {why}", "Do it by hand.")


def _stands(loaded: Loaded, step: Step) -> Refused | None:
    """Why a step that was intended earlier may not be done any more, or None."""
    try:
        check_standing(loaded.case, step, loaded.scene)
    except Refused as refusal:
        return refusal
    return None
