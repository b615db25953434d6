"""What is sensitive is sealed before it is stored, also when it is refused, sent again or long erased."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from common.errors import Transient
from common.events.observer import EntityObserved, EntityWithdrawn, ObservationRejected
from common.sealing import ERASED, KEY_BYTES, Keys, Subject, SubjectKey, is_sealed, unseal
from hypothesis import given
from hypothesis import strategies as st
from observer.core.envelopes import WITHDRAWN
from observer.core.observations import Incoming
from observer.handlers import Recorder

from .fakes import FakeRecords, activation, incoming

WALL = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
JANE: Subject = ("finding", "2022-090")
MARKER = "Marker-Jane-Doe-7391"
ROW = {"reference": "2022-090", "title": "a", "note": MARKER, "tags": [MARKER, {"deep": MARKER}]}
WORD = st.characters(exclude_characters="\0")
"""U+0000 is refused, whatever is sealed."""
CELL = (
    st.text(WORD, max_size=8)
    | st.integers(-9, 9)
    | st.booleans()
    | st.none()
    | st.lists(st.text(WORD, max_size=3), max_size=2)
)


class FakeKeys:
    """`common.subject_keys.SubjectKeyStore`: every subject's key is made of its name."""

    def __init__(self) -> None:
        self.destroyed: dict[Subject, str] = {}
        self.made: list[Subject] = []
        self.secret: bytes | None = None

    def key(self, subject: Subject) -> SubjectKey:
        whole = "/".join(subject).encode() + bytes(range(KEY_BYTES))
        return SubjectKey(None if subject in self.destroyed else whole[:KEY_BYTES])

    async def read(self, subjects: Iterable[Subject]) -> Keys:
        return {subject: self.key(subject) for subject in subjects if subject in {*self.made, *self.destroyed}}

    async def ensure(self, subjects: Iterable[Subject]) -> Keys:
        self.made += subjects
        return {subject: self.key(subject) for subject in self.made}

    async def pseudonym_secret(self) -> bytes | None:
        return self.secret

    async def ensure_pseudonym_secret(self) -> bytes:
        self.secret = self.secret or b"of this realm"
        return self.secret

    async def destroy(self, subject: Subject, erasure: str) -> None:
        self.destroyed.setdefault(subject, erasure)


@pytest.fixture
def records() -> FakeRecords:
    return FakeRecords(activation("finding", "audit-tracker", "reference", ["note", "tags"]))


@pytest.fixture
def keys() -> FakeKeys:
    return FakeKeys()


@pytest.fixture
def recorder(records: FakeRecords, keys: FakeKeys) -> Recorder:
    return Recorder(records, lambda: WALL, keys)


def stored(records: FakeRecords) -> bytes:
    return b"\n".join(event.encode() for event in records.events)


async def test_sensitive_cells_are_sealed_whatever_they_hold(
    recorder: Recorder, records: FakeRecords, keys: FakeKeys
) -> None:
    await recorder.record(None, [incoming(row=ROW)])
    (event,) = records.of(EntityObserved.TYPE)
    row, key = event.data["row"], keys.key(JANE).secret
    assert key is not None
    assert MARKER.encode() not in stored(records)
    assert (row["reference"], row["title"]) == ("2022-090", "a"), "what is not sensitive stays readable"
    assert (unseal(row["note"], key, JANE), unseal(row["tags"], key, JANE)) == (ROW["note"], ROW["tags"])


async def test_what_is_not_there_stays_so_and_takes_no_key(
    recorder: Recorder, records: FakeRecords, keys: FakeKeys
) -> None:
    await recorder.record(None, [incoming(row={"reference": "2022-090", "note": None})])
    (event,) = records.of(EntityObserved.TYPE)
    assert event.data["row"] == {"reference": "2022-090", "note": None}
    assert keys.made == []


@given(st.dictionaries(st.sampled_from(["note", "tags", "title"]), CELL))
async def test_the_same_message_again_is_a_duplicate_byte_for_byte(cells: dict[str, Any]) -> None:
    message = incoming(row={**cells, "reference": "2022-090"})
    written = []
    for _ in range(2):
        records, keys = FakeRecords(activation("finding", "audit-tracker", "reference", ["note", "tags"])), FakeKeys()
        here = Recorder(records, lambda: WALL, keys)
        answers = [*await here.record(None, [message]), *await here.record(None, [message])]
        assert [answer.status for answer in answers] == ["accepted", "duplicate"]
        written.append(stored(records))
    assert written[0] == written[1]


async def test_another_content_under_the_same_id_still_clashes_and_leaks_nothing(
    recorder: Recorder, records: FakeRecords
) -> None:
    changed = {**ROW, "note": f"{MARKER} changed"}
    answers = [
        *await recorder.record(None, [incoming(row=ROW)]),
        *await recorder.record(None, [incoming(row=changed)]),
    ]
    assert [answer.reason_code for answer in answers] == [None, "id_clash"]
    assert MARKER.encode() not in stored(records)


async def test_a_withdrawals_reason_is_sealed(recorder: Recorder, records: FakeRecords, keys: FakeKeys) -> None:
    data = {"entity_type": "finding", "key": "2022-090", "reason": MARKER}
    for _ in range(2):
        (answer,) = await recorder.record(None, [incoming(type=WITHDRAWN, data=data)])
    assert answer.status == "duplicate"
    (event,) = records.of(EntityWithdrawn.TYPE)
    assert is_sealed(event.data["reason"])
    assert MARKER.encode() not in stored(records)


