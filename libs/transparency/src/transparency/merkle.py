"""RFC 6962 Merkle trees: hashes, roots, inclusion and consistency proofs, and a tree head that grows.

A hash is 32 bytes. A proof lists hashes from the leaf's side up, as RFC 6962 sections 2.1.1 and 2.1.2 order them.
Anything that knows the hashes of perfect subtrees can prove: a list of leaf hashes (`Leaves`) or tiles.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

from transparency.errors import Malformed, Unanswerable, Unverified

HASH_BYTES = 32
MAX_SIZE = 2**63 - 1
EMPTY_ROOT = sha256(b"").digest()

Range = tuple[int, int]
"""Leaves from the first to before the second."""


def leaf_hash(record: bytes) -> bytes:
    """The hash of a leaf that holds `record`."""
    return sha256(b"\x00" + record).digest()


def leaf_hashes(records: Iterable[bytes]) -> list[bytes]:
    """`leaf_hash` of each record, in order."""
    return [sha256(b"\x00" + record).digest() for record in records]


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of a node with these two children."""
    return sha256(b"\x01" + left + right).digest()


def parents(row: Sequence[bytes]) -> list[bytes]:
    """The hashes one level up; the last one of an odd row has no parent yet and is left out."""
    pairs = iter(row)
    return [sha256(b"\x01" + left + right).digest() for left, right in zip(pairs, pairs, strict=False)]


class Subtrees(Protocol):
    """Knows a tree by its perfect subtrees."""

    @property
    def size(self) -> int:
        """How many leaves the tree has."""
        ...

    def subtree(self, height: int, index: int) -> bytes:
        """The root of leaves `[index << height, (index + 1) << height)`, which lie within the tree."""
        ...


@dataclass(frozen=True)
class Leaves:
    """A tree given by all its leaf hashes. Computes subtrees anew each time: for small trees and for tests."""

    hashes: Sequence[bytes]

    @property
    def size(self) -> int:
        return len(self.hashes)

    def subtree(self, height: int, index: int) -> bytes:
        row = list(self.hashes[index << height : (index + 1) << height])
        while len(row) > 1:
            row = parents(row)
        return row[0]


@dataclass(frozen=True)
class Frontier:
    """A tree head that grows without its leaves: the roots of its perfect subtrees, the largest first.

    What a sealer keeps between two batches, and what a verifier that streams a whole log needs.
    """

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        _check_size(self.size)
        if len(self.hashes) != self.size.bit_count():
            raise Malformed("frontier_invalid", f"a tree of size {self.size} has {self.size.bit_count()} peaks")
        for peak in self.hashes:
            check_hash(peak)

    def append(self, leaves: Sequence[bytes]) -> Frontier:
        """The head after these leaf hashes. Hashes each new node once."""
        size = self.size + len(leaves)
        waiting, kept = list(self.hashes), []
        row, height = list(leaves), 0
        while row or waiting:
            if self.size >> height & 1:
                row.insert(0, waiting.pop())
            if len(row) & 1:
                kept.append(row[-1])
            row = parents(row)
            height += 1
        return Frontier(size, tuple(reversed(kept)))

    @property
    def root(self) -> bytes:
        return _fold(self.hashes)


def root(leaves: Sequence[bytes]) -> bytes:
    """The root over these leaf hashes."""
    return Frontier().append(leaves).root


def frontier_of(tree: Subtrees, size: int) -> Frontier:
    """The head of the tree's first `size` leaves."""
    _check_within(size, tree)
    return Frontier(size, tuple(tree.subtree(height, index) for height, index in peaks((0, size))))


def root_of(tree: Subtrees, size: int) -> bytes:
    """The root of the tree's first `size` leaves."""
    return frontier_of(tree, size).root


def prove_inclusion(tree: Subtrees, index: int, size: int) -> tuple[bytes, ...]:
    """The proof that leaf `index` is in the tree of the first `size` leaves."""
    _check_within(size, tree)
    if not 0 <= index < size:
        raise Unanswerable("index_beyond_tree", f"there is no leaf {index} in a tree of size {size}")
    return tuple(_range_hash(tree, part) for part in inclusion_ranges(index, size))


def prove_consistency(tree: Subtrees, old: int, size: int) -> tuple[bytes, ...]:
    """The proof that the first `old` leaves are the beginning of the first `size`; empty from 0 and to itself."""
    _check_within(size, tree)
    if not 0 <= old <= size:
        raise Unanswerable("size_beyond_tree", f"a tree of size {old} is no beginning of one of size {size}")
    return tuple(_range_hash(tree, part) for part in consistency_ranges(old, size))


def verify_inclusion(leaf: bytes, index: int, size: int, root: bytes, proof: Sequence[bytes]) -> None:
    """Raise `Unverified` unless `proof` shows that `leaf` (a hash) is leaf `index` of the tree with that root."""
    _check_size(size)
    if not 0 <= index < size:
        raise Unverified("index_beyond_tree", f"there is no leaf {index} in a tree of size {size}")
    inner, border = _path_lengths(index, size)
    _check_proof(proof, inner + border)
    if _climb(check_hash(leaf), proof[:inner], proof[inner:], index) != check_hash(root):
        raise Unverified("inclusion_not_proven", f"the record is not entry {index} of the tree of size {size}")


