"""tlog-proof@v1: written as specified, and accepted only for this record, whole, under a policy."""

from __future__ import annotations

import base64
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transparency import merkle, notes, proofs
from transparency.checkpoints import Checkpoint
from transparency.cosignatures import CosigningKey
from transparency.errors import Malformed, TransparencyError, Unverified
from transparency.merkle import Leaves
from transparency.notes import Note, SigningKey
from transparency.policies import Policy
from transparency.proofs import Proof

LOG = SigningKey("log.example/findings", bytes(32))
WITNESS = CosigningKey("witness.example/w1", bytes(range(32)))
POLICY = Policy.parse(f"log {LOG.verifier.encode()}\nwitness w1 {WITNESS.verifier.encode()}\nquorum w1\n".encode())
RECORDS = [b'{"id":"%d"}' % number for number in range(1, 60)]
TREE = Leaves(merkle.leaf_hashes(RECORDS))


@cache
def cosigned(size: int) -> bytes:
    checkpoint = Checkpoint(LOG.name, size, merkle.root_of(TREE, size))
    return Note.parse(notes.sign(checkpoint.text, LOG)).signed_also([WITNESS.cosign(checkpoint, 1)]).encode()


def proof_of(index: int, size: int, extra: bytes | None = None) -> Proof:
    return Proof(index, merkle.prove_inclusion(TREE, index, size), cosigned(size), extra)


def test_a_proof_is_written_as_specified() -> None:
    proof = proof_of(2, 5, b"more")
    step = [base64.b64encode(each).decode() for each in proof.hashes]
    text = f"c2sp.org/tlog-proof@v1\nextra bW9yZQ==\nindex 2\n{step[0]}\n{step[1]}\n{step[2]}\n\n"
    assert proof.encode() == text.encode() + cosigned(5)
    assert proof_of(0, 1).encode() == b"c2sp.org/tlog-proof@v1\nindex 0\n\n" + cosigned(1)


@given(st.integers(1, 59), st.data(), st.none() | st.binary(max_size=9))
def test_every_proof_reads_back_and_verifies(size: int, data: st.DataObject, extra: bytes | None) -> None:
    index = data.draw(st.integers(0, size - 1))
    proof = Proof.parse(proof_of(index, size, extra).encode())
    assert proof == proof_of(index, size, extra)
    accepted = proof.verify(RECORDS[index], POLICY)
    assert (accepted.checkpoint.size, accepted.witnesses) == (size, ("w1",))


def refuses_a_flip(index: int, size: int, which: int, at: int, bit: int) -> None:
    """One bit of the record (`which` 0) or of its proof (1) is flipped: it is not accepted any more."""
    parts = [RECORDS[index], proof_of(index, size).encode()]
    at %= len(parts[which])
    parts[which] = parts[which][:at] + bytes([parts[which][at] ^ 1 << bit]) + parts[which][at + 1 :]
    with pytest.raises((Malformed, Unverified)):
        Proof.parse(parts[1]).verify(parts[0], POLICY)


@given(st.integers(1, 59), st.data())
def test_no_flipped_bit_of_record_or_proof_is_accepted(size: int, data: st.DataObject) -> None:
    index, which, bit = data.draw(st.tuples(st.integers(0, size - 1), st.sampled_from([0, 1]), st.integers(0, 7)))
    refuses_a_flip(index, size, which, data.draw(st.integers(0, 500)), bit)


def test_a_verifier_that_does_not_hash_the_record_again_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As one that trusts a stored hash does."""
    refuses_a_flip(3, 9, 0, 5, 0)
    monkeypatch.setattr(proofs, "leaf_hash", lambda _: merkle.leaf_hash(RECORDS[3]))
    with pytest.raises(pytest.fail.Exception):
        refuses_a_flip(3, 9, 0, 5, 0)


@given(st.integers(2, 59), st.data())
def test_no_other_place_or_tree_is_accepted(size: int, data: st.DataObject) -> None:
    index, other = data.draw(st.lists(st.integers(0, size - 1), min_size=2, max_size=2, unique=True))
    proof = proof_of(index, size)
    for claim, record in (
        (proof, RECORDS[other]),
        (Proof(other, proof.hashes, proof.checkpoint), RECORDS[index]),
        (Proof(index, proof.hashes, cosigned(size - 1)), RECORDS[index]),
        (Proof(index, (), proof.checkpoint), RECORDS[index]),
    ):
        with pytest.raises(Unverified):
            claim.verify(record, POLICY)


def test_the_policy_is_asked() -> None:
    proof = proof_of(2, 5)
    alone = notes.sign(Checkpoint(LOG.name, 5, merkle.root_of(TREE, 5)).text, LOG)
    with pytest.raises(Unverified, match="quorum_not_reached"):
        Proof(2, proof.hashes, alone).verify(RECORDS[2], POLICY)
    stranger = Policy.parse(f"log {SigningKey('log.example/x', bytes(32)).verifier.encode()}\nquorum none".encode())
    with pytest.raises(Unverified, match="no_known_signature"):
        proof.verify(RECORDS[2], stranger)


def test_an_accepted_checkpoint_serves_many_proofs() -> None:
    accepted = POLICY.accept(cosigned(59))
    for index, record in enumerate(RECORDS):
        proof_of(index, 59).verify_under(accepted, record)
    with pytest.raises(Unverified):
        proof_of(3, 59).verify_under(accepted, RECORDS[4])
    with pytest.raises(Unverified):
        proof_of(3, 40).verify_under(accepted, RECORDS[3])


GOOD = proof_of(2, 5, b"more").encode().decode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        GOOD[1:],
        GOOD.replace("@v1", "@v2"),
        GOOD.replace("index 2", "index 02"),
        GOOD.replace("index 2", "index -2"),
        GOOD.replace("index 2", "index 9223372036854775808"),
        GOOD.replace("index 2\n", ""),
        GOOD.replace("index 2\n", "index 2\nindex 2\n"),
        GOOD.replace("extra bW9yZQ==\n", "extra bW9yZR==\n"),
        GOOD.replace("extra bW9yZQ==\n", "extra bW9yZQ==\nextra bW9yZQ==\n"),
        GOOD.replace("extra ", "Extra "),
        GOOD.replace("\n\n", "\n", 1),
        GOOD.replace("\n", "\r\n"),
        GOOD.replace("index 2\n", "index 2\n" + "A" * 43 + "=\n" * 1 + ("A" * 43 + "=\n") * 61),
        GOOD.replace("bW9yZQ==", base64.b64encode(bytes(100_001)).decode()),
        GOOD.split("\n\n", 1)[0],
        "c2sp.org/tlog-proof@v1\n\n" + GOOD.split("\n\n", 1)[1],
        GOOD + "x" * 1_300_000,
    ],
)
def test_what_is_no_proof_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        Proof.parse(text.encode())


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(Malformed, match="not_utf8"):
        Proof.parse(b"\xff" + GOOD.encode())


@pytest.mark.parametrize(
    ("index", "hashes", "extra"),
    [(-1, 0, None), (2**63 - 1, 0, None), (0, 64, None), (0, 0, bytes(100_001))],
)
def test_no_proof_is_made_that_would_not_read(index: int, hashes: int, extra: bytes | None) -> None:
    with pytest.raises(TransparencyError):
        Proof(index, (bytes(32),) * hashes, b"", extra)
