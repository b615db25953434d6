"""What is fetched at once is bounded, in records and in bytes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest
from aiokafka.errors import CorruptRecordException
from common.bus import fetching
from common.bus.fetching import GATHER_S, MAX_BYTES, STEP, Fetching
from common.errors import Transient


@dataclass
class Record:
    value: bytes | None
    key: bytes | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()


class Kafka:
    """A client that holds `waiting`, and later `coming`; remembers how it was asked."""

    def __init__(self, waiting: list[Record]) -> None:
        self.waiting = waiting
        self.coming: list[Record] = []
        self.asked: list[tuple[int, int]] = []
        self.failing = False

    def assignment(self) -> set[str]:
        return {"p"}

    async def getmany(self, *_at: str, timeout_ms: int, max_records: int) -> dict[str, list[Any]]:
        if self.failing:
            raise CorruptRecordException("a test's")
        self.asked.append((timeout_ms, max_records))
        if not self.waiting and timeout_ms:
            await asyncio.sleep(0)
            self.waiting, self.coming = self.coming, []
        got, self.waiting = self.waiting[:max_records], self.waiting[max_records:]
        return {"p": got} if got else {}


async def fetched(kafka: Kafka, max_records: int = 1_000) -> list[Any]:
    return (await Fetching().fetch(kafka, 250, max_records)).records


async def test_all_that_waits_is_fetched_in_order_and_only_the_first_step_waits_long() -> None:
    records = [Record(b"%d" % number) for number in range(3 * STEP + 1)]
    kafka = Kafka(list(records))
    assert await fetched(kafka) == records
    assert kafka.asked[0][0] == 250
    assert all(timeout <= 1000 * GATHER_S for timeout, _ in kafka.asked[1:])


async def test_what_comes_soon_after_belongs_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "GATHER_S", 60.0)
    kafka = Kafka([Record(b"1")])
    kafka.coming = [Record(b"2")]
    assert [record.value for record in await fetched(kafka)] == [b"1", b"2"]


async def test_until_it_is_wanted_what_comes_is_added_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "AHEAD_S", 0.0)
    kafka, wanted = Kafka([]), asyncio.Event()
    found = asyncio.create_task(Fetching().fetch(kafka, 250, 1_000, wanted))
    for value in (b"1", b"2"):
        kafka.waiting.append(Record(value))
        while kafka.waiting:
            await asyncio.sleep(0)
    assert not found.done()
    assert {wait for wait, _ in kafka.asked} == {0}
    wanted.set()
    assert [record.value for record in (await found).records] == [b"1", b"2"]


async def test_when_it_is_wanted_and_nothing_has_come_it_waits_as_long_as_ever() -> None:
    kafka, wanted = Kafka([]), asyncio.Event()
    found = asyncio.create_task(Fetching().fetch(kafka, 250, 1_000, wanted))
    while not kafka.asked:
        await asyncio.sleep(0)
    wanted.set()
    assert not await found
    assert kafka.asked[-1] == (250, STEP)


async def test_ahead_no_more_records_are_taken_than_asked_for_either() -> None:
    kafka = Kafka([Record(None)] * 100)
    assert len((await Fetching().fetch(kafka, 0, STEP + 3, asyncio.Event())).records) == STEP + 3


async def test_no_more_records_are_taken_than_asked_for() -> None:
    kafka = Kafka([Record(None)] * 100)
    assert len(await fetched(kafka, STEP + 3)) == STEP + 3
    assert len(kafka.waiting) == 100 - STEP - 3


async def test_nothing_is_asked_for_twice_when_nothing_waits() -> None:
    kafka = Kafka([])
    assert not await fetched(kafka)
    assert kafka.asked == [(250, STEP)]


@pytest.mark.parametrize(
    "large",
    [
        Record(b"x" * MAX_BYTES),
        Record(None, b"x" * MAX_BYTES),
        Record(b"", None, (("none", None), ("h", b"x" * MAX_BYTES))),
        Record(b"", None, (("x" * MAX_BYTES, b""),)),
    ],
)
async def test_large_records_end_the_fetch(large: Record) -> None:
    kafka = Kafka([large] * 5 * STEP)
    assert len(await fetched(kafka)) == STEP
    assert len(await fetched(kafka)) == STEP


async def test_one_by_one_large_records_end_the_fetch_too() -> None:
    kafka = Kafka([Record(b"x" * MAX_BYTES)] * 3)

    one = Fetching()
    kafka.failing = True
    with pytest.raises(Transient):
        await one.fetch(kafka, 0, 1_000)
    kafka.failing = False
    assert len((await one.fetch(kafka, 0, 1_000)).records) == 1
