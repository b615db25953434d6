"""Erasing what is known of one subject: asked for by one person, approved by another, carried out by the observer.

The same checks are made twice: by the approver, who records what people decide, and by the observer, who holds the
keys and trusts signatures and its own directory, not whoever wrote to the ledger. Pure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
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
    """What was asked, approved and done about one subject.

    `request` and `approval` are the first that count: two people's who may, with their signatures. `done` is the
    first that names such an approval. `refused` are the others, with the reason why; they hold up nothing. `version`
    counts all requests and approvals that stand on the stream.
    """

    subject: Subject
    request: Event | None = None
    approval: Event | None = None
    done: Event | None = None
    refused: list[tuple[Event, Refused]] = field(default_factory=list)
    nonces: set[str] = field(default_factory=set)
    version: int = 0

    @property
    def status(self) -> str:
        """none, refused, requested, approved or erased."""
        steps = ((self.done, "erased"), (self.approval, "approved"), (self.request, "requested"))
        standing = next((word for event, word in steps if event is not None), "none")
        return "refused" if standing == "none" and self.refused else standing


def fold(events: Iterable[Event], directory: Directory) -> dict[Subject, Erasure]:
    """By subject, from the events of the categories `erasure` and `erased`, in order; others are passed over.

    What is not done yet counts as far as `directory` has it now, what is done as far as it has the keys of those who
    decided, also of who has left since: whoever can write in the approver's name, or the observer's, brings nothing
    about, and holds nobody up.
    """
    found: dict[Subject, Erasure] = {}
    asked: dict[Subject, list[Event]] = defaultdict(list)
    done: dict[Subject, list[Event]] = defaultdict(list)
    for event in events:
        if event.type not in (ErasureRequested.TYPE, ErasureApproved.TYPE, ErasureDone.TYPE):
            continue
        subject = (event.data["entity_type"], event.data["key"])
        erasure = found.setdefault(subject, Erasure(subject))
        if event.type == ErasureDone.TYPE:
            done[subject].append(event)
            continue
        erasure.version += 1
        erasure.nonces.add(event.data["decision"]["nonce"])
        asked[subject].append(event)
    for subject, erasure in found.items():
        forged = _close(erasure, done[subject], {event.id: event for event in asked[subject]}, directory)
        if erasure.done is None:
            for event in asked[subject]:
                try:
                    _count(erasure, event, directory)
                except Refused as refusal:
                    erasure.refused.append((event, refusal))
        erasure.refused += forged
    return found


def _close(
    erasure: Erasure, done: Iterable[Event], asked: Mapping[str, Event], directory: Directory
) -> list[tuple[Event, Refused]]:
    """Find the first of `done` that counts, and what brought it about; answer those before it that don't."""
    forged: list[tuple[Event, Refused]] = []
    for event in done:
        try:
            erasure.request, erasure.approval = _behind(event, asked, erasure.subject, directory)
        except Refused as refusal:
            why = f"the approval that it names does not count: {refusal.message}"
            forged.append((event, Refused(refusal.reason_code, why, refusal.what_to_do)))
        else:
            erasure.done = event
            break
    return forged


def _behind(done: Event, asked: Mapping[str, Event], subject: Subject, directory: Directory) -> tuple[Event, Event]:
    """The request and the approval that brought `done` about. Who has lost the role since did decide."""
    approval = asked.get(done.data["approval"])
    request = asked.get(approval.data["request"]) if approval and approval.type == ErasureApproved.TYPE else None
    if approval is None or request is None or request.type != ErasureRequested.TYPE:
        raise Refused("erasure_not_approved", f"nobody has approved the erasure of {'/'.join(subject)}")
    check_request(ErasureRequested.of(request).decision, request.signature, subject, directory, past=request.time)
    decision = ErasureApproved.of(approval).decision
    check_approval(decision, approval.signature, subject, request, directory, past=approval.time)
    return request, approval


def _count(erasure: Erasure, event: Event, directory: Directory) -> None:
    if event.type == ErasureRequested.TYPE:
        check_request(ErasureRequested.of(event).decision, event.signature, erasure.subject, directory)
        erasure.request = erasure.request or event
    elif erasure.request is not None:
        decision = ErasureApproved.of(event).decision
        check_approval(decision, event.signature, erasure.subject, erasure.request, directory)
        erasure.approval = erasure.approval or event


def erasure_digest(subject: Subject) -> str:
    """What the person who asks signs: whose data it is about."""
    return digest({"erase": list(subject)})


def check_request(
    decision: Decision, signature: str | None, subject: Subject, directory: Directory, past: str | None = None
) -> None:
    """Raise `Refused` unless a person who may has signed the request to erase this subject. `past`: an event's
    time; who might then."""
    _check(decision, signature, "erase", REQUESTER, subject, directory, past)
    if decision.subject != erasure_digest(subject):
        raise refuse("stale_digest", f"what was signed is not the request to erase {'/'.join(subject)}")


def check_approval(
    decision: Decision,
    signature: str | None,
    subject: Subject,
    request: Event,
    directory: Directory,
    past: str | None = None,
) -> None:
    """Raise `Refused` unless another person who may has signed the approval of exactly this request. `past`: an
    event's time; who might then."""
    _check(decision, signature, "approve_erasure", APPROVER, subject, directory, past)
    if decision.subject != request.id:
        raise refuse("stale_digest", f"what was signed is not the approval of request {request.id}")
    if decision.person == ErasureRequested.of(request).decision.person:
        raise Refused(
            "requester_decides",
            f"{decision.person} asked for the erasure of {'/'.join(subject)} and can't approve it",
            f"Ask somebody else who holds the role {APPROVER}.",
        )


def check_whole(erasure: Erasure) -> None:
    """Raise `Refused` unless a request and its approval count; with the first reason why one does not."""
    if erasure.approval is None and erasure.refused:
        raise erasure.refused[0][1]
    if erasure.request is None or erasure.approval is None:
        raise Refused("erasure_not_approved", f"nobody has approved the erasure of {'/'.join(erasure.subject)}")


def _check(
    decision: Decision,
    signature: str | None,
    kind: str,
    role: str,
    subject: Subject,
    directory: Directory,
    past: str | None,
) -> None:
    if past is None:
        person = directory.person(decision.person)
        key = person.key
    else:
        person, key = directory.decided(decision.person, past)
    if decision.kind != kind:
        raise refuse("wrong_stage", f"the decision is to {decision.kind}, not to {kind}")
    if decision.realm != directory.realm:
        raise refuse("wrong_realm", f"the decision was made for realm {decision.realm}, this is {directory.realm}")
    if decision.case != erasure_stream(*subject):
        raise refuse("wrong_case", f"the decision is about {decision.case}, not about {erasure_stream(*subject)}")
    if decision.role != role or not (past is not None or role in person.roles):
        raise refuse(
            "role_not_held",
            f"this takes the role {role}; {person.name} holds: {', '.join(person.roles) or 'none'}",
            f"Ask somebody who holds the role: {', '.join(directory.holders(role)) or 'nobody yet'}.",
        )
    check_signature(decision, signature, key)
