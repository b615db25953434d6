"""The planner's worker: fold one case, see whether it needs a draft, ask the drafter, append.

Drafting may take long and happens outside any transaction; what it rests on is fixed by the expected version of the
plan's stream, and by the facts, which are compared again when anything about the case changes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import asyncpg
from common.approvals import check_signed
from common.cases import Case
from common.clock import wall_now
from common.current import Current
from common.declarations.catalogue import Catalogue
from common.declarations.evaluation import EntityView, Evaluation, evaluate, slots_of
from common.declarations.expressions import MET
from common.directory import Directory
from common.entities import EntityStore, Following
from common.errors import Permanent, Refused, Transient
from common.events import Event, EventData, Origin, new_event
from common.events.planner import PlanDrafted, PlanWithheld
from common.facts import entity_facts
from common.failpoints import failpoint
from common.jobs import MOST_ATTEMPTS, Job, JobQueue, try_again
from common.ledger import AppendRefused, Ledger, NewEvent, append
from common.objectives.population import POPULATION, Stood, population_facts, population_slots
from common.service_keys import ServiceKey
from common.standings import standings

from planner.core.situation import Situation, gate_one_stands
from planner.core.standing import NOTHING, Need, cause_of, is_news, need, without_declaration
from planner.ports import Drafter

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the worker works with."""

    pool: Any
    ledger: Ledger
    current: Current
    store: EntityStore
    queue: JobQueue
    drafter: Drafter
    directory: Callable[[], Directory]
    key: Callable[[], ServiceKey]


@dataclass(frozen=True, slots=True)
class Seen:
    """A case as it stands, what it needs, and, unless its declaration is gone, the situation to draft for."""

    case: Case
    need: Need
    situation: Situation | None = None


class Planner:
    """Looks at cases, one at a time; several may look at different cases at once."""

    def __init__(self, parts: Parts) -> None:
        self._ = parts

    async def look(self, job: Job) -> None:
        """Do what the case needs now, and end the job.

        What may pass is tried again later. When the drafter can't, or goes on failing, that is recorded as
        PlanWithheld: people see that there is no plan, and why.
        """
        try:
            seen = await self._see(job.case_id)
            await self._write(job, seen, await self._drafted(job, seen))
        except (Transient, OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            await try_again(self._.pool, self._.queue, job, error)
        except Permanent as error:
            _log.error("%s can't be planned: %s", job.case_id, error)
            await self._park(job, str(error))

    async def _drafted(self, job: Job, seen: Seen) -> PlanDrafted | PlanWithheld | None:
        situation = seen.situation
        if situation is None or not seen.need.draft:
            return None
        try:
            return await self._.drafter.draft(situation)
        except Transient as error:
            if job.attempts < MOST_ATTEMPTS:
                raise
            return _withheld(situation, error)
        except Permanent as error:
            return _withheld(situation, error)

    async def _see(self, case_id: str) -> Seen:
        """The case, its facts and what it needs, read in one transaction."""
        async with self._.pool.acquire() as conn, conn.transaction():
            recorded = await self._.ledger.read_case(conn, case_id)
            case = _believed(Case.fold(case_id, ((one.position, one.event) for one in recorded)), self._.directory())
            if case.gap is None or (case.plan is None and not gate_one_stands(case)):
                return Seen(case, NOTHING)  # most hints: facts are folded only where they can matter
            catalogue = await self._.current.catalogue(conn)
            clock = await self._.current.clock(conn)
            await Following(self._.store, self._.ledger).all(conn, catalogue)
            ref = (case.gap.data.entity_type, case.gap.data.key)
            views = await self._.store.views(conn, catalogue, [ref])
            stood = await standings(conn, case.gap.data.desired_state) if ref[1] == POPULATION else {}
        view = views.get(ref, EntityView(*ref, {}, None))
        return _seen(case, catalogue, view, stood, clock.now(wall_now()))

    async def _write(self, job: Job, seen: Seen, draft: PlanDrafted | PlanWithheld | None) -> None:
        """Append what was decided as one request, and end the job, in one transaction."""
        data: list[EventData] = [seen.need.supersede] if seen.need.supersede is not None else []
        if isinstance(draft, PlanDrafted) or (draft and seen.situation and is_news(seen.situation, draft)):
            data.append(draft)
        failpoint("planner.before_append")
        async with self._.pool.acquire() as conn, conn.transaction():
            await self._.queue.done(conn, job)
            if data:
                await self._append(conn, seen, data)
                failpoint("planner.draft_appended")
        if data:
            failpoint("planner.draft_committed")
            _log.info("%s: %s", job.case_id, ", ".join(one.TYPE for one in data))

    async def _append(self, conn: Any, seen: Seen, data: Sequence[EventData]) -> None:
        version = seen.case.version(f"plan/{seen.case.id}")
        asof = seen.situation.asof if seen.situation is not None else await self._.current.asof(conn)
        events = [self._event(seen.case, one, asof) for one in data]
        key = self._.key()
        request = [
            NewEvent(key.signed(event, version + number), version + number) for number, event in enumerate(events, 1)
        ]
        (answer,) = await append(conn, [request])
        if isinstance(answer, AppendRefused):
            raise answer.error()

    def _event(self, case: Case, data: EventData, asof: Any) -> Event:
        drafted = isinstance(data, PlanDrafted)
        origin = Origin(
            source="planner",
            actor=self._.drafter.actor if drafted else "service:planner",
            time=wall_now(),
            asof=asof,
            cause=cause_of(case),
        )
        # The stream's length tells a second withholding or superseding for the same cause from the first.
        unique = str(case.plans_drafted + 1) if drafted else str(case.version(f"plan/{case.id}"))
        return new_event(data, f"plan/{case.id}", origin, unique, case=case.id)

    async def _park(self, job: Job, why: str) -> None:
        async with self._.pool.acquire() as conn, conn.transaction():
            await self._.queue.park(conn, job, why)


def _believed(case: Case, directory: Directory) -> Case:
    """The case without a confirmation that the person whom it names did not sign: whoever has the approver's login to
    the database could write one."""
    said = case.confirmation
    if said is not None:
        try:
            check_signed(said.data.decision, said.event, case, directory)
        except Refused as refused:
            _log.error("%s: its confirmation at %s counts for nothing: %s", case.id, said.position, refused)
            case.confirmation = None
    return case


def _seen(case: Case, catalogue: Catalogue, view: EntityView, stood: Mapping[str, Stood], asof: datetime) -> Seen:
    assert case.gap is not None
    name = case.gap.data.desired_state
    if name not in catalogue.desired_states or catalogue.missing(name):
        return Seen(case, without_declaration(case, f"The declaration {name} is not in force."))
    state = catalogue.compiled(name)
    make = partial(Situation, case=case, catalogue=catalogue, asof=asof)
    if view.key == POPULATION:
        # Of a population nothing is for people only: peopleOnly is asked of one entity.
        facts = population_facts([one.name for one in state.objectives], stood, state.version)
        situation = make(evaluation=Evaluation(MET), slots=population_slots(facts), facts=facts, stood=stood)
    else:
        situation = make(
            evaluation=evaluate(state, view, asof),
            slots=slots_of(state, view, asof),
            facts=entity_facts(state, view, asof),
        )
    return Seen(case, need(situation), situation)


def _withheld(situation: Situation, error: Transient | Permanent) -> PlanWithheld:
    reason = f"The drafter failed: {error.message}"
    return PlanWithheld(
        case=situation.case.id, gap_event=situation.gap_event, reason_code=error.reason_code, reason=reason
    )
