"""What consumers make of what is on the bus: everything once, bad things alone, lost things from the ledger."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from aiokafka import AIOKafkaConsumer
from common.bus import RawConsumer, RawRecord, deadletters, engine, publisher
from common.bus.partitions import partition_of
from common.errors import Permanent, Transient
from common.ledger import Connection, Ledger, NewEvent, Recorded, progress
from common.topics import BY_NAME, message_key
from support.buses import Seen, Site, eventually, observe
from support.ledgers import an_event, connected

pytestmark = pytest.mark.integration


async def test_everything_arrives_once_and_in_order_by_key(site: Site) -> None:
    async with (
        site.relaying("observer") as ledger,
        site.seeing("differ") as seen,
        site.consuming("differ", seen, "state"),
    ):
        streams = [f"entity/thing/k{number}" for number in range(20)]
        for _ in range(5):
            await ledger.append([[NewEvent(an_event(stream=stream))] for stream in streams])
        await eventually(lambda: _count(seen, 100), "100 events")
        positions = await seen.positions()
        assert sorted(positions) == list(range(100))
        for number in range(20):
            own = [position for position in positions if position % 20 == number]
            assert own == sorted(own)


async def test_a_message_is_the_row_with_position_previous_and_key(site: Site) -> None:
    async with site.relaying("observer") as ledger:
        event = an_event(stream="entity/thing/abc", data={"ü": "1.50"})
        first = an_event(stream="entity/thing/abc")
        await ledger.append([[NewEvent(first)], [NewEvent(an_event("observer"))], [NewEvent(event)]])
        address = site.address("differ")
        kafka = AIOKafkaConsumer(
            address.topic(BY_NAME["state"]), **address.client_options, auto_offset_reset="earliest",
            group_id=f"{address.group}.test",
        )  # fmt: skip
        await kafka.start()
        records = [await kafka.getone() for _ in range(3)]
        await kafka.stop()
    by_position = {dict(record.headers)["position"]: record for record in records}
    record = by_position[b"2"]
    assert record.value == event.encode()
    assert record.key == b"thing/abc"
    assert record.partition == partition_of("thing/abc", BY_NAME["state"].partitions)
    assert dict(record.headers)["content-type"] == b"application/cloudevents+json"
    same = [one for one in records if one.partition == record.partition and one is not record]
    previous = max(int(dict(one.headers)["position"]) for one in same)
    assert int(dict(record.headers)["previous"]) == previous


async def test_one_poison_event_fails_only_itself(site: Site) -> None:
    poison = an_event()
    async with site.relaying("observer") as ledger, site.seeing("differ") as seen:
        seen.poison = {poison.id}
        await ledger.append([*([NewEvent(an_event())] for _ in range(30)), [NewEvent(poison)]])
        await observe(ledger, 30)
        async with site.consuming("differ", seen, "state"):
            await eventually(lambda: _count(seen, 60), "60 events")
            await eventually(lambda: _caught_up(seen, "differ"), "the inbox passes the poison")
        assert sorted(await seen.positions()) == [position for position in range(61) if position != 30]
    [letter] = await site.dead_letters()
    assert letter["reason-code"] == "handler_failed" and poison.id in letter["reason"]
    assert (letter["service"], letter["topic"], letter["position"]) == ("differ", "state", "30")
    assert letter["value"] == poison.encode().decode()


BAD = {
    "no headers": ([], b"{}", "no_position"),
    "a position that is no number": ([("position", b"x"), ("previous", b"1")], b"{}", "no_position"),
    "a position beyond any number of the database": (
        [("position", b"9" * 30), ("previous", b"-1")],
        b"{}",
        "no_position",
    ),
    "a previous one beyond it": ([("position", b"0"), ("previous", b"9" * 5000)], b"{}", "no_position"),
    "a position before the first": ([("position", b"-2"), ("previous", b"-1")], b"{}", "no_position"),
    "no event": ([("position", b"0"), ("previous", b"-1")], b"\xff\xfe", "not_in_ledger"),
    "an event that was never committed": (
        [("position", b"700"), ("previous", b"-1")],
        an_event().encode(),
        "not_in_ledger",
    ),
    "an event that was changed on the way": ([("position", b"0"), ("previous", b"-1")], None, "not_in_ledger"),
}


@pytest.mark.parametrize(("headers", "value", "code"), BAD.values(), ids=BAD.keys())
async def test_a_bad_record_is_put_aside_and_the_rest_goes_on(
    site: Site, headers: list[tuple[str, bytes]], value: bytes | None, code: str
) -> None:
    async with site.seeing("differ") as seen, connected(site.realm, "observer") as pool:
        event = an_event()
        await Ledger(pool).append([[NewEvent(event)]])
        value = event.encode().replace(b"thing", b"other") if value is None else value
        address = site.address("observer")
        partition = partition_of(message_key(event.subject, None), BY_NAME["state"].partitions)
        producer = address.producer()
        await producer.start()
        await producer.send_and_wait(
            address.topic(BY_NAME["state"]), value=value, key=b"k", partition=partition, headers=headers
        )
        await producer.stop()
        async with site.consuming("differ", seen, "state"):
            await eventually(lambda: _letters(site, 1), "a dead letter")
            async with site.relaying("observer") as ledger:
                await observe(ledger, 5)
                await eventually(lambda: _count(seen, 6), "everything that was committed")
        assert sorted(await seen.positions()) == list(range(6))
    [letter] = await site.dead_letters()
    assert letter["reason-code"] == code


async def test_what_may_pass_is_tried_again(site: Site) -> None:
    failures = [Transient("away", "a lock"), ConnectionResetError("cut"), TimeoutError()]

    def fail(events: Sequence[Recorded]) -> None:
        if failures:
            raise failures.pop()

    async with site.relaying("observer") as ledger, site.seeing("differ") as seen:
        seen.fail = fail
        async with site.consuming("differ", seen, "state"):
            await observe(ledger, 3)
            await eventually(lambda: _count(seen, 3), "3 events")
        assert not failures
        assert await site.dead_letters() == []


async def test_when_everything_fails_it_stops_instead_of_putting_everything_aside(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine.patiently, "__defaults__", (0.1,))
    monkeypatch.setattr(deadletters.DeadLetters.__init__, "__defaults__", (5,))

    def fail(events: Sequence[Recorded]) -> None:
        raise Permanent("broken", "our own fault")

    async with site.relaying("observer") as ledger, site.seeing("differ") as seen:
        seen.fail = fail
        await observe(ledger, 40)
        async with site.consuming("differ", seen, "state") as bus:
            await eventually(lambda: "too_many_dead_letters" in bus.state.problem, "it says why")
            assert not bus.state.ready
        buried = len(await site.dead_letters())
        assert 5 <= buried < 40
        seen.fail = None
        async with site.consuming("differ", seen, "state"):
            await eventually(lambda: _count(seen, 40 - buried), "the rest, once the fault is mended")


async def test_two_instances_share_the_work_and_do_nothing_twice(site: Site) -> None:
    async with (
        site.relaying("observer") as ledger,
        site.seeing("differ", size=3) as one,
        site.seeing("differ", size=3) as other,
        site.consuming("differ", one, "state"),
    ):
        await observe(ledger, 200)
        async with site.consuming("differ", other, "state"):
            await observe(ledger, 400)
            await eventually(lambda: _count(one, 600), "600 events")
        await observe(ledger, 100)
        await eventually(lambda: _count(one, 700), "700 events after one has gone")
        assert sorted(await one.positions()) == list(range(700))


async def test_raw_messages_reach_their_handler_and_bad_ones_are_recorded_alone(site: Site) -> None:
    got: list[RawRecord] = []
    rejected: list[tuple[bytes, str]] = []

    async def handle(connection: Connection, records: Sequence[RawRecord]) -> None:
        for record in records:
            if record.value == b"bad":
                raise Permanent("malformed", "bad")
        got.extend(records)

    async def reject(connection: Connection, record: RawRecord, error: BaseException) -> None:
        assert await connection.fetchval("SELECT 1") == 1
        rejected.append((record.value, str(error)))

    upstream = site.address("upstream" if site.address("observer").user else "observer")
    async with connected(site.realm, "observer") as pool, publisher(upstream) as upstream_publisher:
        messages = [(f"k{number}", b"bad" if number == 7 else b"%d" % number) for number in range(20)]
        await upstream_publisher.publish(messages, [("content-type", b"application/json")])
        async with site.consuming_raw(pool, RawConsumer("observations", handle, reject)):
            await eventually(lambda: len(got) == 19 and len(rejected) == 1, "all records")
            await asyncio.sleep(1)  # offsets are committed now and then
    assert rejected == [(b"bad", "malformed: bad")]
    assert {(record.key, record.value) for record in got} == {
        (key.encode(), value) for key, value in messages if value != b"bad"
    }
    assert {dict(record.headers)["content-type"] for record in got} == {b"application/json"}


async def _count(seen: Seen, count: int) -> bool:
    return len(await seen.positions()) >= count


async def _caught_up(seen: Seen, service: str) -> bool:
    return (await progress.lag(seen.pool))[service]["state"] == 0


async def _letters(site: Site, count: int) -> bool:
    return len(await site.dead_letters()) >= count
