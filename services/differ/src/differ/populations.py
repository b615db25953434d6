"""The objectives of a population measured, and what they come to for its case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from common.declarations.evaluation import CompiledDesiredState
from common.declarations.periods import end_of
from common.events import Event, Origin, new_event
from common.events.differ import ObjectiveSnapshot
from common.ledger import Connection, NewEvent
from common.objectives.blaming import Keyed
from common.objectives.population import POPULATION, Stood
from common.timers import Timer

from differ.casebook import ACTOR, Casebook, Told, Unwritten, event_of, reopens
from differ.core import population
from differ.core.deciding import CaseState, Decision, decide, ended
from differ.core.measuring import Said, definitions, measure, stream_of
from differ.core.planning import Declared
from differ.ports import Outside


class Populations:
    """All of it within the caller's transaction, which has the entity store's turn."""

    def __init__(self, outside: Outside, casebook: Casebook) -> None:
        self._out = outside
        self._casebook = casebook

    async def mark(self, conn: Connection, declared: Declared, desired_state: str) -> None:
        """Have the objectives that a desired state has now measured soon, and no others."""
        objectives = [objective.name for objective in declared.states[desired_state].objectives]
        await self._out.objectives.keep(conn, desired_state, objectives)
        key = (desired_state, population.POPULATION)
        if objectives or key in await self._out.cases.load(conn, [key]):
            await self._out.objectives.mark(conn, [desired_state])

    async def measured(
        self,
        conn: Connection,
        declared: Declared,
        names: Sequence[str],
        asof: datetime,
        cause: Event | None,
        unwritten: Unwritten,
    ) -> list[NewEvent]:
        """What is to be said of the objectives of these desired states, and when they are measured again."""
        if not names:
            return []
        events: list[NewEvent] = []
        await self._out.objectives.done(conn, names)
        for state in [declared.states[name] for name in sorted(names) if name in declared.states]:
            if state.objectives:
                midnight = end_of(asof.astimezone(state.zone).date(), state.zone)
                again = Timer(POPULATION, state.name, max(midnight, state.effective))
                await self._out.timers.set_earlier(conn, [again])
            if asof >= state.effective:
                events += await self._measure_state(conn, declared, state, asof, cause, unwritten)
        return events

    async def _measure_state(
        self,
        conn: Connection,
        declared: Declared,
        state: CompiledDesiredState,
        asof: datetime,
        cause: Event | None,
        unwritten: Unwritten,
    ) -> list[NewEvent]:
        """One desired state: its objectives measured, then what they come to for the case of its population."""
        parts = await self._out.objectives.contributions(conn, state, asof)
        ref = population.ref_of(state)
        key = (state.name, ref[1])
        case = (await self._casebook.load(conn, [key], {key: ref})).get(key) or CaseState(state.name, ref)
        events: list[NewEvent] = []
        stood: dict[str, Stood] = {}
        for objective in state.objectives:
            stream = stream_of(state.name, objective.name)
            own = unwritten.measures.get(stream) or await self._out.objectives.said(conn, stream)
            before = own or await self._said_formerly(conn, state.name, objective.spec.formerly)
            every, passed = parts[objective.name]
            waits = case.condition == "closed" and not case.ended
            data = measure(state, objective, every, before, asof, passed=passed, daily=waits)
            if data is not None:
                before = self._said(stream, data, asof, own.stream_version + 1 if own else 1, cause)
                unwritten.measures[stream] = before
                events.append(NewEvent(before.event, before.stream_version))
            if before is not None and before.data.definition in definitions(state, objective):
                stood[objective.name] = Stood(before.data, before.event)
        keyed = {name: every for name, (every, _) in parts.items()}
        decision = await self._population(conn, declared, state, case, stood, keyed, asof)
        if decision is None:
            return events
        after = {key: decision.after}
        if decision.data is not None:
            because = newest.event if (newest := population.latest(stood)) is not None else cause
            drift = Told(asof, decision, event_of(decision, self._out.wall(), asof, because))
            fresh = {one.event.id: one.event for one in stood.values()}
            suspended = await self._casebook.suspended(conn, declared, [drift], after, unwritten, fresh)
            events += [drift.event, *(event for _, event in suspended)]
        await self._out.cases.save(conn, list(after.values()))
        return events

    async def _population(
        self,
        conn: Connection,
        declared: Declared,
        state: CompiledDesiredState,
        case: CaseState,
        stood: Mapping[str, Stood],
        parts: Mapping[str, Sequence[Keyed]],
        asof: datetime,
    ) -> Decision | None:
        found = population.finding(state, stood, case, asof)
        decision = decide(case, found)
        if decision is None or decision.data is None:
            return decision
        if reopens(decision) and await self._out.records.closed(conn, [case.case]):
            case = ended(case, case.occurrence)  # the message is still on its way
            found = population.finding(state, stood, case, asof)
        worst = population.worst(state, found, parts, asof)
        refs = dict.fromkeys((found.ref[0], key) for entities, _ in worst.values() for key, _ in entities)
        views = await self._out.entities.views(conn, declared.catalogue, refs) if refs else {}
        return decide(case, population.with_evidence(state, found, worst, views, asof))

    def _said(self, stream: str, data: ObjectiveSnapshot, asof: datetime, version: int, cause: Event | None) -> Said:
        origin = Origin(source="differ", actor=ACTOR, time=self._out.wall(), asof=asof, cause=cause)
        return Said(data, new_event(data, stream, origin, str(version)), version)

    async def _said_formerly(self, conn: Connection, desired_state: str, formerly: Sequence[str]) -> Said | None:
        """What was said last of an objective under the names that it had, the newest name first."""
        for name in reversed(formerly):
            if (said := await self._out.objectives.said(conn, stream_of(desired_state, name))) is not None:
                return said
        return None
