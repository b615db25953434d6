"""What the auditor finds, from observations of its own reading."""

from __future__ import annotations

from typing import Any, ClassVar

from common.events.model import EventData, Fact


class ProofSeen(EventData):
    """The proof holds, in observations later than the execution. Soak begins; it ends at `soak_until`."""

    TYPE: ClassVar[str] = "trueup.proof.seen.v1"
    CATEGORY: ClassVar[str] = "attestation"

    case: str
    version: str
    facts: list[Fact]
    soak_until: str


class VerificationPassed(EventData):
    """The proof held for the whole soak."""

    TYPE: ClassVar[str] = "trueup.verification.passed.v1"
    CATEGORY: ClassVar[str] = "attestation"

    case: str
    proof: str
    soak_from: str
    soak_until: str
    facts: list[Fact]


class VerificationFailed(EventData):
    """A rule failed again before the case was closed (`reason_code`: failed_again, proof_lost)."""

    TYPE: ClassVar[str] = "trueup.verification.failed.v1"
    CATEGORY: ClassVar[str] = "attestation"

    case: str
    reason_code: str
    reason: str
    facts: list[Fact]


class VerificationInconclusive(EventData):
    """The proof did not come within the declared time, or can't be decided."""

    TYPE: ClassVar[str] = "trueup.verification.inconclusive.v1"
    CATEGORY: ClassVar[str] = "attestation"

    case: str
    reason_code: str
    reason: str
    facts: list[Fact]


class CaseClosed(EventData):
    """The case has ended. `how`: remedied (a plan was executed) or resolved (reality moved without us)."""

    TYPE: ClassVar[str] = "trueup.case.closed.v1"
    CATEGORY: ClassVar[str] = "attestation"

    case: str
    how: str
    verification: str


class AttestationIssued(EventData):
    """The statement about one closed case. `statement` cites events by id; `evidence` are their positions.

    `digest` is the SHA-256 of the canonical bytes of the attestation document (see auditor.core.attestation).
    """

    TYPE: ClassVar[str] = "trueup.attestation.issued.v1"
    CATEGORY: ClassVar[str] = "attestation"

    case: str
    digest: str
    evidence: list[int]
    statement: dict[str, Any]
