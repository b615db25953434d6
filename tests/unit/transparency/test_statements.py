"""in-toto Statements in DSSE envelopes."""

from __future__ import annotations

import base64
import json

import pytest
from transparency import statements
from transparency.canonical import encode
from transparency.errors import TransparencyError
from transparency.statements import Signer

SECRET = b"\x07" * 32
RAW = statements.sign(statements.digests({"b": b"2", "a": b"1"}), {"case": "c/1"}, "auditor", SECRET)


def test_the_envelope_is_dsse_and_the_payload_in_toto() -> None:
    envelope = json.loads(RAW)
    assert envelope["payloadType"] == "application/vnd.in-toto+json"
    payload = json.loads(base64.b64decode(envelope["payload"]))
    assert payload["_type"] == "https://in-toto.io/Statement/v1"
    assert payload["subject"][0] == {
        "name": "a",
        "digest": {"sha256": "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"},
    }


def test_the_encoding_that_is_signed_is_the_published_one() -> None:
    """The example of the DSSE protocol, with our payload type."""
    assert statements.preauthenticated(b"hello world") == b"DSSEv1 28 application/vnd.in-toto+json 11 hello world"


def test_it_is_opened_again() -> None:
    opened = statements.opened(RAW)
    assert (opened.predicate, set(opened.subjects), opened.signer.service) == ({"case": "c/1"}, {"a", "b"}, "auditor")


@pytest.mark.law
def test_every_flipped_byte_is_refused() -> None:
    for at in range(len(RAW)):
        for bit in (0x01, 0x20):
            flipped = bytearray(RAW)
            flipped[at] ^= bit
            with pytest.raises(TransparencyError):
                statements.opened(bytes(flipped))


def test_a_statement_by_another_key_than_it_names_is_refused() -> None:
    envelope = json.loads(RAW)
    other = json.loads(statements.sign({}, {}, "auditor", b"\x08" * 32))
    with pytest.raises(TransparencyError):
        statements.opened(encode(envelope | {"signatures": other["signatures"]}))
    forged = [envelope["signatures"][0] | {"keyid": Signer("auditor", b"\x01" * 32).id}]
    with pytest.raises(TransparencyError):
        statements.opened(encode(envelope | {"signatures": forged}))
    with pytest.raises(TransparencyError):
        statements.opened(encode(envelope | {"signatures": []}))


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b"{}", b'{"payload":1}', b'{"payload":"e30=","payloadType":"x","signatures":[]}']
)
def test_anything_else_is_refused(raw: bytes) -> None:
    with pytest.raises(TransparencyError):
        statements.opened(raw)
