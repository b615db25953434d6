"""Declarations come into force by two people, and only as they were signed."""

from __future__ import annotations

import pytest
from approver.api.proposals import shown
from approver.core.drafting import Signed
from approver.core.proposals import Written, activate, propose
from common import signing
from common.declarations.catalogue import Catalogue
from common.declarations.loader import load
from common.errors import Permanent, Refused
from common.events import Origin, new_event
from common.events.approver import DeclarationActivated, DeclarationProposed
from common.events.differ import ChangePreviewed
from common.ids import preview_stream
from common.proposals import set_digest
from support.casework import FINDINGS
from support.offices import DIRECTORY, KEYS, SYSTEM, WHEN, Office, code, from_git, merged, with_emails


def test_a_file_is_proposed_and_activated_as_one_unit() -> None:
    office = Office()
    proposal = office.propose(FINDINGS.read_text())
    assert office.declarations.status(office.declarations.proposal(proposal)) == "proposed"
    assert office.declarations.catalogue.documents == {}
    count = office.activate(proposal)
    assert count == len(office.declarations.catalogue.documents) == len(load(FINDINGS.read_text(), "f").documents)
    assert office.declarations.catalogue.author_of("money-findings-closed") == "ann"
    assert office.declarations.status(office.declarations.proposal(proposal)) == "active"


def test_the_author_can_not_activate_what_they_wrote() -> None:
    office = Office()
    proposal = office.propose(SYSTEM)
    assert code(lambda: office.activate(proposal, "ann")) == "author_decides"
    assert office.declarations.catalogue.documents == {}


def test_only_the_role_proposes_and_only_the_role_activates() -> None:
    office = Office()
    assert code(lambda: office.propose(SYSTEM, "eve")) == "role_not_held"
    proposal = office.propose(SYSTEM)
    assert code(lambda: office.activate(proposal, "eve")) == "role_not_held"
    assert code(lambda: office.activate(proposal, "bob", role="declaration-author")) == "role_not_held"


def test_nobody_signs_for_somebody_else() -> None:
    office = Office()
    assert code(lambda: office.propose(SYSTEM, "ann", signer="eve")) == "signature_invalid"
    proposal = office.propose(SYSTEM)
    assert code(lambda: office.activate(proposal, "bob", signer="ann")) == "signature_invalid"


def test_what_is_sent_must_be_what_was_signed() -> None:
    office = Office()
    assert code(lambda: office.propose(SYSTEM, subject="0" * 64)) == "stale_digest"
    assert code(lambda: office.propose(SYSTEM, case="p-000000000000")) == "wrong_case"
    proposal = office.propose(SYSTEM)
    assert code(lambda: office.activate(proposal, subject="0" * 64)) == "stale_digest"
    assert code(lambda: office.activate(proposal, realm="production")) == "wrong_realm"
    assert code(lambda: office.activate("p-nothing")) == "proposal_unknown"


def test_software_proposes_nothing() -> None:
    office = Office()
    decision = office.decision("propose", "ann", "0" * 64).model_copy(update={"person": "agent:git/1"})
    signed = Signed(decision, signing.sign(decision, KEYS["ann"]))
    assert (
        code(lambda: propose(Written(SYSTEM, "f"), signed, office.declarations, DIRECTORY, WHEN)) == "agent_identity"
    )


def test_a_faulty_declaration_is_refused_with_file_and_line() -> None:
    office = Office()
    with pytest.raises(Refused) as caught:
        office.propose(SYSTEM.replace("financial: true", "finacial: true"))
    assert caught.value.reason_code == "invalid_declaration"
    assert "f.yaml:5" in caught.value.message and "financial" in caught.value.message


def test_an_expression_that_does_not_compile_is_refused() -> None:
    office = Office()
    text = FINDINGS.read_text().replace("expect: position == 'complete'", "expect: positon == 'complete'", 1)
    with pytest.raises(Refused) as caught:
        office.propose(text)
    assert caught.value.reason_code == "invalid_declaration" and "positon" in caught.value.message


def test_a_proposal_is_activated_once() -> None:
    office = Office()
    proposal = office.propose(SYSTEM)
    office.activate(proposal)
    assert code(lambda: office.activate(proposal)) == "already_decided"


def test_what_is_in_force_already_is_not_proposed_again() -> None:
    office = Office()
    office.activate(office.propose(SYSTEM))
    assert code(lambda: office.propose(SYSTEM)) == "nothing_to_change"


