"""What a log costs: appending leaf hashes, and reading a whole log again. Nothing is stored: tiles are in memory."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from hashlib import sha256
from itertools import pairwise
from typing import Any

from transparency import merkle, tiles
from transparency.merkle import Frontier
from transparency.tiles import Tile, TiledTree, Tiles

LEAVES = 1 << 19
BATCH = 10_000
EVENT_BYTES = 500


def measure() -> list[dict[str, Any]]:
    """The figures in the form of `bench.json`."""
    leaves = [os.urandom(32) for _ in range(LEAVES)]
    events = [os.urandom(EVENT_BYTES) for _ in range(LEAVES // 4)]
    pairs = [left + right for left, right in pairwise(leaves)]
    bare_nodes = _per_second(len(pairs), lambda: [sha256(pair).digest() for pair in pairs])
    bare_events = _per_second(len(events), lambda: [sha256(event).digest() for event in events])
    return [
        _figure("tlog_append_leaves_per_s", _per_second(LEAVES, lambda: _append(leaves)), "leaves/s", bare_nodes)
        | {"reference_name": "SHA-256 of 64 bytes each"},
        _figure(
            "tlog_read_again_events_per_s", _per_second(len(events), lambda: _read(events)), "events/s", bare_events
        )
        | {"reference_name": f"SHA-256 of {EVENT_BYTES} bytes each"},
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
