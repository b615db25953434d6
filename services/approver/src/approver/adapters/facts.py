"""What is observed of entities: the approver's own store, which follows the ledger, and is caught up
with it when something is decided."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from common.clock import parse_instant
from common.declarations.catalogue import Catalogue
from common.declarations.computing import MAX_CASE_EVENTS, Happened
from common.declarations.evaluation import CompiledDesiredState, EntityView
from common.entities import EntityStore, Following, Observation, Ref, StoredEntity, view_of
from common.entities.rows import newest, read_observation
from common.errors import Permanent
from common.events.observer import EntityObserved, EntityWithdrawn, SourceReported
from common.facts import entity_facts, exemptions, last_told
from common.ids import entity_stream, source_stream
from common.ledger import Connection, Ledger, Recorded
from common.objectives.population import POPULATION, population_facts
from common.standings import standings

from approver.ports import Known, Subject

CASES = 16
"""Cases of which all events are read at once."""
REPORTS = 20
"""Reports of a feed that are read at once: each may name thousands of rows."""

FOLLOWED_AT_ONCE = 1_000
"""Positions: the database works for some 50 ms, and whoever decides meanwhile waits for as long."""


class StoredFacts:
    """See `ports.Facts`. `store` lives in the approver's schema."""

    def __init__(self, store: EntityStore, ledger: Ledger) -> None:
        self._store = store
        self._following = Following(store, ledger)

    async def lock(self, conn: Connection) -> None:
        await self._store.lock(conn)

    async def catch_up(self, conn: Connection, catalogue: Catalogue) -> None:
        await self._following.all(conn, catalogue)

    async def follow(self, conn: Connection, catalogue: Catalogue) -> int:
        """Take in a little more of what was observed; returns how many positions of the ledger lie beyond it."""
        return await self._following.some(conn, catalogue, FOLLOWED_AT_ONCE)

    async def behind(self, conn: Connection, most: int) -> int:
        """How many observations are not taken in yet; counted up to `most`."""
        return await self._following.behind(conn, most)

    async def read(
        self, conn: Connection, catalogue: Catalogue, subjects: Iterable[Subject], asof: datetime
    ) -> Mapping[Subject, Known]:
        wanted = list(dict.fromkeys(subjects))
        refs = list(dict.fromkeys((subject.entity_type, subject.key) for subject in wanted))
        views = await self._store.views(conn, catalogue, refs)
        return {**_facts(catalogue, wanted, views, asof), **await _populations(conn, catalogue, wanted)}

    async def reported(
        self, conn: Connection, catalogue: Catalogue, subjects: Iterable[Subject], asof: datetime
    ) -> Mapping[Subject, Known]:
        refs = {(one.entity_type, one.key) for one in subjects if one.entity_type in catalogue.entity_types}
        views = await _rows(conn, catalogue, [ref for ref in refs if ref[0] not in catalogue.logs], asof)
        views |= await _cases(conn, catalogue, [ref for ref in refs if ref[0] in catalogue.logs])
        return {**_facts(catalogue, subjects, views, asof), **await _populations(conn, catalogue, subjects)}


async def _rows(conn: Connection, catalogue: Catalogue, refs: Iterable[Ref], asof: datetime) -> dict[Ref, EntityView]:
    """By the newest observation of each; a row that is stale by it may have been seen again."""
    found = await _observed(conn, refs, (EntityObserved.TYPE, EntityWithdrawn.TYPE), 1)
    there = [item for item in found if item.row is not None]
    views = {item.ref: _own_view(catalogue, item, item.order[0]) for item in there}
    old = [item for item in there if _until(views[item.ref]) <= asof]
    seen = await _seen_again(conn, catalogue, old, asof)
    return views | {item.ref: _own_view(catalogue, item, seen[item.ref]) for item in old if item.ref in seen}


async def _cases(conn: Connection, catalogue: Catalogue, refs: Sequence[Ref]) -> dict[Ref, EntityView]:
    """By all events of each, few cases at a time: one may have `MAX_CASE_EVENTS`."""
    views: dict[Ref, EntityView] = {}
    for some in (refs[at : at + CASES] for at in range(0, len(refs), CASES)):
        events = await _observed(conn, some, (EntityObserved.TYPE,), MAX_CASE_EVENTS + 1)
        gone = await _observed(conn, some, (EntityWithdrawn.TYPE,), MAX_CASE_EVENTS + 1)
        histories: dict[Ref, list[Happened]] = {}
        for item in events:
            histories.setdefault(item.ref, []).append(Happened(*item.order, item.row or {}))
        for ref, item in newest([*events, *gone]).items():
            if item.row is not None:
                views[ref] = _own_view(catalogue, item, item.order[0], histories[ref])
    return views


