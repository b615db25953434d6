"""What is observed of entities: the approver's own store, caught up from the ledger when something is decided."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from common.clock import parse_instant
from common.declarations.catalogue import Catalogue
from common.declarations.evaluation import CompiledDesiredState, EntityView
from common.entities import EntityStore, Observation, Ref, StoredEntity, view_of
from common.entities.rows import read_observation
from common.errors import Permanent
from common.events.observer import SourceReported
from common.facts import entity_facts, exemptions, last_told
from common.ids import entity_stream
from common.ledger import Connection, Ledger, Recorded
from common.objectives.population import POPULATION, population_facts
from common.standings import standings

from approver.ports import Known, Subject


class StoredFacts:
    """See `ports.Facts`. `store` lives in the approver's schema."""

    def __init__(self, store: EntityStore, ledger: Ledger) -> None:
        self._store = store
        self._ledger = ledger

    async def lock(self, conn: Connection) -> None:
        await self._store.lock(conn)

    async def catch_up(self, conn: Connection, catalogue: Catalogue) -> None:
        await self._store.catch_up(conn, self._ledger, catalogue)

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
        streams = {entity_stream(subject.entity_type, subject.key) for subject in subjects}
        rows = await conn.fetch(
            "SELECT e.position, e.event FROM unnest($1::text[]) AS s (stream) CROSS JOIN LATERAL ("
            "SELECT position, event FROM ledger.events WHERE stream = s.stream ORDER BY version DESC LIMIT 1) e",
            sorted(streams),
        )
        views = {}
        for position, event in rows:
            observed = read_observation(Recorded(position, None, event.encode()))
            if observed is not None and observed.row is not None and observed.ref[0] in catalogue.entity_types:
                view = _own_view(catalogue, observed, observed.row, observed.order[0])
                if view.origin and view.origin.fresh_until and view.origin.fresh_until <= asof:
                    seen = await _seen_again(conn, observed)
                    view = _own_view(catalogue, observed, observed.row, seen)
                views[observed.ref] = view
        return {**_facts(catalogue, subjects, views, asof), **await _populations(conn, catalogue, subjects)}


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


async def _seen_again(conn: Connection, observed: Observation) -> datetime:
    """When the row was last known to be so: a report that holds the same row refreshes it, and stores no row."""
    kind, key = observed.ref
    found = await conn.fetchval(
        "SELECT event FROM ledger.events WHERE stream = $1 AND position($2 in event) > 0"
        " ORDER BY version DESC LIMIT 1",
        f"{SourceReported.CATEGORY}/{observed.feed}",
        json.dumps(key, ensure_ascii=False),
    )
    if found is None:
        return observed.order[0]
    data = SourceReported.of(Recorded(0, None, found.encode()).event)
    said = data.entity_type == kind and key in data.refreshed
    return max(observed.order[0], parse_instant(data.as_of)) if said else observed.order[0]


def _own_view(catalogue: Catalogue, observed: Observation, row: dict[str, Any], as_of: datetime) -> EntityView:
    kind, (source_time, _, event_id) = observed.ref[0], observed.order
    position = observed.recorded.position
    entity = StoredEntity(
        observed.ref, row, observed.feed, source_time, event_id, position, as_of, missing=None, withdrawn=False
    )
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
