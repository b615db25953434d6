"""The attestation document: one line of canonical JSON that carries its own evidence.

    {trueup, realm, case, issued, simulated, statement, narrative, evidence, people, service_keys, declarations,
     digest}

`evidence` is the index: `{n, position, event, sha256}`, ascending positions, `event` being the exact bytes as text.
`people` are the directory's entries, with public keys, of everybody who decided something in it; `service_keys` the
public keys that services signed records with, each with the time for which it counts. `digest` is the SHA-256 of the
canonical bytes of everything else. The head (all but evidence, narrative and digest) is what AttestationIssued
carries, so that the document can be written again from the ledger at any time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from common.canonical import canonical
from common.canonical import digest as digest_of
from common.declarations.computing import MAX_CASE_EVENTS
from common.directory import Person
from common.errors import Permanent
from common.events.approver import Decision, DeclarationActivated
from common.events.envelope import Event
from common.service_keys import ServiceKeys, TrustedKey

from auditor.core import narrative, statement
from auditor.core.evidence import Exhibit, Record, numbered

FORMAT = "attestation/v2"
MARK = b'"trueup":"attestation/'
"""What every attestation has in it, one that was damaged or tampered with too."""
MAX_BYTES = 32 * 1024 * 1024
MAX_EVIDENCE = 5_000 + MAX_CASE_EVENTS + 1
"""Room for the events of one case as large as cases may be; of one beyond that one more, which shows it."""
_PARTS = {
    "trueup", "realm", "case", "issued", "simulated", "statement", "narrative", "evidence", "people", "service_keys",
    "declarations", "digest",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Attestation:
    """A document, taken apart. `head` is what AttestationIssued.statement holds."""

    head: dict[str, Any]
    narrative: str
    exhibits: tuple[Exhibit, ...]
    hashes: tuple[str, ...]
    digest: str

    @property
    def case(self) -> str:
        return str(self.head["case"])

    def people(self) -> list[Person]:
        """The people's entries. Raises pydantic's ValidationError."""
        return [Person.model_validate(entry) for entry in self.head["people"]]

    def service_keys(self) -> ServiceKeys:
        """The services' keys. Raises pydantic's ValidationError, `Permanent`."""
        entries = [TrustedKey.model_validate(entry) for entry in self.head["service_keys"]]
        return ServiceKeys.of(str(self.head["realm"]), entries)

    def record(self) -> Record:
        return Record(self.case, self.exhibits, self.people(), self.service_keys())

    def body(self) -> dict[str, Any]:
        """Everything that the digest is over."""
        evidence = [
            {"n": item.n, "position": item.position, "event": item.raw.decode(), "sha256": known}
            for item, known in zip(self.exhibits, self.hashes, strict=True)
        ]
        return {**self.head, "narrative": self.narrative, "evidence": evidence}

    def encode(self) -> bytes:
        """The file: one line of canonical JSON, without a newline."""
        return canonical({**self.body(), "digest": self.digest})


def sha256(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


def issue(
    realm: str,
    case_id: str,
    issued: str,
    records: Iterable[tuple[int, bytes]],
    people: Iterable[Person],
    service_keys: ServiceKeys,
) -> Attestation:
    """The attestation of a closed case from its records, (position, exact bytes), at the realm's instant `issued`.

    `people` is the directory; those who decided nothing here are left out, and so are keys of `service_keys` that
    signed nothing here. Raises `Permanent` for bytes that are no
    event, ValueError when the case is not closed or too much evidence is given.
    """
    exhibits = numbered(records)
    if len(exhibits) > MAX_EVIDENCE:
        raise ValueError(f"{len(exhibits)} records; an attestation holds at most {MAX_EVIDENCE}")
    known = deciders(exhibits)
    record = Record(case_id, exhibits, [person for person in people if person.id in known], service_keys)
    if record.case.closed is None:
        raise ValueError(f"case {case_id} is not closed")
    head = {
        "trueup": FORMAT,
        "realm": realm,
        "case": case_id,
        "issued": issued,
        "simulated": simulated(record),
        "statement": statement.state(record),
        "people": people_used(record),
        "service_keys": service_keys_used(record),
        "declarations": declarations_used(record),
    }
    return assemble(head, narrative.write(record, issued), exhibits)


def assemble(head: dict[str, Any], text: str, exhibits: Sequence[Exhibit]) -> Attestation:
    """The attestation with this content; its hashes and digest are computed."""
    hashes = tuple(sha256(item.raw) for item in exhibits)
    unsealed = Attestation(head, text, tuple(exhibits), hashes, "")
    return Attestation(head, text, tuple(exhibits), hashes, digest_of(unsealed.body()))


def simulated(record: Record) -> bool:
    """Whether anything in it was made up for a demonstration: an observation, or a person."""
    return bool(record.simulated) or any(person.simulated for person in record.people.values())


def people_used(record: Record) -> list[dict[str, Any]]:
    return [person.model_dump(mode="json") for _, person in sorted(record.people.items())]


def service_keys_used(record: Record) -> list[dict[str, Any]]:
    """The keys that services signed the records with."""
    used = record.service_keys.used_by(item.event for item in record.exhibits)
    return [key.model_dump(mode="json") for key in used]


def declarations_used(record: Record) -> list[dict[str, Any]]:
    """Every declaration in evidence, with the event that put it in force."""
    return [
        {
            "kind": said.data.kind,
            "name": said.data.name,
            "version": said.data.declared_version,
            "digest": said.data.digest,
            "event": said.event.id,
        }
        for said in record.all(DeclarationActivated)
    ]


def deciders(exhibits: Sequence[Exhibit]) -> set[str]:
    """The ids of everybody who decided something in these records, and of the declarations' authors."""
    people = set()
    for item in exhibits:
        if (decider := decided_by(item)) is not None:
            people.add(decider)
        if isinstance(author := item.event.data.get("author"), str):
            people.add(author)
    return people


