"""Verifying an attestation: offline, from the file alone, in the order in which its parts rest on each other.

The order is LEDGER.md's: bytes, digest, records; then people's and services' signatures; then whether the records
show what an attested case must show. A later question is asked only when the earlier ones hold.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from common.directory import Directory
from common.errors import TrueupError
from common.service_keys import ServiceKeys

from auditor.core import attestation
from auditor.core.attestation import Attestation
from auditor.core.checks import file, gates, outcome, people, services
from auditor.core.checks.answer import Check, Failed
from auditor.core.evidence import Record

__all__ = ["Check", "verified", "verify"]

_OF_RECORDS: tuple[tuple[str, Callable[[Record], str]], ...] = (
    ("signatures", people.signatures),
    ("service_signatures", services.signatures),
    ("declarations", people.declarations),
    ("apart", people.apart),
    ("gate_1", gates.gate1),
    ("gate_2", gates.gate2),
    ("order", gates.order),
    ("five_parts", gates.five_parts),
    ("grant", gates.grant),
    ("done", outcome.done),
    ("facts", outcome.facts),
    ("proof", outcome.proof),
    ("soak", outcome.soak),
    ("effects", outcome.effects),
    ("closed", outcome.closed),
)


def verified(checks: Sequence[Check]) -> bool:
    """Whether nothing failed. What was not checked (`ok` None) is told, and does not count as a failure."""
    return bool(checks) and all(check.ok is not False for check in checks)


def verify(
    raw: bytes,
    directory: Directory | None = None,
    expected_digest: str | None = None,
    service_keys: ServiceKeys | None = None,
) -> list[Check]:
    """Every check of the file `raw`, in order. Never raises for what is in the file.

    `directory` and `service_keys` are the verifier's own: they say whose keys these are. `expected_digest` comes
    from elsewhere (the ledger's AttestationIssued). Without them the file can only be consistent with itself, and
    the checks say so.
    """
    try:
        document = attestation.parse(raw)
    except TrueupError as error:
        return [Check("format", False, error.message)]
    checks = [
        Check("format", True, f"an attestation of case {document.case} with {len(document.exhibits)} records"),
        _ask("canonical", lambda: file.canonical_bytes(raw, document)),
        _ask("digest", lambda: file.digest(document, expected_digest)),
        _ask("event_hashes", lambda: file.event_hashes(document)),
        _ask("events", lambda: file.events(document)),
    ]
    if not verified(checks):
        return checks
    try:
        record = document.record()
    except (ValueError, KeyError, TypeError, TrueupError) as error:
        return [*checks, Check("case", False, f"the records do not make a case: {_told(error)}")]
    trusted = [_directory(document, directory), _service_keys(document, record, service_keys)]
    return [*checks, *_of_document(document, record), *trusted, *_of_records(record)]


def _of_document(document: Attestation, record: Record) -> list[Check]:
    return [
        _ask("head", lambda: file.head(document, record)),
        _ask("statement", lambda: file.same_statement(document, record)),
        _ask("narrative", lambda: file.same_narrative(document, record)),
    ]


def _directory(document: Attestation, directory: Directory | None) -> Check:
    if directory is None:
        told = "not checked: the keys are those in the file; give --directory to compare them with ones you trust"
        return Check("directory", None, told)
    return _ask("directory", lambda: file.directory(document, directory))


def _service_keys(document: Attestation, record: Record, trusted: ServiceKeys | None) -> Check:
    if trusted is None:
        told = "not checked: the keys are those in the file; give --service-keys to compare them with ones you trust"
        return Check("service_keys", None, told)
    return _ask("service_keys", lambda: services.keys(document, record, trusted))


def _of_records(record: Record) -> list[Check]:
    return [_ask(name, lambda check=check: check(record)) for name, check in _OF_RECORDS]  # type: ignore[misc]


def _ask(name: str, question: Callable[[], str]) -> Check:
    try:
        return Check(name, True, question())
    except Failed as failure:
        return Check(name, False, str(failure))
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, AssertionError, TrueupError) as error:
        # What a stranger's file holds may be of any shape: whatever can't be read does not hold.
        return Check(name, False, f"it can't be read: {_told(error)}")


def _told(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
