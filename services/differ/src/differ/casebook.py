"""Cases as they are kept: read, mended where the ledger knows more of them, and what is said of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from common.entities.rows import Ref
from common.events import Event, EventData, Origin, new_event
from common.ledger import Connection, NewEvent
from common.timers import Timer

from differ.core import suspending
from differ.core.deciding import CaseKey, CaseState, Decision
from differ.core.measuring import Said
from differ.core.planning import Declared
from differ.ports import Outside, StaleCases

ACTOR = "service:differ"
PUT_OFF = timedelta(seconds=1)
"""After how long it is asked again whether all is taken in that a closing has to wait for."""


@dataclass(frozen=True, slots=True)
class Told:
    """A decision, as of when, and the event that says it."""

    asof: datetime
    decision: Decision
    event: NewEvent


@dataclass(slots=True)
class Unwritten:
    """What a transaction has said and not appended yet: events in order, and by stream the last of each objective."""

    events: list[NewEvent] = field(default_factory=list)
    cases: dict[str, list[Event]] = field(default_factory=dict)
    measures: dict[str, Said] = field(default_factory=dict)

    def add(self, events: Iterable[NewEvent]) -> None:
        """These come next."""
        for item in events:
            self.events.append(item)
            if item.event.caseid is not None:
                self.cases.setdefault(item.event.caseid, []).append(item.event)


class Casebook:
    """All of it within the caller's transaction, which has the entity store's turn."""

    def __init__(self, outside: Outside) -> None:
        self._out = outside
        self._stale: set[CaseKey] = set()
        self._mended: set[CaseKey] = set()

    async def load(
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

    async def suspended(
        self,
        conn: Connection,
        declared: Declared,
        said: Sequence[Told],
        after: dict[CaseKey, CaseState],
        unwritten: Unwritten,
        fresh: Mapping[str, Event] | None = None,
    ) -> list[tuple[datetime, NewEvent]]:
        """What is to be said of cases in which fixes are undone too often, each as of when; `after` takes note.
        `said`, in order, comes after what is `unwritten`; `fresh` are measures that are appended before it, by id."""
        drifts = [item for item in said if suspending.drifts(item.decision)]
        if not drifts:
            return []
        ids = [case for item in drifts for case in suspending.case_ids(item.decision.after)]
        history = await self._out.records.history(conn, ids)
        for name in dict.fromkeys(ids):
            history[name] = [*history.get(name, ()), *unwritten.cases.get(name, ())]
        found = []
        for item in said:
            state, asof, drift = item.decision.after, item.asof, item.event.event
            if not suspending.drifts(item.decision):
                history.setdefault(state.case, []).append(drift)
                continue
            known = [event for case in suspending.case_ids(state) for event in history.get(case, ())]
            cycles = suspending.suspended(known, drift, declared.states[state.desired_state], asof)
            if cycles:
                observed = [cycle.observation for cycle in cycles if cycle.observation is not None]
                causes = {item.event.id: item.event for item in unwritten.events if item.event.id in observed}
                causes |= {**await self._out.records.causes(conn, observed), **(fresh or {})}
                data = suspending.said(state, cycles, causes)
                case = after[state.key] = suspending.numbered(after[state.key])
                found.append((asof, case_event(case, data, self._out.wall(), asof, drift)))
            history.setdefault(state.case, []).append(drift)
        return found

    async def ready(
        self, conn: Connection, declared: Declared, timers: Sequence[Timer], now: datetime
    ) -> list[Timer]:
        """Those that may fire now. Before a gap closes because it was met for long enough everything is taken in that
        was observed until then, also after downtime: its timer waits for that, a little at a time."""
        steady = {name for name, state in declared.states.items() if state.spec.steady is not None}
        keys = {(timer.name, timer.subject.partition("/")[2]): timer for timer in timers if timer.name in steady}
        cases = await self._out.cases.load(conn, keys) if keys else {}
        closing = {
            keys[key]: case.closes_at
            for key, case in cases.items()
            if case.closes_at is not None and case.closes_at <= keys[key].instant
        }
        if not closing or not await self._out.records.behind(conn, max(closing.values())):
            return list(timers)
        await self._out.timers.set_earlier(conn, [replace(timer, instant=now + PUT_OFF) for timer in closing])
        return [timer for timer in timers if timer not in closing]

    async def append(self, conn: Connection, events: Sequence[NewEvent]) -> None:
        """Append, as the transaction's last statement. Raises `StaleCases`: these are read from the ledger next."""
        try:
            await self._out.records.append(conn, events)
        except StaleCases as stale:
            self._stale |= stale.keys
            raise
        self._stale -= self._mended
        self._mended.clear()


def reopens(decision: Decision) -> bool:
    """Whether a case that was closed without a word of the auditor opens again."""
    return decision.before.condition == "closed" and not decision.before.ended and decision.after.open


def event_of(decision: Decision, time: datetime, asof: datetime, cause: Event | None) -> NewEvent:
    """What a decision says, as an event."""
    assert decision.data is not None, "only decisions that say something become events"
    return case_event(decision.after, decision.data, time, asof, cause)


def case_event(case: CaseState, data: EventData, time: datetime, asof: datetime, cause: Event | None) -> NewEvent:
    origin = Origin(source="differ", actor=ACTOR, time=time, asof=asof, cause=cause)
    version = case.stream_version
    # The version makes the id: one cause may lead to several events of a type in one case, at several instants.
    event = new_event(data, f"gap/{case.case}", origin, str(version), case=case.case)
    return NewEvent(event, version)
