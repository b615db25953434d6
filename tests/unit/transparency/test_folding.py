"""Many proofs under one checkpoint: whatever is shared, each proof is accepted exactly when it holds alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transparency import merkle, notes
from transparency.checkpoints import Checkpoint
from transparency.errors import TransparencyError
from transparency.folding import Folding
from transparency.merkle import Leaves
from transparency.notes import SigningKey
from transparency.policies import Policy
from transparency.proofs import Proof

KEY = SigningKey("log.example", bytes(32))
POLICY = Policy.parse(f"log {KEY.verifier.encode()}\nquorum none\n".encode())


class Log:
    def __init__(self, size: int) -> None:
        self.records = [b"record %d" % n for n in range(size)]
        self.tree = Leaves(merkle.leaf_hashes(self.records))
        self.note = notes.sign(Checkpoint(KEY.name, size, merkle.root_of(self.tree, size)).text, KEY)
        self.accepted = POLICY.accept(self.note)

    def proof(self, index: int, extra: bytes | None = None) -> bytes:
        return Proof(index, merkle.prove_inclusion(self.tree, index, self.tree.size), self.note, extra).encode()

    def folding(self) -> Folding:
        return Folding(self.accepted, self.note)


@given(st.integers(1, 70), st.data())
def test_any_entries_in_any_order_are_proven(size: int, data: st.DataObject) -> None:
    log = Log(size)
    folding = log.folding()
    for index in data.draw(st.lists(st.integers(0, size - 1), max_size=40)):
        folding.check(log.proof(index, data.draw(st.sampled_from([None, None, b"x"]))), index, log.records[index])


@pytest.mark.law
@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 21])
def test_every_flipped_character_of_every_proof_is_refused_after_its_neighbour(size: int) -> None:
    log = Log(size)
    for index in range(size):
        raw = log.proof(index)
        end = len(raw) - len(log.note)
        for at in range(0, end, 5):
            folding = log.folding()
            if index:
                folding.check(log.proof(index - 1), index - 1, log.records[index - 1])
            flipped = bytearray(raw)
            flipped[at] ^= 0x01
            with pytest.raises(TransparencyError):
                folding.check(bytes(flipped), index, log.records[index])


def plainly(log: Log, raw: bytes, index: int, record: bytes) -> bool:
    """Whether this one proof holds by RFC 6962, with nothing remembered of any other."""
    try:
        proof = Proof.parse(raw)
        if (proof.index, proof.checkpoint) != (index, log.note):
            return False
        proof.verify_under(log.accepted, record)
    except TransparencyError:
        return False
    return True


def taken(folding: Folding, raw: bytes, index: int, record: bytes) -> bool:
    try:
        folding.check(raw, index, record)
    except TransparencyError:
        return False
    return True


@given(st.integers(1, 70), st.data())
def test_whatever_is_flipped_where_the_verdict_is_that_of_each_proof_alone(size: int, data: st.DataObject) -> None:
    """Also in what would be skipped (upper lines, the checkpoint), and in all that comes after a spoilt proof."""
    log = Log(size)
    folding = log.folding()
    entries = data.draw(st.lists(st.integers(0, size - 1), min_size=1, max_size=30))
    for index in sorted(entries) if data.draw(st.booleans()) else entries:
        raw, record = bytearray(log.proof(index)), bytearray(log.records[index])
        if data.draw(st.booleans()):
            spoilt = data.draw(st.sampled_from([raw, raw, record]))
            spoilt[data.draw(st.integers(0, len(spoilt) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        expected = plainly(log, bytes(raw), index, bytes(record))
        assert taken(folding, bytes(raw), index, bytes(record)) == expected


@given(st.integers(3, 70), st.data())
def test_proofs_that_agree_with_each_other_and_not_with_the_root_are_refused(size: int, data: st.DataObject) -> None:
    """A forger who folds consistently from false records has no node that was led to the root."""
    log, forged = Log(size), Log(size)
    falsely = data.draw(st.sets(st.integers(0, size - 1), min_size=1))
    forged.tree = Leaves([merkle.leaf_hash(b"false") if n in falsely else h for n, h in enumerate(log.tree.hashes)])
    forged.note = log.note
    folding = log.folding()
    for index in range(size):
        source = data.draw(st.sampled_from([log, forged]))
        record = b"false" if source is forged and index in falsely else log.records[index]
        raw = source.proof(index)
        assert taken(folding, raw, index, record) == plainly(log, raw, index, record)


@given(st.integers(2, 40), st.data())
def test_another_record_index_or_proof_is_refused(size: int, data: st.DataObject) -> None:
    log = Log(size)
    one, other = data.draw(st.lists(st.integers(0, size - 1), min_size=2, max_size=2, unique=True))
    for raw, index, record in (
        (log.proof(one), one, log.records[other]),
        (log.proof(one), other, log.records[one]),
        (log.proof(other), one, log.records[one]),
        (Log(size + 1).proof(one), one, log.records[one]),
    ):
        folding = log.folding()
        for before in data.draw(st.lists(st.integers(0, size - 1), max_size=3)):
            folding.check(log.proof(before), before, log.records[before])
        with pytest.raises(TransparencyError):
            folding.check(raw, index, record)


def test_what_is_shared_is_not_hashed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a whole log in order, nearly every proof is checked by where it meets the one before."""
    log = Log(64)
    folding = log.folding()
    alone: list[int] = []
    whole = folding._whole

    def counted(raw: bytes, index: int, record: bytes) -> None:
        alone.append(index)
        whole(raw, index, record)

    monkeypatch.setattr(folding, "_whole", counted)
    for index in range(64):
        folding.check(log.proof(index), index, log.records[index])
    assert len(alone) < 8
