"""The file itself: is it what was written, and are its records records?"""

from __future__ import annotations

from common.canonical import digest as digest_of
from common.directory import Directory, Person
from common.errors import Permanent
from common.events import MODELS, WRITER, typed
from common.events.auditor import AttestationIssued
from common.events.upcasting import newest
from common.ids import category

from auditor.core import narrative, statement
from auditor.core.attestation import (
    Attestation,
    decided_by,
    deciders,
    declarations_used,
    people_used,
    service_keys_used,
    sha256,
    simulated,
)
from auditor.core.checks import people
from auditor.core.checks.answer import Failed, demand
from auditor.core.evidence import Exhibit, Record


def canonical_bytes(raw: bytes, document: Attestation) -> str:
    """The file is exactly the RFC 8785 form of its content, byte for byte; editors may end it with a newline."""
    body = raw[:-1] if raw.endswith(b"\n") else raw
    try:
        same = document.encode() == body
    except Permanent as error:
        raise Failed(f"its content has no canonical form: {error.message}") from error
    demand(same, "the bytes are not the canonical form of the content: something was changed or written otherwise")
    told = f"all {len(body)} bytes are the canonical form (RFC 8785) of the content"
    return told if body is raw else f"{told}; the newline after them is no part of it"


def digest(document: Attestation, expected: str | None) -> str:
    """The digest is the content's, and the one that is expected, where one is."""
    try:
        found = digest_of(document.body())
    except Permanent as error:
        raise Failed(f"its content has no canonical form: {error.message}") from error
    demand(found == document.digest, f"the content's digest is {found[:16]}…, the file says {document.digest[:16]}…")
    demand(expected is None or found == expected, f"the digest is {found}, {expected} was expected")
    return f"the content's SHA-256 is the one it carries, {found}"


def event_hashes(document: Attestation) -> str:
    """Each record's SHA-256 is the one in the index."""
    for item, known in zip(document.exhibits, document.hashes, strict=True):
        demand(sha256(item.raw) == known, f"record {item.n} is not the one that was indexed: its SHA-256 differs")
    return f"each of the {len(document.exhibits)} records has the SHA-256 that the index gives"


def events(document: Attestation) -> str:
    """The records are well-formed events of their writers, in ledger order, each once, none left out of a stream."""
    demand(bool(document.exhibits), "there are no records")
    for n, item in enumerate(document.exhibits, start=1):
        demand(item.n == n, f"record {n} of the index is numbered {item.n}")
        _event(document, n)
    positions = [item.position for item in document.exhibits]
    demand(positions[0] >= 0 and positions == sorted(set(positions)), "the records are not in ledger order")
    ids = {(item.event.source, item.event.id) for item in document.exhibits}
    demand(len(ids) == len(positions), "two records have the same id")
    _dense(document)
    return "the records are canonical events, each by the service that may write it, in order, with none left out"


def _event(document: Attestation, n: int) -> None:
    item = document.exhibits[n - 1]
    event = item.event
    demand(event.encode() == item.raw, f"record {n} is not in its canonical form")
    model = MODELS.get(newest(event.type))
    if model is None:
        raise Failed(f"record {n} has the unknown type {event.type}")
    demand(event.type != AttestationIssued.TYPE, f"record {n} is an attestation, which can't be its own evidence")
    demand(WRITER[model.TYPE] == event.source, f"record {n}: {event.source} may not write {event.type}")
    demand(category(event.subject) == model.CATEGORY, f"record {n} stands on the stream {event.subject}")
    try:
        data = typed(event)
    except ValueError as error:
        raise Failed(f"record {n} is no {event.type}: {error}") from error
    if event.caseid is not None:
        demand(event.caseid == document.case, f"record {n} belongs to the case {event.caseid}")
        demand(event.subject == f"{model.CATEGORY}/{event.caseid}", f"record {n} stands on {event.subject}")
        demand(getattr(data, "case", event.caseid) == event.caseid, f"record {n} speaks of another case")


def _dense(document: Attestation) -> None:
    """Of the case's own streams, versions run from 1 without a gap: nothing of the case was left out."""
    versions: dict[str, int] = {}
    for item in document.exhibits:
        if item.event.caseid is None:
            continue
        stream = item.event.subject
        versions[stream] = versions.get(stream, 0) + 1
        known = item.event.streamversion
        demand(
            known is None or known == versions[stream],
            f"record {item.n} is event {known} of {stream} and {versions[stream]} of it are here: one is missing",
        )


def head(document: Attestation, record: Record) -> str:
    """Realm, people, services' keys, declarations and the label of simulation are what the records say."""
    told = document.head
    demand(record.realm is not None and told["realm"] == record.realm.realm, "the realm is not the records' realm")
    demand(told["simulated"] is simulated(record), "the label of what is simulated is not what the records say")
    demand(told["people"] == people_used(record), "the list of people is not in order")
    demand(set(record.people) == deciders(document.exhibits), "the people listed are not those who decided")
    demand(told["service_keys"] == service_keys_used(record), "the keys listed are not those that signed")
    demand(told["declarations"] == declarations_used(record), "the list of declarations is not the records'")
    closed = record.case.closed
    demand(closed is not None and told["issued"] == closed.event.asof, "it was not issued when the case was closed")
    return f"realm {told['realm']}, {len(told['people'])} people and {len(told['declarations'])} declarations match"


def same_statement(document: Attestation, record: Record) -> str:
    """The statement, made again from the records, is the same."""
    demand(statement.state(record) == document.head["statement"], "the statement is not what the records say")
    return "the statement, made again from the records, is the same"


def same_narrative(document: Attestation, record: Record) -> str:
    """The narrative, written again from the records, is the same to the letter."""
    again = narrative.write(record, str(document.head["issued"]))
    if again == document.narrative:
        return "the narrative, written again from the records, is the same to the letter"
    pairs = zip(again.splitlines(), document.narrative.splitlines(), strict=False)
    line = next((n for n, (left, right) in enumerate(pairs, start=1) if left != right), 0)
    raise Failed(f"the narrative is not what the records say (line {line or 'count'})")


def directory(document: Attestation, trusted: Directory) -> str:
    """The people are those of the verifier's own directory, which has the same keys for when they decided."""
    demand(trusted.realm == document.head["realm"], f"your directory is of the realm {trusted.realm}")
    known = {person.id: person for person in trusted.everybody()}
    listed = {person.id: person for person in document.people()}
    for person in listed.values():
        demand(person.id in known, f"{person.id} is not in your directory")
        demand(known[person.id].name == person.name, f"your directory has another name for {person.id}")
        demand(person.key in known[person.id].keys, f"your directory has another key for {person.id}")
    for item in document.exhibits:
        if (decider := decided_by(item)) is not None:
            _same_key(item, listed[decider], known[decider])
    return f"all {len(listed)} people are in your directory, with these keys when they decided"


def _same_key(item: Exhibit, listed: Person, known: Person) -> None:
    """One's own directory says when somebody left and had which key, whatever the file says."""
    own = people.key_at(known, item.event.time)
    demand(own is not None, f"record {item.n} is of {item.event.time}; by your directory {known.id} had left by then")
    same = own == people.key_at(listed, item.event.time)
    demand(same, f"your directory has another key for {known.id} at {item.event.time}")
