"""A request's body is cut into its messages, each byte for byte; a feed is known by its token."""

from __future__ import annotations

import hashlib

import orjson
import pytest
from common.errors import Permanent
from hypothesis import given
from hypothesis import strategies as st
from observer.core.batches import MAX_BODY_BYTES, MAX_ITEMS, split_array
from observer.core.sources import feed_of


@pytest.mark.parametrize(
    ("body", "items"),
    [
        (b"[]", []),
        (b" [ ] \n", []),
        (b'[{"a":1}]', [b'{"a":1}']),
        (b'[ {"a" : 1.50} ,\t[2] , "]" ]', [b'{"a" : 1.50}', b"[2]", b'"]"']),
        ('[{"ä":"€"},1]'.encode(), ['{"ä":"€"}'.encode(), b"1"]),
        (b'[{"a":1,"a":2}]', [b'{"a":1,"a":2}']),
        (b"[NaN," + b"9" * 6000 + b"]", [b"NaN", b"9" * 6000]),
    ],
)
def test_the_messages_are_what_was_sent(body: bytes, items: list[bytes]) -> None:
    assert split_array(body) == items


@pytest.mark.parametrize(
    ("reason_code", "body"),
    [
        ("malformed_json", b""),
        ("malformed_json", b"{}"),
        ("malformed_json", b"[1"),
        ("malformed_json", b"[1,]"),
        ("malformed_json", b"[1 2]"),
        ("malformed_json", b"[1] 2"),
        ("malformed_json", b"[,1]"),
        ("not_utf8", b'["\xff"]'),
        ("too_deep", b"[" * 100_000 + b"]" * 100_000),
        ("oversized", b"[" + b"1," * MAX_ITEMS + b"1]"),
        ("oversized", b" " * (MAX_BODY_BYTES + 1)),
    ],
)
def test_a_body_that_cannot_be_cut_is_refused_as_a_whole(reason_code: str, body: bytes) -> None:
    with pytest.raises(Permanent) as caught:
        split_array(body)
    assert caught.value.reason_code == reason_code


@given(
    st.lists(st.recursive(st.none() | st.integers(-(2**53), 2**53) | st.text(), st.lists, max_leaves=5), max_size=5)
)
def test_any_array_comes_back_whole(values: list[object]) -> None:
    assert [orjson.loads(item) for item in split_array(orjson.dumps(values))] == values


@given(st.binary(max_size=200))
def test_any_bytes_are_cut_or_refused(body: bytes) -> None:
    try:
        assert all(isinstance(item, bytes) for item in split_array(body))
    except Permanent as refused:
        assert refused.reason_code


def test_a_feed_is_known_by_its_token_alone() -> None:
    feeds = {feed: hashlib.sha256(f"token-{feed}".encode()).hexdigest() for feed in ("a", "b")}
    assert feed_of("token-a", feeds) == "a"
    assert feed_of("token-b", {name: text.upper() for name, text in feeds.items()}) == "b"
    assert feed_of("token-c", feeds) is None
    assert feed_of("", feeds) is None
    assert feed_of(feeds["a"], feeds) is None, "the digest is not the token"
