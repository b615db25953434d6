"""The people: did each sign what is recorded, and did nobody take two parts?"""

from __future__ import annotations

from common.clock import parse_instant
from common.declarations.loader import document_digest
from common.directory import Person
from common.errors import Refused
from common.events import Event
from common.events.approver import (
    ApprovalGiven,
    ApprovalRefused,
    CaseResumed,
    Decision,
    DeclarationActivated,
    DeclarationProposed,
    GapConfirmed,
    GapDisputed,
    OutcomeRecorded,
    PlanReturned,
    ReleaseGiven,
)
from common.events.differ import GapSnapshot
from common.events.model import EventData
from common.proposals import set_digest
from common.signing import check_signature

from auditor.core.checks.answer import Failed, demand
from auditor.core.evidence import Record

_KINDS: dict[type[EventData], str] = {
    DeclarationProposed: "propose",
    DeclarationActivated: "activate",
    GapConfirmed: "confirm",
    GapDisputed: "dispute",
    CaseResumed: "resume",
    ApprovalGiven: "approve",
    ApprovalRefused: "refuse",
    PlanReturned: "return",
    ReleaseGiven: "release",
    OutcomeRecorded: "outcome",
}


def signatures(record: Record) -> str:
    """Every decision carries the valid Ed25519 signature of the person it names, over exactly what it says."""
    keys = [key for person in record.people.values() for key in person.keys]
    demand(len(set(keys)) == len(keys), "two people share one key")
    checked = 0
    for said in record.said:
        kind = _KINDS.get(type(said.data))
        if kind is not None:
            _signature(record, said.event, said.data.decision, kind)
            checked += 1
            demand(said.event.actor == f"person:{said.data.decision.person}", "a decision is recorded as another's")
    demand(checked > 0, "no decision is among the records")
    return f"all {checked} decisions carry the valid signature of the person they name, over exactly what they say"


def _signature(record: Record, event: Event, decision: Decision, kind: str) -> None:
    where = f"record {record.numbers([event.id])[0]}"
    person = record.people.get(decision.person)
    if person is None:
        raise Failed(f"{where}: the key of {decision.person} is not in the file")
    key = key_at(person, event.time)
    if key is None:
        raise Failed(f"{where} is of {event.time}, and {decision.person} had left by {person.until}")
    try:
        check_signature(decision, event.signature, key)
    except Refused as refusal:
        raise Failed(f"{where}: {refusal.message}") from refusal
    demand(decision.kind == kind, f"{where}: {decision.person} signed '{decision.kind}', it is recorded as '{kind}'")
    demand(record.realm is not None and decision.realm == record.realm.realm, f"{where} was signed for another realm")


def key_at(person: Person, time: str) -> str | None:
    """The key that counted for the person at an event's time. Raises `Failed` for what is no time."""
    try:
        return person.key_at(parse_instant(time))
    except (TypeError, ValueError) as error:
        raise Failed(f"{time!r} is no instant") from error


def declarations(record: Record) -> str:
    """Each declaration was proposed by one person and put in force by another, and is what both signed."""
    activations = record.all(DeclarationActivated)
    demand(bool(activations), "no declaration is among the records")
    for said in activations:
        data, where = said.data, f"{said.data.kind} {said.data.name}"
        proposal = record.proposal(said)
        if proposal is None:
            raise Failed(f"{where}: its proposal is not among the records")
        demand(
            data.digest == document_digest(data.kind, data.name, data.spec), f"{where} is not what its digest says"
        )
        demand(
            proposal.data.spec == data.spec and proposal.data.digest == data.digest,
            f"{where} is not what was proposed",
        )
        demand(proposal.position < said.position, f"{where} was in force before it was proposed")
        demand(proposal.data.decision.person == data.author, f"{where} names another author than its proposal")
        demand(data.decision.person != data.author, f"{where} was put in force by its own author, {data.author}")
        demand(
            data.decision.person not in data.authors,
            f"{where} was put in force by {data.decision.person}, who wrote commits of it",
        )
        git = proposal.data.git
        demand(
            proposal.data.decision.git == (None if git is None else git.digest),
            f"{where}: who proposed it signed another origin than the one recorded",
        )
        whole = _set_digest(record, data.proposal)
        demand(
            data.set_digest == whole == proposal.data.set_digest == data.decision.subject
            and proposal.data.decision.subject == whole,
            f"{where}: what was signed is not the set of documents among the records",
        )
        demand(
            data.decision.case == data.proposal == proposal.data.decision.case,
            f"{where}: another proposal was signed",
        )
    return f"all {len(activations)} declarations were written and put in force by different people, who signed them"


def _set_digest(record: Record, proposal: str) -> str:
    proposed = [said.data for said in record.all(DeclarationProposed) if said.data.proposal == proposal]
    return set_digest((item.kind, item.name, item.digest) for item in proposed)


def apart(record: Record) -> str:
    """No person took two parts: author, confirmer, approver, releaser, implementer."""
    taken: dict[str, str] = {}
    for person, part in parts(record):
        demand(
            taken.setdefault(person, part) == part,
            f"{record.name_of(person)} ({person}) was the {taken[person]} and the {part} of this case",
        )
    demand(bool(taken), "nobody took part")
    for case in record.executions:
        people = [said.data.decision.person for said in case.approvals]
        demand(len(set(people)) == len(people), "one person approved one plan twice")
    return (
        f"{len(taken)} people took part, none of them in two of: author, confirmer, approver, releaser, implementer"
    )


_PARTS: dict[type[EventData], str] = {
    GapConfirmed: "confirmer",
    GapDisputed: "confirmer",
    ApprovalGiven: "approver",
    ReleaseGiven: "releaser",
    OutcomeRecorded: "implementer",
}


def parts(record: Record) -> list[tuple[str, str]]:
    """(person, part) of every decision of the case, also of those that no longer stand, and of those who wrote the
    declarations it was found under."""
    found = []
    for said in record.said:
        data = said.data
        if isinstance(data, GapSnapshot):
            activation = record.activation("DesiredState", data.desired_state, said.position)
            wrote = (activation.data.author, *activation.data.authors) if activation else ()
            found += [(person, "author") for person in wrote]
        elif (part := _PARTS.get(type(data))) is not None:
            found.append((data.decision.person, part))
    return found
