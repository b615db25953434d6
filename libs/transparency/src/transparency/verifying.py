"""Verifying a bundle offline, part by part, in the order in which the parts rest on each other.

Signatures and quorum → bytes of events → leaf → root → consistency → the statement's signature → versions of
streams → what was signed of the files. Once something does not hold, what rests on it is not asked. Trust comes from
outside: the policy says which log and witnesses, the list of service keys says whose key signed the statement.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from hashlib import sha256
from typing import Any, NamedTuple

from transparency import canonical, statements
from transparency.bundles import ATTESTATION, CHECKPOINT, EVENTS, POLICY, STATEMENT, Bundle, subjects_of
from transparency.errors import Malformed, TransparencyError, Unverified
from transparency.folding import Folding
from transparency.merkle import verify_consistency
from transparency.notes import verify_ed25519
from transparency.policies import Accepted, Policy
from transparency.proofs import HEADER, Proof
from transparency.statements import Statement
from transparency.text import decode_base64

VERIFIED, FAILED, COULD_NOT = 0, 1, 2
ISSUED = "trueup.attestation.issued.v1"
"""The type of the event that records an attestation's digest."""

_EXTRA = HEADER.encode() + b"\nextra "
_TRUST = ("archive", "policy", "statement_key")
"""Without these nothing is known, or only that the bundle agrees with itself."""


@dataclass(frozen=True)
class Trust:
    """What the examiner had before: neither of these comes out of the bundle.

    `policy`: a tlog-policy. `service_keys`: `{"realm", "keys": [{"service", "key", "since", "until"}]}`.
    """

    policy: bytes | None = None
    service_keys: bytes | None = None


@dataclass(frozen=True)
class Check:
    """`name` is stable; `detail` says what was checked and found. `ok` None: not checked, and `detail` says why."""

    name: str
    ok: bool | None
    detail: str


@dataclass(frozen=True)
class Verdict:
    """Every check, in order. `bundle` is None when it could not be read."""

    checks: tuple[Check, ...]
    bundle: Bundle | None = None

    @property
    def exit_code(self) -> int:
        """0: verified. 1: something does not hold. 2: it could not be checked, or only against itself."""
        if any(check.ok is False for check in self.checks):
            return FAILED
        lacking = [name for name in _TRUST if not any(c.name == name and c.ok for c in self.checks)]
        return COULD_NOT if lacking else VERIFIED


class _NotChecked(Exception):
    """It can't be said, and nothing rests on it that could not be asked."""


def verify(raw: bytes, trust: Trust) -> Verdict:
    """Check the bundle `raw`. Never raises for what is in it or in `trust`."""
    try:
        bundle = Bundle.read(raw)
    except Malformed as error:
        return Verdict((Check("archive", None, f"could not be read: {error.message}"),))
    told = f"a zip file with {len(bundle.files)} files, {sum(map(len, bundle.files.values())):,} bytes"
    checks = [Check("archive", True, told)]
    if trust.policy is not None:
        try:
            Policy.parse(trust.policy)
        except Malformed as error:
            checks.append(Check("policy", None, f"the policy that you gave can't be read: {error.message}"))
            return Verdict(tuple(checks), bundle)
    asking = _Asking(bundle, trust)
    for name, question in asking.questions():
        checks.append(_asked(name, question, checks))
    return Verdict(tuple(checks), bundle)


def _asked(name: str, question: Callable[[], str], before: list[Check]) -> Check:
    failed = next((check.name for check in before if check.ok is False), None)
    if failed is not None:
        return Check(name, None, f"not checked, because {failed.replace('_', ' ')} does not hold")
    try:
        return Check(name, True, question())
    except _NotChecked as told:
        return Check(name, None, f"not checked: {told}")
    except TransparencyError as error:
        return Check(name, False, error.message)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        # What a stranger's file holds may be of any shape: what can't be read does not hold.
        return Check(name, False, f"it can't be read: {type(error).__name__}: {' '.join(str(error).split())[:200]}")


class _Event(NamedTuple):
    """What is asked of an event later. `issued` is the digest of the attestation that it records."""

    source: str
    id: str
    subject: str
    version: object
    case: str | None
    time: str
    issued: str | None

    @classmethod
    def of(cls, event: dict[str, Any]) -> _Event:
        get = event.get
        issued = event["data"]["digest"] if event["type"] == ISSUED else None
        return cls(
            event["source"], event["id"], event["subject"], get("streamversion"), get("caseid"), event["time"], issued
        )


