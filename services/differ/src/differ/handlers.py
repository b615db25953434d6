"""Straight lines: take in what came, find what must be looked at, look, append.

Every method works in the caller's transaction and appends as its last statement. All of them take the entity
store's turn first, so that two changes that concern one case never miss each other.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TypeAlias

from common.clock import parse_instant
from common.declarations.evaluation import EntityView
from common.entities import EntityStore
from common.entities.rows import Ref, StoredEntity
from common.entities.sources import Reliability
from common.events import Event
from common.events.approver import ClockAdvanced, RealmCreated
from common.events.auditor import CaseClosed
from common.ledger import Connection, NewEvent, Recorded
from common.objectives.population import POPULATION
from common.timers import Timer

from differ.casebook import Casebook, Told, Unwritten, event_of, reopens
from differ.core.deciding import CaseKey, Decision, ended
from differ.core.planning import Declared, Look, to_review, turned
from differ.core.sweeping import Due, sweep
from differ.desk import Feeds
from differ.populations import Populations
from differ.ports import Outside, Part, Review
from differ.rounds import Rounds

Causes: TypeAlias = Callable[[Ref], Event | None]
"""What led to looking at an entity; None: time did."""
FIRED_AT_ONCE = 1_000
"""How many timers fire in one transaction at most; of how many instants is of no consequence."""
VIEWS_KEPT = 5_000
"""Of how many entities what rules read is kept while a replay clock moves."""


class Differ:
    """The differ's answers to messages, to timers and to changed declarations."""

    def __init__(self, outside: Outside) -> None:
        self._out = outside
        self._feeds = Feeds(outside.entities, outside.reviews)
        self._rounds = Rounds(outside.entities, outside.cases, outside.timers, outside.records)
        self._casebook = Casebook(outside)
        self._populations = Populations(outside, self._casebook)
        self._declared: Declared | None = None

    async def on_state(self, conn: Connection, batch: Sequence[Recorded]) -> bool:
        """Observations, withdrawals, snapshots, judgements of sources; whether there is something to review now."""
        declared = await self.declared(conn)
        asof = await self._now(conn)
        before = await self._feeds.doubts(conn, declared, batch, asof)
        stored: dict[Ref, StoredEntity] = {}
        changed = await self._out.entities.apply(conn, batch, declared.catalogue, stored)
        if before is not None:
            after = await self._feeds.doubts(conn, declared, batch, asof) or {}
            await self._feeds.review(conn, declared, batch, turned(before, after))

        def cause(ref: Ref) -> Event | None:  # most are never asked for
            return changed[ref].event if ref in changed else None

        looks = await self._in_force(conn, declared, declared.looks(changed), asof)
        await self._casebook.append(conn, await self._look(conn, declared, looks, asof, cause, stored))
        return before is not None

    async def _in_force(
        self, conn: Connection, declared: Declared, looks: Sequence[Look], asof: datetime
    ) -> Sequence[Look]:
        """Those of `looks` that may come to something. What is not in force yet says nothing of an entity of which
        nothing was said: nothing is read of it, and it is looked at when that is. (What it contributed before a
        declaration was put off, the review of that declaration takes back.)"""
        early = {look: effective for look in looks if asof < (effective := declared.effective(look.desired_state))}
        if not early:
            return looks
        keys = {(look.desired_state, look.ref[1]): look.ref for look in early}
        cases = await self._casebook.load(conn, keys, keys)
        for case in cases.values():
            if not case.silent:
                early.pop(Look(case.desired_state, keys[case.key]))
        await self._set(conn, early.items())
        return [look for look in looks if look not in early]

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
            await self._populations.mark(conn, declared, review.desired_state)
        await self._out.timers.set_earlier(conn, part.again)
        cause = await self._out.records.at(conn, review.cause)
        looks = [Look(review.desired_state, ref) for ref in refs]
        causes = dict.fromkeys(refs, cause)
        await self._casebook.append(conn, await self._look(conn, declared, looks, asof, causes.get, part.stored))
        return 1

    async def measurable(self, conn: Connection) -> bool:
        """Whether the population of an objective has changed; if so, with the store's turn taken."""
        if not await self._out.objectives.marked(conn):  # asked often: it must not take a turn for nothing
            return False
        await self._out.entities.lock(conn)
        return True

    async def measure(self, conn: Connection) -> int:
        """Measure the objectives whose populations have changed; returns of how many desired states."""
        if not await self.measurable(conn):
            return 0
        names = await self._out.objectives.marked(conn)
        declared = await self.declared(conn)
        await self._casebook.append(
            conn, await self._populations.measured(conn, declared, names, await self._now(conn), None, Unwritten())
        )
        return len(names)

    async def on_attestations(self, conn: Connection, batch: Sequence[Recorded]) -> bool:
        """The auditor closed cases: what fails after that is another occurrence. Whether it did."""
        closed = {said.case: item.event for item in batch if (said := _case_closed(item)) is not None}
        if not closed:
            return False
        await self._out.entities.lock(conn)
        declared = await self.declared(conn)
        keys: dict[CaseKey, tuple[int, Event]] = {}
        for case, event in closed.items():
            desired_state, key, occurrence = case.rsplit("/", 2)
            keys[(desired_state, key)] = (int(occurrence), event)
        known = await self._casebook.load(conn, keys, {})
        after = {key: ended(case, keys[key][0]) for key, case in known.items()}
        await self._out.cases.save(conn, [case for key, case in after.items() if case != known[key]])
        there = [case for case in after.values() if case.desired_state in declared.states]
        looks = [Look(case.desired_state, case.ref) for case in there if case.ref[1] != POPULATION]
        await self._out.objectives.mark(conn, [case.desired_state for case in there if case.ref[1] == POPULATION])
        causes = {case.ref: keys[key][1] for key, case in after.items()}
        asof = await self._now(conn)
        await self._casebook.append(conn, await self._look(conn, declared, looks, asof, causes.get))
        return True

    async def on_clock(self, conn: Connection, batch: Sequence[Recorded]) -> None:
        """A replay clock moved: everything due on the way fires, each as of its own instant, in order."""
        await self._out.entities.lock(conn)
        unwritten = Unwritten()
        for recorded in batch:
            if recorded.event.type == RealmCreated.TYPE:
                created = RealmCreated.of(recorded.event)
                if created.start is not None:
                    await self._out.clock.advance(conn, parse_instant(created.start))
            elif recorded.event.type == ClockAdvanced.TYPE:
                await self._advance(conn, recorded.event, unwritten)
        await self._casebook.append(conn, unwritten.events)

    async def _advance(self, conn: Connection, event: Event, unwritten: Unwritten) -> None:
        until = parse_instant(ClockAdvanced.of(event).now)
        views = Views(self._out.entities)
        since: datetime | None = None
        while taken := await self._take(conn, until, since):
            unwritten.add(await self._fire(conn, taken, event, unwritten, views))
            since = taken[0].instant
        await self._out.clock.advance(conn, until)

    async def fire_due(self, conn: Connection, until: datetime) -> int:
        """In a wall realm: the earliest of what is due fires, each as of its own instant, in order; how many timers
        (0: nothing is due). The cause is what was last observed of the entity."""
        upcoming = await self._out.timers.next(conn)
        if upcoming is None or upcoming > until:  # asked often: it must not take a turn for nothing
            return 0
        await self._out.entities.lock(conn)  # before any timer: whoever has the turn may be about to move one
        taken = await self._take(conn, until)
        if ready := await self._casebook.ready(conn, await self.declared(conn), taken, until):
            views = Views(self._out.entities)
            await self._casebook.append(conn, await self._fire(conn, ready, None, Unwritten(), views))
        return len(taken)

    async def _take(self, conn: Connection, until: datetime, since: datetime | None = None) -> list[Timer]:
        """The earliest timers that are due. A population is measured when all before it is decided: it comes last,
        and waits while others of its instant may be left."""
        measured = await self._out.timers.next_of(conn, POPULATION)
        end = until if measured is None else min(until, measured)
        taken = await self._out.timers.take(conn, end, FIRED_AT_ONCE, since)
        others = [timer for timer in taken if timer.subject != POPULATION]
        if len(taken) < FIRED_AT_ONCE or not others:
            return taken
        await self._out.timers.set(conn, [timer for timer in taken if timer.subject == POPULATION])
        return others

    async def _fire(
        self, conn: Connection, taken: Sequence[Timer], cause: Event | None, unwritten: Unwritten, views: Views
    ) -> list[NewEvent]:
        """`taken` fire, ascending; what must wait for something that is to be appended first is set again."""
        declared = await self.declared(conn)
        due = [
            (timer.instant, Look(timer.name, (entity_type, key)))
            for timer in taken
            for entity_type, slash, key in [timer.subject.partition("/")]
            if slash and timer.name in declared.states
        ]
        last = taken[-1].instant
        known = await views.of(conn, declared, dict.fromkeys(look.ref for _, look in due))
        events, until = await self._sweep(conn, declared, due, last, lambda _: cause, known, unwritten)
        await self._out.timers.set_earlier(conn, [timer for timer in taken if timer.instant > until])
        populations = [timer.name for timer in taken if timer.subject == POPULATION and timer.instant <= until]
        return events + await self._populations.measured(conn, declared, populations, last, cause, unwritten)

    async def _look(
        self,
        conn: Connection,
        declared: Declared,
        looks: Sequence[Look],
        asof: datetime,
        causes: Causes,
        known: Mapping[Ref, StoredEntity] | None = None,
    ) -> list[NewEvent]:
        """Decide, note what was decided and when to look again; returns what must be appended."""
        due = [(asof, look) for look in looks]
        refs = dict.fromkeys(look.ref for look in looks)
        views = await self._out.entities.views(conn, declared.catalogue, refs, known)
        return (await self._sweep(conn, declared, due, asof, causes, views, Unwritten()))[0]

    async def _sweep(
        self,
        conn: Connection,
        declared: Declared,
        due: Sequence[Due],
        until: datetime,
        causes: Causes,
        views: Mapping[Ref, EntityView],
        unwritten: Unwritten,
    ) -> tuple[list[NewEvent], datetime]:
        """As `_look`, each look as of its own instant, up to `until`; and the instant up to which that was done.

        It is earlier where a case is suspended: that is said before anything that comes after it is decided.
        """
        if not due:
            return [], until
        keys = {(look.desired_state, look.ref[1]): look.ref for _, look in due}
        cases = await self._casebook.load(conn, keys, keys)
        result = sweep(declared, due, views, cases, until)
        if reopened := {item.before.case: item.before for _, item in result.decisions if reopens(item)}:
            closed = await self._out.records.closed(conn, list(reopened))
            for case in (reopened[name] for name in closed):  # the message is still on its way
                cases[case.key] = ended(case, case.occurrence)
            result = sweep(declared, due, views, cases, until) if closed else result
        said = await self._events(conn, result.decisions, views, causes)
        after = {decision.after.key: decision.after for _, decision in result.decisions}
        suspended = await self._casebook.suspended(conn, declared, said, after, unwritten)
        if suspended and (first := min(asof for asof, _ in suspended)) < until:
            earlier = [item for item in due if item[0] <= first]
            return await self._sweep(conn, declared, earlier, first, causes, views, unwritten)
        await self._set(conn, result.alarms)
        if result.parts:
            parts = [Part(look.desired_state, name, look.ref[1], part) for look, name, part in result.parts]
            await self._out.objectives.mark(conn, await self._out.objectives.contribute(conn, parts))
        await self._out.cases.save(conn, list(after.values()))
        return [item.event for item in said] + [event for _, event in suspended], until

    async def _set(self, conn: Connection, alarms: Iterable[tuple[Look, datetime]]) -> None:
        timers = [Timer("/".join(look.ref), look.desired_state, instant) for look, instant in alarms]
        await self._out.timers.set_earlier(conn, timers)

    async def _events(
        self,
        conn: Connection,
        decisions: Sequence[tuple[datetime, Decision]],
        views: Mapping[Ref, EntityView],
        causes: Causes,
    ) -> list[Told]:
        said = [(asof, item) for asof, item in decisions if item.data is not None]
        known = {item.after.ref: causes(item.after.ref) for _, item in said}
        observed = {
            ref: origin.event_id
            for ref, cause in known.items()
            if cause is None and (view := views.get(ref)) and (origin := view.origin)
        }
        found = await self._out.records.causes(conn, observed.values()) if observed else {}
        known |= {ref: found.get(event_id) for ref, event_id in observed.items()}
        time = self._out.wall()
        return [Told(asof, item, event_of(item, time, asof, known.get(item.after.ref))) for asof, item in said]

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


class Views:
    """What rules read of entities, read once: for as long as one transaction has the entity store's turn nothing
    else can change it. At most `VIEWS_KEPT` of them are kept, and none longer than the declarations count."""

    def __init__(self, entities: EntityStore) -> None:
        self._entities = entities
        self._declared: Declared | None = None
        self._known: dict[Ref, EntityView | None] = {}

    async def of(self, conn: Connection, declared: Declared, refs: Collection[Ref]) -> dict[Ref, EntityView]:
        """As `EntityStore.views`."""
        if declared is not self._declared or len(self._known) + len(refs) > VIEWS_KEPT:
            self._declared, self._known = declared, {}
        new = [ref for ref in refs if ref not in self._known]
        found = await self._entities.views(conn, declared.catalogue, new) if new else {}
        self._known.update((ref, found.get(ref)) for ref in new)
        return {ref: view for ref in refs if (view := self._known[ref]) is not None}


def _case_closed(recorded: Recorded) -> CaseClosed | None:
    return CaseClosed.of(recorded.event) if recorded.event.type == CaseClosed.TYPE else None
