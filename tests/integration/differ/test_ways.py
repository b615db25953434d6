"""The ways of entities that are kept are those that would be read: whatever was observed, withdrawn or declared."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from common.declarations.catalogue import Catalogue
from common.declarations.evaluation import EntityView
from common.declarations.loader import load
from common.entities import EntityStore
from common.entities.rows import Ref, StoredEntity
from differ import populations
from differ.core.planning import Declared
from differ.core.population import Way
from differ.populations import Ways
from support.applications import PAGE, catalogue, history
from support.differ_realm import DifferRealm

pytestmark = pytest.mark.integration
REFS = [("application", f"A-{number}") for number in range(1, 6)]


class Counting(EntityStore):
    """A store that counts of how many entities it was asked for views."""

    seen = 0

    async def views(
        self, conn: Any, catalogue: Catalogue, refs: Iterable[Ref], known: Mapping[Ref, StoredEntity] | None = None
    ) -> dict[Ref, EntityView]:
        wanted = list(refs)
        self.seen += len(wanted)
        return await super().views(conn, catalogue, wanted, known)


@asynccontextmanager
async def turn(realm: DifferRealm) -> AsyncIterator[Any]:
    async with realm.pool.acquire() as conn, conn.transaction():
        yield conn


async def ways_of(realm: DifferRealm, ways: Ways, declared: Declared) -> dict[Ref, Way]:
    async with turn(realm) as conn:
        return await ways.of(conn, declared, declared.states["quick"], REFS)


@pytest.mark.parametrize("seed", range(3))
async def test_a_way_that_is_kept_is_the_one_that_would_be_read(replay: DifferRealm, seed: int) -> None:
    await replay.create()
    chance = random.Random(seed)
    events, store, declared = await history(replay, chance, 40), Counting("differ"), Declared(catalogue())
    kept = Ways(store)
    shuffled = chance.sample(events, len(events)) + chance.choices(events, k=8)
    while shuffled:
        cut = chance.randint(1, 6)
        async with turn(replay) as conn:
            await store.apply(conn, shuffled[:cut], declared.catalogue)
        shuffled = shuffled[cut:]
        assert await ways_of(replay, kept, declared) == await ways_of(replay, Ways(store), declared)
    store.seen = 0
    assert await ways_of(replay, kept, declared)
    assert store.seen == 0


async def test_another_declaration_reads_all_of_them_anew(replay: DifferRealm) -> None:
    await replay.create()
    store, declared = EntityStore("differ"), Declared(catalogue())
    kept = Ways(store)
    async with turn(replay) as conn:
        await store.apply(conn, await history(replay, random.Random(1), 40, withdrawals=False), declared.catalogue)
    before = await ways_of(replay, kept, declared)
    loaded = load(PAGE.replace("between('ask', 'answer')", "between('open', 'close')"), "page.yaml")
    other = Declared(Catalogue().with_documents(loaded.documents))
    assert await ways_of(replay, kept, other) == await ways_of(replay, Ways(store), other) != before


async def test_where_a_check_reads_what_is_sealed_nothing_is_kept(replay: DifferRealm) -> None:
    await replay.create()
    page = PAGE.replace(
        "  events: {activity", "  sensitive: [amount]\n  checks: [amount < 100]\n  events: {activity", 1
    )
    loaded = load(page, "page.yaml")
    assert not loaded.problems, loaded.problems
    store, declared = Counting("differ"), Declared(Catalogue().with_documents(loaded.documents))
    kept = Ways(store)
    async with turn(replay) as conn:
        await store.apply(conn, await history(replay, random.Random(1), 20, withdrawals=False), declared.catalogue)
    known = len(await ways_of(replay, kept, declared))
    store.seen = 0
    await ways_of(replay, kept, declared)
    assert store.seen == known > 0


async def test_no_more_are_kept_than_may_be(replay: DifferRealm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(populations, "MOST_KEPT", 2)
    await replay.create()
    store, declared = EntityStore("differ"), Declared(catalogue())
    kept = Ways(store)
    async with turn(replay) as conn:
        await store.apply(conn, await history(replay, random.Random(1), 40, withdrawals=False), declared.catalogue)
        state = declared.states["quick"]
        for ref in REFS:
            await kept.of(conn, declared, state, [ref])
            assert len(kept._known) <= 2
