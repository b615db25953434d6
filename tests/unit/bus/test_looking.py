"""How often a consumer looks whether something published hasn't reached it."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from common.bus import Address
from common.bus import consumer as consumers
from common.bus.consumer import LOOK_S, LOOK_WHEN_BUSY_S, MAX_RECORDS, Batch, LedgerConsumer
from common.bus.fetching import Fetched


class Clock:
    """A metronome for which every look is a second after the one before."""

    def __init__(self, every_s: float) -> None:
        self.every, self.asked = round(every_s / LOOK_S), 0

    def due(self) -> bool:
        self.asked += 1
        return self.asked % self.every == 0


class Looking(LedgerConsumer):
    """Takes so many records at each turn, and counts its looks."""

    def __init__(self, turns: list[int]) -> None:
        super().__init__(Address(realm="r", service="differ", brokers=""), None, (), cast(Any, None), cast(Any, None))
        self.turns = iter(turns)
        self.looks = 0

    async def _next(self, _: object) -> Batch:
        try:
            return Batch(Fetched([None] * next(self.turns)))
        except StopIteration:
            raise asyncio.CancelledError from None

    async def _look(self) -> None:
        self.looks += 1

    async def _take(self, _: object) -> None:
        pass


async def looks(monkeypatch: pytest.MonkeyPatch, turns: list[int]) -> int:
    async def joined() -> None:
        pass

    monkeypatch.setattr(consumers, "Metronome", Clock)
    looking = Looking(turns)
    looking._joined = lambda joining: joining  # type: ignore[method-assign, assignment, return-value]
    joining = asyncio.ensure_future(joined())
    with pytest.raises(asyncio.CancelledError):
        await looking.run(joining)
    return looking.looks


@pytest.mark.parametrize("idle", [0, 1, MAX_RECORDS - 1])
async def test_who_takes_little_looks_every_second(monkeypatch: pytest.MonkeyPatch, idle: int) -> None:
    assert await looks(monkeypatch, [idle] * 20) == 21


async def test_what_waits_its_turn_is_not_looked_for_beside_the_bus(monkeypatch: pytest.MonkeyPatch) -> None:
    seldom = round(LOOK_WHEN_BUSY_S / LOOK_S)
    assert await looks(monkeypatch, [MAX_RECORDS] * 2 * seldom) == 1 + 2


async def test_when_it_is_quiet_again_it_looks_at_the_next_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await looks(monkeypatch, [MAX_RECORDS, MAX_RECORDS, 0]) == 1 + 1
