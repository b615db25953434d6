"""Waiting for what may come, or not."""

from __future__ import annotations

import asyncio


async def until_set(*events: asyncio.Event, most_s: float | None = None) -> None:
    """Return as soon as one of `events` is set, after `most_s` seconds at the latest."""
    waiting = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, timeout=most_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
