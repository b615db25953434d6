"""Who waits for work is woken by news, and by the end."""

from __future__ import annotations

import asyncio

from common import jobs
from common.jobs import Nudge


async def test_who_waits_for_work_is_woken_by_what_counts_as_news_meanwhile() -> None:
    nudge, stop = Nudge(), asyncio.Event()
    nudge._look_s = 600.0
    async with nudge.at(stop):
        waiting = asyncio.create_task(nudge.wait())
        await asyncio.sleep(0)
        assert not waiting.done()
        stop.set()
        async with asyncio.timeout(5):
            await waiting
    assert nudge._look_s == jobs.SHORTEST_LOOK_S, "what it finds may be there in a moment only"


async def test_afterwards_it_is_no_news_any_more() -> None:
    nudge, stop = Nudge(), asyncio.Event()
    nudge._look_s = 600.0
    async with nudge.at(stop):
        pass
    stop.set()
    waiting = asyncio.create_task(nudge.wait())
    for _ in range(5):
        await asyncio.sleep(0)
    assert not waiting.done()
    waiting.cancel()


async def test_it_is_not_calm_while_somebody_is_busy() -> None:
    nudge, looks = Nudge(), iter([True, True, False])
    async with asyncio.timeout(5):
        await nudge.calm(0.0, 600.0, lambda: next(looks))
    assert list(looks) == []
    async with asyncio.timeout(5):
        await nudge.calm(0.0, 0.01, lambda: True)