async def test_a_snapshot_compares_what_is_sealed(recorder: Recorder, records: FakeRecords) -> None:
    first = await recorder.record(None, [incoming("s1/2022-090", ROW)], snapshot="s1")
    again = await recorder.record(None, [incoming("s2/2022-090", ROW, time="2023-07-03T00:00:01Z")], snapshot="s2")
    changed = await recorder.record(
        None, [incoming("s3/2022-090", {**ROW, "note": "b"}, time="2023-07-03T00:00:02Z")], snapshot="s3"
    )
    assert [answer.status for answer in (*first, *again, *changed)] == ["accepted", "unchanged", "accepted"]


@pytest.mark.parametrize("text", ["trueup-sealed:1:a:b", "trueup-sealed:erased", "trueup-sealed:"])
async def test_what_only_looks_sealed_is_refused(recorder: Recorder, records: FakeRecords, text: str) -> None:
    plain = incoming(row={"reference": "2022-090", "title": text})
    escaped = Incoming(plain.raw.replace(b"trueup-", b"\\u0074rueup-"), "test")
    for message in (plain, escaped):
        (answer,) = await recorder.record(None, [message])
        assert answer.reason_code == "sealed_lookalike"
    data = {"entity_type": "finding", "key": "2022-090", "reason": text}
    (answer,) = await recorder.record(None, [incoming("m-2", type=WITHDRAWN, data=data)])
    assert answer.reason_code == "data_malformed"


async def test_without_keys_nothing_sensitive_is_stored_and_the_rest_is(records: FakeRecords) -> None:
    keyless = Recorder(records, lambda: WALL)
    with pytest.raises(Transient) as caught:
        await keyless.record(None, [incoming(row=ROW)])
    assert caught.value.reason_code == "subject_keys_missing"
    (answer,) = await keyless.record(None, [incoming("m-2", {"reference": "2022-090", "title": "a"})])
    assert answer.status == "accepted"


def large(message: Incoming) -> Incoming:
    return Incoming(message.raw.replace(b'"BIG"', b"98765432109876543210"), "test")


REFUSED = [
    large(incoming(row={**ROW, "note": "BIG"})),
    incoming(row={**ROW, "reference": f"{MARKER} with spaces"}),
    incoming(data={"entity_type": "finding", "key": f"{MARKER}-1", "row": {**ROW, "reference": f"{MARKER}-2"}}),
    incoming(data={"entity_type": "finding", "row": {**ROW, "note": f"trueup-sealed:{MARKER}"}}),
    Incoming(orjson.dumps({"specversion": "1.0", "id": "x", "source": "audit-tracker", "name": MARKER}), "test"),
    Incoming(incoming(row=ROW).raw.replace(b'"a"', b"1e999"), "test"),
    Incoming(incoming(row=ROW).raw[:-3], "test"),
    Incoming(MARKER.encode(), "test"),
]


@pytest.mark.parametrize("message", REFUSED, ids=range(len(REFUSED)))
async def test_a_rejection_says_why_and_nothing_of_the_payload(
    recorder: Recorder, records: FakeRecords, message: Incoming
) -> None:
    (answer,) = await recorder.record(None, [message])
    assert answer.status == "rejected"
    (event,) = records.of(ObservationRejected.TYPE)
    assert MARKER.encode() not in event.encode()
    assert b"98765432109876543210" not in event.encode()
    assert records.quarantined[event.id] == message.raw, "the payload is in the quarantine, and only there"


# -- after an erasure


async def test_what_is_reported_after_the_erasure_is_stored_as_erased(
    recorder: Recorder, records: FakeRecords, keys: FakeKeys
) -> None:
    await keys.destroy(JANE, "e")
    await recorder.record(None, [incoming(row=ROW)])
    (event,) = records.of(EntityObserved.TYPE)
    assert event.data["row"] == {"reference": "2022-090", "title": "a", "note": ERASED, "tags": ERASED}


async def test_a_message_from_before_the_erasure_is_still_a_duplicate(
    recorder: Recorder, records: FakeRecords, keys: FakeKeys
) -> None:
    withdrawal = incoming(
        "m-2", type=WITHDRAWN, data={"entity_type": "finding", "key": "2022-090", "reason": "asked to"}
    )
    await recorder.record(None, [incoming(row=ROW), withdrawal])
    await keys.destroy(JANE, "e")
    answers = await recorder.record(None, [incoming(row=ROW), withdrawal])
    assert [answer.status for answer in answers] == ["duplicate", "duplicate"]
    (answer,) = await recorder.record(None, [incoming(row={**ROW, "title": "b"})])
    assert answer.reason_code == "id_clash", "what can still be compared is"


async def test_of_an_erased_subject_no_refused_payload_is_kept(
    recorder: Recorder, records: FakeRecords, keys: FakeKeys
) -> None:
    await keys.destroy(JANE, "e")
    await recorder.record(None, [incoming(row=ROW), incoming(row={**ROW, "title": "b"})])
    (event,) = records.of(ObservationRejected.TYPE)
    assert records.quarantined == {event.id: None}
    assert "quarantine" not in event.data
