"""A batch is recorded once, whatever is in it; every message gets an answer."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime

import orjson
import pytest
from common.errors import Transient
from common.events import typed
from common.events.observer import EntityObserved, EntityWithdrawn, ObservationRejected
from observer.core.envelopes import WITHDRAWN
from observer.core.limits import MAX_KEPT_PAYLOAD_BYTES
from observer.core.observations import Answer, Incoming
from observer.handlers import WARY, Recorder

from .fakes import FakeRecords, activation, incoming

WALL = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


@pytest.fixture
def records() -> FakeRecords:
    return FakeRecords(activation("finding", "audit-tracker", "reference"))


@pytest.fixture
def recorder(records: FakeRecords) -> Recorder:
    return Recorder(records, lambda: WALL)


def statuses(answers: list[Answer]) -> list[str]:
    return [answer.status for answer in answers]


async def test_an_observation_is_stored_with_both_clocks(recorder: Recorder, records: FakeRecords) -> None:
    (answer,) = await recorder.record(None, [incoming()])
    (event,) = records.of(EntityObserved.TYPE)
    assert answer == Answer("accepted", "m-1", 1)
    assert (event.subject, event.actor, event.source) == ("entity/finding/2022-090", "feed:audit-tracker", "observer")
    assert (event.time, event.asof) == ("2026-01-05T09:00:00Z", "2023-07-03T00:00:00Z")
    data = typed(event)
    assert isinstance(data, EntityObserved)
    assert (data.row, data.feed, data.origin) == ({"reference": "2022-090", "title": "a"}, "audit-tracker", "test")


async def test_a_withdrawal_is_stored(recorder: Recorder, records: FakeRecords) -> None:
    message = incoming(type=WITHDRAWN, data={"entity_type": "finding", "key": "2022-090", "reason": "merged"})
    assert statuses(await recorder.record(None, [message])) == ["accepted"]
    (event,) = records.of(EntityWithdrawn.TYPE)
    data = typed(event)
    assert isinstance(data, EntityWithdrawn)
    assert (data.key, data.reason) == ("2022-090", "merged")


async def test_what_is_sent_again_is_a_duplicate_and_costs_no_append(
    recorder: Recorder, records: FakeRecords
) -> None:
    first = await recorder.record(None, [incoming("m-1"), incoming("m-2", {"reference": "2022-091"})])
    again = await recorder.record(None, [replace(incoming("m-1"), origin="another way"), incoming("m-3")])
    assert statuses(again) == ["duplicate", "accepted"]
    assert again[0].position == first[0].position
    assert len(records.of(EntityObserved.TYPE)) == 3


async def test_one_id_for_two_contents_is_refused_and_recorded(recorder: Recorder, records: FakeRecords) -> None:
    await recorder.record(None, [incoming("m-1")])
    other_row = incoming("m-1", {"reference": "2022-090", "title": "b"})
    other_key = incoming("m-1", {"reference": "2022-091", "title": "a"})
    other_time = incoming("m-1", time="2023-07-02T00:00:00Z")
    answers = await recorder.record(None, [other_row, other_key, other_time])
    assert [answer.reason_code for answer in answers] == ["id_clash"] * 3
    assert [answer.upstream_id for answer in answers] == ["m-1"] * 3
    assert len(records.of(EntityObserved.TYPE)) == 1
    assert len(records.of(ObservationRejected.TYPE)) == 3
    again = await recorder.record(None, [other_row])
    assert (again[0].reason_code, again[0].position) == ("id_clash", answers[0].position)
    assert len(records.of(ObservationRejected.TYPE)) == 3


async def test_new_messages_are_not_looked_up_and_repeats_among_them_are_noticed(
    recorder: Recorder, records: FakeRecords
) -> None:
    for n in range(WARY + 3):
        assert statuses(await recorder.record(None, [incoming(f"m-{n}")])) == ["accepted"]
    assert records.looked == WARY
    assert statuses(await recorder.record(None, [incoming("m-0"), incoming("m-x")])) == ["duplicate", "accepted"]
    assert records.looked == WARY
    assert statuses(await recorder.record(None, [incoming("m-1")])) == ["duplicate"]
    assert records.looked == WARY + 1
    assert len(records.of(EntityObserved.TYPE)) == WARY + 4


async def test_a_clash_that_was_not_looked_up_is_refused_at_the_second_attempt(
    recorder: Recorder, records: FakeRecords
) -> None:
    for n in range(WARY):
        await recorder.record(None, [incoming(f"m-{n}")])
    other = incoming("m-1", {"reference": "2022-090", "title": "b"})
    with pytest.raises(Transient):
        await recorder.record(None, [other])
    assert (await recorder.record(None, [other]))[0].reason_code == "id_clash"


async def test_repeats_and_clashes_within_one_batch(recorder: Recorder, records: FakeRecords) -> None:
    batch = [incoming("m-1"), incoming("m-1"), incoming("m-1", {"reference": "2022-091"}), incoming("m-2")]
    answers = await recorder.record(None, batch)
    assert statuses(answers) == ["accepted", "duplicate", "rejected", "accepted"]
    assert answers[1].position == answers[0].position
    assert answers[2].reason_code == "id_clash"
    assert len(records.of(EntityObserved.TYPE)) == 2


async def test_the_same_bad_message_twice_in_a_batch_is_one_rejection(
    recorder: Recorder, records: FakeRecords
) -> None:
    bad = Incoming(b"{", "api")
    answers = await recorder.record(None, [bad, bad])
    assert statuses(answers) == ["rejected", "rejected"]
    assert len(records.of(ObservationRejected.TYPE)) == 1


async def test_one_bad_message_fails_only_itself(recorder: Recorder, records: FakeRecords) -> None:
    answers = await recorder.record(None, [incoming("m-1"), Incoming(b"\xff", "observations/0/7"), incoming("m-2")])
    assert statuses(answers) == ["accepted", "rejected", "accepted"]
    assert records.appends == 1
    (event,) = records.of(ObservationRejected.TYPE)
    data = typed(event)
    assert isinstance(data, ObservationRejected)
    assert (event.subject, data.reason_code) == ("source/unidentified", "not_utf8")
    assert (data.payload_digest, data.payload_bytes) == (hashlib.sha256(b"\xff").hexdigest(), 1)
    assert data.origin == "observations/0/7"
    assert records.quarantined == {data.quarantine: b"\xff"}


async def test_the_payload_never_enters_the_ledger_and_a_large_one_is_not_kept(
    recorder: Recorder, records: FakeRecords
) -> None:
    large = incoming("m-1", {"reference": "2022-090", "secret": "s3cret" * MAX_KEPT_PAYLOAD_BYTES})
    small = incoming("m-2", {"reference": "2022 090", "secret": "s3cret"})
    answers = await recorder.record(None, [large, small])
    assert [answer.reason_code for answer in answers] == ["oversized", "key_malformed"]
    stored = b"".join(event.encode() for event in records.of(ObservationRejected.TYPE))
    assert b"s3cret" not in stored
    assert sorted(records.quarantined.values(), key=lambda payload: payload is None) == [small.raw, None]


async def test_out_of_order_arrival_is_stored_too(recorder: Recorder, records: FakeRecords) -> None:
    batch = [incoming("m-2", time="2023-07-02T00:00:00Z"), incoming("m-1", time="2023-07-01T00:00:00Z")]
    assert statuses(await recorder.record(None, batch)) == ["accepted", "accepted"]
    times = [event.data["source_time"] for event in records.of(EntityObserved.TYPE)]
    assert times == ["2023-07-02T00:00:00Z", "2023-07-01T00:00:00Z"]


async def test_a_declaration_that_is_committed_counts_before_its_message_arrives(
    recorder: Recorder, records: FakeRecords
) -> None:
    retest = incoming("m-1", source="control-testing", data={"entity_type": "retest", "row": {"id": "r-1"}})
    (before,) = await recorder.record(None, [retest])
    assert before.reason_code == "unknown_entity_type"
    records.events.append(activation("retest", "control-testing", "id"))
    (after,) = await recorder.record(None, [retest])
    assert after.status == "accepted"


async def test_the_later_activation_of_a_type_counts(recorder: Recorder, records: FakeRecords) -> None:
    await recorder.record(None, [incoming("m-1")])
    records.events.append(activation("finding", "audit-tracker", "number"))
    await recorder.refresh(None)
    (answer,) = await recorder.record(None, [incoming("m-2")])
    assert answer.reason_code == "key_missing"


async def test_an_advance_of_the_clock_counts_before_its_message_arrives(
    recorder: Recorder, records: FakeRecords
) -> None:
    tomorrow = incoming("m-1", time="2023-07-04T00:00:00Z")
    assert (await recorder.record(None, [tomorrow]))[0].reason_code == "time_in_future"
    records.realm_clock = replace(records.realm_clock, at=datetime(2023, 7, 4, tzinfo=UTC))
    assert statuses(await recorder.record(None, [tomorrow])) == ["accepted"]
    assert records.of(EntityObserved.TYPE)[0].asof == "2023-07-04T00:00:00Z"


@pytest.mark.parametrize("reason_code", ["time_out_of_bounds", "forbidden_stream"])
async def test_a_refusal_of_the_ledger_is_never_the_message_s_fault(
    recorder: Recorder, records: FakeRecords, reason_code: str
) -> None:
    records.refuse = reason_code
    with pytest.raises(Transient) as caught:
        await recorder.record(None, [incoming()])
    assert caught.value.reason_code == reason_code
    records.refuse = None
    assert statuses(await recorder.record(None, [incoming()])) == ["accepted"]


async def test_another_writer_in_between_is_seen(recorder: Recorder, records: FakeRecords) -> None:
    await recorder.record(None, [incoming("m-1")])
    records.hidden = {records.of(EntityObserved.TYPE)[0].id}  # committed after this batch looked
    assert statuses(await recorder.record(None, [incoming("m-1")])) == ["duplicate"]
    for clashing in (incoming("m-1", {"reference": "2022-090", "title": "b"}), incoming("m-1", {"reference": "x"})):
        with pytest.raises(Transient):
            await recorder.record(None, [clashing])
        records.hidden, hidden = set(), records.hidden
        assert (await recorder.record(None, [clashing]))[0].reason_code == "id_clash"
        records.hidden = hidden


async def test_a_message_that_grows_beyond_an_event_is_refused(recorder: Recorder, records: FakeRecords) -> None:
    cells = {f"c{number}": [1e29] * 1600 for number in range(25)}
    message = incoming("m-1", {"reference": "2022-090", **cells})
    assert len(message.raw) < 256 * 1024
    (answer,) = await recorder.record(None, [message])
    assert (answer.status, answer.reason_code) == ("rejected", "oversized")
    assert not records.of(EntityObserved.TYPE)


async def test_every_rejection_fits_its_model(recorder: Recorder, records: FakeRecords) -> None:
    batch = [
        Incoming(b"", "api"),
        incoming("m-1", source="nobody"),
        incoming("m-2", {"title": "no key"}),
        Incoming(orjson.dumps({"specversion": "1.0", "id": "x"}), "api"),
    ]
    await recorder.record(None, batch)
    rejected = records.of(ObservationRejected.TYPE)
    assert len(rejected) == 4
    assert all(typed(event) for event in rejected)
