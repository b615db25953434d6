"""What is observed of entities: the approver's own store, caught up from the ledger when something is decided."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from common.declarations.catalogue import Catalogue
from common.declarations.evaluation import CompiledDesiredState, EntityView
from common.entities import EntityStore, Observation, Ref, StoredEntity, view_of
from common.entities.rows import read_observation
from common.errors import Permanent
from common.facts import entity_facts, exemptions, last_told
from common.ids import entity_stream
from common.ledger import Connection, Ledger, Recorded

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
        refs = list(dict.fromkeys((subject.entity_type, subject.key) for subject in subjects))
        return _facts(catalogue, subjects, await self._store.views(conn, catalogue, refs), asof)

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
                views[observed.ref] = _own_view(catalogue, observed, observed.row)
        return _facts(catalogue, subjects, views, asof)


def _own_view(catalogue: Catalogue, observed: Observation, row: dict[str, Any]) -> EntityView:
    kind, (source_time, _, event_id) = observed.ref[0], observed.order
    position = observed.recorded.position
    entity = StoredEntity(
        observed.ref, row, observed.feed, source_time, event_id, position, source_time, missing=None, withdrawn=False
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
