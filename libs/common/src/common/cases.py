"""A case, folded from its events: the one state machine that planner, approver, executor and auditor share.

    undecided ─┐
    to-confirm ┴→ to-plan → to-approve → authorised → executing → to-verify → soaking → closed → attested
         ├→ disputed            ├→ refused       └→ expired └→ halted
         └ withheld (to-plan without a plan: people only)

The stage is computed, never stored: it follows from what has happened. A case whose gap closed before anything was
executed goes straight to `to-verify`; where what fails was accepted, or is ignored, it is `accepted` or `ignored`.
Where it has to last that nothing fails, it is `settling` before. One that does not converge is `suspended` until
somebody resumes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from common.errors import Permanent
from common.events import approver, auditor, differ, executor, planner, typed
from common.events.envelope import Event
from common.events.model import EventData
from common.events.upcasting import UnknownEventType
from common.in_words import in_words
from common.stages import stage_of

D_co = TypeVar("D_co", bound=EventData, covariant=True)


@dataclass(frozen=True, slots=True)
class Said(Generic[D_co]):
    """One event of the case with its typed data and its place in the ledger."""

    position: int
    event: Event
    data: D_co


@dataclass(slots=True)
class Attempt:
    """One step's execution: intended, then at most one of succeeded, failed and unknown."""

    intended: Said[executor.ActionIntended]
    succeeded: Said[executor.ActionSucceeded] | None = None
    failed: Said[executor.ActionFailed] | None = None
    unknown: Said[executor.ActionUnknown] | None = None

    @property
    def open(self) -> bool:
        """Intended, and nobody has said yet how it went."""
        return self.succeeded is None and self.failed is None and self.unknown is None

    def said(self) -> list[Said[Any]]:
        """What the executor has recorded of it."""
        return [one for one in (self.intended, self.succeeded, self.failed, self.unknown) if one is not None]


@dataclass(slots=True)
class Case:
    """Everything that has happened in one case. Build it with `fold`; treat it as read-only."""

    id: str
    gap: Said[differ.GapSnapshot] | None = None
    gap_closed: Said[differ.GapClosed] | None = None
    met: Said[differ.GapMet] | None = None
    """Nothing of it fails, and that has yet to last."""
    confirmation: Said[approver.GapConfirmed] | None = None
    dispute: Said[approver.GapDisputed] | None = None
    plan: Said[planner.PlanDrafted] | None = None
    plans_drafted: int = 0
    withheld: Said[planner.PlanWithheld] | None = None
    ticket: Said[approver.TicketOpened] | None = None
    approvals: list[Said[approver.ApprovalGiven]] = field(default_factory=list)
    refusal: Said[approver.ApprovalRefused] | None = None
    returned: Said[approver.PlanReturned] | None = None
    authorisation: Said[approver.PlanAuthorised] | None = None
    expiry: Said[approver.PlanExpired] | None = None
    started: Said[executor.ExecutionStarted] | None = None
    attempts: dict[int, Attempt] = field(default_factory=dict)
    releases: dict[int, Said[approver.ReleaseGiven]] = field(default_factory=dict)
    outcomes: dict[int, Said[approver.OutcomeRecorded]] = field(default_factory=dict)
    finished: Said[executor.ExecutionFinished] | None = None
    halted: Said[executor.ExecutionHalted] | None = None
    proof: Said[auditor.ProofSeen] | None = None
    verification: Said[auditor.VerificationPassed] | None = None
    failed_verification: Said[auditor.VerificationFailed] | None = None
    inconclusive: Said[auditor.VerificationInconclusive] | None = None
    closed: Said[auditor.CaseClosed] | None = None
    attestation: Said[auditor.AttestationIssued] | None = None
    suspension: Said[differ.GapSuspended] | None = None
    resumed: tuple[Said[differ.GapSuspended], Said[approver.CaseResumed]] | None = None
    """The last suspension that was ended, and by what."""
    flips: int = 0
    """How often the gap has opened again after it had closed, other than by being accepted or ignored, or failed
    again while it had yet to last that it was met. All of them are this one case, until it ends."""
    flips_since: str = ""
    """As of when it first did."""
    parts: dict[str, str] = field(default_factory=dict)
    """The part each person took first: confirmer, approver, releaser or implementer. It is never forgotten, also
    when what they decided no longer stands."""
    signed: set[tuple[str, str]] = field(default_factory=set)
    """(person, nonce) of every decision: what is written again with a signature that was good counts for nothing."""
    versions: dict[str, int] = field(default_factory=dict)
    position: int = -1

    @classmethod
    def fold(cls, case_id: str, events: Iterable[tuple[int, Event]]) -> Case:
        """The case after `events`, (position, event) in ascending positions. Events of other cases are an error."""
        case = cls(case_id)
        for position, event in events:
            case.apply(position, event)
        return case

    def apply(self, position: int, event: Event) -> None:
        """Take in one more event.

        Raises ValueError for an event of another case or out of order, and `Permanent` (`case_unreadable`) for one
        that is not what its type says: whoever writes into a case can spoil that case, and must spoil no other.
        """
        if event.caseid != self.id:
            raise ValueError(f"event {event.id} belongs to {event.caseid}, not to {self.id}")
        if position <= self.position:
            raise ValueError(f"event {event.id} at {position} comes after {self.position}")
        self.position = position
        self.versions[event.subject] = self.versions.get(event.subject, 0) + 1
        try:
            said: Said[Any] = Said(position, event, typed(event))
            kind = said.data.TYPE
            if (decision := getattr(said.data, "decision", None)) is not None:
                if (once := (decision.person, decision.nonce)) in self.signed:
                    return
                self.signed.add(once)
            fold = _FOLDS.get(kind)
            if fold is not None:
                fold(self, said)
            if kind in _PARTS:
                self.parts.setdefault(said.data.decision.person, _PARTS[kind])
        except (KeyError, ValueError, UnknownEventType) as error:  # pydantic's refusals are ValueErrors
            raise Permanent(
                "case_unreadable",
                f"the event at {position} of case {self.id} is no {event.type}: {in_words(error)}",
            ) from error

    def version(self, stream: str) -> int:
        """How many events the case's `stream` holds: the expected version of the next one is one more."""
        return self.versions.get(stream, 0)

    @property
    def confirmed(self) -> bool:
        """Gate 1 stands: the gap was confirmed as it is now, or as it was when the plan was authorised."""
        if self.confirmation is None or self.dispute is not None or self.gap is None:
            return False
        if self.authorisation is not None:
            return True
        return self.confirmation.data.decision.subject == self.gap.data.digest

    @property
    def executing(self) -> bool:
        return self.started is not None and self.finished is None and self.halted is None

    @property
    def stage(self) -> str:
        """Where the case stands; see the module's diagram."""
        return stage_of(self)

    def _forget_plan(self) -> None:
        self.plan = self.ticket = self.refusal = self.authorisation = self.expiry = None
        self.approvals = []
        self._forget_execution()

    def _forget_execution(self) -> None:
        self.started = self.finished = self.halted = None
        self.attempts, self.releases, self.outcomes = {}, {}, {}

    def _forget_verification(self) -> None:
        self.proof = self.verification = None


