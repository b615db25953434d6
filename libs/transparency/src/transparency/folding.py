"""Many proofs under one checkpoint: each node is hashed once, and each line that several proofs share is read once.

Nothing is taken on trust for it: what is compared with is what a proof has led to the root (see `Folding`).
"""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64
from collections.abc import Sequence
from hashlib import sha256

from transparency.errors import Unverified
from transparency.merkle import HASH_BYTES, leaf_hash
from transparency.policies import Accepted
from transparency.proofs import HEADER, Proof

_HEAD = HEADER.encode() + b"\nindex %d\n"
_LINE = 45
"""A hash in base64, and its newline."""


class Folding:
    """Checks proofs that carry the checkpoint `note`, which gave `accepted`.

    A proof is accepted exactly when `Proof.verify_under` accepts it and it is of `note` and of the entry asked about.
    In ascending order it costs least: the path of the entry before is then all that any earlier proof could tell.

    Why this is as sound as folding each proof to the root. Of the last proof that was folded so, or met one that was,
    the file is remembered and the nodes from its entry upwards. They are *authenticated*: with the siblings that its
    lines name they lead to the signed root, and nobody finds others that do without a collision of SHA-256. Where the
    paths of that entry and of this one meet, at the height `meets` and below the right border of the tree, both are
    under the same nodes from there on. Of this one's lines, which name its siblings from the leaf up,

    1. those from the height `meets` on, and the checkpoint behind them, must be the very bytes of that file;
    2. the one below must name the authenticated node of the other path at that height, which is this one's sibling;
    3. those further down are folded with the record: what they come to must be the node that the other file names
       as its sibling at that height, which is authenticated, too.

    So each byte of the file is compared with what led to the root, or enters a hash that is; folded whole, it would
    reach the same root. Whatever does not meet so is judged by itself, and its error is the one it has by itself.
    """

    def __init__(self, accepted: Accepted, note: bytes) -> None:
        self._accepted = accepted
        self._note = note
        self._last = accepted.checkpoint.size - 1
        self._index = -1
        self._inner = 0
        """How many lines of the last proof are below the right border."""
        self._raw = b""
        self._at = 0
        """Where its lines begin."""
        self._path: list[bytes] = []
        """The nodes from its entry upwards, as far as they are below the border."""

    def check(self, raw: bytes, index: int, record: bytes) -> None:
        """Raise `Malformed` or `Unverified` unless the proof file `raw` shows `record` to be entry `index`."""
        meets = (index ^ self._index).bit_length()
        if not (0 < meets < self._inner and self._meets(raw, index, record, meets)):
            self._whole(raw, index, record)

    def _meets(self, raw: bytes, index: int, record: bytes, meets: int) -> bool:
        """Whether this proof meets the last one at the height `meets`. False: not to be said here."""
        head = _HEAD % index
        at, above = len(head), meets * _LINE
        other = self._at + above
        same_length = len(raw) - at == len(self._raw) - self._at
        if not (same_length and raw.startswith(head) and raw.endswith(self._raw[other:])):
            return False
        node = sha256(b"\x00" + record).digest()
        path = [node]
        for level in range(meets - 1):
            line = raw[at : at + _LINE]
            try:
                sibling = a2b_base64(line)
            except ValueError:
                return False
            if len(sibling) != HASH_BYTES or b2a_base64(sibling) != line:
                return False
            pair = sibling + node if index >> level & 1 else node + sibling
            node = sha256(b"\x01" + pair).digest()
            path.append(node)
            at += _LINE
        # Below the node where they meet, each is the other's sibling.
        if raw[at : at + _LINE] != b2a_base64(self._path[meets - 1]):
            return False
        if self._raw[other - _LINE : other] != b2a_base64(node):
            return False
        self._path[:meets] = path
        self._index, self._raw, self._at = index, raw, len(head)
        return True

    def _whole(self, raw: bytes, index: int, record: bytes) -> None:
        """Check it by itself, and keep its path."""
        proof = Proof.parse(raw)
        if proof.index != index:
            raise Unverified("proof_misplaced", f"the proof is of entry {proof.index}, not of {index}")
        if proof.checkpoint != self._note:
            raise Unverified("proof_misplaced", f"the proof of entry {index} is under another checkpoint")
        proof.verify_under(self._accepted, record)
        if proof.extra is None:
            self._index, self._inner = index, (index ^ self._last).bit_length()
            self._path = _climbed(leaf_hash(record), proof.hashes[: self._inner], index)
            self._raw, self._at = raw, len(_HEAD % index)


def _climbed(leaf: bytes, siblings: Sequence[bytes], index: int) -> list[bytes]:
    path = [leaf]
    for level, sibling in enumerate(siblings):
        pair = sibling + path[-1] if index >> level & 1 else path[-1] + sibling
        path.append(sha256(b"\x01" + pair).digest())
    return path
