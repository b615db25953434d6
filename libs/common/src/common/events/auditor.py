"""What the auditor finds, from observations of its own reading."""

from __future__ import annotations

from typing import Any, ClassVar

from common.events.model import EventData, Fact, Part


class Watched(Part):
    """One secondary effect that is watched for, as it was declared (`what`, `says`), before the execution and after.

    `before` and `after` are in words; `before_value` and `after_value` are the exact fractions of a count or a share.
    `held`: whether it stayed within what is allowed; None while that can't be told.
    """

    what: str
    says: str
    before: str | None = None
    before_value: str | None = None
    after: str | None = None
    after_value: str | None = None
    held: bool | None = None


class CohortSide(Part):
    """The entities that began (or count) after `since` and up to `until`, measured as of `until`."""

    since: str
    until: str
    value: str | None = None
    says: str
    sample: int


class Cohort(Part):
    """The same objective on both sides of the end of an execution."""

    objective: str
    wanted: str
    before: CohortSide
    after: CohortSide


class Effects(Part):
    """What a change did elsewhere: the secondary effects that were watched for, and the objectives of a population on
    both sides of it."""

    watched: list[Watched]
    cohorts: list[Cohort]


class WatchBegun(EventData):
    """An execution began, and this is how things stood that it may not make worse. `execution` is the event id of the
    ExecutionStarted."""

    TYPE: ClassVar[str] = "trueup.watch.begun.v1"
    CATEGORY: ClassVar[str] = "attestation"

    case: str
    version: str
    execution: str
    watched: list[Watched]


class ProofSeen(EventData):
    """The proof holds, in observations later than the execution. Soak begins; it ends at `soak_until`."""

    TYPE: ClassVar[str] = "trueup.proof.seen.v1"
    CATEGORY: ClassVar[str] = "attestation"

    case: str
    version: str
    facts: list[Fact]
    soak_until: str


class VerificationPassed(EventData):
    """The proof held for the whole soak. `effects` is there where the declaration asks for any, and a plan was
    carried out."""

    TYPE: ClassVar[str] = "trueup.verification.passed.v1"
    CATEGORY: ClassVar[str] = "attestation"

    case: str
    proof: str
    soak_from: str
    soak_until: str
    facts: list[Fact]
    effects: Effects | None = None


class VerificationFailed(EventData):
    """A rule failed again before the case was closed (`reason_code`: failed_again, proof_lost), or something else
    became worse than it may (secondary_effect)."""

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
