"""The entity store in PostgreSQL is a join: any order, any cut, any repetition gives the same rows and links."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from common.declarations.catalogue import Catalogue
from common.declarations.known import Counted
from common.entities import EntityStore, Following, following
from common.entities.rows import Ref, StoredEntity
from common.ledger import Recorded
from support.casework import catalogue_of, findings_catalogue
from support.differ_realm import FINDINGS, START, DifferRealm, finding, retest

pytestmark = pytest.mark.integration
HISTORIES = 6
BY_TEAM = (
    FINDINGS.read_text()
    .replace(
        "  related:\n",
        "  related:\n"
        "    ok: {earliest: retest, through: team, as: department, by: tested_on, where: \"result == 'passed'\"}\n"
        "    since: {count: retest, through: team, as: department, where: tested_on > this.ok.tested_on}\n",
        1,
    )
    .replace("  attributes:\n", "  attributes:\n    tester: {from: department}\n", 1)
)
"""Every finding also joins the retests of the team that its department is, whatever finding they are of."""


@pytest.fixture
async def seeded(replay: DifferRealm) -> AsyncIterator[DifferRealm]:
    await replay.create()
    yield replay


async def history(realm: DifferRealm, chance: random.Random) -> list[Recorded]:
    """Twenty events about few entities: rows, withdrawals and snapshots, with equal and unequal times."""
    found = []
    for _ in range(20):
        at = START + timedelta(minutes=chance.randint(0, 6))
        key = f"F-{chance.randint(1, 3)}"
        match chance.randint(0, 5):
            case 0 | 1:
                changes = {
                    "title": str(chance.random()),
                    "department": chance.choice(["Education", "internal-audit"]),
                }
                found.append(await realm.observe("finding", finding(key, **changes), at))
            case 2 | 3:
                result, day = chance.choice(["passed", "failed"]), chance.randint(1, 5)
                row = retest(f"R-{chance.randint(1, 2)}", key, result, on=f"2023-07-0{day}")
                found.append(await realm.observe("retest", row, at, chance.choice([None, 1, 2])))
            case 4:
                found.append(await realm.withdraw("finding", key, at))
            case _:
                part = chance.randint(1, 2)
                found.append(await realm.snapshot("finding", at, key, part=part, parts=chance.randint(part, 2)))
    return found


async def contents(realm: DifferRealm, catalogue: Catalogue) -> list[Any]:
    """All that can be told from the store."""
    store = EntityStore("differ")
    refs = [(kind, f"{kind[0].upper()}-{n}") for kind in ("finding", "retest") for n in range(1, 4)]
    async with realm.pool.acquire() as conn, conn.transaction():
        rows = await store.read(conn, refs)
        views = await store.views(conn, catalogue, refs)
    return [sorted((ref, str(item)) for ref, item in found.items()) for found in (rows, views)]


async def tables(realm: DifferRealm) -> list[Any]:
    """What the store keeps beside what can be told of single entities."""
    return [
        sorted(map(tuple, await realm.pool.fetch(f"SELECT * FROM differ.{table}")), key=repr)
        for table in ("entity_links", "snapshot_parts", "complete_snapshots", "sources")
    ]


async def forget(realm: DifferRealm) -> None:
    tables = ("entities", "entity_events", "entity_links", "snapshot_parts", "complete_snapshots", "sources")
    for table in tables:
        await realm.pool.execute(f"DELETE FROM differ.{table}")
    await realm.pool.execute("UPDATE differ.entity_progress SET position = -1, links = ''")


async def apply(realm: DifferRealm, batch: list[Recorded], catalogue: Catalogue) -> int:
    """Apply it; what it gives of the entities that were written is what is stored. Of how many it gives that."""
    store, stored = EntityStore("differ"), dict[Ref, StoredEntity]()
    async with realm.pool.acquire() as conn, conn.transaction():
        changed = await store.apply(conn, batch, catalogue, stored)
        assert stored == await store.read(conn, stored)
    assert stored.keys() <= changed.keys()
    return len(stored)


@pytest.mark.parametrize("seed", range(HISTORIES))
@pytest.mark.parametrize("text", [FINDINGS.read_text(), BY_TEAM], ids=["by key", "by team"])
async def test_the_store_holds_the_same_after_the_same_events_in_any_order(
    seeded: DifferRealm, seed: int, text: str
) -> None:
    chance = random.Random(seed)
    catalogue = catalogue_of(text)
    events = await history(seeded, chance)
    await apply(seeded, events, catalogue)
    expected = await contents(seeded, catalogue)
    assert expected[0], "nothing happened"
    given = 0
    for _ in range(4):
        await forget(seeded)
        shuffled = chance.sample(events, len(events)) + chance.choices(events, k=5)
        while shuffled:
            cut = chance.randint(1, 8)
            given += await apply(seeded, shuffled[:cut], catalogue)
            shuffled = shuffled[cut:]
        assert await contents(seeded, catalogue) == expected
    assert given > 0


async def test_catching_up_from_the_ledger_is_the_same_as_being_told(seeded: DifferRealm) -> None:
    catalogue = findings_catalogue()
    events = await history(seeded, random.Random(99))
    await apply(seeded, events, catalogue)
    expected = await contents(seeded, catalogue)
    await forget(seeded)
    store = EntityStore("differ")
    async with seeded.pool.acquire() as conn, conn.transaction():
        changed = await Following(store, seeded.ledger).changes(conn, catalogue)
        assert changed
        assert await Following(store, seeded.ledger).changes(conn, catalogue) == {}
    assert await contents(seeded, catalogue) == expected
    late = await seeded.observe("retest", retest("R-9", "F-1"))
    async with seeded.pool.acquire() as conn, conn.transaction():
        assert set(await Following(store, seeded.ledger).changes(conn, catalogue)) == {
            ("finding", "F-1"),
            ("retest", "R-9"),
        }
    assert late.position == await seeded.pool.fetchval("SELECT position FROM differ.entity_progress")


@pytest.mark.parametrize("few", [0, 3, 1_000], ids=["by the database", "both ways", "one by one"])
async def test_following_by_stretches_is_the_same_as_being_told(
    seeded: DifferRealm, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(following, "STRETCH", 5)
    monkeypatch.setattr(following, "FEW", few)
    catalogue = catalogue_of(BY_TEAM)
    events = await history(seeded, random.Random(few))
    await apply(seeded, events, catalogue)
    expected = await contents(seeded, catalogue), await tables(seeded)
    await forget(seeded)
    follower = Following(EntityStore("differ"), seeded.ledger)
    head = await seeded.ledger.head(seeded.pool)
    assert await follower.behind(seeded.pool, 1_000) == len(events)
    assert await follower.behind(seeded.pool, 7) == 7

    async def stretch() -> int:
        async with seeded.pool.acquire() as conn, conn.transaction():
            return await follower.some(conn, catalogue)

    # A task and a decision at once: each goes on from where the other left off.
    left = await asyncio.gather(stretch(), stretch())
    assert sorted(left) == [head + 1 - 10, head + 1 - 5]
    async with seeded.pool.acquire() as conn, conn.transaction():
        await follower.all(conn, catalogue)
    assert (await stretch(), await follower.behind(seeded.pool, 1)) == (0, 0)
    assert (await contents(seeded, catalogue), await tables(seeded)) == expected
    assert head == await seeded.pool.fetchval("SELECT position FROM differ.entity_progress")


async def test_a_stretch_that_is_rolled_back_is_taken_in_again(seeded: DifferRealm) -> None:
    catalogue = findings_catalogue()
    await history(seeded, random.Random(4))
    follower = Following(EntityStore("differ"), seeded.ledger)
    with pytest.raises(ZeroDivisionError):
        async with seeded.pool.acquire() as conn, conn.transaction():
            await follower.all(conn, catalogue)
            _ = 1 / 0
    assert await follower.behind(seeded.pool, 1_000) == 20
    async with seeded.pool.acquire() as conn, conn.transaction():
        await follower.all(conn, catalogue)
    assert await follower.behind(seeded.pool, 1_000) == 0
    assert (await contents(seeded, catalogue))[0]


async def test_a_declaration_that_links_otherwise_links_the_old_rows_too(seeded: DifferRealm) -> None:
    before, after = (
        findings_catalogue(),
        catalogue_of(FINDINGS.read_text().replace("{from: finding}", "{from: about}")),
    )
    row = {**retest("R-1", "F-1"), "about": "F-2"}
    events = [
        await seeded.observe("finding", finding("F-1")),
        await seeded.observe("finding", finding("F-2")),
        await seeded.observe("retest", row),
    ]
    await apply(seeded, events, before)
    store = EntityStore("differ")
    for catalogue, tested in ((before, "F-1"), (after, "F-2"), (before, "F-1")):
        async with seeded.pool.acquire() as conn, conn.transaction():
            views = await store.views(conn, catalogue, [("finding", "F-1"), ("finding", "F-2")])
        names = {ref[1] for ref, view in views.items() if hasattr(view.related["retest"], "key")}
        assert names == {tested}


async def test_an_older_observation_is_not_reported_as_a_change(seeded: DifferRealm) -> None:
    catalogue, store = findings_catalogue(), EntityStore("differ")
    new = await seeded.observe("finding", finding("F-1"), START)
    old = await seeded.observe("finding", finding("F-1", title="old"), START - timedelta(days=1))
    async with seeded.pool.acquire() as conn, conn.transaction():
        assert list(await store.apply(conn, [new], catalogue)) == [("finding", "F-1")]
        assert await store.apply(conn, [old], catalogue) == {}
        assert await store.apply(conn, [new], catalogue) == {}
        (stored,) = (await store.read(conn, [("finding", "F-1")])).values()
    assert stored.event_id == new.event.id


async def test_a_change_on_either_side_concerns_whom_it_names_and_nobody_else(seeded: DifferRealm) -> None:
    catalogue, store = catalogue_of(BY_TEAM), EntityStore("differ")

    async def changed(event: Recorded) -> set[str]:
        async with seeded.pool.acquire() as conn, conn.transaction():
            return {key for _, key in await store.apply(conn, [event], catalogue)}

    async def since(key: str) -> object:
        async with seeded.pool.acquire() as conn, conn.transaction():
            return (await store.views(conn, catalogue, [("finding", key)]))["finding", key].related["since"]

    # The far side first, then those that it concerns; F-2 is another department's.
    assert await changed(await seeded.observe("retest", retest("R-1", "F-9", on="2023-07-01"))) == {"R-1", "F-9"}
    assert await changed(await seeded.observe("finding", finding("F-1", department="internal-audit"))) == {"F-1"}
    assert await changed(await seeded.observe("finding", finding("F-2"))) == {"F-2"}
    found = await since("F-1")
    assert isinstance(found, Counted) and found.number == 0
    assert await changed(await seeded.observe("retest", retest("R-2", "F-2", on="2023-07-02"))) == {
        "R-2",
        "F-1",
        "F-2",
    }
    found = await since("F-1")
    assert isinstance(found, Counted) and found.number == 1
    # Who moves to another department has other relations, without anything of the far side changing.
    moved = finding("F-2", department="internal-audit")
    assert await changed(await seeded.observe("finding", moved, START + timedelta(minutes=1))) == {"F-2"}
    found = await since("F-2")
    assert isinstance(found, Counted) and found.number == 1
    elsewhere = {**retest("R-1", "F-9"), "team": "elsewhere"}
    assert await changed(await seeded.observe("retest", elsewhere, START + timedelta(minutes=2))) == {
        "R-1", "F-1", "F-2", "F-9",
    }  # fmt: skip


async def test_the_turn_may_take_longer_than_any_statement(seeded: DifferRealm) -> None:
    """Whoever has it may be taking in a long history; who waits for it must not give up meanwhile."""
    store, url = EntityStore("differ"), seeded.realm.url("differ")
    waiter = await asyncpg.connect(url, command_timeout=0.2)
    try:
        async with seeded.pool.acquire() as holder:
            async with holder.transaction():
                await store.lock(holder)
                waiting = asyncio.create_task(store.lock(waiter))
                await asyncio.sleep(0.6)
                assert not waiting.done()
            await waiting
    finally:
        await waiter.close()
