"""Straight lines: catch up with what was observed, fold each case concerned, decide, append.

A message is a hint that something happened; what is decided follows from the ledger as it is then. Every method works
in the caller's transaction and appends as its last statement. All of them take the auditor's turn first: a case that
begins to wait and an observation that ends its waiting never miss each other.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from common.clock import parse_instant
from common.current import Current
from common.declarations.catalogue import Catalogue
from common.declarations.evaluation import EntityView, slots_of
from common.entities import Ref
from common.errors import Permanent
from common.events.approver import ClockAdvanced
from common.events.auditor import CaseClosed, Effects
from common.events.differ import GapSnapshot, ObjectiveMet, ObjectiveMissed, ObjectiveUndecided
from common.events.envelope import Event
from common.events.observer import EntityObserved, EntityWithdrawn
from common.jobs import JobQueue
from common.ledger import Connection, Recorded
from common.objectives.population import POPULATION
from common.service_keys import ServiceKeys
from common.standings import standings
from common.timers import Timer, Timers

from auditor.core import deciding, effects, proving
from auditor.core.deciding import Dates, Finding, Story
from auditor.core.seeing import Sight, see, see_population
from auditor.ports import Alarms, Cases, Entities, Records

MEASURES = frozenset({ObjectiveMet.TYPE, ObjectiveMissed.TYPE, ObjectiveUndecided.TYPE})
CHUNK = 200
"""Cases that are looked at in one transaction when a declaration changes."""
Said: TypeAlias = dict[str, list[Event]]
"""By case: what is to be recorded, in order."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """Everything that the auditor needs of the outside. `service_keys` are those trusted now, `wall` is the wall
    clock, `nudge` wakes the issuer."""

    current: Current
    entities: Entities
    records: Records
    cases: Cases
    alarms: Alarms
    timers: Timers
    queue: JobQueue
    service_keys: Callable[[], ServiceKeys]
    wall: Callable[[], datetime]
    nudge: Callable[[], None]


class Auditor:
    """The auditor's answers to messages and to timers."""

    def __init__(self, outside: Outside) -> None:
        self._ = outside

    async def on_state(self, conn: Connection) -> None:
        """Something was observed. That matters to cases that wait for a proof: while there is none it is left in the
        ledger, and read there when the first case begins to wait."""
        await self._.entities.lock(conn)
        if await self._.cases.all_watched(conn, "", 1):
            await self._look(conn, await self._caught_up(conn), await self._.current.asof(conn))

    async def on_cases(self, conn: Connection, batch: Sequence[Recorded]) -> None:
        """Something happened in these cases, or was measured of these populations."""
        await self._.entities.lock(conn)
        events = [recorded.event for recorded in batch]
        hinted = {event.caseid for event in events if event.caseid is not None}
        measured = {(event.data["entity_type"], POPULATION) for event in events if event.type in MEASURES}
        hinted.update(await self._.cases.watched(conn, measured))
        await self._look(conn, sorted(hinted), await self._.current.asof(conn))

    async def on_declarations(self, conn: Connection, batch: Sequence[Recorded]) -> None:
        """What proof is asked for may have changed: look again at everything that waits for one."""
        if batch:
            await self._.entities.lock(conn)
            await self._look(conn, await self._every_watched(conn), await self._.current.asof(conn))

    async def _every_watched(self, conn: Connection) -> list[str]:
        found: list[str] = []
        while page := await self._.cases.all_watched(conn, found[-1] if found else "", CHUNK):
            found += page
        return found

    async def on_clock(self, conn: Connection, batch: Sequence[Recorded]) -> None:
        """A replay clock moved: what is due on the way fires, each as of its own instant, in order."""
        await self._.entities.lock(conn)  # before any timer: whoever has the turn may be about to move one
        moves = [recorded.event for recorded in batch if recorded.event.type == ClockAdvanced.TYPE]
        said: Said = {}

        async def fire(conn: Connection, instant: datetime, timers: Sequence[Timer]) -> None:
            await self._decide(conn, sorted({timer.subject for timer in timers}), instant, said)

        for event in moves:
            await self._.timers.fire_all(conn, parse_instant(ClockAdvanced.of(event).now), fire)
        await self._append(conn, said)

    async def fire_due(self, conn: Connection, until: datetime) -> int:
        """In a wall realm: what is due fires, each as of its own instant; how many timers (0: nothing is due)."""
        upcoming = await self._.timers.next(conn)
        if upcoming is None or upcoming > until:  # asked often: it must not take the turn for nothing
            return 0
        await self._.entities.lock(conn)
        return await self._.timers.firing(self._fire)(conn, until)

    async def _fire(self, conn: Connection, instant: datetime, timers: Sequence[Timer]) -> None:
        await self._look(conn, sorted({timer.subject for timer in timers}), instant)

    async def _caught_up(self, conn: Connection) -> list[str]:
        """Read all observations; the watched cases of which something is known that was not."""
        catalogue = await self._.current.catalogue(conn)
        return await self._.cases.watched(conn, await self._.entities.catch_up(conn, catalogue))

    async def _look(self, conn: Connection, hinted: Sequence[str], asof: datetime) -> None:
        said: Said = {}
        await self._decide(conn, hinted, asof, said)
        await self._append(conn, said)

    async def _decide(self, conn: Connection, cases: Iterable[str], asof: datetime, said: Said) -> None:
        """Decide each case as of `asof` and add what is to be recorded to `said`, which is not in the ledger yet."""
        catalogue = await self._.current.catalogue(conn)
        stories = await self._stories(conn, cases, said)
        if any(deciding.needs_sight(story.case) for story, _ in stories.values()):
            concerned = [case for case in await self._caught_up(conn) if case not in stories]
            stories |= await self._stories(conn, concerned, said)
        lines: list[tuple[Story, Event]] = []
        timers: dict[str, dict[str, datetime]] = {}
        for case_id, (story, newest) in stories.items():
            within = self._within(story, catalogue)
            events = await self._judge(conn, story, catalogue, within, asof)
            if events:
                said.setdefault(case_id, []).extend(events)
            lines.append((story, events[-1] if events else newest))
            timers[case_id] = deciding.timers(story.case, within, asof)
        await self._.cases.save(conn, lines)
        await self._.alarms.set(conn, timers)

    async def _stories(self, conn: Connection, cases: Iterable[str], said: Said) -> dict[str, tuple[Story, Event]]:
        """Each case that has a gap, folded, with its newest event; what is `said` already counts."""
        stories: dict[str, tuple[Story, Event]] = {}
        for case_id, history in (await self._.records.cases(conn, cases)).items():
            placed = [(recorded.position, recorded.event) for recorded in history]
            placed += enumerate(said.get(case_id, []), start=placed[-1][0] + 1)
            try:
                story = Story.fold(case_id, placed)
            except Permanent as error:
                _log.error("%s is passed over, nothing can be decided in it: %s", case_id, error)
                continue
            if story.case.gap is not None:
                stories[case_id] = (story, placed[-1][1])
        return stories

    async def _judge(
        self, conn: Connection, story: Story, catalogue: Catalogue, within: datetime | None, asof: datetime
    ) -> list[Event]:
        """What is to be recorded of one case; `story.case` is then as it will be after that."""
        case = story.case
        if case.gap is None or not deciding.needs_sight(case):
            return []
        try:
            sight, dates = await self._see(conn, story, catalogue, asof)
            soak_end = proving.soak_end(catalogue, case.gap.data.desired_state, asof)
        except Permanent as error:
            _log.error("%s can't be decided: %s", case.id, error)
            return []
        begun, found = await self._effects(conn, story, catalogue, asof)
        findings = deciding.decide(story, sight, dates, soak_end, within, asof, found)
        findings = deciding.believed(story, findings, self._.service_keys())
        events = deciding.recorded(story, [*begun, *findings], self._.wall(), asof)
        for event in events:
            case.apply(case.position + 1, event)
        return events

    async def _effects(
        self, conn: Connection, story: Story, catalogue: Catalogue, asof: datetime
    ) -> tuple[list[Finding], Effects | None]:
        """What is to be recorded when an execution begins that is watched; else its effects as they are now."""
        gap = story.case.gap
        assert gap is not None
        state = catalogue.compiled(gap.data.desired_state)
        if story.case.started is None or not (state.watch or state.spec.verification.cohorts):
            return [], None
        whole = gap.data.key == POPULATION
        names = [rule.name for rule in gap.data.rules] if whole and state.spec.verification.cohorts else []
        wanted = effects.objectives(state, names)
        parts = await self._.entities.contributions(conn, catalogue, state.name, wanted, asof) if wanted else {}
        view = None if whole else (await self._.entities.known(conn, catalogue, ref_of(gap.data))).view
        slots = None if whole else slots_of(state, view or EntityView(*ref_of(gap.data), {}, None), asof)
        look = effects.Look(parts, slots, asof)
        begins = deciding.begins(story, state.version, effects.begun(state, look))
        if begins is not None or story.finished is None:
            return [] if begins is None else [begins], None
        watched = effects.now(state, story.begun.watched if story.begun else [], look)
        finished = parse_instant(story.finished.event.asof)
        return [], effects.effects(watched, effects.cohorts(state, names, parts, finished, asof))

    async def _see(
        self, conn: Connection, story: Story, catalogue: Catalogue, asof: datetime
    ) -> tuple[Sight, dict[str, Dates]]:
        gap = story.case.gap
        assert gap is not None
        if gap.data.key == POPULATION:
            objectives = [rule.name for rule in gap.data.rules]
            stood = await standings(conn, gap.data.desired_state)
            sight = see_population(catalogue, gap.data.desired_state, objectives, stood)
        else:
            known = await self._.entities.known(conn, catalogue, (gap.data.entity_type, gap.data.key))
            sight = see(catalogue, gap.data.desired_state, known.view, known.stored, asof)
        observed = await self._.records.events(conn, sight.observations())
        return sight, {recorded.event.id: _dates(recorded) for recorded in observed}

    def _within(self, story: Story, catalogue: Catalogue) -> datetime | None:
        finished, gap = story.case.finished, story.case.gap
        if finished is None or gap is None or gap.data.desired_state not in catalogue.desired_states:
            return None
        return proving.within_end(catalogue, gap.data.desired_state, parse_instant(finished.event.asof))

    async def _append(self, conn: Connection, said: Said) -> None:
        closed = [case_id for case_id, events in said.items() if events[-1].type == CaseClosed.TYPE]
        await self._.queue.put(conn, [(case_id, "the case was closed") for case_id in closed])
        if said:
            await self._.records.append(conn, list(said.values()))
        if closed:
            self._.nudge()


def ref_of(gap: GapSnapshot) -> Ref:
    return (gap.entity_type, gap.key)


def _dates(recorded: Recorded) -> Dates:
    """Of a measure: as of when it was taken."""
    event = recorded.event
    if event.type in MEASURES:
        return Dates(recorded.position, event.asof, event)
    observed = EntityObserved.of(event) if event.type == EntityObserved.TYPE else EntityWithdrawn.of(event)
    return Dates(recorded.position, observed.source_time, event)
