"""After a relay, a consumer or the broker was lost: nothing lost, nothing twice."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiokafka.errors import KafkaTimeoutError
from cli.stack.broker import Broker
from common.bus import Bus, Consumer
from common.bus.consumer import LedgerConsumer
from common.bus.relay import Relay
from common.errors import Transient
from common.ledger import Ledger, NewEvent, Recorded, progress
from support.buses import WAIT_S, Seen, Site, all_published, eventually, observe, running
from support.ledgers import an_event, connected, name

pytestmark = pytest.mark.integration


@pytest.fixture
def own_broker(session_folder: Path) -> Iterator[Broker]:
    """An embedded broker that the test may restart, which empties it."""
    with Broker(session_folder / f"broker-{name()}") as broker:
        yield broker


@pytest.fixture
def forgetful(site: Site, own_broker: Broker) -> Site:
    """The realm on a broker that forgets everything when it is restarted."""
    return Site(replace(site.realm, bus=own_broker))


async def test_a_relay_killed_between_send_and_position_repeats_and_nobody_handles_it_twice(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = progress.set_relayed
    crashes = 2

    async def crash(*arguments: Any) -> None:
        nonlocal crashes
        if crashes:
            crashes -= 1
            raise Transient("killed", "between the send and the stored position")
        await stored(*arguments)

    monkeypatch.setattr(progress, "set_relayed", crash)
    async with (
        site.relaying("observer") as ledger,
        site.seeing("differ") as seen,
        site.consuming("differ", seen, "state"),
    ):
        await observe(ledger, 10, in_batches_of=10)
        await eventually(lambda: all_published(ledger.pool, "observer"), "the relay gets through")
        await observe(ledger, 10)
        await eventually(lambda: _handled(seen, 20), "all of it")
        assert crashes == 0
        assert sorted(await seen.positions()) == list(range(20))
    assert await _on_the_bus(site) > 20


async def test_a_consumer_that_was_away_goes_on_where_it_was(site: Site) -> None:
    async with site.relaying("observer") as ledger, site.seeing("differ") as seen:
        async with site.consuming("differ", seen, "state"):
            await observe(ledger, 20)
            await eventually(lambda: _handled(seen, 20), "what came before")
        await observe(ledger, 20)
        async with site.consuming("differ", seen, "state"):
            await eventually(lambda: _handled(seen, 40), "what came meanwhile")
        assert sorted(await seen.positions()) == list(range(40))


async def test_messages_that_vanish_are_noticed_by_the_next_one_and_read_in_the_ledger(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = Relay._put
    vanish = True

    async def lossy(self: Relay, topic: Any, *message: Any) -> Any:
        if vanish:
            return asyncio.sleep(0)
        return await put(self, topic, *message)

    monkeypatch.setattr(Relay, "_put", lossy)
    monkeypatch.setattr(LedgerConsumer, "_look", nothing)  # only the break can tell
    async with site.relaying("observer") as ledger, site.seeing("differ") as seen:
        await observe(ledger, 30)
        await eventually(lambda: all_published(ledger.pool, "observer"), "30 are lost")
        vanish = False
        async with site.consuming("differ", seen, "state"):
            await observe(ledger, 200)  # so many that one comes on every partition: only the break can tell
            await eventually(lambda: _handled(seen, 230), "the lost ones too")
        assert sorted(await seen.positions()) == list(range(230))


async def test_what_vanishes_without_a_successor_is_read_in_the_ledger_too(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lossy(self: Relay, *message: Any) -> Any:
        return asyncio.sleep(0)

    monkeypatch.setattr(Relay, "_put", lossy)
    async with (
        site.relaying("observer") as ledger,
        site.seeing("differ") as seen,
        site.consuming("differ", seen, "state"),
    ):
        await observe(ledger, 5)
        await eventually(lambda: _handled(seen, 5), "5 events that never were on the bus")
    assert await _on_the_bus(site) == 0


async def test_messages_that_come_twice_and_out_of_order_are_handled_once_each_key_in_order(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    put, dice = Relay._put, random.Random(7)

    async def disorderly(self: Relay, topic: Any, partition: int, messages: Sequence[Any]) -> Any:
        async def later(message: Any) -> Any:
            await asyncio.sleep(dice.random() * 0.05)
            await (await put(self, topic, partition, [message]))
            return await (await put(self, topic, partition, [message])) if dice.random() < 0.3 else None

        return asyncio.gather(*map(later, messages))

    monkeypatch.setattr(Relay, "_put", disorderly)
    monkeypatch.setattr(LedgerConsumer, "_look", nothing)  # only what the messages say
    async with (
        site.relaying("observer") as ledger,
        site.seeing("differ") as seen,
        site.consuming("differ", seen, "state"),
    ):
        streams = [f"entity/thing/k{number}" for number in range(20)]
        for _ in range(10):
            await ledger.append([[NewEvent(an_event(stream=stream))] for stream in streams])
        await eventually(lambda: _handled(seen, 200), "all of them")
        await eventually(lambda: all_published(ledger.pool, "observer"), "published")
        positions = await seen.positions()
    assert sorted(positions) == list(range(200))
    for number in range(20):
        own = [position for position in positions if position % 20 == number]
        assert own == sorted(own)
    came = [int(dict(record.headers)["position"]) for record in await site.messages("state")]
    assert len(came) > 200
    assert came != sorted(came)


async def test_a_batch_that_another_instance_is_given_meanwhile_is_handled_once(site: Site) -> None:
    inside, go = asyncio.Event(), asyncio.Event()
    async with (
        site.relaying("observer") as ledger,
        site.seeing("differ", size=3) as one,
        site.seeing("differ", size=3) as other,
    ):

        async def slow(connection: Any, events: Sequence[Recorded]) -> None:
            await one.handle(connection, events)
            inside.set()
            await go.wait()

        first = Bus(site.address("differ"), one.pool, site.realm.url("differ"), [Consumer(("state",), slow)])
        await observe(ledger, 200)
        async with running(first):
            async with asyncio.timeout(WAIT_S):
                await inside.wait()
            async with site.consuming("differ", other, "state"):
                await eventually(lambda: _waits(ledger.pool), "the other has the same messages, and waits")
                go.set()
                await eventually(lambda: _handled(one, 200), "200 events")
                await observe(ledger, 100)
                await eventually(lambda: _handled(one, 300), "300 events")
        assert sorted(await one.positions()) == list(range(300))
    assert await site.dead_letters() == []


async def test_what_the_broker_did_not_take_is_sent_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    put = Relay._put
    refusals = 3

    async def refused() -> None:
        raise KafkaTimeoutError

    async def reluctant(self: Relay, topic: Any, *message: Any) -> Any:
        nonlocal refusals
        if refusals:
            refusals -= 1
            return refused()
        return await put(self, topic, *message)

    monkeypatch.setattr(Relay, "_put", reluctant)
    async with site.relaying("observer") as ledger:
        await observe(ledger, 10)
        await eventually(lambda: all_published(ledger.pool, "observer"), "published")
    assert refusals == 0
    on_the_bus = {int(dict(record.headers)["position"]) for record in await site.messages("state")}
    assert on_the_bus == set(range(10))


async def test_a_broker_that_comes_back_empty_costs_nothing(forgetful: Site, own_broker: Broker) -> None:
    site = forgetful
    async with site.relaying("observer") as ledger, site.seeing("differ") as seen:
        async with site.consuming("differ", seen, "state"):
            await observe(ledger, 20)
            await eventually(lambda: _handled(seen, 20), "before")
        await observe(ledger, 20)
        await eventually(lambda: all_published(ledger.pool, "observer"), "published, never fetched")
        own_broker.restart()
        async with site.consuming("differ", seen, "state") as bus:
            await eventually(lambda: _handled(seen, 40), "what went down with the broker")
            await observe(ledger, 20)
            await eventually(lambda: _handled(seen, 60), "what came afterwards")
            own_broker.restart()
            await observe(ledger, 20)
            await eventually(lambda: _handled(seen, 80), "and again, under way")
            await eventually(lambda: bus.state.cluster_id == own_broker.cluster_id, "the new cluster")
            await eventually(lambda: all_published(ledger.pool, "observer"), "published")
        assert sorted(await seen.positions()) == list(range(80))
        assert [bool(line) for line in (await progress.quiescent(seen.pool))[1] if line.startswith("differ")] == []


async def test_without_a_broker_services_wait_say_so_and_recover(forgetful: Site, own_broker: Broker) -> None:
    site = forgetful
    own_broker.stop()
    async with connected(site.realm, "observer") as pool, site.seeing("differ") as seen:
        await observe(Ledger(pool), 5)
        async with site.consuming("differ", seen, "state") as bus, site.relaying("observer"):
            await eventually(lambda: "bus_unavailable" in bus.state.problem, "it says so")
            assert not bus.state.ready
            own_broker.restart()
            await eventually(lambda: bus.state.ready, "it recovers")
            await eventually(lambda: _handled(seen, 5), "5 events")
        assert sorted(await seen.positions()) == list(range(5))


async def test_a_second_relay_waits_for_the_first(site: Site) -> None:
    async with site.relaying("observer") as first, site.relaying("observer"):
        await observe(first, 20, in_batches_of=1)
        await eventually(lambda: all_published(first.pool, "observer"), "published")
    assert await _on_the_bus(site) == 20


async def _waits(pool: Any) -> bool:
    """Whether somebody in the realm's database waits for a lock."""
    waiting = "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE NOT granted AND "
    return bool(await pool.fetchval(f"{waiting} a.datname = current_database()"))


async def nothing(*_: object) -> None:
    """Do nothing."""


async def _handled(seen: Seen, count: int) -> bool:
    return len(await seen.positions()) >= count


async def _on_the_bus(site: Site) -> int:
    """How many messages the topic `state` holds."""
    return len(await site.messages("state"))
