"""What the broker is told has been handled, and nothing that was only fetched."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from common.bus.engine import Offsets


@dataclass(frozen=True)
class Record:
    topic: str
    partition: int
    offset: int


@dataclass
class Kafka:
    """A client with two partitions that remembers what it was told."""

    told: list[dict[Any, int]] = field(default_factory=list)
    failing: bool = False

    def assignment(self) -> set[TopicPartition]:
        return {TopicPartition("t", 0), TopicPartition("t", 1)}

    async def commit(self, offsets: dict[Any, int]) -> None:
        if self.failing:
            raise KafkaError
        self.told.append(offsets)


async def test_the_offset_after_the_last_one_handled_is_told_once() -> None:
    kafka, offsets = Kafka(), Offsets()
    await offsets.commit(kafka)
    assert kafka.told == []
    offsets.passed([Record("t", 0, 4), Record("t", 1, 7), Record("t", 0, 5)])
    await offsets.commit(kafka)
    await offsets.commit(kafka)
    assert kafka.told == [{TopicPartition("t", 0): 6, TopicPartition("t", 1): 8}]


async def test_of_partitions_that_others_have_now_nothing_is_told() -> None:
    kafka, offsets = Kafka(), Offsets()
    offsets.passed([Record("t", 2, 1)])
    await offsets.commit(kafka)
    assert kafka.told == []


async def test_a_broker_that_does_not_take_it_stops_nobody() -> None:
    kafka, offsets = Kafka(failing=True), Offsets()
    offsets.passed([Record("t", 0, 1)])
    await offsets.commit(kafka)
    kafka.failing = False
    offsets.passed([Record("t", 0, 2)])
    await offsets.commit(kafka)
    assert kafka.told == [{TopicPartition("t", 0): 3}]
