"""A review that looks at what is new alone leaves the same tables and events as one that looks at everything."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from differ import rounds
from support.casework import without_objectives
from support.differ_realm import FINDINGS, DifferRealm, days, finding

pytestmark = pytest.mark.integration
TEXT = without_objectives(FINDINGS.read_text())
LATE = "June 30, 2023"
KEPT = ("cases", "timers", "contributions", "reviews", "reviewed", "measures")
STRICTER = TEXT.replace("expect: known(due)", "expect: department != 'Labor'")
CHANGES = {
    "a rule": STRICTER,
    "a deadline": TEXT.replace("      by: due\n", "      by: due\n      lead: 40 days\n", 1),
    "the severity": TEXT.replace("high: weakness == 'material' || repeat", "high: repeat"),
    "the selector": TEXT.replace("areas.matches('[ABC]')", "areas.matches('[ABC]') && repeat"),
}


async def outcome(realm: DifferRealm, monkeypatch: pytest.MonkeyPatch, *, whole: bool) -> tuple[Any, ...]:
    """How many the review under way looks at, and what it comes to; nothing of it stays."""
    looked = 0
    async with realm.pool.acquire() as conn:
        transaction = conn.transaction()
        await transaction.start()
        if whole:
            await conn.execute("UPDATE differ.reviews SET since = NULL")
        differ = realm.restarted()
        look = differ._look

        async def counted(conn: Any, declared: Any, looks: Any, *rest: Any) -> Any:
            nonlocal looked
            looked += len(looks)
            return await look(conn, declared, looks, *rest)

        monkeypatch.setattr(differ, "_look", counted)
        while await differ.review(conn):
            pass
        tables = {name: await conn.fetch(f"SELECT * FROM differ.{name} t ORDER BY t::text") for name in KEPT}
        events = await conn.fetch("SELECT stream, version, event FROM ledger.events ORDER BY position")
        await transaction.rollback()
    said = [(row["stream"], row["version"], _without_times(row["event"])) for row in events]
    return looked, said, {name: [tuple(row) for row in rows] for name, rows in tables.items()}


def _without_times(event: str) -> Any:
    return {name: value for name, value in orjson.loads(event).items() if name != "time"}


async def populated(realm: DifferRealm) -> None:
    """Twelve findings: of three something is said, one has no known selector, one is withdrawn."""
    await realm.begin(TEXT)
    changes: list[dict[str, Any]] = [{} for _ in range(12)]
    changes[1] = {"completion_date": LATE}
    changes[4] = {"completion_date": LATE, "repeat_finding": "Y"}
    changes[5] = {"completion_date": "soon"}
    changes[6] = {"compliance_requirements": ""}
    changes[8] = {"department": "Labor"}
    changes[9] = {"department": "Labor", "compliance_requirements": "N"}
    found = [await realm.observe("finding", finding(f"F-{number:02}", **one)) for number, one in enumerate(changes)]
    await realm.deliver(*found)
    await realm.deliver(await realm.withdraw("finding", "F-11", at=realm.asof + days(0.1)))


@pytest.mark.parametrize("change", CHANGES)
async def test_it_comes_to_what_a_whole_review_comes_to(
    replay: DifferRealm, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    monkeypatch.setattr(rounds, "REVIEW_BATCH", 3)
    monkeypatch.setattr(rounds, "GLANCE_BATCH", 5)
    await populated(replay)
    await replay.deliver(*await replay.activate(CHANGES[change]))
    (few, *narrow), (all_of_them, *whole) = (
        await outcome(replay, monkeypatch, whole=False),
        await outcome(replay, monkeypatch, whole=True),
    )
    assert narrow == whole
    assert all_of_them == 12
    assert few == 12 if change == "the selector" else few < 12


async def test_where_a_review_was_under_way_the_next_one_does_its_work_too(
    replay: DifferRealm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "REVIEW_BATCH", 1)
    await populated(replay)
    await replay.deliver(*await replay.activate(STRICTER))
    await replay.transact(replay.differ.review)
    await replay.deliver(
        *await replay.activate(STRICTER.replace("high: weakness == 'material' || repeat", "high: repeat"))
    )
    since = await replay.pool.fetchval("SELECT since FROM differ.reviews")
    assert since < await replay.pool.fetchval("SELECT position FROM differ.reviewed")
    await replay.review()
    assert "department" not in await replay.failing("money-findings-closed/F-08/1")
    assert await replay.failing("money-findings-closed/F-08/1") == {"dated": "missed"}


async def test_what_is_due_and_has_not_fired_is_looked_at(walled: DifferRealm) -> None:
    await walled.begin(TEXT)
    now, due = walled.wall, walled.wall - days(2)
    walled.wall = now - days(5)
    row = finding("F-1", completion_date=f"{due:%B} {due.day}, {due.year}")
    await walled.deliver(await walled.observe("finding", row, at=walled.wall))
    assert await walled.said() == []
    walled.wall = now
    await walled.deliver(*await walled.activate(CHANGES["the severity"]))
    await walled.review()
    assert await walled.said() == ["opened"]


async def test_what_was_decided_by_a_version_that_counted_for_a_while_is_decided_again(replay: DifferRealm) -> None:
    """The same version counts before and after: only the ledger tells that another one did between them."""
    await replay.begin(TEXT)
    for_a_while = await replay.activate(STRICTER)  # the differ is not told yet, and decides by it all the same
    await replay.deliver(await replay.observe("finding", finding("F-1", department="Labor")))
    assert await replay.said() == ["opened"]
    await replay.deliver(*for_a_while, *await replay.activate(TEXT))
    await replay.review()
    assert await replay.said() == ["opened", "closed"]
    assert await replay.pool.fetchval("SELECT count(*) FROM differ.reviews") == 0