async def _observed(conn: Connection, refs: Iterable[Ref], types: Sequence[str], most: int) -> list[Observation]:
    """The last `most` observations of these types of each entity, as they were recorded."""
    rows = await conn.fetch(
        "SELECT e.position, e.event FROM unnest($1::text[]) AS s (stream) CROSS JOIN LATERAL ("
        "SELECT position, event FROM ledger.events WHERE stream = s.stream AND type = ANY ($2::text[]) "
        "ORDER BY version DESC LIMIT $3) e",
        sorted(entity_stream(*ref) for ref in refs),
        list(types),
        most,
    )
    read = (read_observation(Recorded(position, None, event.encode())) for position, event in rows)
    return [item for item in read if item is not None]


async def _populations(conn: Connection, catalogue: Catalogue, subjects: Iterable[Subject]) -> dict[Subject, Known]:
    """Of whole populations: whether their objectives are met."""
    found: dict[Subject, Known] = {}
    for subject in dict.fromkeys(subjects):
        state = _state(catalogue, subject.desired_state) if subject.key == POPULATION else None
        if state is not None:
            stood = await standings(conn, state.name)
            facts = population_facts([one.name for one in state.objectives], stood, state.version)
            found[subject] = Known(facts, facts)
    return found


async def _seen_again(
    conn: Connection, catalogue: Catalogue, old: Iterable[Observation], asof: datetime
) -> dict[Ref, datetime]:
    """When these rows were last known to be so: a report that holds the same row refreshes it, and stores no row.

    Reports are read from the newest one back, once for all rows of a feed, and no further than one recorded so long
    ago that what it refreshed is stale by now.
    """
    seen: dict[Ref, datetime] = {}
    feeds: dict[str, dict[Ref, Observation]] = {}
    for item in old:
        feeds.setdefault(item.feed, {})[item.ref] = item
    for feed, wanted in feeds.items():
        since = min(asof - _fresh_for(catalogue, ref[0]) for ref in wanted)
        async for data in _reports(conn, feed, since):
            refreshed = ((data.entity_type, key) for key in data.refreshed)
            for ref in [ref for ref in refreshed if ref in wanted]:
                seen[ref] = max(wanted.pop(ref).order[0], parse_instant(data.as_of))
            if not wanted:
                break
    return seen


async def _reports(conn: Connection, feed: str, since: datetime) -> AsyncIterator[SourceReported]:
    """What a feed reported, the newest first, back to what is of `since` or before, and was recorded then."""
    before = 2**62
    while True:
        rows = await conn.fetch(
            "SELECT version, event FROM ledger.events WHERE stream = $1 AND version < $2 "
            "ORDER BY version DESC LIMIT $3",
            source_stream(feed),
            before,
            REPORTS,
        )
        for version, raw in rows:
            before = version
            event = Recorded(0, None, raw.encode()).event
            said = SourceReported.of(event) if event.type == SourceReported.TYPE else None
            times = [event.asof, *([said.as_of] if said is not None else ())]
            if max(map(parse_instant, times)) <= since:
                return
            if said is not None:
                yield said
        if not rows:
            return


def _fresh_for(catalogue: Catalogue, entity_type: str) -> timedelta:
    limit = catalogue.entity_types[entity_type].fresh_for
    return timedelta(days=limit.count) if limit is not None else timedelta()


def _until(view: EntityView) -> datetime:
    until = view.origin.fresh_until if view.origin is not None else None
    return until if until is not None else datetime.max.replace(tzinfo=UTC)


def _own_view(
    catalogue: Catalogue, observed: Observation, as_of: datetime, events: Sequence[Happened] | None = None
) -> EntityView:
    kind, (source_time, _, event_id), row = observed.ref[0], observed.order, observed.row or {}
    position = observed.recorded.position
    entity = StoredEntity(
        observed.ref, row, observed.feed, source_time, event_id, position, as_of, missing=None, withdrawn=False,
        events=events,
    )  # fmt: skip
    return view_of(catalogue.entity_types[kind], catalogue.readers[kind], entity)


def _facts(
    catalogue: Catalogue, subjects: Iterable[Subject], views: Mapping[Ref, EntityView], asof: datetime
) -> dict[Subject, Known]:
    wanted = list(dict.fromkeys(subjects))
    states = {name: _state(catalogue, name) for name in {subject.desired_state for subject in wanted}}
    found: dict[Subject, Known] = {}
    for subject in wanted:
        view, state = views.get((subject.entity_type, subject.key)), states[subject.desired_state]
        if view is not None and state is not None:
            found[subject] = Known(
                entity_facts(state, view, asof), last_told(state, view, asof), exemptions(state, view, asof)
            )
    return found


def _state(catalogue: Catalogue, name: str) -> CompiledDesiredState | None:
    """The desired state, ready to decide; None for one that is not active or can't be decided: all is Unknown."""
    if name not in catalogue.desired_states:
        return None
    try:
        return catalogue.compiled(name)
    except Permanent:
        return None
