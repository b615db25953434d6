"""The README's program runs, and says what it promises."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from transparency import merkle, notes
from transparency.checkpoints import Checkpoint
from transparency.cosignatures import CosigningKey
from transparency.merkle import Leaves
from transparency.notes import Note, SigningKey
from transparency.proofs import Proof

README = Path(__file__).resolve().parents[3] / "libs" / "transparency" / "README.md"


def test_the_program_of_the_readme_verifies_a_bundle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    records = [b'{"id":"1"}', b'{"id":"2"}']
    tree = Leaves(merkle.leaf_hashes(records))
    log, witness = SigningKey("log.example/a", bytes(32)), CosigningKey("witness.example/w", bytes(range(32)))
    checkpoint = Checkpoint(log.name, 2, merkle.root_of(tree, 2))
    signed = Note.parse(notes.sign(checkpoint.text, log)).signed_also([witness.cosign(checkpoint, 1)])
    (tmp_path / "policy").write_text(
        f"log {log.verifier.encode()}\nwitness w {witness.verifier.encode()}\nquorum w\n"
    )
    (tmp_path / "events.ndjson").write_bytes(b"\n".join(records) + b"\n")
    (tmp_path / "proofs").mkdir()
    proof = Proof(0, merkle.prove_inclusion(tree, 0, 2), signed.encode())
    (tmp_path / "proofs" / "0.tlog-proof").write_bytes(proof.encode())
    monkeypatch.chdir(tmp_path)
    (program,) = re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    exec(compile(program, str(README), "exec"), {})
    assert capsys.readouterr().out == "in log.example/a at size 2, seen by w\n"
