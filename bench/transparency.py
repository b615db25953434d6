"""What a log costs: appending leaf hashes, reading a whole log again, proving and checking single records.

Nothing is stored: tiles are in memory. The large tree's leaves are all the same, so that the tiles of ten million
leaves need no building; each proof begins with an empty cache and folds its tiles as any other would.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from hashlib import sha256
from itertools import pairwise
from typing import Any

from transparency import merkle, notes, tiles
from transparency.checkpoints import Checkpoint
from transparency.merkle import Frontier
from transparency.notes import SigningKey
from transparency.policies import Policy
from transparency.proofs import Proof
from transparency.tiles import Tile, TiledTree, Tiles

LEAVES = 1 << 19
BATCH = 10_000
EVENT_BYTES = 500
LARGE = 10_000_000
PROOFS = 1_000


class SameLeaves:
    """A `TileReader` of a tree whose leaves are all the same record."""

    def __init__(self, record: bytes) -> None:
        self._rows = [merkle.leaf_hash(record)]
        for _ in range(3 * tiles.HEIGHT):
            self._rows.append(merkle.node_hash(self._rows[-1], self._rows[-1]))

    def read_tile(self, tile: Tile) -> bytes:
        return self._rows[tiles.HEIGHT * tile.level] * tile.width


def measure() -> list[dict[str, Any]]:
    """The figures in the form of `bench.json`."""
    leaves = [os.urandom(32) for _ in range(LEAVES)]
    events = [os.urandom(EVENT_BYTES) for _ in range(LEAVES // 4)]
    pairs = [left + right for left, right in pairwise(leaves)]
    bare_nodes = _per_second(len(pairs), lambda: [sha256(pair).digest() for pair in pairs])
    bare_events = _per_second(len(events), lambda: [sha256(event).digest() for event in events])
    proving, checking = _single()
    return [
        _figure("tlog_append_leaves_per_s", _per_second(LEAVES, lambda: _append(leaves)), "leaves/s", bare_nodes)
        | {"reference_name": "SHA-256 of 64 bytes each"},
        _figure(
            "tlog_read_again_events_per_s", _per_second(len(events), lambda: _read(events)), "events/s", bare_events
        )
        | {"reference_name": f"SHA-256 of {EVENT_BYTES} bytes each"},
        _figure("tlog_inclusion_proof_ms", 1_000 / proving, "ms", 1_000 / checking)
        | {"reference_name": "reading and checking it"},
    ]


def _append(leaves: list[bytes]) -> None:
    """As a sealer does: new tiles and the root, batch by batch."""
    held: dict[Tile, bytes] = {}
    for size in range(0, len(leaves), BATCH):
        batch = leaves[size : size + BATCH]
        held |= tiles.grow(Tiles(held), size, batch)
        merkle.root_of(TiledTree(Tiles(held), size + len(batch)), size + len(batch))


def _read(events: list[bytes]) -> None:
    """As a verifier does that holds all events: the root over their bytes."""
    head = Frontier()
    for at in range(0, len(events), BATCH):
        head = head.append(merkle.leaf_hashes(events[at : at + BATCH]))


def _single() -> tuple[float, float]:
    """Proofs made, and proofs read and checked, a second, in a tree of ten million leaves."""
    record = os.urandom(EVENT_BYTES)
    reader = SameLeaves(record)
    places = [random.randrange(LARGE) for _ in range(PROOFS)]  # noqa: S311 - which ones is no secret
    key = SigningKey.generate("log.example")
    policy = Policy.parse(f"log {key.verifier.encode()}\nquorum none\n".encode())
    signed = notes.sign(Checkpoint(key.name, LARGE, merkle.root_of(TiledTree(reader, LARGE), LARGE)).text, key)
    accepted = policy.accept(signed)

    def prove(index: int) -> bytes:
        return Proof(index, merkle.prove_inclusion(TiledTree(reader, LARGE), index, LARGE), signed).encode()

    made = [prove(index) for index in places]

    def check() -> None:
        for raw in made:
            Proof.parse(raw).verify_under(accepted, record)

    return (
        _per_second(PROOFS, lambda: [prove(index) for index in places]),
        _per_second(PROOFS, check),
    )


def _per_second(count: int, work: Callable[[], object]) -> float:
    """The best of three, so that what else the machine did counts least."""
    taken = []
    for _ in range(3):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return count / min(taken)


def _figure(name: str, value: float, unit: str, reference: float) -> dict[str, Any]:
    return {
        "name": name,
        "value": round(value, 3),
        "unit": unit,
        "reference": round(reference, 3),
        "ratio": round(value / reference, 3),
    }


if __name__ == "__main__":
    print(measure())
