"""Ending a session ends all of it, also what loses its first cancellation."""

from __future__ import annotations

import asyncio

from common.bus.bus import _end


async def test_a_task_that_loses_a_cancellation_is_asked_again() -> None:
    lost = 0

    async def deaf() -> None:
        nonlocal lost
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                if lost:
                    raise
                lost += 1

    task = asyncio.ensure_future(deaf())
    await asyncio.sleep(0)
    await _end([task], again_s=0.01)
    assert task.cancelled()
    assert lost == 1
