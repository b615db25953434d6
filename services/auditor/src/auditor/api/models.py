"""What the API answers. Instants are RFC 3339 UTC; `asof` is the realm clock, `time` the wall clock."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from auditor.ports import AttestationLine, CaseLine


class ErrorAnswer(BaseModel):
    """A refusal. `reason_code` is stable."""

    reason_code: str
    message: str
    what_to_do: str


class CaseList(BaseModel):
    """A page of cases by id. `next` is the `after` of the next page; `total` counts all that match."""

    cases: list[CaseLine]
    next: str | None
    total: int


class CasesSought(BaseModel):
    """As the parameters of GET /v1/cases, and `key` as people know it."""

    model_config = ConfigDict(extra="forbid")

    key: str = Field(min_length=1, max_length=1000)
    stage: str | None = None
    desired_state: str | None = None
    after: str = ""
    limit: int = Field(default=200, ge=1, le=200)


class CasesFound(CaseList):
    """`note` is what there is to say when nothing is found and the key might be one that the ledger does not hold."""

    note: str


class ObjectiveLine(BaseModel):
    """What was said last of an objective: see the event's data. `id` is the event."""

    asof: str
    id: str
    data: dict[str, Any]


class ObjectiveList(BaseModel):
    """Objectives by desired state and name."""

    objectives: list[ObjectiveLine]


class TimelineLine(BaseModel):
    """One event: what it says in plain words, and the id of the event that led to it."""

    position: int
    id: str
    source: str
    type: str
    asof: str
    time: str
    actor: str
    words: str
    cause: str | None
    case: str | None


class Timeline(BaseModel):
    """Everything that happened in the case, in ledger order."""

    case: str
    stage: str
    events: list[TimelineLine]


class EventAnswer(BaseModel):
    """One event: `event` is its exact bytes as text, `sha256` theirs. `data` is the same, parsed, and what is sealed
    in it opened while there is a key."""

    position: int
    event: str
    sha256: str
    line: TimelineLine
    data: dict[str, Any]


class EventList(BaseModel):
    """Events in ledger order; positions that do not exist are left out."""

    events: list[EventAnswer]


class Explained(BaseModel):
    """One event and what led to it: `causes` from the event's own cause to the root.

    `cited` are other events that it rests on (observations of its facts). `complete` is False when a cause is
    missing from the ledger or the chain is longer than is shown.
    """

    event: EventAnswer
    causes: list[TimelineLine]
    cited: list[TimelineLine]
    complete: bool


class CasePage(BaseModel):
    """One case as it stands, folded from the ledger; parts that did not happen are None."""

    case: str
    stage: str
    gap: dict[str, Any] | None
    met: dict[str, Any] | None = None
    gap_closed: dict[str, Any] | None
    confirmation: dict[str, Any] | None
    plan: dict[str, Any] | None
    ticket: dict[str, Any] | None
    approvals: list[dict[str, Any]]
    authorisation: dict[str, Any] | None
    started: dict[str, Any] | None
    finished: dict[str, Any] | None
    halted: dict[str, Any] | None
    proof: dict[str, Any] | None
    verification: dict[str, Any] | None
    failed_verification: dict[str, Any] | None
    inconclusive: dict[str, Any] | None
    closed: dict[str, Any] | None
    attestation: str | None


class AttestationList(BaseModel):
    """A page of attestations by case; `next` is the `after` of the next page, `total` counts all."""

    attestations: list[AttestationLine]
    next: str | None
    total: int


class Counts(BaseModel):
    """How many cases stand at each stage, and closed cases whose attestation could not be issued, with the reason."""

    stages: dict[str, int]
    unattested: dict[str, str]
