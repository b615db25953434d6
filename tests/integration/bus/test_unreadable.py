"""Records that can't even be read as Kafka's: each is put aside with a reason, and those around it are handled."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from aiokafka import AIOKafkaProducer
from common.bus import Address, RawConsumer, RawRecord
from common.bus.errors import reason_of
from common.ledger import Connection
from common.topics import BY_NAME
from support.buses import Seen, Site, eventually, observe
from support.hostile import Change, codec, damaged, header_that_is_no_text, send
from support.ledgers import connected

pytestmark = pytest.mark.integration
UNREADABLE: list[Change] = [header_that_is_no_text, codec(3), damaged]


async def _send(address: Address, topic: str, batches: Sequence[tuple[list[bytes], Change]]) -> None:
    producer = AIOKafkaProducer(**address.client_options)
    await producer.start()
    try:
        for values, change in batches:
            await send(producer, address.topic(BY_NAME[topic]), 0, values, change)
    finally:
        await producer.stop()


def _as_it_is(batch: bytes) -> bytes:
    return batch


async def test_upstream_records_around_unreadable_ones_are_handled(site: Site, broker_kind: str) -> None:
    changes = [header_that_is_no_text] if broker_kind == "kafka" else UNREADABLE  # Kafka refuses the others itself
    got: list[bytes] = []
    rejected: set[tuple[int, str]] = set()

    async def handle(connection: Connection, records: Sequence[RawRecord]) -> None:
        got.extend(record.value for record in records)

    async def reject(connection: Connection, record: RawRecord, error: BaseException) -> None:
        rejected.add((record.offset, reason_of(error)[0]))

    batches: list[tuple[list[bytes], Change]] = [([b"first", b"second"], _as_it_is)]
    for number, change in enumerate(changes):
        batches += [([b"bad"], change), ([b"good-%d" % number], _as_it_is)]
    await _send(site.address("upstream" if site.address("observer").user else "observer"), "observations", batches)
    expected = {b"first", b"second"} | {b"good-%d" % number for number in range(len(changes))}
    async with (
        connected(site.realm, "observer") as pool,
        site.consuming_raw(pool, RawConsumer("observations", handle, reject)),
    ):
        await eventually(lambda: set(got) >= expected, "all that can be read")
    assert set(got) == expected
    assert rejected == {(2 + 2 * number, "unreadable_record") for number in range(len(changes))}


async def test_an_unreadable_message_is_put_aside_and_the_ledgers_events_arrive(site: Site) -> None:
    await _send(site.address("observer"), "state", [([b"bad"], header_that_is_no_text)])
    async with (
        site.relaying("observer") as ledger,
        site.seeing("differ") as seen,
        site.consuming("differ", seen, "state"),
    ):
        await observe(ledger, 20)
        await eventually(lambda: _count(seen, 20), "20 events")
        await eventually(lambda: _letters(site), "a dead letter")
        assert sorted(await seen.positions()) == list(range(20))
    [letter] = await site.dead_letters()
    assert letter["reason-code"] == "unreadable_record" and letter["offset"] == "0"


async def _count(seen: Seen, count: int) -> bool:
    return len(await seen.positions()) >= count


async def _letters(site: Site) -> bool:
    return len(await site.dead_letters()) >= 1