def decided_by(item: Exhibit) -> str | None:
    """The id of the person whose decision the record holds."""
    decision = item.event.data.get("decision")
    return Decision.model_validate(decision).person if isinstance(decision, dict) else None


def parse(raw: bytes) -> Attestation:
    """Take a file apart, checking nothing but its shape. Raises `Permanent` when it has another: `no_attestation` for
    what can't be read as one at all, `unreadable` for one with parts that are missing or strange."""
    content = _content(raw)
    if set(content) != _PARTS:
        odd = ", ".join(sorted(set(content) ^ _PARTS))
        raise Permanent("unreadable", f"parts of an attestation are missing or unknown: {odd}")
    try:
        index = content.pop("evidence")
        exhibits = tuple(_exhibit(entry) for entry in index)
        hashes = tuple(str(entry["sha256"]) for entry in index)
        text, sealed = content.pop("narrative"), content.pop("digest")
        _texts(text, sealed, content["case"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Permanent("unreadable", f"the evidence index can't be read: {error}") from error
    return Attestation(content, text, exhibits, hashes, sealed)


def _content(raw: bytes) -> dict[str, Any]:
    if len(raw) > MAX_BYTES:
        raise Permanent("no_attestation", f"{len(raw)} bytes; an attestation has at most {MAX_BYTES}")
    if not raw:
        raise Permanent("no_attestation", "the file is empty")
    try:
        content = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Permanent("no_attestation", f"this is not JSON: {error}") from error
    if not isinstance(content, dict) or content.get("trueup") != FORMAT:
        raise Permanent("no_attestation", f"this is not a Trueup attestation of the format {FORMAT}")
    return content


def _texts(*values: object) -> None:
    if not all(isinstance(value, str) for value in values):
        raise TypeError("narrative, digest and case are texts")


def _exhibit(entry: dict[str, Any]) -> Exhibit:
    if set(entry) != {"n", "position", "event", "sha256"}:
        raise TypeError("an entry has n, position, event and sha256")
    n, position, event = entry["n"], entry["position"], entry["event"]
    if type(n) is not int or type(position) is not int or not isinstance(event, str):
        raise TypeError("n and position are whole numbers, event is text")
    raw = event.encode()
    return Exhibit(n, position, Event.decode(raw), raw)
