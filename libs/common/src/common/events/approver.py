"""What people decide, as the approver records it. Decisions are signed by the person's own key."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from common.canonical import digest
from common.events.model import EventData, Part

DecisionKind = Literal[
    "propose",
    "activate",
    "confirm",
    "dispute",
    "approve",
    "refuse",
    "return",
    "release",
    "outcome",
    "resume",
    "erase",
    "approve_erasure",
]


class Decision(Part):
    """What a person signs. The signature is Ed25519 over the canonical bytes of this object.

    `subject` is the digest of what is decided: the gap digest (confirm, dispute), the five-part digest (approve,
    refuse, return, release), the declaration set's digest (propose, activate), the ActionIntended event's id
    (outcome), the GapSuspended event's id (resume), the subject's digest (erase), the ErasureRequested event's id
    (approve_erasure). `case` is the case id, the proposal id or the erasure's stream. `made_at` is the person's own
    wall clock. `preview` (activate) is the digest of the ChangePreviewed that the person was shown; `git` (propose)
    that of the GitOrigin.
    """

    kind: DecisionKind
    realm: str
    case: str
    person: str
    role: str
    subject: str
    made_at: str
    nonce: str
    comment: str = ""
    step: int | None = None
    result: Literal["done", "not_done"] | None = None
    preview: str | None = None
    git: str | None = None

    def statement(self) -> dict[str, Any]:
        """The signed object."""
        return {"trueup": "decision/v1", **self.model_dump(mode="json", exclude_none=True)}


class CommitAuthor(Part):
    """Who wrote commits, as Git has it, and how many."""

    name: str
    email: str
    commits: int


class GitOrigin(Part):
    """Where a proposal comes from: the files under `path` at `commit` of a branch. `base` is the commit from which
    what is active came (None: it came from elsewhere). `authors` wrote the commits since, to these files."""

    repository: str
    branch: str
    path: str
    commit: str
    base: str | None = None
    authors: list[CommitAuthor]

    @property
    def digest(self) -> str:
        """What the person who proposes signs of it."""
        return digest(self.model_dump(mode="json", exclude_none=True))


class DeclarationProposed(EventData):
    """A person proposes one document. All documents of one proposal stand or fall together.

    `spec` is the document's spec as JSON; `digest` is over {kind, name, spec}. `set_digest` covers all documents of
    the proposal, sorted by kind and name; it is the subject of the author's decision.
    """

    TYPE: ClassVar[str] = "trueup.declaration.proposed.v1"
    CATEGORY: ClassVar[str] = "declaration"

    proposal: str
    kind: str
    name: str
    spec: dict[str, Any]
    digest: str
    set_digest: str
    documents: int
    file: str
    decision: Decision
    git: GitOrigin | None = None


class Wrote(Part):
    """The people who wrote something, beside the one who proposed it, sorted."""

    people: list[str]


class DeclarationActivated(EventData):
    """Another person activated it: from here on this document counts. `declared_version` counts from 1. `wrote`, of
    one that comes from Git, are the people to whom the directory mapped the authors of its commits; beside `author`,
    who proposed it.
    """

    TYPE: ClassVar[str] = "trueup.declaration.activated.v1"
    CATEGORY: ClassVar[str] = "declaration"

    proposal: str
    kind: str
    name: str
    spec: dict[str, Any]
    digest: str
    set_digest: str
    declared_version: int
    author: str
    decision: Decision
    wrote: Wrote | None = None

    @property
    def authors(self) -> list[str]:
        return [] if self.wrote is None else self.wrote.people


class GapConfirmed(EventData):
    """Gate 1: someone who knows says that the gap is real. `decision.subject` is the gap digest."""

    TYPE: ClassVar[str] = "trueup.gap.confirmed.v1"
    CATEGORY: ClassVar[str] = "approval"

    case: str
    gap_event: str
    decision: Decision


class GapDisputed(EventData):
    """Someone who knows says that the gap is not real. Nothing will be planned."""

    TYPE: ClassVar[str] = "trueup.gap.disputed.v1"
    CATEGORY: ClassVar[str] = "approval"

    case: str
    gap_event: str
    decision: Decision


class CaseResumed(EventData):
    """Somebody who answers for the desired state has seen what undid the fixes, and lets the case go on."""

    TYPE: ClassVar[str] = "trueup.case.resumed.v1"
    CATEGORY: ClassVar[str] = "approval"

    case: str
    suspended: str
    decision: Decision


class DigestParts(Part):
    """The five things an approval binds to, each a SHA-256 in hex (DESIGN, invariant 5)."""

    plan: str
    desired_state: str
    facts: str
    policy: str
    chain: str

    @property
    def digest(self) -> str:
        return digest(self.model_dump(mode="json"))


class Chain(Part):
    """Who must agree to one plan: quorums by role, who is eligible, and which parts must be different people."""

    policy: str
    line: str
    confirm: dict[str, int]
    approve: dict[str, int]
    release: dict[str, int]
    apart: list[str]
    eligible: dict[str, list[str]]


class RiskAssessment(Part):
    """What is touched, who is affected, what if it fails, how it is undone; the class and the rule that set it."""

    touches: list[str]
    affects: str
    if_it_fails: str
    undo: list[str]
    risk: str
    set_by: str
    change_class: Literal["standard", "normal"]


class TicketOpened(EventData):
    """The change ticket of one plan: what is asked of whom, bound to the five-part digest."""

    TYPE: ClassVar[str] = "trueup.ticket.opened.v1"
    CATEGORY: ClassVar[str] = "approval"

    case: str
    ticket: str
    plan: str
    plan_event: str
    parts: DigestParts
    digest: str
    chain: Chain
    reasoning: list[str]
    risk_assessment: RiskAssessment
    expires: str


class ApprovalGiven(EventData):
    """One person approved exactly `decision.subject`, the five-part digest."""

    TYPE: ClassVar[str] = "trueup.approval.given.v1"
    CATEGORY: ClassVar[str] = "approval"

    case: str
    plan: str
    decision: Decision


class ApprovalRefused(EventData):
    """One person refused the plan. The case stays open and visible; no plan stands until it is returned."""

    TYPE: ClassVar[str] = "trueup.approval.refused.v1"
    CATEGORY: ClassVar[str] = "approval"

    case: str
    plan: str
    decision: Decision


class PlanReturned(EventData):
    """A person sent the plan, refused, expired or halted, back to be drafted again."""

    TYPE: ClassVar[str] = "trueup.plan.returned.v1"
    CATEGORY: ClassVar[str] = "approval"

    case: str
    plan: str
    decision: Decision


class ApprovalVoided(EventData):
    """Something the approvals relied on changed; `changed` says what, in words. They no longer count."""

    TYPE: ClassVar[str] = "trueup.approval.voided.v1"
    CATEGORY: ClassVar[str] = "approval"

    case: str
    plan: str
    digest: str
    changed: list[str]


class Grant(Part):
    """What the executor may do: these steps, on these targets, so many actions, within this time."""

    steps: list[int]
    actions: list[str]
    targets: list[str]
    count: int
    not_before: str
    expires: str


class PlanAuthorised(EventData):
    """The quorum is complete: the grant. `approvals` are the ids of the approvals that make it."""

    TYPE: ClassVar[str] = "trueup.plan.authorised.v1"
    CATEGORY: ClassVar[str] = "approval"

    case: str
    plan: str
    digest: str
    approvals: list[str]
    confirmation: str
    grant: Grant


class PlanExpired(EventData):
    """The time to decide, or the grant, ran out. A timeout never approves."""

    TYPE: ClassVar[str] = "trueup.plan.expired.v1"
    CATEGORY: ClassVar[str] = "approval"

    case: str
    plan: str
    digest: str
    expired_at: str


class ReleaseGiven(EventData):
    """At Level 2: a person released one step. Consumed once, by its ActionIntended."""

    TYPE: ClassVar[str] = "trueup.release.given.v1"
    CATEGORY: ClassVar[str] = "approval"

    case: str
    plan: str
    step: int
    decision: Decision


class OutcomeRecorded(EventData):
    """The person who did a manual step says how it went. `intent` is the ActionIntended event's id."""

    TYPE: ClassVar[str] = "trueup.outcome.recorded.v1"
    CATEGORY: ClassVar[str] = "approval"

    case: str
    plan: str
    step: int
    intent: str
    decision: Decision


class ErasureRequested(EventData):
    """A person asks that what is sealed of one subject be erased. `decision.subject` is `erasure_digest`."""

    TYPE: ClassVar[str] = "trueup.erasure.requested.v1"
    CATEGORY: ClassVar[str] = "erasure"

    entity_type: str
    key: str
    decision: Decision


class ErasureApproved(EventData):
    """Another person approves it: `decision.subject` is the ErasureRequested event's id, `request`. What the key
    opens is lost once the observer has acted on this."""

    TYPE: ClassVar[str] = "trueup.erasure.approved.v1"
    CATEGORY: ClassVar[str] = "erasure"

    entity_type: str
    key: str
    request: str
    decision: Decision


class RealmCreated(EventData):
    """Fixes the realm's clock for good. `start` is set for a replay clock."""

    TYPE: ClassVar[str] = "trueup.realm.created.v1"
    CATEGORY: ClassVar[str] = "realm"

    realm: str
    mode: Literal["wall", "replay"]
    timezone: str
    start: str | None = None


class ClockAdvanced(EventData):
    """A replay clock moved forward."""

    TYPE: ClassVar[str] = "trueup.clock.advanced.v1"
    CATEGORY: ClassVar[str] = "realm"

    was: str
    now: str
