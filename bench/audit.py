"""What an examiner waits for: a bundle of many events under one checkpoint, verified whole, offline, on one core.

Everything is checked that `trueup audit verify` checks of a bundle: archive, checkpoint, canonical bytes, a proof for
each event, streams, the digest of every file, statement and attestation. The reference hashes the same events' bytes.
Both are in seconds of the one core's own time: what else the machine does is not the verifier's.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from hashlib import sha256
from typing import Any

from transparency import bundles, canonical, merkle, notes, tiles
from transparency.bundles import Placed, Signing
from transparency.checkpoints import Checkpoint
from transparency.notes import SigningKey
from transparency.proofs import Proof
from transparency.text import encode_base64
from transparency.tiles import TiledTree, Tiles
from transparency.verifying import ISSUED, VERIFIED, Trust, verify

from bench.transparency import _figure

EVENTS = 20_000
BEFORE = 1_000_000
"""Events of the log before those of the bundle: they make the proofs as long as a real log's are."""
CASE = "findings-closed/2022-090/1"
KEY = SigningKey("trueup/bench", bytes(32))
AUDITOR = Signing("auditor", b"\x01" * 32)


def measure() -> list[dict[str, Any]]:
    """The figures in the form of `bench.json`."""
    records = _records()
    raw, trust = _bundle(records)
    gc.disable()  # as `python -m transparency` does
    verdict = verify(raw, trust)
    assert verdict.exit_code == VERIFIED, verdict.checks
    bare = _per_second(len(records), lambda: [sha256(record).digest() for record in records])
    value = _per_second(len(records), lambda: verify(raw, trust))
    gc.enable()
    name = f"SHA-256 of the same {len(records[0])} bytes each"
    return [_figure("audit_verify_events_per_s", value, "events/s", bare) | {"reference_name": name}]


def _per_second(count: int, work: Callable[[], object]) -> float:
    """The best of three."""
    taken = []
    for _ in range(3):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return count / min(taken)


def _records() -> list[bytes]:
    """Events of about 500 bytes; the last one records the attestation."""
    made = [_event(number, "trueup.gap.changed.v1", {"note": "x" * 100}) for number in range(EVENTS - 1)]
    return [*made, _event(EVENTS - 1, ISSUED, {"digest": _attestation()[0]})]


def _event(number: int, kind: str, data: dict[str, Any]) -> bytes:
    return canonical.encode(
        {
            "actor": "service:differ",
            "asof": "2023-07-03T00:00:00Z",
            "caseid": CASE,
            "causationid": f"{number:032x}",
            "correlationid": f"{7:032x}",
            "data": {"case": CASE, **data},
            "id": f"{number:032x}",
            "source": "differ",
            "specversion": "1.0",
            "streamversion": number + 1,
            "subject": f"gap/{CASE}",
            "time": "2023-07-03T00:00:00.123456Z",
            "type": kind,
        }
    )


def _attestation() -> tuple[str, bytes]:
    body = {"case": CASE, "evidence": []}
    digest = sha256(canonical.encode(body)).hexdigest()
    return digest, canonical.encode({**body, "digest": digest})


def _bundle(records: list[bytes]) -> tuple[bytes, Trust]:
    leaves = [merkle.leaf_hash(b"")] * BEFORE + merkle.leaf_hashes(records)
    tree = TiledTree(Tiles(tiles.grow(Tiles({}), 0, leaves)), len(leaves))
    size = tree.size
    note = notes.sign(Checkpoint(KEY.name, size, merkle.root_of(tree, size)).text, KEY)
    placed = [
        Placed(at, record, Proof(at, merkle.prove_inclusion(tree, at, size), note).encode())
        for at, record in enumerate(records, start=BEFORE)
    ]
    policy = f"log {KEY.verifier.encode()}\nquorum none\n".encode()
    digest, attestation = _attestation()
    others = {bundles.VERIFY: b"", bundles.HTML: b"", bundles.PDF: b"", bundles.ATTESTATION: attestation}
    predicate = {"realm": "bench", "case": CASE, "attestation": digest}
    keys = {"realm": "bench", "keys": [_listed(AUDITOR)]}
    return bundles.assemble(placed, note, policy, others, predicate, AUDITOR), Trust(policy, canonical.encode(keys))


def _listed(signing: Signing) -> dict[str, Any]:
    key = notes.SigningKey(signing.service, signing.secret).verifier.public
    return {"service": signing.service, "key": encode_base64(key), "since": "2020-01-01T00:00:00Z", "until": None}


if __name__ == "__main__":
    print(measure())
