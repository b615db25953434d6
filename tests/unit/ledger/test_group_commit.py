"""Which appends go to the database together, and when: with a pool that answers when it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from common.errors import Transient
from common.ledger import Appended, Ledger, NewEvent
from common.ledger.client import FLYING, GROUP
from hypothesis import given, settings
from hypothesis import strategies as st
from support.ledgers import an_event

EVENT = an_event()


@dataclass
class Pool:
    """Statements that are underway, each with its number of events; positions are given out as they are answered."""

    underway: list[tuple[int, asyncio.Future[None]]] = field(default_factory=list)
    sent: list[int] = field(default_factory=list)
    head: int = 0

    async def fetch(self, _: str, events: Sequence[str], *__: Any) -> list[dict[str, Any]]:
        first = await self._answered(len(events))
        return [{"request": None, "positions": [first]}]

    async def fetchval(self, _: str, __: str) -> int:
        return await self._answered(1)

    async def _answered(self, events: int) -> int:
        self.sent.append(events)
        one = (events, asyncio.get_running_loop().create_future())
        self.underway.append(one)
        await one[1]
        first, self.head = self.head, self.head + events
        return first

    async def answer(self, number: int = 0, error: Exception | None = None) -> None:
        _, told = self.underway.pop(number)
        if error is None:
            told.set_result(None)
        else:
            told.set_exception(error)
        await settled()


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def callers(ledger: Ledger, count: int) -> list[asyncio.Task[Any]]:
    return [asyncio.create_task(ledger.append([[NewEvent(EVENT)]])) for _ in range(count)]


def sizes(pool: Pool) -> list[int]:
    return [events for events, _ in pool.underway]


async def test_a_full_group_is_sent_beside_one_that_is_underway_and_a_smaller_one_waits() -> None:
    pool = Pool()
    ledger = Ledger(pool)
    callers(ledger, 1)
    await settled()
    callers(ledger, GROUP - 1)
    await settled()
    assert sizes(pool) == [1], "fewer than a full group wait for the one that is underway"
    callers(ledger, 1)
    await settled()
    assert sizes(pool) == [1, GROUP]
    callers(ledger, 3 * GROUP)
    await settled()
    assert sizes(pool) == [1, GROUP], "no third one"
    await pool.answer(1)
    assert sizes(pool) == [1, 3 * GROUP]
    callers(ledger, 3 * GROUP - 1)
    await pool.answer()
    assert sizes(pool) == [3 * GROUP], "one that is smaller waits"
    callers(ledger, 1)
    await settled()
    assert sizes(pool) == [3 * GROUP, 3 * GROUP]


@pytest.mark.parametrize("count", [2 * GROUP, 5 * GROUP])
async def test_many_take_turns_by_halves(count: int) -> None:
    """Each goes on when it is answered: the groups stay as large as they can be with two of them."""
    pool = Pool()
    ledger = Ledger(pool)

    async def produce() -> None:
        for _ in range(5):
            await ledger.append([[NewEvent(EVENT)]])

    tasks = [asyncio.create_task(produce()) for _ in range(count)]
    await settled()
    while pool.underway:
        await pool.answer()
    assert all(task.done() for task in tasks)
    assert pool.sent == [count // 2] * 10


async def test_whichever_ends_last_takes_what_waits() -> None:
    for first in (0, 1):
        pool = Pool()
        tasks = callers(ledger := Ledger(pool), 2 * GROUP)
        await settled()
        assert sizes(pool) == [GROUP, GROUP]
        tasks += callers(ledger, 5)
        await pool.answer(first)
        assert sizes(pool) == [GROUP]
        await pool.answer()
        assert sizes(pool) == [5]
        await pool.answer()
        assert [type(answer) for task in tasks for answer in task.result()] == [Appended] * (2 * GROUP + 5)


async def test_a_group_that_fails_leaves_the_one_beside_it_alone() -> None:
    pool = Pool()
    tasks = callers(Ledger(pool), 2 * GROUP)
    await settled()
    await pool.answer(0, OSError("gone"))
    await pool.answer()
    for task in tasks[:GROUP]:
        with pytest.raises(Transient, match="gone"):
            task.result()
    assert sorted(answer.positions[0] for task in tasks[GROUP:] for answer in task.result()) == list(range(GROUP))


@given(st.lists(st.integers(1, 2 * GROUP) | st.sampled_from(["first", "second"]), max_size=12))
@settings(max_examples=30, deadline=None)
def test_everybody_is_answered_once_whatever_comes_when(steps: list[int | str]) -> None:
    async def run() -> None:
        pool = Pool()
        ledger = Ledger(pool)
        tasks: list[asyncio.Task[Any]] = []
        for step in steps:
            if isinstance(step, int):
                tasks += callers(ledger, step)
            elif pool.underway:
                await pool.answer(-1 if step == "second" else 0)
            await settled()
            assert bool(pool.underway) == (not all(task.done() for task in tasks)) and len(pool.underway) <= FLYING
        while pool.underway:
            await pool.answer()
        positions = [answer.positions[0] for task in tasks for answer in task.result()]
        assert sorted(positions) == list(range(len(tasks))) and sum(pool.sent) == len(tasks)

    asyncio.run(run())
