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
