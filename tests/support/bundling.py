"""Bundles: the auditor's real exporter over a ledger in memory and a log with witnesses; and a stranger's keys."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, cast

from auditor.adapters.bundles import StoredExports
from auditor.core import attestation
from common.events import Event
from common.events.auditor import AttestationIssued
from common.ledger import Ledger, Recorded
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from transparency import archives, merkle, notes, statements
from transparency.bundles import STATEMENT, Signing, subjects_of
from transparency.checkpoints import Checkpoint
from transparency.cosignatures import CosigningKey
from transparency.merkle import Leaves
from transparency.notes import Note, SigningKey
from transparency.proofs import Proof
from transparency.statements import Signer

from support import walk as walks
from support.service_keys import trusted
from support.walk import Walk

LOG = SigningKey("trueup/demo", bytes(range(32)))
WITNESSES = tuple(CosigningKey(f"witness.example/{n}", bytes([n]) * 32) for n in (1, 2, 3))
AUDITOR = Signing("auditor", b"\x0a" * 32)
STRANGER = Signing("auditor", b"\x0b" * 32)
COSIGNED_AT = 1_700_000_000

Files = dict[str, bytes]


def policy_of(log: SigningKey = LOG, witnesses: Sequence[CosigningKey] = WITNESSES, needed: int = 2) -> bytes:
    names = [f"w{n}" for n in range(len(witnesses))]
    lines = [
        f"log {log.verifier.encode()}",
        *(f"witness {name} {key.verifier.encode()}" for name, key in zip(names, witnesses, strict=True)),
        f"group some {needed} {' '.join(names)}" if names else "",
        "quorum some" if names else "quorum none",
    ]
    return "\n".join([*lines, ""]).encode()


def service_keys(signing: Signing = AUDITOR, realm: str = "demo", **changes: Any) -> bytes:
    """A list of service keys with one key."""
    key = base64.b64encode(notes.public_of(signing.secret)).decode()
    entry = {"service": signing.service, "key": key, "since": "2020-01-01T00:00:00Z", "until": None}
    return json.dumps({"realm": realm, "keys": [entry | changes]}).encode()


@dataclass
class TreeLog:
    """`ports.Proofs` over records in memory: a real tree, a signed and cosigned checkpoint."""

    records: Sequence[bytes]
    cosigners: Sequence[CosigningKey] = WITNESSES[:2]
    size: int | None = None

    def __post_init__(self) -> None:
        self.tree = Leaves(merkle.leaf_hashes(self.records))
        self.size = len(self.records) if self.size is None else self.size
        self.checkpoint = Checkpoint(LOG.name, self.size, merkle.root_of(self.tree, self.size))
        note = Note.parse(notes.sign(self.checkpoint.text, LOG))
        self.note = note.signed_also(key.cosign(self.checkpoint, COSIGNED_AT) for key in self.cosigners).encode()

    async def proofs(self, positions: Sequence[int]) -> tuple[Checkpoint, dict[int, bytes]]:
        return self.checkpoint, {position: self.proof(position) for position in positions}

    def proof(self, position: int) -> bytes:
        assert self.size is not None
        return Proof(position, merkle.prove_inclusion(self.tree, position, self.size), self.note).encode()


@dataclass
class Attested:
    """A ledger in memory that holds one attested case; stands for `ports.Reading` and the ledger."""

    walk: Walk
    signing: Signing | None = AUDITOR
    """Who signs AttestationIssued; None: nobody, as before there were service keys."""
    ledger: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        walk = self.walk
        people = walk.directory.people.values()
        self.attestation = attestation.issue(
            walk.realm, walk.id, walk.ledger[-1].asof, walk.records, people, trusted()
        )
        data = AttestationIssued(
            case=walk.id,
            digest=self.attestation.digest,
            evidence=[item.position for item in self.attestation.exhibits],
            statement=self.attestation.head,
        )
        issued = replace(walk.add(data, "auditor", "service:auditor"), signature=None)
        self.ledger = [*walk.ledger[:-1], issued if self.signing is None else signed(issued, self.signing)]

    @property
    def records(self) -> list[bytes]:
        return [event.encode() for event in self.ledger]

    async def document(self, case: str) -> tuple[str, bytes] | None:
        return (self.attestation.digest, self.attestation.encode()) if case == self.walk.id else None

    async def case(self, case: str) -> list[Recorded]:
        return [record for record in self._recorded(range(len(self.ledger))) if record.event.caseid == case]

    async def read_positions(self, _: object, positions: Iterable[int]) -> list[Recorded]:
        return self._recorded(sorted(positions))

    def _recorded(self, positions: Iterable[int]) -> list[Recorded]:
        return [Recorded(position, None, self.ledger[position].encode()) for position in positions]

    def export(self, log: TreeLog | None = None, policy: bytes | None = None, signing: Signing = AUDITOR) -> bytes:
        """The bundle, as the auditor makes it."""
        made = StoredExports(
            None,
            cast(Ledger, self),
            cast(Any, self),
            log or TreeLog(self.records),
            lambda: policy or policy_of(),
            lambda: signing,
        )
        return asyncio.run(made.bundle(self.walk.id))


def signed(event: Event, signing: Signing) -> Event:
    """The event with its service's signature."""
    raw = Ed25519PrivateKey.from_private_bytes(signing.secret).sign(event.encode())
    signer = Signer(signing.service, notes.public_of(signing.secret))
    return replace(event, signature=f"{signer.id}:{base64.b64encode(raw).decode()}")


@cache
def attested() -> Attested:
    return Attested(walks.closed())


@cache
def bundle() -> bytes:
    """The bundle of the closed walk: 46 events, two of three witnesses."""
    return attested().export()


_read = cache(archives.read)


def changed(raw: bytes, change: Callable[[Files], object]) -> bytes:
    """The bundle with `change` done to its files, packed again; nothing is signed anew."""
    files = dict(_read(raw))
    change(files)
    return archives.write(files)


def resigned(raw: bytes, change: Callable[[Files], object], signing: Signing, **predicate: Any) -> bytes:
    """The bundle with `change` done to its files and a statement that says so, signed by `signing`."""
    files = dict(_read(raw))
    change(files)
    stated: Mapping[str, Any] = {**statements.opened(files.pop(STATEMENT)).predicate, **predicate}
    files[STATEMENT] = statements.sign(subjects_of(files), stated, signing.service, signing.secret)
    return archives.write(files)