def verify_consistency(old: int, old_root: bytes, size: int, root: bytes, proof: Sequence[bytes]) -> None:
    """Raise `Unverified` unless `proof` shows that the tree `old` is the beginning of the tree `size`."""
    _check_size(size)
    if not 0 <= old <= size:
        raise Unverified("size_beyond_tree", f"a tree of size {old} is no beginning of one of size {size}")
    if old in (0, size):
        _check_proof(proof, 0)
        if check_hash(old_root) != (EMPTY_ROOT if old == 0 else check_hash(root)):
            raise Unverified("consistency_not_proven", f"two roots of size {old} differ")
        return
    # The path of the old tree's last leaf, from where the old tree's last perfect subtree is a node of both trees.
    trailing = (old & -old).bit_length() - 1
    inner, border = _path_lengths(old - 1, size)
    inner -= trailing
    whole = old == 1 << trailing  # the old tree itself is that node, and not repeated in the proof
    _check_proof(proof, inner + border + (not whole))
    start, path = (check_hash(old_root), proof) if whole else (proof[0], proof[1:])
    shared = (old - 1) >> trailing
    lefts = [path[height] for height in range(inner) if shared >> height & 1]
    was = _climb(start, (), [*lefts, *path[inner:]], 0)
    now = _climb(start, path[:inner], path[inner:], shared)
    if was != check_hash(old_root) or now != check_hash(root):
        raise Unverified("consistency_not_proven", f"the tree of size {old} is not the beginning of that of {size}")


def inclusion_ranges(index: int, size: int) -> list[Range]:
    """Which leaves each hash of an inclusion proof covers."""
    low, high, found = 0, size, []
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            found.append((middle, high))
            high = middle
        else:
            found.append((low, middle))
            low = middle
    return found[::-1]


def consistency_ranges(old: int, size: int) -> list[Range]:
    """Which leaves each hash of a consistency proof covers."""
    if old in (0, size):
        return []
    low, high, found = 0, size, []
    while high != old:
        middle = low + _split(high - low)
        if old <= middle:
            found.append((middle, high))
            high = middle
        else:
            found.append((low, middle))
            low = middle
    if low > 0:
        found.append((low, high))
    return found[::-1]


def peaks(part: Range) -> list[tuple[int, int]]:
    """The perfect subtrees (height, index) that make up a range which a proof names, from the left."""
    low, high = part
    found = []
    while low < high:
        height = (high - low).bit_length() - 1
        found.append((height, low >> height))
        low += 1 << height
    return found


def check_hash(value: bytes) -> bytes:
    """`value`, or `Malformed` when it is not 32 bytes long."""
    if len(value) != HASH_BYTES:
        raise Malformed("hash_length", f"a hash has {HASH_BYTES} bytes, not {len(value)}")
    return value


def _range_hash(tree: Subtrees, part: Range) -> bytes:
    return _fold([tree.subtree(height, index) for height, index in peaks(part)])


def _fold(hashes: Sequence[bytes]) -> bytes:
    """The root over perfect subtrees, the largest first."""
    if not hashes:
        return EMPTY_ROOT
    folded = hashes[-1]
    for left in reversed(hashes[:-1]):
        folded = node_hash(left, folded)
    return folded


def _climb(start: bytes, inner: Sequence[bytes], border: Sequence[bytes], index: int) -> bytes:
    """Hash upwards: beside `inner` the bits of `index` say which child we are, beside `border` always the right."""
    reached = start
    for height, sibling in enumerate(inner):
        pair = sibling + reached if index >> height & 1 else reached + sibling
        reached = sha256(b"\x01" + pair).digest()
    for sibling in border:
        reached = sha256(b"\x01" + sibling + reached).digest()
    return reached


def _path_lengths(index: int, size: int) -> tuple[int, int]:
    """How long a leaf's path is below, and along, the right border of the tree."""
    inner = (index ^ (size - 1)).bit_length()
    return inner, (index >> inner).bit_count()


def _split(count: int) -> int:
    """The largest power of two below `count`, which is at least 2."""
    return 1 << ((count - 1).bit_length() - 1)


def _check_proof(proof: Sequence[bytes], length: int) -> None:
    if len(proof) != length:
        raise Unverified("proof_length", f"the proof has {len(proof)} hashes; {length} are needed")
    if any(len(step) != HASH_BYTES for step in proof):
        raise Malformed("hash_length", f"a hash has {HASH_BYTES} bytes")


def _check_size(size: int) -> None:
    if not 0 <= size <= MAX_SIZE:
        raise Malformed("size_out_of_range", f"a tree size is between 0 and 2^63−1, not {size}")


def _check_within(size: int, tree: Subtrees) -> None:
    if not 0 <= size <= tree.size:
        raise Unanswerable("size_beyond_tree", f"the tree has {tree.size} leaves, not {size}")
