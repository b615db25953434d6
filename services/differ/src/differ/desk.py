"""What messages and requests share: which feeds can be relied on, and what rests on them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from common.entities import EntityStore
from common.entities.sources import Reliability, in_doubt, reliability
from common.events.observer import SourceJudged
from common.ledger import Connection, Recorded

from differ.core.planning import Declared
from differ.ports import Review, Reviews


class Feeds:
    """Works in the caller's transaction."""

    def __init__(self, entities: EntityStore, reviews: Reviews) -> None:
        self._entities = entities
        self._reviews = reviews

    async def doubts(
        self, conn: Connection, declared: Declared, batch: Sequence[Recorded], asof: datetime
    ) -> dict[str, tuple[object, ...]] | None:
        """By feed, why it can't be relied on; None where nothing in the batch can change it. Takes the store's
        turn."""
        sources = declared.catalogue.sources
        if not sources and not any(item.content[0] == SourceJudged.TYPE for item in batch):
            return None
        await self._entities.lock(conn)
        states = await self._entities.sources(conn)
        return {feed: in_doubt(states.get(feed), sources.get(feed), asof) for feed in {*states, *sources}}

    async def review(
        self, conn: Connection, declared: Declared, batch: Sequence[Recorded], feeds: Iterable[str]
    ) -> None:
        """Look again at everything that rests on what these feeds reported."""
        found: dict[str, Review] = {}
        for feed in feeds:
            cause = max(item.position for item in batch if item.content[2].get("feed") == feed)
            for name in declared.catalogue.desired_states_reading(feed):
                found[name] = Review(name, declared.entity_type(name), "", cause)
        if found:
            await self._reviews.begin(conn, list(found.values()), declared)

    async def told(self, conn: Connection, declared: Declared, asof: datetime) -> list[Reliability]:
        """Every feed, and why it can't be relied on as of `asof`."""
        sources, states = declared.catalogue.sources, await self._entities.sources(conn)
        names = sorted({*states, *sources})
        return [reliability(name, states.get(name), sources.get(name), asof) for name in names]