def test_a_new_version_counts_up_and_replaces_the_former() -> None:
    office = Office()
    first = office.propose(SYSTEM)
    office.activate(first)
    second = office.propose(SYSTEM.replace("Books.", "The books."))
    office.activate(second)
    active = office.declarations.active["System", "ledger"]
    assert (active.declared_version, active.proposal) == (2, second)
    assert office.declarations.status(office.declarations.proposal(first)) == "replaced"


def test_unchanged_documents_of_a_proposal_keep_their_author() -> None:
    office = Office()
    office.activate(office.propose(SYSTEM))
    two = SYSTEM + "---" + SYSTEM.replace("name: ledger", "name: other")
    assert office.activate(office.propose(two)) == 1
    assert office.declarations.active["System", "ledger"].declared_version == 1


def test_a_proposal_that_no_longer_fits_what_is_active_is_not_activated() -> None:
    office = Office()
    office.activate(office.propose(FINDINGS.read_text()))
    policy = next(text for text in FINDINGS.read_text().split("---") if "kind: ApprovalPolicy" in text)
    proposal = office.propose(policy.replace("expires: 5 business days", "expires: 3 business days"))
    office.declarations.catalogue = Catalogue()
    assert code(lambda: office.activate(proposal)) == "invalid_declaration"


def test_the_events_carry_the_persons_signature_and_their_cause() -> None:
    office = Office()
    documents = load(SYSTEM, "f").documents
    subject = set_digest((item.kind, item.name, item.digest) for item in documents)
    decision = office.decision("propose", "ann", subject)
    signature = signing.sign(decision, KEYS["ann"])
    (made,) = propose(Written(SYSTEM, "f"), Signed(decision, signature), office.declarations, DIRECTORY, WHEN)
    assert (made.event.type, made.event.signature, made.event.actor) == (
        DeclarationProposed.TYPE,
        signature,
        "person:ann",
    )
    office.declarations.apply(made.event)
    approval = office.decision("activate", "bob", subject, decision.case)
    (active,) = activate(Signed(approval, signing.sign(approval, KEYS["bob"])), office.declarations, DIRECTORY, WHEN)
    assert active.event.causationid == made.event.id
    assert DeclarationActivated.of(active.event).author == "ann"


CHANGED = SYSTEM.replace("about: Books.", "about: The books.")
OTHER = SYSTEM.replace("name: ledger", "name: archive")


def status(office: Office, proposal: str) -> str:
    return office.declarations.status(office.declarations.proposal(proposal))


def test_what_waits_already_is_not_proposed_again() -> None:
    office = Office()
    office.propose(SYSTEM)
    assert code(lambda: office.propose(SYSTEM)) == "already_proposed"
    assert len(office.declarations.proposals) == 1


def test_a_proposal_that_its_author_made_anew_waits_for_nobody() -> None:
    office = Office()
    first, second = office.propose(SYSTEM), office.propose(CHANGED + "---" + OTHER)
    assert (status(office, first), status(office, second)) == ("superseded", "proposed")
    assert code(lambda: office.activate(first)) == "superseded"
    assert office.activate(second) == 2
    third = office.propose(SYSTEM)
    assert status(office, third) == "proposed", "what was superseded may be proposed again"


def test_a_newer_proposal_of_less_supersedes_nothing() -> None:
    office = Office()
    first = office.propose(SYSTEM + "---" + OTHER)
    office.propose(CHANGED)
    assert status(office, first) == "proposed"
    assert office.activate(first) == 2


def test_one_proposal_shows_its_documents_and_what_they_replace() -> None:
    office = Office()
    office.activate(office.propose(SYSTEM))
    asked = office.declarations.proposal(office.propose(CHANGED))
    (document,) = shown(asked, office.declarations, DIRECTORY, "bob", whole=True).documents
    assert (document.change, document.spec["about"]) == ("changed", "The books.")  # type: ignore[index]
    assert document.in_force is not None and document.in_force["about"] == "Books."
    (listed,) = shown(asked, office.declarations, DIRECTORY, "bob").documents
    assert (listed.spec, listed.in_force) == (None, None), "lists stay short"


def previewed(office: Office, proposal: str, active: str | None = None) -> str:
    """The differ says what the proposal would change; the digest to sign."""
    whole = office.declarations.proposals[proposal].set_digest
    beside = office.declarations.catalogue.digest if active is None else active
    data = ChangePreviewed(proposal=proposal, set_digest=whole, active=beside, states=[])
    origin = Origin(source="differ", actor="service:differ", time=WHEN.time, asof=WHEN.asof)
    office.declarations.apply(new_event(data, preview_stream(proposal), origin, beside))
    return data.digest


