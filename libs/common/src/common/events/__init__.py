"""The events: one envelope, one typed data model per type, and the registry of which service writes what."""

from __future__ import annotations

from common.events import approver, auditor, differ, executor, observer, planner, upcasting
from common.events.envelope import Event
from common.events.model import EventData, Fact, Origin, new_event

BY_SERVICE: dict[str, tuple[type[EventData], ...]] = {
    "observer": (
        observer.EntityObserved,
        observer.EntityWithdrawn,
        observer.ObservationRejected,
        observer.ErasureDone,
        observer.SourceReported,
        observer.SourceCounted,
        observer.SourceJudged,
    ),
    "differ": (
        differ.GapOpened,
        differ.GapChanged,
        differ.GapMet,
        differ.GapClosed,
        differ.GapUndecided,
        differ.GapSuspended,
        differ.ObjectiveMet,
        differ.ObjectiveMissed,
        differ.ObjectiveUndecided,
        differ.ChangePreviewed,
    ),
    "planner": (planner.PlanDrafted, planner.PlanSuperseded, planner.PlanWithheld),
    "approver": (
        approver.DeclarationProposed,
        approver.DeclarationActivated,
        approver.GapConfirmed,
        approver.GapDisputed,
        approver.CaseResumed,
        approver.TicketOpened,
        approver.ApprovalGiven,
        approver.ApprovalRefused,
        approver.PlanReturned,
        approver.ApprovalVoided,
        approver.PlanAuthorised,
        approver.PlanExpired,
        approver.ReleaseGiven,
        approver.OutcomeRecorded,
        approver.ErasureRequested,
        approver.ErasureApproved,
        approver.RealmCreated,
        approver.ClockAdvanced,
    ),
    "executor": (
        executor.ExecutionStarted,
        executor.ActionIntended,
        executor.ActionSucceeded,
        executor.ActionFailed,
        executor.ActionUnknown,
        executor.ExecutionFinished,
        executor.ExecutionHalted,
    ),
    "auditor": (
        auditor.WatchBegun,
        auditor.ProofSeen,
        auditor.VerificationPassed,
        auditor.VerificationFailed,
        auditor.VerificationInconclusive,
        auditor.CaseClosed,
        auditor.AttestationIssued,
    ),
}
"""Which service writes which events; from it come the database's rights and the bus's topics."""

MODELS: dict[str, type[EventData]] = {model.TYPE: model for models in BY_SERVICE.values() for model in models}
WRITER: dict[str, str] = {model.TYPE: service for service, models in BY_SERVICE.items() for model in models}

_OF_APPROVER: tuple[type[EventData], ...] = (
    approver.TicketOpened,
    approver.ApprovalVoided,
    approver.PlanAuthorised,
    approver.PlanExpired,
)
SIGNED: frozenset[str] = frozenset(
    model.TYPE
    for models in (BY_SERVICE["planner"], _OF_APPROVER, BY_SERVICE["executor"], BY_SERVICE["auditor"])
    for model in models
)
"""The types that their service signs with its own key (decisions/0011); those with a decision the person signs."""


def typed(event: Event) -> EventData:
    """The event's data as its model's newest version. Raises `UnknownEventType` for a type or version that is not in
    the registry, and ValueError for data that is not what the type says."""
    model = MODELS.get(upcasting.newest(event.type))
    if model is None:
        raise upcasting.UnknownEventType(
            "event_type_unknown",
            f"this release knows no event type {event.type}; run the one that wrote it, or a newer",
        )
    return model.of(event)


__all__ = ["BY_SERVICE", "MODELS", "SIGNED", "WRITER", "Event", "EventData", "Fact", "Origin", "new_event", "typed"]
