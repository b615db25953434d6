"""The approver's desk for declarations: a few people with keys, who propose and activate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from approver.core.drafting import Signed, When
from approver.core.proposals import Declarations, Written, activate, propose
from common import signing
from common.clock import instant
from common.declarations.catalogue import Catalogue
from common.declarations.loader import load
from common.directory import Directory, Person
from common.errors import Refused
from common.events.approver import CommitAuthor, Decision, GitOrigin
from common.proposals import proposal_id, set_digest

from support.walk import at

KEYS = {name: signing.new_key() for name in ("ann", "bob", "eve")}
WHEN = When(at("2026-01-05 09:00"), at("2023-07-03 00:00"))
SYSTEM = """
apiVersion: trueup/v1alpha1
kind: System
metadata: {name: ledger}
spec: {about: Books., owner: finance, production: true, financial: true}
"""


def person(name: str, *roles: str) -> Person:
    return Person(id=name, name=name, roles=roles, key=signing.public_of(KEYS[name]))


DIRECTORY = Directory.of(
    "demo",
    [
        person("ann", "declaration-author", "declaration-approver"),
        person("bob", "declaration-approver"),
        person("eve", "risk"),
    ],
    ["playbook"],
)


@dataclass
class Office:
    declarations: Declarations = field(default_factory=lambda: Declarations(Catalogue()))
    count: int = 0
    git: GitOrigin | None = None
    directory: Directory = field(default_factory=lambda: DIRECTORY)

    def decision(self, kind: str, who: str, subject: str, case: str = "", **more: str) -> Decision:
        self.count += 1
        nonce = f"nonce-{self.count}"
        return Decision.model_validate(
            {
                "kind": kind,
                "realm": "demo",
                "case": case or proposal_id(subject, who, nonce),
                "person": who,
                "role": "declaration-author" if kind == "propose" else "declaration-approver",
                "subject": subject,
                "made_at": instant(WHEN.time),
                "nonce": nonce,
                **more,
            }
        )

    def propose(self, text: str, who: str = "ann", signer: str | None = None, **more: str) -> str:
        documents = load(text, "f.yaml").documents
        subject = set_digest((item.kind, item.name, item.digest) for item in documents)
        decision = self.decision("propose", who, more.pop("subject", subject), **more)
        signed = Signed(decision, signing.sign(decision, KEYS[signer or who]))
        for item in propose(Written(text, "f.yaml", self.git), signed, self.declarations, self.directory, WHEN):
            assert item.version == self.declarations.versions.get(item.event.subject, 0) + 1
            self.declarations.apply(item.event)
        return decision.case

    def activate(self, proposal: str, who: str = "bob", signer: str | None = None, **more: str) -> int:
        known = self.declarations.proposals.get(proposal)
        subject = known.set_digest if known else "0" * 64
        decision = self.decision("activate", who, more.pop("subject", subject), more.pop("case", proposal), **more)
        signed = Signed(decision, signing.sign(decision, KEYS[signer or who]))
        made = activate(signed, self.declarations, self.directory, WHEN)
        for item in made:
            self.declarations.apply(item.event)
        return len(made)


def code(attempt: Callable[[], object]) -> str:
    with pytest.raises(Refused) as caught:
        attempt()
    return caught.value.reason_code


def from_git(*emails: str) -> GitOrigin:
    authors = [CommitAuthor(name=email, email=email, commits=1) for email in emails]
    return GitOrigin(repository="d", branch="main", path="", commit="c" * 40, authors=authors)


def with_emails(**emails: str) -> Directory:
    people = [person.model_copy(update={"emails": (emails[person.id],)}) if person.id in emails else person
              for person in DIRECTORY.people.values()]  # fmt: skip
    return Directory.of("demo", people)


def merged(office: Office, *emails: str, text: str = SYSTEM) -> str:
    office.git = from_git(*emails)
    return office.propose(text, git=office.git.digest)
