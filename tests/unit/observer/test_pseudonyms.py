"""An entity whose key is sensitive: a pseudonym stands for the key wherever one is written."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from common.errors import Transient
from common.events.observer import EntityObserved, EntityWithdrawn, ObservationRejected, SourceReported
from common.pseudonyms import pseudonym
from common.sealing import ERASED, MARK, is_sealed, unseal
from hypothesis import given
from hypothesis import strategies as st
from observer.core.envelopes import OBSERVED, WITHDRAWN
from observer.core.observations import Incoming
from observer.core.personal import UPSTREAM_ID
from observer.core.snapshots import Report
from observer.handlers import Recorder

from .fakes import FakeRecords, activation, incoming
from .test_personal import FakeKeys

WALL = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
KEY = "Jane-Doe-7391"
ROW = {"reference": KEY, "title": "a"}


@pytest.fixture
def records() -> FakeRecords:
    return FakeRecords(activation("finding", "audit-tracker", "reference", ["reference"]))


@pytest.fixture
def keys() -> FakeKeys:
    return FakeKeys()


@pytest.fixture
def recorder(records: FakeRecords, keys: FakeKeys) -> Recorder:
    return Recorder(records, lambda: WALL, keys)


def known_as(keys: FakeKeys, key: str = KEY) -> str:
    assert keys.secret is not None
    return pseudonym(keys.secret, "finding", key)


def leaked(records: FakeRecords) -> bool:
    return any(KEY.encode() in event.encode() for event in records.events)


async def test_stream_key_and_message_id_are_pseudonyms_and_the_row_is_sealed(
    recorder: Recorder, records: FakeRecords, keys: FakeKeys
) -> None:
    (answer,) = await recorder.record(None, [incoming(f"report of {KEY}", ROW)])
    assert (answer.status, answer.upstream_id) == ("accepted", f"report of {KEY}"), "the sender knows its own id"
    (event,) = records.of(EntityObserved.TYPE)
    name = known_as(keys)
    assert (event.subject, event.data["key"]) == (f"entity/finding/{name}", name)
    secret = keys.key(("finding", name)).secret
    assert secret is not None
    assert unseal(event.data["row"]["reference"], secret, ("finding", name)) == KEY
    assert not leaked(records)


async def test_a_message_that_comes_again_is_a_duplicate_and_another_under_its_id_clashes(
    recorder: Recorder, records: FakeRecords
) -> None:
    again = [incoming(KEY, ROW), incoming(KEY, ROW), incoming(KEY, {**ROW, "title": "b"})]
    answers = [answer for message in again for answer in await recorder.record(None, [message])]
    assert [answer.reason_code or answer.status for answer in answers] == ["accepted", "duplicate", "id_clash"]
    assert KEY not in (answers[2].reason or "")
    assert not leaked(records)


async def test_a_withdrawal_and_a_number_as_the_key_are_the_same_entity(
    recorder: Recorder, records: FakeRecords, keys: FakeKeys
) -> None:
    gone = {"entity_type": "finding", "key": "4711", "reason": "moved"}
    await recorder.record(None, [incoming("1", {"reference": 4711}), incoming("2", type=WITHDRAWN, data=gone)])
    (seen,), (withdrawn,) = records.of(EntityObserved.TYPE), records.of(EntityWithdrawn.TYPE)
    assert seen.subject == withdrawn.subject == f"entity/finding/{known_as(keys, '4711')}"
    assert is_sealed(withdrawn.data["reason"])


async def test_a_snapshot_names_pseudonyms(recorder: Recorder, records: FakeRecords, keys: FakeKeys) -> None:
    for snapshot in ("s1", "s2"):
        message = incoming(f"{snapshot}/{KEY}", ROW, time=f"2023-07-03T00:00:0{snapshot[1]}Z")
        (answer,) = await recorder.record(None, [message], snapshot=snapshot)
        report = Report("audit-tracker", "finding", snapshot, f"2023-07-03T00:00:0{snapshot[1]}Z", 1, True)
        await recorder.report(None, report)
    assert answer.status == "unchanged"
    told = [(event.data["stored"], event.data["refreshed"]) for event in records.of(SourceReported.TYPE)]
    assert told == [([known_as(keys)], []), ([], [known_as(keys)])]
    (answer,) = await recorder.record(None, [incoming(f"s9/{KEY}", ROW)], snapshot="s3")
    assert answer.reason_code == "snapshot_mismatch"
    assert not leaked(records)


REFUSED = {
    "too late": incoming(KEY, ROW, time="2999-01-01T00:00:00Z"),
    "two keys": incoming(KEY, data={"entity_type": "finding", "key": f"{KEY}-2", "row": ROW}),
    "no key": incoming(KEY, {"reference": f"{KEY} with spaces"}),
    "no number": incoming(KEY, data={"entity_type": "finding", "row": ROW, "sequence": "x"}),
}


@pytest.mark.parametrize("message", REFUSED.values(), ids=REFUSED)
async def test_a_rejection_names_the_pseudonym_or_nobody(
    recorder: Recorder, records: FakeRecords, keys: FakeKeys, message: Incoming
) -> None:
    (answer,) = await recorder.record(None, [message])
    assert (answer.status, answer.upstream_id) == ("rejected", KEY)
    (event,) = records.of(ObservationRejected.TYPE)
    assert keys.secret is not None
    assert event.data["upstream_id"] == pseudonym(keys.secret, UPSTREAM_ID, KEY)
    about = event.data.get("key")
    assert about in (None, known_as(keys))
    assert (records.quarantined[event.id] is None) == (about is None), "kept only where an erasure would find it"
    assert not leaked(records)


DATA = {"entity_type": "finding", "row": ROW}
PLACES = {
    "unknown field": incoming(KEY, data={**DATA, KEY: 1}),
    "type": incoming(KEY, type=KEY),
    "no type": incoming(KEY, type=None),
    "entity type": incoming(KEY, data={**DATA, "entity_type": KEY}),
    "another feed's type": incoming(KEY, data={**DATA, "entity_type": "ticket"}),
    "source": incoming(KEY, source=KEY),
    "source and type": incoming(KEY, source=KEY, type=KEY),
    "time": incoming(KEY, ROW, time=KEY),
    "column": incoming(KEY, {**ROW, KEY: f"{MARK}x"}),
    "cell": incoming(KEY, {**ROW, f"{KEY}\U0001f600": 1}),
    "no object": incoming(KEY, data=KEY),
    "json twice": Incoming(f'{{"{KEY}": 1, "{KEY}": 2}}'.encode(), "test"),
    "no json": Incoming(f'{{"{KEY}"'.encode(), "test"),
    "header twice": Incoming(b"{}", "test", ((f"ce_{KEY}", b"1"), (f"ce_{KEY}", b"2"))),
    "header no text": Incoming(b"{}", "test", ((f"ce_{KEY}", b"\xff"),)),
    "content type": Incoming(
        b"{}",
        "test",
        (
            *((f"ce_{name}", text) for name, text in (("specversion", b"1.0"), ("id", KEY.encode()))),
            ("ce_source", b"audit-tracker"),
            ("ce_type", OBSERVED.encode()),
            ("content-type", KEY.encode()),
        ),
    ),
}


@pytest.mark.parametrize("message", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("sender", [None, "audit-tracker"])
async def test_a_key_in_any_place_of_a_refused_message_is_told_to_its_sender_alone(
    records: FakeRecords, keys: FakeKeys, message: Incoming, sender: str | None
) -> None:
    records.events.append(activation("ticket", "service-desk", "id"))
    (answer,) = await Recorder(records, lambda: WALL, keys).record(None, [message], sender)
    assert answer.status == "rejected"
    (event,) = records.of(ObservationRejected.TYPE)
    assert event.data["reason_code"] == answer.reason_code
    assert event.data["feed"] in ("audit-tracker", "unidentified")
    assert (records.quarantined[event.id] is None) == ("key" not in event.data)
    assert not leaked(records)
    if answer.upstream_id is not None:
        assert keys.secret is not None
        assert (answer.upstream_id, event.data["upstream_id"]) == (KEY, pseudonym(keys.secret, UPSTREAM_ID, KEY))


async def test_a_refusal_says_what_it_may_and_its_sender_learns_all(recorder: Recorder, records: FakeRecords) -> None:
    unknown, untyped = incoming(KEY, data={**DATA, KEY: 1}), incoming(KEY, type=KEY)
    told = [answer.reason for answer in await recorder.record(None, [unknown, untyped])]
    kept = [event.data["reason"] for event in records.of(ObservationRejected.TYPE)]
    assert f"data.{KEY} is not known here" in (told[0] or "")
    assert "may quote a key" in kept[0]
    assert told[1] == kept[1]


async def test_a_message_that_failed_unforeseen_is_not_quoted(recorder: Recorder, records: FakeRecords) -> None:
    await recorder.reject(None, Incoming(KEY.encode(), "test"), "odd", f"what is {KEY}?")
    (event,) = records.of(ObservationRejected.TYPE)
    assert (event.data["reason_code"], records.quarantined[event.id]) == ("odd", None)
    assert not leaked(records)


async def test_a_sensitive_key_declared_a_moment_ago_is_known_before_a_refusal_is_recorded(keys: FakeKeys) -> None:
    records = FakeRecords(activation("ticket", "service-desk", "id"))
    recorder = Recorder(records, lambda: WALL, keys)
    await recorder.refresh(None)
    records.events.append(activation("finding", "audit-tracker", "reference", ["reference"]))
    await recorder.record(None, [incoming(KEY, data={**DATA, "bad": 1})])
    assert len(records.of(ObservationRejected.TYPE)) == 1
    assert not leaked(records)


async def test_what_is_surely_about_a_type_with_a_plain_key_keeps_its_id_and_its_reason(
    recorder: Recorder, records: FakeRecords
) -> None:
    records.events.append(activation("ticket", "audit-tracker", "id"))
    data = {"entity_type": "ticket", "row": {"id": "7"}, "sequence": "x"}
    await recorder.record(None, [incoming("upd-7", data=data)])
    (event,) = records.of(ObservationRejected.TYPE)
    assert event.data["upstream_id"] == "upd-7"
    assert "data.sequence" in event.data["reason"]


async def test_nothing_is_kept_of_what_cannot_be_read_at_all(recorder: Recorder, records: FakeRecords) -> None:
    await recorder.record(None, [Incoming(KEY.encode(), "test")])
    assert set(records.quarantined.values()) == {None}
    assert not leaked(records)


async def test_an_erased_subject_is_still_known_by_its_pseudonym(
    recorder: Recorder, records: FakeRecords, keys: FakeKeys
) -> None:
    await recorder.record(None, [incoming("1", ROW)])
    await keys.destroy(("finding", known_as(keys)), "e")
    answers = await recorder.record(None, [incoming("1", ROW), incoming("2", ROW, time="2023-07-03T00:00:01Z")])
    assert [answer.status for answer in answers] == ["duplicate", "accepted"]
    event = records.of(EntityObserved.TYPE)[-1]
    assert (event.data["key"], event.data["row"]["reference"]) == (known_as(keys), ERASED)


async def test_without_keys_it_waits(records: FakeRecords) -> None:
    with pytest.raises(Transient) as caught:
        await Recorder(records, lambda: WALL).record(None, [incoming(row=ROW)])
    assert caught.value.reason_code == "subject_keys_missing"


@given(st.lists(st.tuples(st.binary(max_size=3), st.text(max_size=3), st.text(max_size=3)), min_size=2, unique=True))
def test_pseudonyms_differ_with_realm_type_and_key(of: list[tuple[bytes, str, str]]) -> None:
    of = list({(secret.rstrip(b"\0"), kind, key) for secret, kind, key in of})  # HMAC pads its key with zeros
    assert len({pseudonym(*each) for each in of}) == len(of)
