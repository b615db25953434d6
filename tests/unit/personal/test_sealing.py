"""What is sealed opens with its own key, for its own subject and column, and nothing else does."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from common.errors import Permanent
from common.revealing import revealed, subjects
from common.sealing import ERASED, KEY_BYTES, MARK, SubjectKey, column_of, is_sealed, seal, unseal
from hypothesis import assume, given
from hypothesis import strategies as st

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"], max_codepoint=0xFFFF), max_size=60)
CELL = TEXT | st.integers(-(2**53) + 1, 2**53 - 1) | st.booleans() | st.lists(TEXT, max_size=3)
KEY = st.binary(min_size=KEY_BYTES, max_size=KEY_BYTES).filter(lambda key: key[:32] != key[32:])
SUBJECT = st.tuples(TEXT, TEXT)


@given(CELL, KEY, SUBJECT, TEXT)
def test_what_is_sealed_opens_to_the_same_value(
    value: Any, key: bytes, subject: tuple[str, str], column: str
) -> None:
    sealed = seal(value, key, subject, column)
    assert unseal(sealed, key, subject) == value
    assert type(unseal(sealed, key, subject)) is type(value)
    assert is_sealed(sealed)
    assert column_of(sealed) == column


@given(CELL, KEY, SUBJECT, TEXT)
def test_the_same_value_is_sealed_to_the_same_text(
    value: Any, key: bytes, subject: tuple[str, str], column: str
) -> None:
    assert seal(value, key, subject, column) == seal(value, key, subject, column)


@given(TEXT.filter(lambda text: len(text) > 5), KEY)
def test_the_value_is_nowhere_in_the_sealed_text(value: str, key: bytes) -> None:
    sealed = seal(value, key, ("person", "1"), "name")
    raw = base64.urlsafe_b64decode(sealed.rpartition(":")[2])
    assert value not in sealed
    assert value.encode() not in raw


@given(CELL, KEY, SUBJECT, SUBJECT, TEXT, TEXT)
def test_a_sealed_text_cannot_be_moved(
    value: Any, key: bytes, subject: tuple[str, str], other: tuple[str, str], column: str, another: str
) -> None:
    sealed = seal(value, key, subject, column)
    if other != subject:
        with pytest.raises(Permanent, match="can't be opened"):
            unseal(sealed, key, other)
    assume(another != column)
    moved = sealed.replace(
        f":{base64.urlsafe_b64encode(column.encode()).decode()}:",
        f":{base64.urlsafe_b64encode(another.encode()).decode()}:",
        1,
    )
    with pytest.raises(Permanent, match="can't be opened"):
        unseal(moved, key, subject)


def test_parts_of_a_subject_do_not_run_into_each_other() -> None:
    sealed = seal("x", bytes(range(KEY_BYTES)), ("ab", "c"), "d")
    for subject in (("a", "bc"), ("abc", ""), ("", "abc")):
        with pytest.raises(Permanent):
            unseal(sealed, bytes(range(KEY_BYTES)), subject)


@given(KEY, KEY, CELL)
def test_another_key_opens_nothing(key: bytes, other: bytes, value: Any) -> None:
    assume(key != other)
    with pytest.raises(Permanent, match="can't be opened"):
        unseal(seal(value, key, ("person", "1"), "name"), other, ("person", "1"))


@given(st.text(max_size=40))
def test_a_text_that_only_looks_sealed_is_refused_in_words(rest: str) -> None:
    for text in (MARK + rest, f"{MARK}1:{rest}", f"{MARK}1:bmFtZQ==:{rest}"):
        with pytest.raises(Permanent) as caught:
            unseal(text, bytes(range(KEY_BYTES)), ("person", "1"))
        assert caught.value.reason_code == "sealed_unreadable"


def test_short_values_are_equally_long_when_sealed() -> None:
    sealed = {
        len(seal(word, bytes(range(KEY_BYTES)), ("kyc-file", "1"), "identity")) for word in ("a", "verified", "")
    }
    assert len(sealed) == 1


# -- pages

KEY_1 = bytes(range(KEY_BYTES))
SEALED = seal("Jane Doe", KEY_1, ("person", "1"), "name")
FACT = {"name": "owner.name", "value": SEALED, "stream": "entity/person/1", "event_id": "e"}
PAGE = {
    "gap": {"rules": [{"facts": [FACT, {"name": "due", "value": "2023-06-30", "stream": "entity/finding/1"}]}]},
    "observed": {"entity_type": "person", "key": "1", "row": {"id": "1", "name": SEALED}},
}


def test_a_page_opens_facts_and_rows_and_leaves_the_rest() -> None:
    assert subjects(PAGE) == [("person", "1")]
    shown = revealed(PAGE, {("person", "1"): SubjectKey(KEY_1)})
    assert shown["gap"]["rules"][0]["facts"] == [
        {**FACT, "value": "Jane Doe"},
        {"name": "due", "value": "2023-06-30", "stream": "entity/finding/1"},
    ]
    assert shown["observed"]["row"] == {"id": "1", "name": "Jane Doe"}
    assert PAGE["gap"]["rules"][0]["facts"][0]["value"] == SEALED, "the event itself stays"  # type: ignore[index]


@pytest.mark.parametrize(("keys", "word"), [({("person", "1"): SubjectKey(None)}, "erased"), ({}, "sealed")])
def test_a_page_says_why_it_can_not_open_something(keys: dict[tuple[str, str], SubjectKey], word: str) -> None:
    shown = revealed(PAGE, keys)
    fact = shown["gap"]["rules"][0]["facts"][0]
    assert (fact["value"], fact["unknown"]) == (None, word)
    assert shown["observed"]["row"]["name"] == word


def test_what_was_reported_after_the_erasure_is_erased_whatever_key_there_is() -> None:
    page = {"entity_type": "person", "key": "1", "row": {"name": ERASED}}
    assert revealed(page, {("person", "1"): SubjectKey(KEY_1)})["row"] == {"name": "erased"}


def test_a_fact_of_another_subject_is_not_opened_with_this_ones_key() -> None:
    forged = {**FACT, "stream": "entity/person/2"}
    shown = revealed(forged, {("person", "2"): SubjectKey(KEY_1)})
    assert (shown["value"], shown["unknown"]) == (None, "sealed")
