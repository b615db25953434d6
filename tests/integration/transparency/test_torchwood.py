"""The formats as others write and read them: Go's `filippo.io/torchwood`, built from the modules that go.sum pins."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from support import bundling
from transparency import archives, checkpoints, entries, merkle, notes, tiles
from transparency.checkpoints import Checkpoint
from transparency.cosignatures import CosigningKey, cosigned_at
from transparency.merkle import Leaves
from transparency.notes import Note, SigningKey
from transparency.policies import Policy
from transparency.proofs import Proof
from transparency.tiles import Bundle, Tile, TiledTree, Tiles

pytestmark = pytest.mark.integration

SOURCE = Path(__file__).resolve().parents[2] / "interop" / "torchwood"
COUNT = 600
LOG = SigningKey("log.example/trueup", bytes(range(32)))
WITNESSES = [CosigningKey(f"witness.example/{number}", bytes([number]) * 32) for number in (1, 2, 3)]
POLICY = "\n".join(
    [
        "# which log, and how many witnesses",
        f"log {LOG.verifier.encode()} https://log.example/trueup",
        *(f"witness w{at} {key.verifier.encode()}" for at, key in enumerate(WITNESSES)),
        "group some 2 w0 w1 w2",
        "quorum some",
        "",
    ]
)


@pytest.fixture(scope="module")
def torchwood(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program of tests/interop/torchwood."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("go is not installed here, so torchwood could not check the proofs")
    fetched = subprocess.run(
        [go, "mod", "download"], cwd=SOURCE, check=False, capture_output=True, text=True, timeout=240
    )
    if fetched.returncode:
        pytest.skip(
            f"go could not fetch torchwood, so it could not check the proofs: {fetched.stderr.strip()[-200:]}"
        )
    program = tmp_path_factory.mktemp("torchwood") / "torchwood"
    subprocess.run([go, "build", "-mod=readonly", "-o", str(program), "."], cwd=SOURCE, check=True, timeout=240)
    return program


@pytest.fixture(scope="module")
def theirs(torchwood: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log that Go made."""
    folder = tmp_path_factory.mktemp("theirs")
    subprocess.run([torchwood, "make", folder, str(COUNT)], check=True, timeout=60)
    return folder


def judged(torchwood: Path, folder: Path) -> dict[str, str]:
    """What Go finds wrong with each proof."""
    done = subprocess.run([torchwood, "verify", folder], check=True, capture_output=True, timeout=60)
    found: dict[str, str] = json.loads(done.stdout)
    return found


def write_ours(folder: Path, records: list[bytes], cosigners: list[CosigningKey]) -> None:
    """Events, policy and a proof each, as in a bundle for an examiner; the proofs come from tiles."""
    leaves = merkle.leaf_hashes(records)
    tree = TiledTree(Tiles(tiles.grow(Tiles({}), 0, leaves)), len(leaves))
    checkpoint = Checkpoint(LOG.name, tree.size, merkle.root_of(tree, tree.size), ("an extension",))
    signed = Note.parse(notes.sign(checkpoint.text, LOG))
    signed = signed.signed_also(key.cosign(checkpoint, 1_700_000_000) for key in cosigners)
    (folder / "proofs").mkdir()
    for index in range(tree.size):
        proof = Proof(index, merkle.prove_inclusion(tree, index, tree.size), signed.encode(), b"from Python")
        (folder / "proofs" / f"{index}.tlog-proof").write_bytes(proof.encode())
    (folder / "events.ndjson").write_bytes(b"".join(record + b"\n" for record in records))
    (folder / "policy").write_text(POLICY)


RECORDS = [b'{"id":"%d","text":"%s"}' % (number, "é".encode() * (number % 7)) for number in range(300)]


def test_torchwood_verifies_our_proofs_under_our_policy(torchwood: Path, tmp_path: Path) -> None:
    write_ours(tmp_path, RECORDS, WITNESSES[:2])
    found = judged(torchwood, tmp_path)
    assert len(found) == len(RECORDS)
    assert set(found.values()) == {""}


