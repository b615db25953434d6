"""However a message comes, it says the same, and what is wrong with it is refused with the same reason code."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from observer.core import observations
from observer.core.envelopes import OBSERVED, WITHDRAWN
from observer.core.limits import MAX_CELL_BYTES, MAX_COLUMNS, MAX_MESSAGE_BYTES
from observer.core.messages import Message, read
from observer.core.observations import Incoming, observation, same_content
from observer.core.rejections import Headers, Rejected, Rejection
from observer.core.settling import settle
from support.upstream_modes import Sent, binary_json, binary_protobuf, headers, protobuf, structured

from .test_messages import LATEST, MOMENT, RULES, a_row, message

MODES = {"structured": structured, "JSON": binary_json, "Protobuf": binary_protobuf}
BINARY = {"JSON": binary_json, "Protobuf": binary_protobuf}


def got(sent: Sent) -> Message | Rejected:
    try:
        return a_row(read(sent[0], RULES, LATEST, None, sent[1]))
    except Rejected as rejected:
        return rejected


def code(sent: Sent) -> str:
    found = got(sent)
    assert isinstance(found, Rejected), found
    return found.reason_code


def accepted(sent: Sent) -> Message:
    found = got(sent)
    assert isinstance(found, Message), found
    return found


def with_header(name: str, value: bytes | None, also: Headers = ()) -> Sent:
    raw, found = binary_json(message())
    kept = tuple(header for header in found if header[0] != name)
    return raw, (*kept, *([(name, value)] if value is not None else []), *also)


@pytest.mark.parametrize("mode", MODES)
def test_an_observation_and_a_withdrawal_are_read_in_each_mode(mode: str) -> None:
    observed = message(data__sequence=7, data__simulated=True, data__key="2022-090")
    withdrawn = message(type=WITHDRAWN, data__row=None, data__key="2022-090", data__reason="merged")
    assert accepted(MODES[mode](observed)) == Message(
        "audit-tracker", "m-1", "finding", "2022-090", "2023-07-03T00:00:00Z",
        {"reference": "2022-090", "title": "Cash is drawn too early"}, 7, True, "",
    )  # fmt: skip
    assert accepted(MODES[mode](withdrawn)) == Message(
        "audit-tracker", "m-1", "finding", "2022-090", "2023-07-03T00:00:00Z", None, None, False, "merged"
    )


_whole = st.integers(-(2**53) + 1, 2**53 - 1)
_cell = st.recursive(
    st.none() | st.booleans() | _whole | st.floats(-1e15, 1e15) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
_column = st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]), max_size=6)
_optional = {"sequence": _whole, "simulated": st.booleans(), "key": st.just("2022-090")}


@given(st.dictionaries(_column, _cell, max_size=5), st.fixed_dictionaries({}, optional=_optional), st.data())
def test_one_message_is_the_same_in_each_mode_and_a_duplicate(
    row: dict[str, Any], optional: dict[str, Any], data: st.DataObject
) -> None:
    envelope = message(data__row={**row, "reference": "2022-090"})
    envelope["data"] |= optional
    envelope["id"] = data.draw(st.text(st.characters(codec="utf-8").filter(str.isprintable), min_size=1, max_size=9))
    first = got(structured(envelope))
    assume(isinstance(first, Message))
    assert isinstance(first, Message) and first.row is not None
    assert accepted(binary_json(envelope)) == first
    envelope["data"]["row"] = first.row  # Protobuf has no floats: decimals are sent as the texts they are stored as
    second = accepted(binary_protobuf(envelope))
    assert second == first
    assert same_content(observation(first, "observations/0/1", MOMENT), observation(second, "api", MOMENT))
    assert observations.message_event_id(first.feed, first.upstream_id) == observation(second, "x", MOMENT).id


_any = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(st.sampled_from(["reference", "t", "a\0", "\U0001f600"]), _any, max_size=3),
    st.fixed_dictionaries({}, optional={"key": st.text(max_size=4), "sequence": st.integers(-(2**63), 2**63 - 1)}),
)
def test_what_is_wrong_has_the_same_reason_code_in_each_mode(row: dict[str, Any], optional: dict[str, Any]) -> None:
    envelope = message(data__row=row)
    envelope["data"] |= optional
    envelope = orjson.loads(orjson.dumps(envelope, option=orjson.OPT_SORT_KEYS))  # of two faults the first is told
    outcomes = [got(mode(envelope)) for mode in MODES.values()]
    expected = [item.reason_code if isinstance(item, Rejected) else item for item in outcomes]
    assert expected == [expected[0]] * 3


@pytest.mark.parametrize(
    ("content_type", "found"),
    [
        (None, "accepted"),
        ("application/json", "accepted"),
        ('APPLICATION/JSON ; charset="UTF-8"', "accepted"),
        ("application/vnd.tracker+json", "accepted"),
        ("application/json; charset=iso-8859-1", "unknown_content_type"),
        ("application/json; charset=utf-16; x=/json", "unknown_content_type"),
        ("text/plain", "unknown_content_type"),
        ("application/avro", "unknown_content_type"),
        ("application/protobuf", "malformed_protobuf"),
        ("application/cloudevents+json", "not_a_cloudevent"),
        ("application/cloudevents+avro", "unknown_content_type"),
        ("Application/CloudEvents-batch+json", "unknown_content_type"),
    ],
)
def test_the_content_type_says_how_data_beside_headers_is_read(content_type: str | None, found: str) -> None:
    envelope = message()
    result = got((orjson.dumps(envelope["data"]), headers(envelope, content_type)))
    assert (result.reason_code if isinstance(result, Rejected) else "accepted") == found


@pytest.mark.parametrize("content_type", ["application/cloudevents+json", "application/cloudevents", None])
def test_a_whole_event_is_read_from_the_bytes_whatever_else_the_headers_say(content_type: str | None) -> None:
    other = headers(message(id="another"), content_type) if content_type else (("traceparent", b"\xff"),)
    assert accepted((orjson.dumps(message()), other)).upstream_id == "m-1"


def test_a_whole_event_with_the_content_type_of_json_needs_no_headers_of_its_own() -> None:
    assert accepted((orjson.dumps(message()), (("content-type", b"application/json"),))).upstream_id == "m-1"
    assert code((protobuf(message()["data"]), (("content-type", b"application/protobuf"),))) == "not_a_cloudevent"


@pytest.mark.parametrize(
    ("reason_code", "sent"),
    [
        ("not_a_cloudevent", with_header("ce_specversion", None)),
        ("not_a_cloudevent", with_header("ce_specversion", b"0.3")),
        ("not_a_cloudevent", with_header("ce_id", None)),
        ("not_a_cloudevent", with_header("ce_id", b"")),
        ("not_a_cloudevent", with_header("ce_id", b"a\x00")),
        ("not_a_cloudevent", with_header("ce_id", b"x" * 201)),
        ("not_a_cloudevent", with_header("ce_source", None)),
        ("not_a_cloudevent", with_header("ce_source", b"unidentified")),
        ("not_a_cloudevent", with_header("ce_specversion", None, (("CE_SPECVERSION", b"1.0"),))),
        ("unknown_message_type", with_header("ce_type", None)),
        ("unknown_message_type", with_header("ce_type", b"trueup.gap.opened.v1")),
        ("feed_mismatch", with_header("ce_source", b"control-testing")),
        ("time_missing", with_header("ce_time", None)),
        ("time_malformed", with_header("ce_time", b"yesterday")),
        ("time_in_future", with_header("ce_time", b"2023-07-03T00:05:01Z")),
        ("not_utf8", with_header("ce_time", b"\xff\xfe")),
        ("not_utf8", with_header("ce_extension", b"\xe4")),
        ("not_utf8", with_header("content-type", b"application/json\xff")),
        ("duplicate_key", with_header("ce_id", b"m-1", (("ce_id", b"m-2"),))),
        ("duplicate_key", with_header("content-type", b"application/json", (("content-type", b"text/plain"),))),
        ("oversized", with_header("ce_extension", b"x" * MAX_MESSAGE_BYTES)),
        ("oversized", with_header("x" * MAX_MESSAGE_BYTES, b"")),
    ],
)
def test_headers_that_are_no_attributes_are_refused(reason_code: str, sent: Sent) -> None:
    assert code(sent) == reason_code


def _sized(size: int) -> bytes:
    """A varint."""
    out = b""
    while size > 0x7F:
        out, size = out + bytes([size & 0x7F | 0x80]), size >> 7
    return out + bytes([size])


def part(number: int, content: bytes) -> bytes:
    """One field that has a length, as it is written."""
    return _sized(number << 3 | 2) + _sized(len(content)) + content


def entry(key: bytes, value: bytes) -> bytes:
    return part(3, part(1, key) + part(2, value))


def nested(depth: int) -> bytes:
    value = part(1, b"")
    for _ in range(depth):
        value = part(5, part(1, value))
    return value


GOOD = part(1, b"finding") + entry(b"reference", part(2, b"2022-090"))
TEXT_A, TEXT_B = part(2, b"a"), part(2, b"b")


@pytest.mark.parametrize(
    ("reason_code", "raw"),
    [
        ("unknown_entity_type", b""),
        ("malformed_protobuf", b"\x07"),
        ("malformed_protobuf", GOOD[:-1]),
        ("malformed_protobuf", GOOD + b"\x0b"),
        ("malformed_protobuf", b"\xff" * 20),
        ("malformed_protobuf", orjson.dumps(message()["data"])),
        ("malformed_protobuf", GOOD + entry(b"t", b"\x12\x05a")),
        ("data_malformed", GOOD + part(9, b"new")),
        ("data_malformed", GOOD + b"\x08\x01"),  # entity_type as a number
        ("data_malformed", GOOD + entry(b"t", part(7, b"a kind of the future"))),
        ("data_malformed", GOOD + entry(b"t", part(1, part(1, b"in a null")))),
        ("data_malformed", GOOD + part(3, part(1, b"t") + part(2, TEXT_A) + part(3, b""))),
        ("data_malformed", GOOD + part(4, b"\x01")),  # sequence as a packed list
        ("data_malformed", GOOD + b"\x1b\x1c"),  # a group
        ("data_malformed", GOOD + b"\x20" + _sized(2**53)),
        ("data_malformed", GOOD + b"\x20" + _sized(2**64 - 2**53)),
        ("duplicate_key", GOOD + part(1, b"finding")),
        ("duplicate_key", GOOD + b"\x20\x01\x20\x02"),
        ("duplicate_key", GOOD + entry(b"reference", part(2, b"2022-091"))),
        ("duplicate_key", GOOD + entry(b"t", TEXT_A) + entry(b"t", TEXT_A)),
        ("duplicate_key", GOOD + entry(b"t", TEXT_A + TEXT_B)),
        ("duplicate_key", GOOD + entry(b"t", TEXT_A + b"\x18\x01")),
        ("duplicate_key", GOOD + part(3, part(1, b"t") + part(1, b"u") + part(2, TEXT_A))),
        ("duplicate_key", GOOD + part(3, part(1, b"t") + part(2, TEXT_A) + part(2, TEXT_B))),
        ("row_malformed", GOOD + entry(b"t", b"")),
        ("row_malformed", GOOD + part(3, part(1, b"t"))),
        ("row_malformed", GOOD + entry(b"t", part(5, part(1, b"")))),
        ("row_malformed", part(1, b"finding")),
        ("row_malformed", GOOD + entry("t\U0001f600".encode(), TEXT_A)),
        ("row_malformed", GOOD + b"".join(entry(b"c%d" % n, TEXT_A) for n in range(MAX_COLUMNS))),
        ("not_utf8", GOOD + entry(b"t", part(2, b"\xe4"))),
        ("not_utf8", GOOD + entry(b"\xe4", TEXT_A)),
        ("not_utf8", part(1, b"\xff") + GOOD[9:]),
        ("not_utf8", GOOD + entry(b"t", part(2, b"\xed\xa0\x80"))),  # half of a pair
        ("nul_character", GOOD + entry(b"t", part(2, b"a\0b"))),
        ("nul_character", GOOD + entry(b"a\0b", TEXT_A)),
        ("integer_too_large", GOOD + entry(b"t", b"\x18" + _sized(2**53))),
        ("integer_too_large", GOOD + entry(b"t", part(5, part(1, b"\x18" + _sized(2**63))))),
        ("too_deep", GOOD + entry(b"t", nested(26))),
        ("too_deep", GOOD + entry(b"t", nested(5_000))),
        ("oversized", GOOD + entry(b"t", part(2, b"a" * (MAX_CELL_BYTES + 1)))),
        ("oversized", GOOD + entry(b"t", part(2, b"a" * MAX_MESSAGE_BYTES))),
        ("key_missing", part(1, b"finding") + entry(b"t", TEXT_A)),
        ("key_missing", part(1, b"finding") + entry(b"reference", part(2, b""))),
        ("key_malformed", part(1, b"finding") + entry(b"reference", part(2, b"2022 090"))),
        ("key_malformed", part(1, b"finding") + entry(b"reference", b"\x20\x01")),
        ("key_mismatch", GOOD + part(2, b"2022-091")),
        ("unknown_entity_type", part(1, b"vendor") + GOOD[9:]),
    ],
)
def test_protobuf_that_json_could_not_say_is_refused(reason_code: str, raw: bytes) -> None:
    assert code((raw, headers(message(), "application/protobuf"))) == reason_code


def test_the_bytes_of_these_tests_are_what_others_write() -> None:
    assert protobuf(message(data__row={"reference": "2022-090"})["data"]) == GOOD
    assert accepted((GOOD + entry(b"t", nested(20)), headers(message(), "application/protobuf")))


def test_a_withdrawal_in_protobuf_has_no_row() -> None:
    raw = protobuf({"entity_type": "finding", "key": "", "reason": "merged"}, WITHDRAWN)
    assert code((raw, headers(message(type=WITHDRAWN), "application/protobuf"))) == "key_missing"
    assert code((GOOD, headers(message(type=WITHDRAWN), "application/protobuf"))) == "data_malformed"


@pytest.mark.parametrize("mode", BINARY)
def test_a_refusal_says_as_much_as_the_headers_say_when_the_data_can_not_be_read(mode: str) -> None:
    _, beside = BINARY[mode](message())
    rejected = got((b"\x07", beside))
    assert isinstance(rejected, Rejected)
    assert (rejected.identity.feed, rejected.identity.upstream_id) == ("audit-tracker", "m-1")


def test_what_is_refused_keeps_its_headers_beside_its_payload() -> None:
    incoming = [Incoming(*_origin(binary_json(message(time="yesterday")))), Incoming(*_origin(big()))]
    small, large = observations.to_record(incoming, observations.read_all(incoming, RULES, MOMENT), MOMENT)
    assert isinstance(small, Rejection) and isinstance(large, Rejection)
    assert (small.payload, small.headers) == (incoming[0].raw, incoming[0].headers)
    assert (large.payload, large.headers) == (None, ())
    assert "quarantine" not in large.event.data


def test_a_clash_keeps_the_headers_of_the_message_that_clashes() -> None:
    incoming = [Incoming(*_origin(binary_json(message(data__sequence=number)))) for number in (1, 2)]
    planned = observations.to_record(incoming, observations.read_all(incoming, RULES, MOMENT), MOMENT)
    settled = settle(incoming, planned, {}, MOMENT)
    refused = settled.append[1]
    assert isinstance(refused, Rejection)
    assert (refused.event.data["reason_code"], refused.headers) == ("id_clash", incoming[1].headers)


def test_a_batch_is_read_in_parts_and_nothing_is_left_out() -> None:
    incoming = [Incoming(b"x" * (number % 7) * 30_000, str(number)) for number in range(100)]
    found = list(observations.parts(incoming))
    assert [item for part in found for item in part] == incoming
    assert all(sum(len(item.raw) for item in part[:-1]) < observations.PART_BYTES for part in found)


def _origin(sent: Sent) -> tuple[bytes, str, Headers]:
    return sent[0], "observations/0/1", sent[1]


def big() -> Sent:
    raw, beside = binary_json(message(time="yesterday"))
    return raw, (*beside, ("ce_extension", b"x" * 64 * 1024))


@given(
    st.binary(max_size=300) | st.builds(lambda at, end: GOOD[:at] + end, st.integers(0, 40), st.binary(max_size=20)),
    st.lists(
        st.tuples(
            st.sampled_from(["ce_id", "ce_source", "ce_type", "ce_time", "content-type", "ce_", "ce_data", "x"]),
            st.binary(max_size=20) | st.sampled_from([b"application/protobuf", b"application/json"]),
        ),
        max_size=4,
    ),
    st.booleans(),
)
def test_any_bytes_and_any_headers_are_read_or_refused(
    raw: bytes, hostile: list[tuple[str, bytes]], replaced: bool
) -> None:
    good = headers(message(), "application/protobuf")
    names = {name for name, _ in hostile}
    beside = (*(header for header in good if not (replaced and header[0] in names)), *hostile)
    found = got((raw, beside))
    if isinstance(found, Rejected):
        assert found.reason_code and len(found.message) <= 500
        orjson.dumps(found.message)
    else:
        event = observation(found, "observations/0/1", MOMENT)
        assert event.encode() == event.encode_checked()


def test_the_type_names_are_those_of_the_contract() -> None:
    assert (OBSERVED, WITHDRAWN) == ("trueup.upstream.observed.v1", "trueup.upstream.withdrawn.v1")
