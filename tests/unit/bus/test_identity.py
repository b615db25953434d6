"""Which cluster answers is asked every second by every service: about no topic."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.metadata import MetadataRequest, MetadataRequest_v5
from common.bus.connection import Cluster

NO_TOPICS = (0).to_bytes(4, "big")
"""How Kafka writes an empty array; -1 there would mean all topics."""


async def test_a_cluster_is_asked_who_it_is_and_for_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[MetadataRequest] = []

    async def answer(_: Any, request: MetadataRequest) -> Any:
        sent.append(request)
        return SimpleNamespace(cluster_id="one", topics=[])

    monkeypatch.setattr(AIOKafkaAdminClient, "_send_request", answer)
    client = object.__new__(AIOKafkaAdminClient)
    assert await Cluster(client).identity() == "one"
    (request,) = sent
    assert request.build(MetadataRequest_v5).encode()[:4] == NO_TOPICS