def test_torchwood_refuses_an_edited_record_and_a_missing_quorum(torchwood: Path, tmp_path: Path) -> None:
    write_ours(tmp_path, RECORDS, WITNESSES[1:])
    edited = (tmp_path / "events.ndjson").read_bytes().replace(b'"id":"77"', b'"id":"78"', 1)
    (tmp_path / "events.ndjson").write_bytes(edited)
    refused = {name: why for name, why in judged(torchwood, tmp_path).items() if why}
    assert list(refused) == ["77.tlog-proof"]
    alone = tmp_path / "alone"
    alone.mkdir()
    write_ours(alone, RECORDS[:3], WITNESSES[:1])
    assert all("policy" in why for why in judged(torchwood, alone).values())


def test_torchwood_verifies_the_events_of_an_examiner_s_bundle(torchwood: Path, tmp_path: Path) -> None:
    """As anybody would who has unpacked it; with some positions only, as a case has in a log of many."""
    files = archives.read(bundling.bundle())
    lines = files["events.ndjson"].splitlines(keepends=True)
    kept = range(1, len(lines), 3)
    (tmp_path / "proofs").mkdir()
    (tmp_path / "policy").write_bytes(bundling.policy_of())
    (tmp_path / "events.ndjson").write_bytes(b"".join(lines[position] for position in kept))
    for position in kept:
        name = f"proofs/{position}.tlog-proof"
        (tmp_path / name).write_bytes(files[name])
    assert judged(torchwood, tmp_path) == {f"{position}.tlog-proof": "" for position in kept}
    edited = (
        b"".join(lines[position] for position in kept)
        .replace(b"C. Adeyemi", b"T. Brandt")
        .replace(b"high", b"none", 1)
    )
    (tmp_path / "events.ndjson").write_bytes(edited)
    assert any(judged(torchwood, tmp_path).values())


def test_we_verify_go_s_proofs_under_go_s_policy(theirs: Path) -> None:
    policy = Policy.parse((theirs / "policy").read_bytes())
    accepted = policy.accept((theirs / "checkpoint").read_bytes())
    records = (theirs / "events.ndjson").read_bytes().splitlines()
    for index, record in enumerate(records):
        raw = (theirs / "proofs" / f"{index}.tlog-proof").read_bytes()
        proof = Proof.parse(raw)
        assert (proof.encode(), proof.index, proof.extra) == (raw, index, b"from Go")
        assert proof.checkpoint == (theirs / "checkpoint").read_bytes()
        proof.verify_under(accepted, record)
    assert accepted.checkpoint.size == len(records) == COUNT
    assert accepted.witnesses == ("w1",)


def test_the_tiles_and_bundles_are_the_same_bytes(theirs: Path) -> None:
    records = (theirs / "events.ndjson").read_bytes().splitlines()
    ours = {tile.path: held for tile, held in tiles.grow(Tiles({}), 0, merkle.leaf_hashes(records)).items()}
    for first in range(0, COUNT, tiles.WIDTH):
        part = records[first : first + tiles.WIDTH]
        ours[Bundle("entries", first // tiles.WIDTH, len(part)).path] = entries.format_bundle("entries", part)
    found = [path for path in (theirs / "tile").rglob("*") if path.is_file()]
    assert {str(path.relative_to(theirs)): path.read_bytes() for path in found} == ours
    for path, held in ours.items():
        named = tiles.parse_path(path)
        assert isinstance(named, Tile) or entries.parse_bundle("entries", held, named.width)


def test_the_consistency_proofs_are_the_same(theirs: Path) -> None:
    tree = Leaves(merkle.leaf_hashes((theirs / "events.ndjson").read_bytes().splitlines()))
    for old in range(1, COUNT + 1):
        lines = (theirs / "consistency" / str(old)).read_text().split()
        assert [base64.b64encode(step).decode() for step in merkle.prove_consistency(tree, old, COUNT)] == lines


def test_a_key_and_a_note_by_go_are_ours(theirs: Path) -> None:
    written = (theirs / "log.secret").read_text()
    key = SigningKey.parse(written)
    raw = (theirs / "checkpoint").read_bytes()
    note = Note.parse(raw)
    assert (key.encode(), note.encode()) == (written, raw)
    assert checkpoints.opened(raw, "log.example/go", [key.verifier]).checkpoint.size == COUNT
    assert note.signatures[0] == key.sign(note.text), "Ed25519 signs the same text the same way everywhere"
    assert cosigned_at(note.signatures[1]) > 1_700_000_000