@dataclass
class _Asking:
    """The questions about one bundle; what an earlier one found, later ones use."""

    bundle: Bundle
    trust: Trust
    accepted: dict[bytes, Accepted] = field(default_factory=dict)
    """By checkpoint; the bundle's own is first."""
    records: list[bytes] = field(default_factory=list)
    events: list[_Event] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)

    def questions(self) -> list[tuple[str, Callable[[], str]]]:
        return [
            ("contents", self.contents),
            ("checkpoint", self.checkpoint),
            ("policy", self.policy_trusted),
            ("event_bytes", self.event_bytes),
            ("inclusion", self.inclusion),
            ("consistency", self.consistency),
            ("statement", self.statement),
            ("streams", self.streams),
            ("files", self.subjects),
            ("attestation", self.attestation),
            ("statement_key", self.statement_key),
        ]

    @cached_property
    def policy(self) -> Policy:
        return Policy.parse(self.bundle.files[POLICY] if self.trust.policy is None else self.trust.policy)

    @cached_property
    def signed(self) -> Statement:
        return statements.opened(self.bundle.files[STATEMENT])

    @cached_property
    def document(self) -> dict[str, Any]:
        return canonical.parse(self.bundle.files[ATTESTATION].removesuffix(b"\n"), "the attestation")

    def accept(self, note: bytes) -> Accepted:
        if note not in self.accepted:
            self.accepted[note] = self.policy.accept(note)
        return self.accepted[note]

    def contents(self) -> str:
        """Nothing that a bundle has is missing."""
        if self.bundle.missing:
            raise Malformed("bundle_incomplete", f"it lacks {', '.join(self.bundle.missing)}")
        return "every part of a bundle is there"

    def checkpoint(self) -> str:
        """A log and a quorum of witnesses signed the checkpoint."""
        accepted = self.accept(self.bundle.files[CHECKPOINT])
        head = accepted.checkpoint
        seen = ", ".join(accepted.witnesses) or "no witness (the policy asks for none)"
        return f"signed by the log {head.origin} at {head.size:,} events; cosigned by {seen}"

    def policy_trusted(self) -> str:
        """Whose policy it was that the checkpoint satisfies."""
        if self.trust.policy is None:
            raise _NotChecked(
                "the bundle's own policy was used, which shows only that the bundle agrees with itself. Ask for the "
                "policy another way than the bundle, and give it: --policy FILE"
            )
        same = self.trust.policy == self.bundle.files[POLICY]
        told = "the bundle's own says the same" if same else "the bundle's own differs, and was not used"
        return f"yours was used; {told}"

    def event_bytes(self) -> str:
        """Every line is the canonical form of one event."""
        self.records, self.events = canonical.lines(self.bundle.files[EVENTS], _Event.of)
        if len({(event.source, event.id) for event in self.events}) != len(self.events):
            raise Unverified("event_twice", "two events have the same source and id")
        return f"each of the {len(self.records):,} events is in its canonical form (RFC 8785)"

    def inclusion(self) -> str:
        """Every event is in the log, where its proof says."""
        proofs = self.bundle.proofs
        if len(proofs) != len(self.records):
            raise Unverified("proofs_do_not_match", f"{len(self.records)} events have {len(proofs)} proofs")
        main = self.bundle.files[CHECKPOINT]
        foldings = {main: Folding(self.accept(main), main)}
        tail = b"\n" + main
        for record, (position, raw) in zip(self.records, proofs, strict=True):
            folding = foldings[main]
            if not raw.endswith(tail):
                note = Proof.parse(raw).checkpoint
                folding = foldings.setdefault(note, Folding(self.accept(note), note))
            folding.check(raw, position, record)
            if raw.startswith(_EXTRA):
                raise Unverified("proof_extra", f"the proof of position {position} carries data that nobody signed")
        self.positions = [position for position, _ in proofs]
        return f"each of the {len(proofs):,} events is in the log at its position, as a Merkle proof shows"

    def consistency(self) -> str:
        """Where there are several checkpoints, they are of one log that only grew."""
        main = self.accepted[self.bundle.files[CHECKPOINT]].checkpoint
        given = self.bundle.consistency
        lacking, proven = [], 0
        for head in {accepted.checkpoint for accepted in self.accepted.values()} - {main}:
            if head.origin != main.origin:
                raise Unverified("origin_unexpected", f"proofs are of two logs, {main.origin} and {head.origin}")
            if head.size not in (0, main.size) and head.size < main.size and head.size not in given:
                lacking.append(head.size)
            else:
                verify_consistency(head.size, head.root, main.size, main.root, given.get(head.size, []))
                proven += 1
        if lacking:
            sizes = ", ".join(map(str, sorted(lacking)))
            raise _NotChecked(
                f"that the log at {main.size} continues itself at {sizes}: the bundle has no proof of it"
            )
        if not proven:
            return "one checkpoint covers everything"
        return f"{proven} earlier checkpoints are beginnings of this log"

    def streams(self) -> str:
        """Versions of streams ascend, and those of the case run from 1 without a gap."""
        case, seen = self.signed.predicate["case"], dict[str, int]()
        whole: Counter[bool] = Counter()
        starts: dict[str, bool] = {}
        for event, position in zip(self.events, self.positions, strict=True):
            stream, version = event.subject, event.version
            if version is None:
                continue
            before = seen.get(stream, 0)
            if type(version) is not int or version <= before:
                raise Unverified("stream_disordered", f"position {position} is no later version of {stream}")
            dense = version == before + 1
            if not dense and event.case == case:
                raise Unverified(
                    "stream_gap", f"version {before + 1} of {stream} is not there, though it is the case's own"
                )
            starts[stream] = starts.get(stream, True) and dense
            seen[stream] = version
        whole.update(starts.values())
        part = f"; of {whole[False]} others a part is here" if whole[False] else ""
        return f"{whole[True]} streams run from their first version without a gap{part}"

    def statement(self) -> str:
        """The statement is in-toto's, and its signature holds."""
        return f"an in-toto Statement v1, with a signature by {self.signed.signer.id} that holds"

    def subjects(self) -> str:
        """The statement names every file that is no proof, with the digest that it has."""
        found, signed = subjects_of(self.bundle.files), self.signed.subjects
        missing, added = sorted(set(signed) - set(found)), sorted(set(found) - set(signed))
        if missing or added:
            odd = ", ".join([*(f"{name} is missing" for name in missing), *(f"{name} was added" for name in added)])
            raise Unverified("files_differ", f"the statement is of other files: {odd[:300]}")
        for name, digest in found.items():
            if signed[name] != digest:
                raise Unverified("files_differ", f"{name} is not the file that the statement is about")
        return f"all {len(found)} files beside the proofs are those that the statement names by SHA-256"

    def attestation(self) -> str:
        """The attestation's records are the events, and the log records its digest."""
        body = dict(self.document)
        claimed = body.pop("digest")
        digest = sha256(canonical.encode(body)).hexdigest()
        if claimed != digest or self.signed.predicate["attestation"] != digest:
            raise Unverified("attestation_differs", "the attestation has not the digest that it and its bundle say")
        if body["case"] != self.signed.predicate["case"]:
            raise Unverified("attestation_differs", "attestation and statement are of two cases")
        held = dict(zip(self.positions, self.records, strict=True))
        for entry in body["evidence"]:
            if held.get(entry["position"]) != entry["event"].encode():
                raise Unverified("attestation_differs", f"its record {entry['n']} is not the event at that position")
        place = self._issued(digest)[0]
        return f"its {len(body['evidence'])} records are these events; event {place} of the log records its digest"

    def statement_key(self) -> str:
        """The statement's key is the service's: by a list that you trust, or because it signed the log's event."""
        signer = self.signed.signer
        if self.trust.service_keys is not None:
            if self._listed():
                return f"{signer.id} is a key of the {signer.service} in your list of service keys"
            raise Unverified(
                "service_key_unknown", f"{signer.id} is not in your list of service keys, or no longer counted there"
            )
        place, event = self._issued(str(self.document["digest"]))
        if event.source == signer.service and _signed_with(self.records[self.events.index(event)], signer):
            return f"{signer.id} is the key that signed event {place} of the log, which records this attestation"
        raise _NotChecked(
            f"whether {signer.id} is a key of the {signer.service}. Ask for the list of service keys another way "
            "than the bundle, and give it: --service-keys FILE"
        )

    def _issued(self, digest: str) -> tuple[int, _Event]:
        case = self.signed.predicate["case"]
        for position, event in zip(self.positions, self.events, strict=True):
            if event.case == case and event.issued == digest:
                return position, event
        raise Unverified("attestation_not_logged", "no event in the log records this attestation")

    def _listed(self) -> bool:
        content = json.loads(self.trust.service_keys or b"{}")
        realm, signer = content["realm"], self.signed.signer
        if realm != self.signed.predicate["realm"]:
            raise Unverified("wrong_realm", f"your list of service keys is of the realm {realm}")
        issued = datetime.fromisoformat(self._issued(str(self.document["digest"]))[1].time)
        return any(
            decode_base64(entry["key"], "service key") == signer.public
            and entry["service"] == signer.service
            and datetime.fromisoformat(entry["since"]) <= issued
            and (entry["until"] is None or datetime.fromisoformat(entry["until"]) > issued)
            for entry in content["keys"]
        )


def _signed_with(record: bytes, signer: statements.Signer) -> bool:
    """Whether this key made the event's own signature, over its canonical bytes without it."""
    event = canonical.parse(record, "the event")
    keyid, _, encoded = str(event.pop("signature", "")).rpartition(":")
    return keyid == signer.id and verify_ed25519(
        signer.public, decode_base64(encoded, "signature of an event"), canonical.encode(event)
    )
