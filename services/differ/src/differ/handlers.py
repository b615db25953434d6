"""Straight lines: take in what came, find what must be looked at, look, append.

Every method works in the caller's transaction and appends as its last statement. All of them take the entity
store's turn first, so that two changes that concern one case never miss each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from common.clock import parse_instant
from common.declarations.evaluation import CompiledDesiredState, EntityView
from common.declarations.periods import end_of
from common.entities import EntityStore
from common.entities.rows import Ref, StoredEntity
from common.entities.sources import Reliability
from common.events import Event, EventData, Origin, new_event
from common.events.approver import ClockAdvanced, RealmCreated
from common.events.auditor import CaseClosed
from common.events.differ import ObjectiveSnapshot
from common.ledger import Connection, NewEvent, Recorded
from common.objectives.blaming import Keyed
from common.objectives.population import POPULATION, Stood
from common.timers import Timer, Timers

from differ.core import population, suspending
from differ.core.deciding import CaseKey, CaseState, Decision, decide, ended
from differ.core.measuring import Said, definitions, measure, stream_of
from differ.core.planning import Declared, Look, to_review, turned
from differ.core.sweeping import Due, sweep
from differ.desk import Feeds
from differ.ports import Cases, Clock, Objectives, Part, Records, Review, Reviews, StaleCases
from differ.rounds import Rounds

FIRED_AT_ONCE = 1_000
"""How many timers fire in one transaction at most; of how many instants is of no consequence."""
ACTOR = "service:differ"


@dataclass(frozen=True, slots=True)
class Outside:
    """Everything that the differ needs of the outside."""

    entities: EntityStore
    timers: Timers
    cases: Cases
    records: Records
    clock: Clock
    reviews: Reviews
    objectives: Objectives
    wall: Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class _Told:
    """A decision, and the event that says it."""

    asof: datetime
    decision: Decision
    event: NewEvent


class Differ:
    """The differ's answers to messages, to timers and to changed declarations."""

    def __init__(self, outside: Outside) -> None:
        self._out = outside
        self._feeds = Feeds(outside.entities, outside.reviews)
        self._rounds = Rounds(outside.entities, outside.cases, outside.timers, outside.records)
        self._declared: Declared | None = None
        self._stale: set[CaseKey] = set()
        self._mended: set[CaseKey] = set()

    async def on_state(self, conn: Connection, batch: Sequence[Recorded]) -> bool:
        """Observations, withdrawals, snapshots, judgements of sources; whether there is something to review now."""
        declared = await self.declared(conn)
        asof = await self._now(conn)
        before = await self._feeds.doubts(conn, declared, batch, asof)
        changed = await self._out.entities.apply(conn, batch, declared.catalogue)
        if before is not None:
            after = await self._feeds.doubts(conn, declared, batch, asof) or {}
            await self._feeds.review(conn, declared, batch, turned(before, after))
        causes = {ref: recorded.event for ref, recorded in changed.items()}
        await self._append(conn, await self._look(conn, declared, declared.looks(changed), asof, causes))
        return before is not None

    async def sources(self, conn: Connection) -> list[Reliability]:
        """Every feed, and why it can't be relied on now."""
        return await self._feeds.told(conn, await self.declared(conn), await self._now(conn))

    async def on_declarations(self, conn: Connection, _batch: Sequence[Recorded]) -> None:
        """Something was proposed or activated: the ledger says what counts now."""
        await self.plan_reviews(conn)

    async def plan_reviews(self, conn: Connection) -> None:
        """Find out which populations must be looked at again under the active declarations, and note it."""
        await self._out.entities.lock(conn)
        declared = await self.declared(conn)
        known = await self._out.reviews.reviewed(conn)
        names = to_review({name: item.version for name, item in known.items()}, declared)
        names += await self._rounds.gone_and_back(conn, declared, known, names)
        reviews = [
            Review(
                name,
                declared.entity_type(name),
                "",
                declared.position,
                known[name].position if name in known else None,
            )
            for name in names
        ]
        if reviews:
            await self._out.reviews.begin(conn, reviews, declared)

    async def review(self, conn: Connection) -> int:
        """Do a part of one review under way; returns how many reviews it worked on (0: there is none)."""
        if not await self._out.reviews.any(conn):  # asked often: it must not take a turn for nothing
            return 0
        await self._out.entities.lock(conn)
        review = await self._out.reviews.next(conn)
        if review is None:
            return 0
        declared = await self.declared(conn)
        asof = await self._now(conn)
        part = await self._rounds.next(conn, declared, review, asof)
        refs, done = part.refs, part.until is None
        await self._out.reviews.move(conn, review, part.until)
        if done:
            refs = refs + await self._out.cases.foreign(conn, review.desired_state, review.entity_type)
        if review.desired_state not in declared.states:
            return 1
        if done:
            await self._remeasure(conn, declared, review.desired_state)
        await self._out.timers.set_earlier(conn, part.again)
        cause = await self._out.records.at(conn, review.cause)
        looks = [Look(review.desired_state, ref) for ref in refs]
        causes = dict.fromkeys(refs, cause)
        await self._append(conn, await self._look(conn, declared, looks, asof, causes, part.stored))
        return 1

    async def _remeasure(self, conn: Connection, declared: Declared, desired_state: str) -> None:
        objectives = [objective.name for objective in declared.states[desired_state].objectives]
        await self._out.objectives.keep(conn, desired_state, objectives)
        key = (desired_state, population.POPULATION)
        if objectives or key in await self._out.cases.load(conn, [key]):
            await self._out.objectives.mark(conn, [desired_state])

    async def measure(self, conn: Connection) -> int:
        """Measure the objectives whose populations have changed; returns of how many desired states."""
        if not await self._out.objectives.marked(conn):
            return 0
        await self._out.entities.lock(conn)
        names = await self._out.objectives.marked(conn)
        declared = await self.declared(conn)
        await self._append(conn, await self._measured(conn, declared, names, await self._now(conn), None, {}))
        return len(names)

    async def _measured(
        self,
        conn: Connection,
        declared: Declared,
        names: Sequence[str],
        asof: datetime,
        cause: Event | None,
        told: dict[str, Said],
    ) -> list[NewEvent]:
        """What is to be said of the objectives of these desired states, and when they are measured again. `told` is
        what this transaction has said and not appended yet."""
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
                events += await self._measure_state(conn, declared, state, asof, cause, told)
        return events

    async def _measure_state(
        self,
        conn: Connection,
        declared: Declared,
        state: CompiledDesiredState,
        asof: datetime,
        cause: Event | None,
        told: dict[str, Said],
    ) -> list[NewEvent]:
        """One desired state: its objectives measured, then what they come to for the case of its population."""
        parts = await self._out.objectives.contributions(conn, state.name)
        ref = population.ref_of(state)
        key = (state.name, ref[1])
        case = (await self._load(conn, [key], {key: ref})).get(key) or CaseState(state.name, ref)
        events: list[NewEvent] = []
        stood: dict[str, Stood] = {}
        for objective in state.objectives:
            stream = stream_of(state.name, objective.name)
            own = told.get(stream) or await self._out.objectives.said(conn, stream)
            before = own or await self._said_formerly(conn, state.name, objective.spec.formerly)
            every = parts.get(objective.name, ())
            waits = case.condition == "closed" and not case.ended
            data = measure(state, objective, every, before, asof, daily=waits)
            if data is not None:
                before = self._said(stream, data, asof, own.stream_version + 1 if own else 1, cause)
                told[stream] = before
                events.append(NewEvent(before.event, before.stream_version))
            if before is not None and before.data.definition in definitions(state, objective):
                stood[objective.name] = Stood(before.data, before.event)
        decision = await self._population(conn, declared, state, case, stood, parts, asof)
        if decision is None:
            return events
        after = {key: decision.after}
        if decision.data is not None:
            because = newest.event if (newest := population.latest(stood)) is not None else cause
            drift = _Told(asof, decision, _event(decision, self._out.wall(), asof, because))
            fresh = {one.event.id: one.event for one in stood.values()}
            suspended = await self._suspend(conn, declared, [drift], after, fresh)
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
        if _reopens(decision) and await self._out.records.closed(conn, [case.case]):
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

    async def on_attestations(self, conn: Connection, batch: Sequence[Recorded]) -> None:
        """The auditor closed cases: what fails after that is another occurrence."""
        closed = {said.case: item.event for item in batch if (said := _case_closed(item)) is not None}
        if not closed:
            return
        await self._out.entities.lock(conn)
        declared = await self.declared(conn)
        keys: dict[CaseKey, tuple[int, Event]] = {}
        for case, event in closed.items():
            desired_state, key, occurrence = case.rsplit("/", 2)
            keys[(desired_state, key)] = (int(occurrence), event)
        known = await self._load(conn, keys, {})
        after = {key: ended(case, keys[key][0]) for key, case in known.items()}
        await self._out.cases.save(conn, [case for key, case in after.items() if case != known[key]])
        there = [case for case in after.values() if case.desired_state in declared.states]
        looks = [Look(case.desired_state, case.ref) for case in there if case.ref[1] != POPULATION]
        await self._out.objectives.mark(conn, [case.desired_state for case in there if case.ref[1] == POPULATION])
        causes = {case.ref: keys[key][1] for key, case in after.items()}
        asof = await self._now(conn)
        await self._append(conn, await self._look(conn, declared, looks, asof, causes))

    async def on_clock(self, conn: Connection, batch: Sequence[Recorded]) -> None:
        """A replay clock moved: everything due on the way fires, each as of its own instant, in order."""
        await self._out.entities.lock(conn)
        events: list[NewEvent] = []
        for recorded in batch:
            if recorded.event.type == RealmCreated.TYPE:
                created = RealmCreated.of(recorded.event)
                if created.start is not None:
                    await self._out.clock.advance(conn, parse_instant(created.start))
            elif recorded.event.type == ClockAdvanced.TYPE:
                events += await self._advance(conn, recorded.event)
        await self._append(conn, events)

    async def _advance(self, conn: Connection, event: Event) -> list[NewEvent]:
        until = parse_instant(ClockAdvanced.of(event).now)
        events: list[NewEvent] = []
        told: dict[str, Said] = {}

        since: datetime | None = None
        while taken := await self._take(conn, until, since):
            events += await self._fire(conn, taken, event, told)
            since = taken[0].instant
        await self._out.clock.advance(conn, until)
        return events

    async def fire_due(self, conn: Connection, until: datetime) -> int:
        """In a wall realm: the earliest of what is due fires, each as of its own instant, in order; how many timers
        (0: nothing is due). The cause is what was last observed of the entity."""
        upcoming = await self._out.timers.next(conn)
        if upcoming is None or upcoming > until:  # asked often: it must not take a turn for nothing
            return 0
        await self._out.entities.lock(conn)  # before any timer: whoever has the turn may be about to move one
        taken = await self._take(conn, until)
        if taken:
            await self._append(conn, await self._fire(conn, taken, None, {}))
        return len(taken)

    async def _take(self, conn: Connection, until: datetime, since: datetime | None = None) -> list[Timer]:
        """The earliest timers that are due. A population is measured when all before it is decided: it comes last."""
        measured = await self._out.timers.next_of(conn, POPULATION)
        end = until if measured is None else min(until, measured)
        return await self._out.timers.take(conn, end, FIRED_AT_ONCE, since)

    async def _fire(
        self, conn: Connection, taken: Sequence[Timer], cause: Event | None, told: dict[str, Said]
    ) -> list[NewEvent]:
        """`taken` fire, ascending; what must wait for something that is to be appended first is set again."""
        declared = await self.declared(conn)
        due = [
            (timer.instant, Look(timer.name, (entity_type, key)))
            for timer in taken
            for entity_type, slash, key in [timer.subject.partition("/")]
            if slash and timer.name in declared.states
        ]
        causes = {look.ref: cause for _, look in due} if cause is not None else {}
        last = taken[-1].instant
        events, until = await self._sweep(conn, declared, due, last, causes)
        await self._out.timers.set_earlier(conn, [timer for timer in taken if timer.instant > until])
        populations = [timer.name for timer in taken if timer.subject == POPULATION and timer.instant <= until]
        return events + await self._measured(conn, declared, populations, last, cause, told)

    async def _look(
        self,
        conn: Connection,
        declared: Declared,
        looks: Sequence[Look],
        asof: datetime,
        causes: Mapping[Ref, Event],
        known: Mapping[Ref, StoredEntity] | None = None,
    ) -> list[NewEvent]:
        """Decide, note what was decided and when to look again; returns what must be appended."""
        return (await self._sweep(conn, declared, [(asof, look) for look in looks], asof, causes, known))[0]

    async def _sweep(
        self,
        conn: Connection,
        declared: Declared,
        due: Sequence[Due],
        until: datetime,
        causes: Mapping[Ref, Event],
        known: Mapping[Ref, StoredEntity] | None = None,
    ) -> tuple[list[NewEvent], datetime]:
        """As `_look`, each look as of its own instant, up to `until`; and the instant up to which that was done.

        It is earlier where a case is suspended: that is said before anything that comes after it is decided.
        """
        if not due:
            return [], until
        refs = dict.fromkeys(look.ref for _, look in due)
        views = await self._out.entities.views(conn, declared.catalogue, refs, known)
        keys = {(look.desired_state, look.ref[1]): look.ref for _, look in due}
        cases = await self._load(conn, keys, keys)
        result = sweep(declared, due, views, cases, until)
        if reopened := {item.before.case: item.before for _, item in result.decisions if _reopens(item)}:
            closed = await self._out.records.closed(conn, list(reopened))
            for case in (reopened[name] for name in closed):  # the message is still on its way
                cases[case.key] = ended(case, case.occurrence)
            result = sweep(declared, due, views, cases, until) if closed else result
        said = await self._events(conn, result.decisions, views, causes)
        after = {decision.after.key: decision.after for _, decision in result.decisions}
        suspended = await self._suspend(conn, declared, said, after)
        if suspended and (first := min(asof for asof, _ in suspended)) < until:
            return await self._sweep(conn, declared, [item for item in due if item[0] <= first], first, causes, known)
        alarms = [Timer("/".join(look.ref), look.desired_state, instant) for look, instant in result.alarms]
        await self._out.timers.set_earlier(conn, alarms)
        if result.parts:
            parts = [Part(look.desired_state, name, look.ref[1], part) for look, name, part in result.parts]
            await self._out.objectives.mark(conn, await self._out.objectives.contribute(conn, parts))
        await self._out.cases.save(conn, list(after.values()))
        return [item.event for item in said] + [event for _, event in suspended], until

    async def _suspend(
        self,
        conn: Connection,
        declared: Declared,
        said: Sequence[_Told],
        after: dict[CaseKey, CaseState],
        fresh: Mapping[str, Event] | None = None,
    ) -> list[tuple[datetime, NewEvent]]:
        """What is to be said of cases in which fixes are undone too often, each as of when; `after` takes note.
        `fresh` are measures that are to be appended first, by id."""
        drifts = [item for item in said if suspending.drifts(item.decision)]
        if not drifts:
            return []
        ids = [case for item in drifts for case in suspending.case_ids(item.decision.after)]
        history = await self._out.records.history(conn, ids)
        found = []
        for item in drifts:
            state, asof, drift = item.decision.after, item.asof, item.event.event
            known = [event for case in suspending.case_ids(state) for event in history.get(case, ())]
            cycles = suspending.suspended(known, drift, declared.states[state.desired_state], asof)
            if cycles:
                observed = [cycle.observation for cycle in cycles if cycle.observation is not None]
                causes = {**await self._out.records.causes(conn, observed), **(fresh or {})}
                data = suspending.said(state, cycles, causes)
                case = after[state.key] = suspending.numbered(after[state.key])
                found.append((asof, _case_event(case, data, self._out.wall(), asof, drift)))
        return found

    async def _load(
        self, conn: Connection, keys: Iterable[CaseKey], refs: Mapping[CaseKey, Ref]
    ) -> dict[CaseKey, CaseState]:
        """The cases, those that proved wrong from the ledger."""
        wanted = list(keys)
        cases = await self._out.cases.load(conn, wanted)
        for key in self._stale.intersection(wanted):
            self._mended.add(key)
            ref = cases[key].ref if key in cases else refs.get(key, ("", key[1]))
            cases[key] = await self._out.records.fold(conn, key, ref)
            await self._out.cases.save(conn, [cases[key]])
        return cases

    async def _events(
        self,
        conn: Connection,
        decisions: Sequence[tuple[datetime, Decision]],
        views: Mapping[Ref, EntityView],
        causes: Mapping[Ref, Event],
    ) -> list[_Told]:
        said = [(asof, item) for asof, item in decisions if item.data is not None]
        observed = {
            item.after.ref: origin.event_id
            for _, item in said
            if item.after.ref not in causes and (view := views.get(item.after.ref)) and (origin := view.origin)
        }
        found = await self._out.records.causes(conn, observed.values()) if observed else {}
        known = {**{ref: found[event_id] for ref, event_id in observed.items() if event_id in found}, **causes}
        time = self._out.wall()
        return [_Told(asof, item, _event(item, time, asof, known.get(item.after.ref))) for asof, item in said]

    async def _append(self, conn: Connection, events: Sequence[NewEvent]) -> None:
        try:
            await self._out.records.append(conn, events)
        except StaleCases as stale:
            self._stale |= stale.keys
            raise
        self._stale -= self._mended
        self._mended.clear()

    @property
    def measures(self) -> bool:
        """Whether an objective is declared, so that what was observed may have to be measured."""
        return self._declared is not None and any(state.objectives for state in self._declared.states.values())

    async def mode(self, conn: Connection) -> str:
        """`wall` or `replay`. Raises `Transient` (`realm_missing`) before the realm is created."""
        return (await self._out.clock.read(conn)).mode

    async def counts(self, conn: Connection) -> dict[str, dict[str, int]]:
        """{desired state: {open, undecided, selector_unknown: how many}}."""
        return await self._out.cases.counts(conn)

    async def declared(self, conn: Connection) -> Declared:
        """The active declarations, compiled; never older than the question."""
        latest = await self._out.records.declared_at(conn)
        if self._declared is None or latest > self._declared.position:
            self._declared = Declared(*await self._out.records.catalogue(conn))
        return self._declared

    async def _now(self, conn: Connection) -> datetime:
        return (await self._out.clock.read(conn)).now(self._out.wall())


def _case_closed(recorded: Recorded) -> CaseClosed | None:
    return CaseClosed.of(recorded.event) if recorded.event.type == CaseClosed.TYPE else None


def _reopens(decision: Decision) -> bool:
    return decision.before.condition == "closed" and not decision.before.ended and decision.after.open


def _event(decision: Decision, time: datetime, asof: datetime, cause: Event | None) -> NewEvent:
    assert decision.data is not None, "only decisions that say something become events"
    return _case_event(decision.after, decision.data, time, asof, cause)


def _case_event(case: CaseState, data: EventData, time: datetime, asof: datetime, cause: Event | None) -> NewEvent:
    origin = Origin(source="differ", actor=ACTOR, time=time, asof=asof, cause=cause)
    version = case.stream_version
    # The version makes the id: one cause may lead to several events of a type in one case, at several instants.
    event = new_event(data, f"gap/{case.case}", origin, str(version), case=case.case)
    return NewEvent(event, version)