def _suspended(case: Case, said: Said[differ.GapSuspended]) -> None:
    case.suspension = said


def _resumed(case: Case, said: Said[approver.CaseResumed]) -> None:
    if case.suspension is not None:
        case.resumed = (case.suspension, said)
    case.suspension = None


def _gap(case: Case, said: Said[differ.GapSnapshot]) -> None:
    closed = case.gap_closed is not None and case.gap_closed.data.reason not in ("accepted", "ignored")
    if closed or case.met is not None:
        case.flips, case.flips_since = case.flips + 1, case.flips_since or said.event.asof
    case.gap = said
    case.gap_closed = case.met = None


def _met(case: Case, said: Said[differ.GapMet]) -> None:
    case.met = said


def _gap_closed(case: Case, said: Said[differ.GapClosed]) -> None:
    case.gap_closed, case.met = said, None


def _confirmed(case: Case, said: Said[approver.GapConfirmed]) -> None:
    case.confirmation, case.dispute = said, None


def _disputed(case: Case, said: Said[approver.GapDisputed]) -> None:
    case.dispute, case.confirmation = said, None


def _drafted(case: Case, said: Said[planner.PlanDrafted]) -> None:
    case._forget_plan()
    case.plan, case.withheld, case.returned = said, None, None
    case.plans_drafted += 1
    case.failed_verification = case.inconclusive = None


def _superseded(case: Case, said: Said[planner.PlanSuperseded]) -> None:
    if case.plan is not None and case.plan.data.plan == said.data.plan:
        case._forget_plan()


def _withheld(case: Case, said: Said[planner.PlanWithheld]) -> None:
    case.withheld = said


def _ticket(case: Case, said: Said[approver.TicketOpened]) -> None:
    case.ticket, case.approvals, case.refusal, case.expiry = said, [], None, None


def _approval(case: Case, said: Said[approver.ApprovalGiven]) -> None:
    case.approvals.append(said)


def _refusal(case: Case, said: Said[approver.ApprovalRefused]) -> None:
    case.refusal = said


def _returned(case: Case, said: Said[approver.PlanReturned]) -> None:
    case._forget_plan()
    case.returned = said


