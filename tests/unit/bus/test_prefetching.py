"""The client library asks for all partitions, or waits: one that it left out would wait for an empty fetch to end."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import Fetcher, FetchResult
from aiokafka.consumer.subscription_state import Assignment, SubscriptionState
from common.bus.bus import HELD_S, fetch_from_all

HERE, THERE = TopicPartition("t", 0), TopicPartition("t", 1)


class Cluster:
    def leader_for_partition(self, _: TopicPartition) -> int:
        return 1


async def asked(waiting_s: float, *, as_it_comes: bool = False) -> list[set[int]]:
    """The partitions of each fetch that is begun when something of `HERE` has waited that long to be taken."""
    client = SimpleNamespace(_loop=asyncio.get_running_loop(), _metadata_max_age_ms=1, cluster=Cluster())
    fetcher: Any = Fetcher(client, SubscriptionState())
    try:
        if not as_it_comes:
            fetch_from_all(SimpleNamespace(_fetcher=fetcher))
        assignment = Assignment({HERE, THERE})
        for at in (HERE, THERE):
            assignment.state_value(at).seek(0)
        kept: Any = FetchResult(HERE, assignment=assignment, partition_records=[], backoff=fetcher._prefetch_backoff)
        kept._created -= waiting_s
        fetcher._records[HERE] = kept
        requests, *_ = fetcher._get_actions_per_node(assignment)
        return [{partition for _, some in request._topics for partition, *_ in some} for _, request in requests]
    finally:
        await fetcher.close()


@pytest.mark.parametrize("waiting_s", [0.05, 1.0, HELD_S / 2])
async def test_nothing_is_fetched_while_something_waits_to_be_taken(waiting_s: float) -> None:
    assert await asked(waiting_s) == []


async def test_what_nobody_takes_does_not_stop_the_others_for_ever() -> None:
    assert await asked(HELD_S + 1) == [{THERE.partition}]


async def test_the_library_by_itself_leaves_out_what_waits() -> None:
    assert await asked(1.0, as_it_comes=True) == [{THERE.partition}]
