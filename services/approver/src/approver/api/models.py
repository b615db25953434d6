"""What the API takes and answers. Events come as they are in the ledger, so that a client can check every digest."""

from __future__ import annotations

from typing import Any, Literal

from common.events.approver import Decision, GitOrigin
from pydantic import BaseModel, ConfigDict, Field

MAX_TEXT = 512 * 1024


class Body(BaseModel):
    """A part of a request or an answer."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class LoginAsked(Body):
    """The realm to sign in to (GET /v1/login). `now` is the wall clock, to notice a wrong one."""

    realm: str
    now: str


class LoginRequest(Body):
    """`signature` is base64 Ed25519 over the canonical bytes of
    {trueup: "login/v1", realm, person, made_at, nonce}."""

    person: str = Field(max_length=100)
    made_at: str = Field(max_length=40)
    nonce: str = Field(min_length=16, max_length=100)
    signature: str = Field(max_length=200)


class LoginAnswer(Body):
    """A bearer token, valid until `expires` (wall clock)."""

    token: str
    expires: str
    realm: str
    person: str
    name: str
    roles: list[str]


class Me(Body):
    person: str
    name: str
    roles: list[str]
    realm: str


class Realm(Body):
    """`now` is the realm clock. `behind` names what services have not handled yet; empty means quiescent."""

    realm: str
    mode: Literal["wall", "replay"]
    timezone: str
    now: str
    quiescent: bool
    behind: list[str]


class PersonEntry(Body):
    """`simulated`: a person of a demo."""

    id: str
    name: str
    roles: list[str]
    simulated: bool


class CaseLine(Body):
    """One case of the list. `waits_for` says in words who must do what; `unheld` are the roles among them that nobody
    holds; `yours` are the kinds of decision that the person who asks may make now. `timezone` is the declaration's.
    `named`: what a pseudonymous `key` stands for, or why that can't be told (`erased`). `met_since`: nothing of it
    fails since then, and it closes at `closes` if that lasts.

    The defaults are for lines of closed cases that an earlier version listed."""

    case: str
    stage: str
    desired_state: str
    entity_type: str
    key: str
    named: str | None = None
    occurrence: int
    severity: str
    title: str = ""
    headline: str
    rules: list[str]
    undecided: bool
    plan: str | None
    risk: str | None
    waits_for: list[str]
    unheld: list[str] = []
    yours: list[str]
    opened: str
    expires: str | None
    timezone: str = "UTC"
    met_since: str | None = None
    closes: str | None = None


class CaseList(Body):
    """A page; `next` is what to pass as `after` for the next one, None at the end. `total` counts all that match."""

    cases: list[CaseLine]
    next: str | None
    total: int


class Recorded(Body):
    """One event as the ledger has it; `data` is its typed data."""

    id: str
    position: int
    type: str
    time: str
    asof: str
    actor: str
    data: dict[str, Any]
    signature: str | None = None


class DecisionRecorded(Recorded):
    """A person's decision as the ledger has it. `holds`: whether they signed it, None where nobody can tell; `doubt`
    says why not, or that it is about something else by now. Nothing is carried out on one that does not hold."""

    holds: bool | None
    doubt: str


class Need(Body):
    """Who must do what before the case goes on: `role` still has to, `missing` times. `given` have."""

    kind: str
    role: str
    step: int | None
    missing: int
    given: list[str]
    eligible: list[str]


class Action(Body):
    """Something the person who asks may decide now: fill in comment, made_at, nonce (and for an outcome the
    result), sign, post."""

    kind: str
    says: str
    decision: dict[str, Any]


class CasePage(Body):
    """One case, whole. `title` is what people call the entity, `named` its real key where it is known by a pseudonym
    (or why that can't be told: `erased`), `facts` what it said of itself when last reported; `timezone` the one of
    the declaration. `names` are the display names of the people in it; `simulated` those whom a demo made up."""

    case: str
    stage: str
    title: str
    named: str | None = None
    facts: list[dict[str, Any]]
    timezone: str
    now: str
    realm: str
    replay: bool
    gap: Recorded | None
    gap_digest: str | None
    met: Recorded | None = None
    gap_closed: Recorded | None
    confirmation: DecisionRecorded | None
    dispute: DecisionRecorded | None
    suspension: Recorded | None = None
    flips: int = 0
    flips_since: str | None = None
    plan: Recorded | None
    withheld: Recorded | None
    ticket: Recorded | None
    approvals: list[DecisionRecorded]
    refusal: DecisionRecorded | None
    returned: DecisionRecorded | None
    authorisation: Recorded | None
    expiry: Recorded | None
    voided: list[Recorded]
    releases: list[DecisionRecorded]
    outcomes: list[DecisionRecorded]
    execution: list[Recorded]
    verification: list[Recorded]
    needs: list[Need]
    actions: list[Action]
    names: dict[str, str]
    simulated: list[str]


class Template(Body):
    """A decision ready to be filled in and signed."""

    says: str
    decision: dict[str, Any]


class DecisionRequest(Body):
    """`signature` is `<person>:<base64 Ed25519>` over the canonical bytes of the decision's statement."""

    decision: Decision
    signature: str = Field(default="", max_length=300)


class DecisionAnswer(Body):
    """What the decision brought about: the events recorded with it, in order, and where the case now stands."""

    case: str
    stage: str
    events: list[str]
    types: list[str]
    position: int


class ProposalRequest(Body):
    """`text` is the YAML, as its author wrote it. `decision.subject` is the set digest of its documents and
    `decision.case` the proposal's id, both computed by the author's client (common.proposals)."""

    file: str = Field(min_length=1, max_length=300)
    text: str = Field(max_length=MAX_TEXT)
    decision: Decision
    signature: str = Field(default="", max_length=300)
    git: GitOrigin | None = None


class Writer(Body):
    """Who wrote commits of a proposal; `person` as the directory has it now, None where it does not say."""

    name: str
    email: str
    commits: int
    person: str | None


class FromGit(Body):
    """The commit that a proposal comes from, and who wrote it."""

    repository: str
    branch: str
    path: str
    commit: str
    base: str | None
    writers: list[Writer]


class ProposedDocument(Body):
    """`change`: new, changed or unchanged, against what is active. `spec` is what was proposed and `in_force` the
    spec that is active, both only where one proposal is asked for."""

    kind: str
    name: str
    digest: str
    change: Literal["new", "changed", "unchanged"]
    spec: dict[str, Any] | None = None
    in_force: dict[str, Any] | None = None


class Preview(Body):
    """What a proposal would change, as the differ worked it out as of `asof`: `said` is the data of that event
    (ChangePreviewed), `digest` what is signed with the activation. `current`: it compares with what is active now."""

    event: str
    asof: str
    digest: str
    current: bool
    said: dict[str, Any]


class ActiveDocument(Body):
    kind: str
    name: str
    spec: dict[str, Any]
    digest: str
    version: int
    author: str
    activated_by: str
    proposal: str
    commit: str | None


class ActiveDeclarations(Body):
    """All documents that are in force, by kind and name."""

    realm: str
    timezone: str
    digest: str
    documents: list[ActiveDocument]


class Proposal(Body):
    """`status`: proposed (waits for another person), superseded (its author has proposed all of it anew), active, or
    replaced (every document has a newer version). `preview`: where one proposal is asked for, and it is known."""

    id: str
    file: str
    author: str
    comment: str
    proposed: str
    status: Literal["proposed", "superseded", "active", "replaced"]
    set_digest: str
    documents: list[ProposedDocument]
    activated_by: str | None
    activated: str | None
    actions: list[Action]
    preview: Preview | None = None
    git: FromGit | None = None


class ProposalList(Body):
    proposals: list[Proposal]


class Task(Body):
    """Work by hand that waits for a person: `intent` is the ActionIntended event."""

    case: str
    step: int
    intent: str
    action: str
    does: str
    system: str
    role: str
    target: str
    parameters: dict[str, Any]
    since: str
    yours: bool


class TaskList(Body):
    tasks: list[Task]


class ClockRequest(Body):
    """`to` is RFC 3339 with a zone: where the replay clock moves."""

    to: str = Field(max_length=40)


class ClockAnswer(Body):
    was: str
    now: str
    position: int


class ErrorAnswer(Body):
    """Every error of this API."""

    reason_code: str
    message: str
    what_to_do: str


class Erasure(Body):
    """What was asked, approved and done about one subject. `payloads`: quarantined messages erased with the key.
    `refused`: why what else was recorded about it, or all of it, does not count."""

    entity_type: str
    key: str
    status: str
    request: str
    requested: str
    requested_by: str
    comment: str
    approved: str | None
    approved_by: str | None
    erased: str | None
    payloads: int | None
    refused: list[str]


class Sought(Body):
    """An entity by the key that people know."""

    entity_type: str
    key: str


class CasesSought(Body):
    """As the parameters of GET /v1/cases, and `key` as people know it."""

    key: str = Field(min_length=1, max_length=1000)
    stage: str | None = None
    mine: bool = False
    desired_state: str | None = None
    planned: bool | None = None
    after: str = ""
    limit: int = Field(default=200, ge=1, le=200)


class ErasureList(Body):
    erasures: list[Erasure]
