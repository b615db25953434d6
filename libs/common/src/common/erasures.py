"""Erasing what is known of one subject: asked for by one person, approved by another, carried out by the observer.

The same checks are made twice: by the approver, who records what people decide, and by the observer, who holds the
keys and trusts signatures and its own directory, not whoever wrote to the ledger. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from common.approvals import refuse
from common.canonical import digest
from common.directory import Directory
from common.errors import Refused
from common.events import Event
from common.events.approver import Decision, ErasureApproved, ErasureRequested
from common.events.observer import ErasureDone
from common.ids import erasure_stream
from common.sealing import Subject
from common.signing import check_signature

REQUESTER = "erasure-requester"
APPROVER = "erasure-approver"


@dataclass(slots=True)
class Erasure:
    """What was asked, approved and done about one subject. There is one request and one approval at most."""

    subject: Subject
    request: Event | None = None
    approval: Event | None = None
    done: Event | None = None
    nonces: set[str] = field(default_factory=set)

    @property
    def status(self) -> str:
        """none, requested, approved or erased."""
        steps = ((self.done, "erased"), (self.approval, "approved"), (self.request, "requested"))
        return next((word for event, word in steps if event is not None), "none")

    @property
    def version(self) -> int:
        """How many events stand on the erasure's stream."""
        return (self.request is not None) + (self.approval is not None)


def fold(events: Iterable[Event]) -> dict[Subject, Erasure]:
    """By subject, from the events of the categories `erasure` and `erased`; others are passed over."""
    found: dict[Subject, Erasure] = {}
    for event in events:
        if event.type not in (ErasureRequested.TYPE, ErasureApproved.TYPE, ErasureDone.TYPE):
            continue
        subject = (event.data["entity_type"], event.data["key"])
        erasure = found.setdefault(subject, Erasure(subject))
        if event.type == ErasureDone.TYPE:
            erasure.done = event
            continue
        erasure.nonces.add(event.data["decision"]["nonce"])
        if event.type == ErasureRequested.TYPE:
            erasure.request = erasure.request or event
        else:
            erasure.approval = erasure.approval or event
    return found


def erasure_digest(subject: Subject) -> str:
    """What the person who asks signs: whose data it is about."""
    return digest({"erase": list(subject)})


def check_request(decision: Decision, signature: str | None, subject: Subject, directory: Directory) -> None:
    """Raise `Refused` unless a person who may has signed the request to erase this subject."""
    _check(decision, signature, "erase", REQUESTER, subject, directory)
    if decision.subject != erasure_digest(subject):
        raise refuse("stale_digest", f"what was signed is not the request to erase {'/'.join(subject)}")


def check_approval(
    decision: Decision, signature: str | None, subject: Subject, request: Event, directory: Directory
) -> None:
    """Raise `Refused` unless another person who may has signed the approval of exactly this request."""
    _check(decision, signature, "approve_erasure", APPROVER, subject, directory)
    if decision.subject != request.id:
        raise refuse("stale_digest", f"what was signed is not the approval of request {request.id}")
    if decision.person == ErasureRequested.of(request).decision.person:
        raise Refused(
            "requester_decides",
            f"{decision.person} asked for the erasure of {'/'.join(subject)} and can't approve it",
            f"Ask somebody else who holds the role {APPROVER}.",
        )


def check_whole(erasure: Erasure, directory: Directory) -> None:
    """Raise `Refused` unless the request and its approval, as recorded, are two people's who may."""
    if erasure.request is None or erasure.approval is None:
        raise Refused("erasure_not_approved", f"nobody has approved the erasure of {'/'.join(erasure.subject)}")
    request, approval = ErasureRequested.of(erasure.request), ErasureApproved.of(erasure.approval)
    check_request(request.decision, erasure.request.signature, erasure.subject, directory)
    check_approval(approval.decision, erasure.approval.signature, erasure.subject, erasure.request, directory)


def _check(
    decision: Decision, signature: str | None, kind: str, role: str, subject: Subject, directory: Directory
) -> None:
    person = directory.person(decision.person)
    if decision.kind != kind:
        raise refuse("wrong_stage", f"the decision is to {decision.kind}, not to {kind}")
    if decision.realm != directory.realm:
        raise refuse("wrong_realm", f"the decision was made for realm {decision.realm}, this is {directory.realm}")
    if decision.case != erasure_stream(*subject):
        raise refuse("wrong_case", f"the decision is about {decision.case}, not about {erasure_stream(*subject)}")
    if decision.role != role or role not in person.roles:
        raise refuse(
            "role_not_held",
            f"this takes the role {role}; {person.name} holds: {', '.join(person.roles) or 'none'}",
            f"Ask somebody who holds the role: {', '.join(directory.holders(role)) or 'nobody yet'}.",
        )
    check_signature(decision, signature, person.key)
