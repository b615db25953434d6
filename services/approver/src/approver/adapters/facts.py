"""What is observed of entities: the approver's own store, caught up from the ledger when something is decided."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from common.declarations.catalogue import Catalogue
from common.declarations.evaluation import CompiledDesiredState
from common.entities import EntityStore
from common.errors import Permanent
from common.events.model import Fact
from common.facts import entity_facts
from common.ledger import Connection, Ledger

from approver.ports import Subject


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
    ) -> Mapping[Subject, Mapping[str, Fact]]:
        wanted = list(dict.fromkeys(subjects))
        refs = list(dict.fromkeys((subject.entity_type, subject.key) for subject in wanted))
        views = await self._store.views(conn, catalogue, refs)
        states = {name: _state(catalogue, name) for name in {subject.desired_state for subject in wanted}}
        found: dict[Subject, Mapping[str, Fact]] = {}
        for subject in wanted:
            view, state = views.get((subject.entity_type, subject.key)), states[subject.desired_state]
            if view is not None and state is not None:
                found[subject] = entity_facts(state, view, asof)
        return found


def _state(catalogue: Catalogue, name: str) -> CompiledDesiredState | None:
    """The desired state, ready to decide; None for one that is not active or can't be decided: all is Unknown."""
    if name not in catalogue.desired_states:
        return None
    try:
        return catalogue.compiled(name)
    except Permanent:
        return None
