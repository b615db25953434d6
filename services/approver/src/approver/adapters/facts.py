"""What is observed of entities: the approver's own store, caught up from the ledger when something is decided."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from common.declarations.catalogue import Catalogue
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
        found: dict[Subject, Mapping[str, Fact]] = {}
        for subject in wanted:
            view = views.get((subject.entity_type, subject.key))
            if view is None or subject.desired_state not in catalogue.desired_states:
                continue
            try:
                found[subject] = entity_facts(catalogue.compiled(subject.desired_state), view, asof)
            except Permanent:
                continue  # a declaration that can't be decided (any more): all is Unknown
        return found
