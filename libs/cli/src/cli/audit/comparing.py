"""Comparing a file with what the auditor and the ledger hold; whether it holds in itself is checked before."""

from __future__ import annotations

from typing import Protocol

from auditor.core.attestation import Attestation, parse
from auditor.core.verification import Check
from common.errors import Refused


class Held(Protocol):
    """What an auditor holds; see `service.Auditor`."""

    def document(self, case: str) -> bytes: ...
    def case(self, case: str) -> dict[str, object]: ...
    def events(self, positions: list[int]) -> dict[int, str]: ...


def compare(raw: bytes, held: Held) -> list[Check]:
    """Is the file the one that was issued, and are its records those of the ledger?

    Raises `Refused` when the auditor can't be asked; that a case or attestation is not known there is a failure.
    """
    document = parse(raw)
    try:
        issued = held.case(document.case).get("attestation")
        original = held.document(document.case)
    except Refused as refused:
        if refused.reason_code != "case_unknown":
            raise
        return [Check("issued", False, f"the auditor knows no attestation of this case: {refused.message}")]
    return [_digest(document, issued), _bytes(raw, original), _events(document, held)]


def _digest(document: Attestation, issued: object) -> Check:
    same = issued == document.digest
    told = "is the one that AttestationIssued records in the ledger" if same else f"was not issued; {issued} was"
    return Check("issued", same, f"the digest {document.digest} {told}")


def _bytes(raw: bytes, original: bytes) -> Check:
    same = raw.removesuffix(b"\n") == original
    told = "the file is, byte for byte, the one the auditor keeps" if same else "the auditor keeps another file"
    return Check("auditors_copy", same, told)


def _events(document: Attestation, held: Held) -> Check:
    stored = held.events([item.position for item in document.exhibits])
    for item in document.exhibits:
        if stored.get(item.position) != item.raw.decode():
            what = "is another event there" if item.position in stored else "is not there"
            return Check("ledger", False, f"record {item.n}, position {item.position} of the ledger, {what}")
    return Check("ledger", True, f"all {len(document.exhibits)} records are in the ledger, byte for byte")