def test_who_activates_has_seen_what_it_would_change() -> None:
    office = Office()
    proposal = office.propose(SYSTEM)
    digest = previewed(office, proposal)
    assert code(lambda: office.activate(proposal)) == "preview_unseen"
    assert code(lambda: office.activate(proposal, preview="0" * 64)) == "preview_unseen"
    assert office.activate(proposal, preview=digest) == 1
    active = office.declarations.active["System", "ledger"]
    assert active.decision.preview == digest, "what was seen is part of what is signed and recorded"


def test_a_preview_beside_what_is_no_longer_active_is_none() -> None:
    office = Office()
    proposal = office.propose(SYSTEM)
    digest = previewed(office, proposal, active="something else")
    assert code(lambda: office.activate(proposal, preview=digest)) == "preview_unseen"
    page = shown(office.declarations.proposal(proposal), office.declarations, DIRECTORY, "bob", whole=True)
    assert page.preview is not None and not page.preview.current
    assert page.actions[0].decision.get("preview") is None
    assert office.activate(proposal) == 1


def test_what_is_in_force_is_not_given_up_for_what_counts_later() -> None:
    office = Office()
    text = FINDINGS.read_text()
    later = text.replace("effective: 2023-07-01", "effective: 2023-12-01")
    office.activate(office.propose(text))
    assert code(lambda: office.propose(later)) == "effective_later"


def test_what_counts_later_may_come_first() -> None:
    office = Office()
    later = FINDINGS.read_text().replace("effective: 2023-07-01", "effective: 2023-12-01")
    office.activate(office.propose(later))
    assert office.activate(office.propose(later.replace("soak: 30 days", "soak: 31 days"))) == 1


def test_a_commit_by_nobody_who_is_known_blocks_the_activation() -> None:
    office = Office(directory=with_emails(ann="ann@example.org"))
    proposal = merged(office, "ann@example.org", "mallory@example.org")
    assert code(lambda: office.activate(proposal)) == "author_unmapped"
    page = shown(office.declarations.proposal(proposal), office.declarations, office.directory, "bob")
    assert page.git is not None
    assert [(one.email, one.person) for one in page.git.writers] == [
        ("ann@example.org", "ann"), ("mallory@example.org", None),
    ]  # fmt: skip
    assert page.actions == []
    office.directory = with_emails(ann="ann@example.org", eve="Mallory@Example.org")  # the operator says who it is
    assert office.activate(proposal) == 1
    active = office.declarations.active["System", "ledger"]
    assert (active.author, active.authors) == ("ann", ["eve"])


def test_who_wrote_a_commit_can_not_activate_it() -> None:
    office = Office(directory=with_emails(ann="ann@example.org", bob="bob@example.org"))
    proposal = merged(office, "ann@example.org", "bob@example.org")
    assert code(lambda: office.activate(proposal)) == "author_decides"


def test_who_wrote_a_commit_takes_part_as_an_author() -> None:
    office = Office(directory=with_emails(eve="eve@example.org"))
    office.activate(merged(office, "eve@example.org", text=FINDINGS.read_text()))
    assert office.declarations.catalogue.authors_of("money-findings-closed") == ("ann", "eve")


def test_where_it_comes_from_is_signed() -> None:
    office = Office(directory=with_emails(ann="ann@example.org"))
    office.git = from_git("ann@example.org")
    assert code(lambda: office.propose(SYSTEM)) == "stale_digest"
    assert code(lambda: office.propose(SYSTEM, git=from_git("bob@example.org").digest)) == "stale_digest"


def test_two_people_do_not_share_an_address() -> None:
    with pytest.raises(Permanent, match="email"):
        with_emails(ann="one@example.org", bob="ONE@example.org")


def test_going_back_is_another_change_by_two_people() -> None:
    office = Office()
    office.activate(office.propose(SYSTEM))
    office.activate(office.propose(SYSTEM.replace("Books.", "Other books.")))
    assert code(lambda: office.activate(office.propose(SYSTEM), "ann")) == "author_decides"
    office.activate(list(office.declarations.proposals)[-1])
    active = office.declarations.active["System", "ledger"]
    assert (active.declared_version, active.spec["about"]) == (3, "Books.")
