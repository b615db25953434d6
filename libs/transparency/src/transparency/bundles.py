"""A bundle for an examiner: which files it has, and how it is put together.

VERIFY.md                    one command, and what each part proves
narrative.html, narrative.pdf, attestation.json
statement.dsse.json          which files belong together, signed by the service that wrote them
events.ndjson                the exact bytes, one event a line, ascending positions
proofs/<position>.tlog-proof one for each line
consistency/<size>           for each smaller checkpoint that a proof is under: hashes, one a line
checkpoint, policy           what it is proven under; the policy to trust comes another way
schemas/, extracts/
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from transparency import archives, statements
from transparency.errors import Malformed
from transparency.proofs import SUFFIX
from transparency.text import decode_hash

VERIFY = "VERIFY.md"
EVENTS = "events.ndjson"
STATEMENT = "statement.dsse.json"
ATTESTATION = "attestation.json"
CHECKPOINT = "checkpoint"
POLICY = "policy"
HTML = "narrative.html"
PDF = "narrative.pdf"
PROOFS = "proofs/"
CONSISTENCY = "consistency/"
NEEDED = (VERIFY, EVENTS, STATEMENT, ATTESTATION, CHECKPOINT, POLICY, HTML, PDF)

_PROOF = re.compile(r"proofs/(0|[1-9][0-9]{0,18})\.tlog-proof")
_SIZE = re.compile(r"consistency/([1-9][0-9]{0,18})")


@dataclass(frozen=True)
class Placed:
    """An event of the log: its position, its exact bytes, and the file of their proof."""

    position: int
    record: bytes
    proof: bytes


@dataclass(frozen=True)
class Signing:
    """With whose private key (32 bytes) the statement is signed."""

    service: str
    secret: bytes


@dataclass(frozen=True)
class Bundle:
    """The files by name. Nothing in it has been checked."""

    files: Mapping[str, bytes]

    @classmethod
    def read(cls, raw: bytes) -> Bundle:
        """Raises `Malformed` for what is no plain, bounded zip file."""
        return cls(archives.read(raw))

    @property
    def missing(self) -> list[str]:
        return [name for name in NEEDED if name not in self.files]

    @property
    def proofs(self) -> list[tuple[int, bytes]]:
        """(position, proof file), ascending. Raises `Malformed` for another name in the folder."""
        return _numbered(self.files, PROOFS, _PROOF)

    @property
    def consistency(self) -> dict[int, list[bytes]]:
        """The proof for each smaller size. Raises `Malformed`."""
        found = {}
        for size, raw in _numbered(self.files, CONSISTENCY, _SIZE):
            lines = raw.decode("ascii", "replace").splitlines()
            found[size] = [decode_hash(line, f"consistency proof from {size}") for line in lines]
        return found


def assemble(
    events: Iterable[Placed],
    checkpoint: bytes,
    policy: bytes,
    others: Mapping[str, bytes],
    predicate: Mapping[str, Any],
    signing: Signing,
) -> bytes:
    """The archive: `others` are all files that this does not make. The same arguments give the same bytes."""
    placed = sorted(events, key=lambda item: item.position)
    files = {
        **others,
        EVENTS: b"".join(item.record + b"\n" for item in placed),
        CHECKPOINT: checkpoint,
        POLICY: policy,
        **{f"{PROOFS}{item.position}{SUFFIX}": item.proof for item in placed},
    }
    files[STATEMENT] = statements.sign(subjects_of(files), predicate, signing.service, signing.secret)
    return archives.write(files)


def subjects_of(files: Mapping[str, bytes]) -> dict[str, str]:
    """What a statement about these files names: all but itself and the proofs.

    A proof needs nobody's word: every byte of it is bound by the record, its position and the checkpoint.
    """
    return statements.digests(
        {name: content for name, content in files.items() if name != STATEMENT and not name.startswith(PROOFS)}
    )


def _numbered(files: Mapping[str, bytes], folder: str, form: re.Pattern[str]) -> list[tuple[int, bytes]]:
    found = []
    for name, content in files.items():
        if name.startswith(folder):
            named = form.fullmatch(name)
            if named is None:
                raise Malformed("bundle_invalid", f"{name} does not belong into a bundle")
            found.append((int(named[1]), content))
    return sorted(found)
