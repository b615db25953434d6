"""The approver follows what is observed while nobody decides."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from approver import main as approver_main
from approver.adapters import intake
from approver.adapters.intake import CHANNEL, Intake
from common.events import Event, Origin, new_event
from common.events.observer import EntityObserved
from common.ids import entity_stream
from support.office import Office
from support.walk import real_row

pytestmark = pytest.mark.integration
PATIENCE_S = 30.0
"""Less than it takes the intake to look without having been told."""


def observed(office: Office, number: int) -> Event:
    key = f"X-{number}"
    data = EntityObserved(
        feed="audit-tracker", entity_type="finding", key=key, row=dict(real_row("2022-090")) | {"id": key},
        source_time="2023-07-01T00:00:00Z", upstream_id=key, origin="bus",
    )  # fmt: skip
    origin = Origin(source="observer", actor="feed:audit-tracker", time=office.walk.wall, asof=office.walk.asof)
    return new_event(data, entity_stream("finding", key), origin, key)


async def level(office: Office) -> None:
    """Returns when everything that is in the ledger is taken in."""
    async with asyncio.timeout(PATIENCE_S):
        while not await office.pool.fetchval(
            "SELECT p.position = h.position FROM approver.entity_progress p, ledger.head h"
        ):
            await asyncio.sleep(0.02)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not holds():
            await asyncio.sleep(0.02)


@asynccontextmanager
async def following(office: Office) -> AsyncIterator[asyncio.Event]:
    """The task as the service runs it, told to stop at the end."""
    stop = asyncio.Event()
    task = asyncio.ensure_future(office.parts.tasks["observations"](stop))
    try:
        yield stop
    finally:
        stop.set()
        async with asyncio.timeout(PATIENCE_S):
            await task


async def test_what_is_observed_is_taken_in_though_nobody_decides(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "GATHER_S", 0.05)
    await office.declare()
    await office.put(*[observed(office, number) for number in range(3)])
    async with following(office):
        await level(office)
        await office.put(observed(office, 3))
        await level(office)
    assert await office.pool.fetchval("SELECT count(*) FROM approver.entities WHERE key LIKE 'X-%'") == 4


async def test_at_rest_it_waits_to_be_told_and_asks_nothing(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "GATHER_S", 0.0)
    left = [2, 1, 0]
    asked: list[int] = []

    async def follow() -> int:
        asked.append(left.pop(0) if left else 0)
        return asked[-1]

    stop = asyncio.Event()
    task = asyncio.create_task(Intake(office.realm.url("approver"), follow).run(stop))
    # All that lies there, and once more when it listens: so nothing that came in between is missed.
    await until(lambda: len(asked) == 4)
    assert asked == [2, 1, 0, 0]
    await office.pool.execute(f"SELECT pg_notify('{CHANNEL}_of_somebody_else', '')")
    async with asyncio.timeout(PATIENCE_S):
        while not await office.pool.fetchval(
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE application_name = 'approver intake' AND query LIKE 'LISTEN%'"
        ):
            await asyncio.sleep(0.02)
    assert len(asked) == 4
    await office.put(observed(office, 1))
    await until(lambda: len(asked) == 6)
    stop.set()
    async with asyncio.timeout(PATIENCE_S):
        await task


async def test_how_much_is_not_taken_in_yet_is_told(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approver_main, "WORTH_TELLING", 3)
    assert office.parts.notes is not None
    await office.declare()
    await office.put(*[observed(office, number) for number in range(3)])
    assert await office.parts.notes() == [
        "catching up: 3 observations are not taken in yet; a decision waits until they are"
    ]
    monkeypatch.setattr(approver_main, "MOST_COUNTED", 3)
    assert "3 observations at least" in (await office.parts.notes())[0]
    async with following(office), asyncio.timeout(PATIENCE_S):
        while await office.parts.notes():
            await asyncio.sleep(0.02)
