"""Killed at every dangerous moment and started again, the observer loses nothing and records nothing twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from common.events.observer import EntityObserved, ObservationRejected
from support.observer_realm import FINDING, ObserverRealm, message, observer_realm, write_feeds

pytestmark = [pytest.mark.integration, pytest.mark.kill]

COUNT = 5_000


@pytest.mark.parametrize("point", ["observer.after_fetch=2", "observer.after_append=2", "observer.after_commit=2"])
async def test_a_kill_in_the_middle_loses_and_doubles_nothing(stopped: ObserverRealm, point: str) -> None:
    await stopped.publish(*(message(f"m-{number}", f"K-{number}") for number in range(COUNT)), b"\xff", b"{")
    stopped.stack.start_service("observer", point, wait=False)
    assert await asyncio.to_thread(stopped.stack.wait_service_gone, "observer", 30.0), "the failpoint was not reached"
    before = len(await stopped.events())
    assert 0 < before < COUNT + 2, "it was killed in the middle"
    stopped.stack.start_service("observer")
    await stopped.wait_for(COUNT + 2)
    await stopped.publish(message("last", "K-last"), message("m-1", "K-1"))
    await stopped.wait(lambda events: events[-1].data.get("upstream_id") == "last")
    stored = Counter(event.data["upstream_id"] for event in await stopped.events(EntityObserved))
    assert stored == Counter([*(f"m-{number}" for number in range(COUNT)), "last"])
    assert len(await stopped.events(ObservationRejected)) == 2


async def test_everything_delivered_twice_is_stored_once(stopped: ObserverRealm) -> None:
    batch = [message(f"m-{number}", f"K-{number}") for number in range(2_000)]
    await stopped.publish(*batch)
    await stopped.publish(*batch)
    stopped.stack.start_service("observer")
    await stopped.wait_for(2_000)
    await stopped.publish(*(message(f"end-{number}", "K-end") for number in range(64)))
    await stopped.wait_for(2_064)
    await asyncio.sleep(0.5)
    found = Counter(event.data["upstream_id"] for event in await stopped.events())
    assert set(found.values()) == {1}


async def test_messages_wait_for_the_realm_and_its_declarations(make_stack: Any) -> None:
    stack = make_stack(run=(), start=False)
    write_feeds(stack)
    stack.start()
    async with observer_realm(stack) as realm:
        await realm.publish(message("m-1", "K-1"))
        stack.start_service("observer")
        await asyncio.sleep(1.0)
        assert await realm.events() == []
        await realm.declare("finding", FINDING)
        await realm.create()
        (event,) = await realm.wait_for(1)
        assert event.data["upstream_id"] == "m-1"
        assert event.type == EntityObserved.TYPE