def _voided(case: Case, _said: Said[approver.ApprovalVoided]) -> None:
    case.ticket, case.authorisation = None, None
    case.approvals = []


def _authorised(case: Case, said: Said[approver.PlanAuthorised]) -> None:
    case.authorisation = said


def _expired(case: Case, said: Said[approver.PlanExpired]) -> None:
    case.expiry, case.authorisation = said, None


def _release(case: Case, said: Said[approver.ReleaseGiven]) -> None:
    case.releases[said.data.step] = said


def _outcome(case: Case, said: Said[approver.OutcomeRecorded]) -> None:
    case.outcomes[said.data.step] = said


def _started(case: Case, said: Said[executor.ExecutionStarted]) -> None:
    # A plan is started once. Releases given since it was authorised still hold: they name its digest.
    case.started = said
    case._forget_verification()


def _intended(case: Case, said: Said[executor.ActionIntended]) -> None:
    case.attempts[said.data.step] = Attempt(said)


def _succeeded(case: Case, said: Said[executor.ActionSucceeded]) -> None:
    case.attempts[said.data.step].succeeded = said


def _action_failed(case: Case, said: Said[executor.ActionFailed]) -> None:
    case.attempts[said.data.step].failed = said


def _action_unknown(case: Case, said: Said[executor.ActionUnknown]) -> None:
    case.attempts[said.data.step].unknown = said


def _finished(case: Case, said: Said[executor.ExecutionFinished]) -> None:
    case.finished = said


def _halted(case: Case, said: Said[executor.ExecutionHalted]) -> None:
    case.halted = said


def _proof(case: Case, said: Said[auditor.ProofSeen]) -> None:
    case.proof, case.failed_verification, case.inconclusive = said, None, None


def _passed(case: Case, said: Said[auditor.VerificationPassed]) -> None:
    case.verification = said


def _verification_failed(case: Case, said: Said[auditor.VerificationFailed]) -> None:
    case._forget_verification()
    case.failed_verification = said


def _inconclusive(case: Case, said: Said[auditor.VerificationInconclusive]) -> None:
    case.inconclusive = said


def _closed(case: Case, said: Said[auditor.CaseClosed]) -> None:
    case.closed = said


def _attested(case: Case, said: Said[auditor.AttestationIssued]) -> None:
    case.attestation = said


_FOLDS: dict[str, Callable[[Case, Said[Any]], None]] = {
    differ.GapOpened.TYPE: _gap,
    differ.GapUndecided.TYPE: _gap,
    differ.GapChanged.TYPE: _gap,
    differ.GapMet.TYPE: _met,
    differ.GapClosed.TYPE: _gap_closed,
    differ.GapSuspended.TYPE: _suspended,
    approver.CaseResumed.TYPE: _resumed,
    approver.GapConfirmed.TYPE: _confirmed,
    approver.GapDisputed.TYPE: _disputed,
    planner.PlanDrafted.TYPE: _drafted,
    planner.PlanSuperseded.TYPE: _superseded,
    planner.PlanWithheld.TYPE: _withheld,
    approver.TicketOpened.TYPE: _ticket,
    approver.ApprovalGiven.TYPE: _approval,
    approver.ApprovalRefused.TYPE: _refusal,
    approver.PlanReturned.TYPE: _returned,
    approver.ApprovalVoided.TYPE: _voided,
    approver.PlanAuthorised.TYPE: _authorised,
    approver.PlanExpired.TYPE: _expired,
    approver.ReleaseGiven.TYPE: _release,
    approver.OutcomeRecorded.TYPE: _outcome,
    executor.ExecutionStarted.TYPE: _started,
    executor.ActionIntended.TYPE: _intended,
    executor.ActionSucceeded.TYPE: _succeeded,
    executor.ActionFailed.TYPE: _action_failed,
    executor.ActionUnknown.TYPE: _action_unknown,
    executor.ExecutionFinished.TYPE: _finished,
    executor.ExecutionHalted.TYPE: _halted,
    auditor.ProofSeen.TYPE: _proof,
    auditor.VerificationPassed.TYPE: _passed,
    auditor.VerificationFailed.TYPE: _verification_failed,
    auditor.VerificationInconclusive.TYPE: _inconclusive,
    auditor.CaseClosed.TYPE: _closed,
    auditor.AttestationIssued.TYPE: _attested,
}


_PARTS = {
    approver.GapConfirmed.TYPE: "confirmer",
    approver.GapDisputed.TYPE: "confirmer",
    approver.ApprovalGiven.TYPE: "approver",
    approver.ReleaseGiven.TYPE: "releaser",
    approver.OutcomeRecorded.TYPE: "implementer",
}
