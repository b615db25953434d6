"""No byte of an attestation, and of an event it cites, can be changed unnoticed."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import orjson
import pytest
from auditor.core import attestation
from auditor.core.evidence import Exhibit
from auditor.core.verification import verified, verify
from common.canonical import canonical, digest
from hypothesis import given
from hypothesis import strategies as st
from support.service_keys import trusted
from support.walk import directory

from .forging import failed, failures, original, resealed

pytestmark = pytest.mark.law  # each forgery is of a whole attestation or bundle

RAW = original().encode()


def test_the_original_passes_every_check() -> None:
    checks = verify(RAW, directory(), original().digest, trusted())
    assert [check.name for check in checks if check.ok is not True] == []
    assert verified(checks)
    assert len(checks) == 24


def test_what_was_not_compared_is_told_and_not_passed_over() -> None:
    checks = verify(RAW)
    assert verified(checks)
    assert [check.name for check in checks if check.ok is None] == ["directory", "service_keys"]


def test_a_final_newline_changes_nothing() -> None:
    assert verified(verify(RAW + b"\n"))
    assert not verified(verify(RAW + b"\n\n"))
    assert not verified(verify(b" " + RAW))


def test_flipping_one_bit_of_any_byte_is_noticed() -> None:
    """Every 499th byte of the whole file, from another start each time: over time, all of them."""
    for offset in range(random.randrange(499), len(RAW), 499):
        changed = bytearray(RAW)
        changed[offset] ^= 1 << random.randrange(8)
        assert failures(bytes(changed)), offset


@given(offset=st.integers(0, len(RAW) - 1), byte=st.integers(0, 255))
def test_replacing_any_byte_by_any_other_is_noticed(offset: int, byte: int) -> None:
    if RAW[offset] != byte:
        assert failures(RAW[:offset] + bytes([byte]) + RAW[offset + 1 :])


@given(st.integers(0, len(RAW) - 1), st.binary(min_size=1, max_size=4))
def test_inserting_or_cutting_is_noticed(offset: int, more: bytes) -> None:
    assert failures(RAW[:offset] + more + RAW[offset:]) or (offset == len(RAW) and more == b"\n")
    assert failures(RAW[:offset])


def test_the_parts_around_the_evidence_count_as_well() -> None:
    """The head with the digest, before the evidence, and the narrative, people and statement after it."""
    start, end = RAW.index(b'"event"'), RAW.index(b'"statement"')
    for offset in [*range(0, start, 61), *range(end, len(RAW), 61), *range(len(RAW) - 20, len(RAW))]:
        changed = bytearray(RAW)
        changed[offset] ^= 0x01
        assert failures(bytes(changed)), offset


@pytest.mark.parametrize("n", range(1, len(original().exhibits) + 1))
def test_a_changed_event_fails_with_and_without_a_new_outer_digest(n: int) -> None:
    document = original()
    item = document.exhibits[n - 1]
    event = replace(item.event, time="2026-01-05T09:59:59Z")
    exhibits = list(document.exhibits)
    exhibits[n - 1] = Exhibit(n, item.position, event, event.encode())
    stale = attestation.Attestation(
        document.head, document.narrative, tuple(exhibits), document.hashes, document.digest
    )
    assert {"digest", "event_hashes"} <= failed(verify(stale.encode()))
    outer = replace(stale, digest=digest(stale.body()))
    assert failed(verify(outer.encode())) == {"event_hashes"}


def test_a_changed_event_with_all_hashes_made_again_is_not_the_expected_one() -> None:
    document = original()
    item = document.exhibits[21]
    event = replace(item.event, time="2026-01-05T09:59:59Z")
    exhibits = list(document.exhibits)
    exhibits[21] = Exhibit(item.n, item.position, event, event.encode())
    assert "digest" in failures(resealed(document, exhibits), expected_digest=document.digest)


@pytest.mark.parametrize(
    "raw",
    [b"", b"{}", b"[]", b"null", b"\xff\xfe", b'{"trueup":"attestation/v2"}', b"[" * 5000, b"\x89PNG\r\n", RAW[:-1]],
)
def test_what_is_no_attestation_fails_its_format(raw: bytes) -> None:
    assert failures(raw) == {"format"}


def test_other_writings_of_the_same_content_fail() -> None:
    content = orjson.loads(RAW)
    assert canonical(content) == RAW
    assert failures(orjson.dumps(content, option=orjson.OPT_INDENT_2)) == {"canonical"}
    assert failures(RAW.replace(b'"case":', b'"case":"x","case":', 1)) == {"canonical"}


@pytest.mark.parametrize("part", sorted(orjson.loads(RAW)))
def test_strange_shapes_of_any_part_fail_and_never_raise(part: str) -> None:
    shapes: list[Any] = [None, 7, [], {}, "x", [None], [{}], {"a": []}, [[["deep"]]]]
    for strange in shapes:
        assert failures(canonical({**orjson.loads(RAW), part: strange}))
