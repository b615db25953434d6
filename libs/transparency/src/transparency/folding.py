"""Many proofs under one checkpoint: each node is hashed once, and each line that several proofs share is read once.

Where the paths of two entries meet, everything above is the same: the second proof must have the very lines that the
first one had. Nothing is taken on trust for it: what was compared with is what a proof has led to the root.
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
    """Checks proofs, in ascending order for speed, that carry the checkpoint `note`, which gave `accepted`."""

    def __init__(self, accepted: Accepted, note: bytes) -> None:
        self._accepted = accepted
        self._tail = b"\n" + note
        self._last = accepted.checkpoint.size - 1
        self._index = -1
        self._lines = b""
        self._path: list[bytes] = []
        """The nodes from the entry of the last proof upwards, as far as they are in a perfect subtree."""

    def check(self, raw: bytes, index: int, record: bytes) -> None:
        """Raise `Malformed` or `Unverified` unless the proof file `raw` shows `record` to be entry `index`."""
        leaf = sha256(b"\x00" + record).digest()
        head = _HEAD % index
        if raw.startswith(head) and raw.endswith(self._tail):
            lines = raw[len(head) : -len(self._tail)]
            if self._shared(lines, index, leaf):
                return
        self._whole(raw, index, record)

    def _shared(self, lines: bytes, index: int, leaf: bytes) -> bool:
        """Whether this proof meets the last one. False: not to be said here."""
        meets = (index ^ self._index).bit_length()
        if not 0 < meets < len(self._path) or meets > (index ^ self._last).bit_length():
            return False
        if len(lines) != len(self._lines) or lines[meets * _LINE :] != self._lines[meets * _LINE :]:
            return False
        path, node, at = [leaf], leaf, 0
        for level in range(meets - 1):
            line = lines[at : at + _LINE]
            try:
                sibling = a2b_base64(line)
            except ValueError:
                return False
            if b2a_base64(sibling) != line or len(sibling) != HASH_BYTES:
                return False
            pair = sibling + node if index >> level & 1 else node + sibling
            node = sha256(b"\x01" + pair).digest()
            path.append(node)
            at += _LINE
        # Below the node where they meet, each is the other's sibling.
        other = self._path[meets - 1]
        if lines[at : at + _LINE] != b2a_base64(other) or self._lines[at : at + _LINE] != b2a_base64(node):
            return False
        self._path[:meets] = path
        self._index, self._lines = index, lines
        return True

    def _whole(self, raw: bytes, index: int, record: bytes) -> None:
        """Check it by itself, and keep its path."""
        proof = Proof.parse(raw)
        if proof.index != index:
            raise Unverified("proof_misplaced", f"the proof is of entry {proof.index}, not of {index}")
        if proof.checkpoint != self._tail[1:]:
            raise Unverified("proof_misplaced", f"the proof of entry {index} is under another checkpoint")
        proof.verify_under(self._accepted, record)
        if proof.extra is None:
            inner = (index ^ self._last).bit_length()
            self._index, self._path = index, _climbed(leaf_hash(record), proof.hashes[:inner], index)
            self._lines = raw[len(HEADER) + len(f"\nindex {index}\n") : -len(self._tail)]


def _climbed(leaf: bytes, siblings: Sequence[bytes], index: int) -> list[bytes]:
    path = [leaf]
    for level, sibling in enumerate(siblings):
        pair = sibling + path[-1] if index >> level & 1 else path[-1] + sibling
        path.append(sha256(b"\x01" + pair).digest())
    return path
