"""Declarations on their way into force: one person proposes them, another activates them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from common.activations import Used, against, used_by
from common.declarations.catalogue import Catalogue
from common.declarations.checks import check
from common.declarations.loader import Document, load, parse_spec
from common.declarations.problems import Problem
from common.directory import Directory
from common.errors import Refused
from common.events import Event, Origin, new_event
from common.events.approver import Decision, DeclarationActivated, DeclarationProposed, GitOrigin, Wrote
from common.events.differ import ChangePreviewed
from common.ids import declaration_stream
from common.proposals import proposal_id, set_digest
from common.signing import check_signature

from approver.core.decisions import check_fresh, nonces
from approver.core.drafting import NAME, Signed, When

AUTHOR = "declaration-author"
ACTIVATOR = "declaration-approver"
MOST_DOCUMENTS = 200


@dataclass(slots=True)
class Proposal:
    """One proposal: its documents as they were proposed, and the activations, by (kind, name)."""

    id: str
    proposed: list[tuple[Event, DeclarationProposed]] = field(default_factory=list)
    activated: dict[tuple[str, str], tuple[Event, DeclarationActivated]] = field(default_factory=dict)

    @property
    def author(self) -> str:
        return self.proposed[0][1].decision.person

    @property
    def names(self) -> set[tuple[str, str]]:
        """(kind, name) of its documents."""
        return {(data.kind, data.name) for _, data in self.proposed}

    @property
    def git(self) -> GitOrigin | None:
        return self.proposed[0][1].git

    @property
    def place(self) -> tuple[str, str, str] | None:
        """The repository, branch and folder that it comes from."""
        return None if self.git is None else (self.git.repository, self.git.branch, self.git.path)

    @property
    def set_digest(self) -> str:
        return self.proposed[0][1].set_digest


@dataclass(slots=True)
class Declarations:
    """All that was ever proposed and activated, folded from the category `declaration`; and what the differ said last
    that each proposal would change (`preview`)."""

    catalogue: Catalogue
    proposals: dict[str, Proposal] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    active: dict[tuple[str, str], DeclarationActivated] = field(default_factory=dict)
    nonces: frozenset[str] = frozenset()
    previews: dict[str, tuple[Event, ChangePreviewed]] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    used: set[Used] = field(default_factory=set)

    def apply(self, event: Event, directory: Directory | None = None) -> None:
        """Take in one event, in ledger order. With `directory`, an activation that its people did not sign counts for
        nothing (`refused`). Raises `Permanent` for a declaration that can't be read."""
        if event.type == ChangePreviewed.TYPE:
            preview = ChangePreviewed.of(event)
            self.previews[preview.proposal] = (event, preview)
            return
        self.versions[event.subject] = self.versions.get(event.subject, 0) + 1
        self.nonces |= nonces([event])
        if event.type == DeclarationProposed.TYPE:
            proposed = DeclarationProposed.of(event)
            self.proposals.setdefault(proposed.proposal, Proposal(proposed.proposal)).proposed.append(
                (event, proposed)
            )
        elif event.type == DeclarationActivated.TYPE:
            data = DeclarationActivated.of(event)
            known = self.proposals.get(data.proposal)
            before = [] if known is None else [item for item, _ in known.proposed]
            why = None if directory is None else against(event, before, directory, self.used)
            if why is not None:
                self.refused.append(why)
                return
            self.catalogue = self.catalogue.apply(data)
            self.used.add(used_by(event))
            self.active[data.kind, data.name] = data
            if known is not None:
                known.activated[data.kind, data.name] = (event, data)

    def proposal(self, name: str) -> Proposal:
        """The proposal, or `Refused` (`proposal_unknown`)."""
        found = self.proposals.get(name)
        if found is None:
            raise Refused("proposal_unknown", f"there is no proposal {name}", "List them: trueup proposals")
        return found

    def change(self, kind: str, name: str, content: str) -> str:
        """What activating a document of this digest would do: new, changed or unchanged."""
        now = self.active.get((kind, name))
        return "new" if now is None else "unchanged" if now.digest == content else "changed"

    def preview(self, proposal: str) -> ChangePreviewed | None:
        """What this proposal would change beside what is active now, if that has been said."""
        found = self.previews.get(proposal)
        return found[1] if found is not None and found[1].active == self.catalogue.digest else None

    def changes(self, proposal: Proposal) -> bool:
        """Whether anything in it is not as it is in force."""
        return any(self.change(data.kind, data.name, data.digest) != "unchanged" for _, data in proposal.proposed)

    def from_git(self) -> dict[tuple[str, str, str], Proposal]:
        """What was proposed last from each place in Git."""
        return {place: proposal for proposal in self.proposals.values() if (place := proposal.place) is not None}

    def status(self, proposal: Proposal) -> str:
        """proposed, superseded (the same author has proposed all of it, or what its branch has since, again), active
        (something of it is in force; all of what a branch went back to is), or replaced (newer versions are)."""
        if not proposal.activated:
            if self.newer(proposal) is not None:
                return "superseded"
            return "proposed" if proposal.git is None or self.changes(proposal) else "active"
        standing = [self.active[key].proposal == proposal.id for key in proposal.activated]
        return "active" if any(standing) else "replaced"

    def newer(self, proposal: Proposal) -> Proposal | None:
        """The latest proposal by the same author that covers every document of this one, or comes from the same place
        in Git, if there is one."""
        later = list(self.proposals.values())
        later = [other for other in later[later.index(proposal) + 1 :] if other.author == proposal.author]
        place = proposal.place
        mine = [other for other in later if proposal.names <= other.names or (place and other.place == place)]
        return mine[-1] if mine else None


@dataclass(frozen=True, slots=True)
class Numbered:
    """An event for a declaration's stream, and the version that it must get there."""

    event: Event
    version: int


@dataclass(frozen=True, slots=True)
class Written:
    """What is proposed: the YAML, the name of its file, and which commits it is made of, if it comes from Git."""

    text: str
    file: str
    git: GitOrigin | None = None


def propose(
    written: Written, signed: Signed, declarations: Declarations, directory: Directory, when: When
) -> list[Numbered]:
    """The events that record a proposal. Raises `Refused`. One that changes nothing is recorded where its branch has
    gone back to what is in force: it takes the place of what the branch had, which nobody is to activate any more.

    Codes: `invalid_declaration`, `nothing_to_change`, `already_proposed`, `effective_later`, `role_not_held`,
    `stale_digest` and those of signatures.
    """
    decision = signed.decision
    _check_person(decision, AUTHOR, "propose", directory)
    check_fresh(decision, declarations.nonces, when.time)
    documents = _documents(written.text, written.file, declarations.catalogue)
    digest = set_digest((document.kind, document.name, document.digest) for document in documents)
    _check_subject(decision, digest, proposal_id(digest, decision.person, decision.nonce))
    if decision.git != (None if written.git is None else written.git.digest):
        raise Refused(
            "stale_digest", "what was signed is not where this comes from", "Sign the origin that you send."
        )
    check_signature(decision, signed.signature, directory.person(decision.person).key)
    if any(declarations.change(item.kind, item.name, item.digest) != "unchanged" for item in documents):
        _check_effective(documents, declarations.catalogue, when)
        _check_not_waiting(digest, declarations)
    elif not _goes_back(written.git, declarations):
        raise Refused(
            "nothing_to_change", "all of this is in force already", "Change something, or leave it at that."
        )
    numbered = []
    for document in documents:
        data = DeclarationProposed(
            proposal=decision.case,
            kind=document.kind,
            name=document.name,
            spec=document.spec,
            digest=document.digest,
            set_digest=digest,
            documents=len(documents),
            file=written.file,
            decision=decision,
            git=written.git,
        )
        stream = declaration_stream(document.kind, document.name)
        origin = _origin(decision, when, None)
        event = new_event(data, stream, origin, decision.case, signature=signed.signature)
        numbered.append(Numbered(event, declarations.versions.get(stream, 0) + 1))
    return numbered


def activate(signed: Signed, declarations: Declarations, directory: Directory, when: When) -> list[Numbered]:
    """The events that bring a proposal into force: one for each document that changes something. Raises `Refused`.

    Codes: `author_decides`, `already_decided`, `superseded`, `invalid_declaration` (no longer fits what is active),
    `preview_unseen`, and those of `propose`.
    """
    decision = signed.decision
    check_activator(decision, declarations, directory)
    check_fresh(decision, declarations.nonces, when.time)
    check_signature(decision, signed.signature, directory.person(decision.person).key)
    proposal = declarations.proposal(decision.case)
    documents = [parse_spec(data.kind, data.name, data.spec, data.file) for _, data in proposal.proposed]
    _check_fit(documents, declarations.catalogue)
    _check_effective(documents, declarations.catalogue, when)
    _check_preview(decision, declarations)
    authors = {person for person in writers(proposal, directory).values() if person} - {proposal.author}
    numbered = []
    for cause, proposed in proposal.proposed:
        if declarations.change(proposed.kind, proposed.name, proposed.digest) == "unchanged":
            continue
        former = declarations.active.get((proposed.kind, proposed.name))
        data = DeclarationActivated(
            proposal=proposal.id,
            kind=proposed.kind,
            name=proposed.name,
            spec=proposed.spec,
            digest=proposed.digest,
            set_digest=proposed.set_digest,
            declared_version=former.declared_version + 1 if former else 1,
            author=proposal.author,
            decision=decision,
            wrote=None if proposal.git is None else Wrote(people=sorted(authors)),
        )
        stream = declaration_stream(proposed.kind, proposed.name)
        origin = _origin(decision, when, cause)
        event = new_event(data, stream, origin, proposal.id, signature=signed.signature)
        numbered.append(Numbered(event, declarations.versions.get(stream, 0) + 1))
    if not numbered:
        raise Refused("nothing_to_change", "all of this is in force already", "Nothing needs to be done.")
    return numbered


def _goes_back(git: GitOrigin | None, declarations: Declarations) -> bool:
    """Whether what was proposed last from this place differs from what is in force."""
    last = None if git is None else declarations.from_git().get((git.repository, git.branch, git.path))
    return last is not None and declarations.changes(last)


def _check_not_waiting(digest: str, declarations: Declarations) -> None:
    for waiting in declarations.proposals.values():
        if waiting.set_digest == digest and declarations.status(waiting) == "proposed":
            raise Refused(
                "already_proposed",
                f"{waiting.author} has proposed exactly this as {waiting.id}, and nobody has activated it yet",
                f"Somebody other than {waiting.author} activates it: trueup activate {waiting.id}",
            )


def _check_effective(documents: Sequence[Document], catalogue: Catalogue, when: When) -> None:
    """What counts may not stop to count in favour of what does not count yet: its cases would all close."""
    after = catalogue.with_documents(documents)
    for document in documents:
        name = document.name
        if document.kind != "DesiredState" or name not in catalogue.desired_states or catalogue.missing(name):
            continue
        begins = after.compiled(name).effective
        if catalogue.compiled(name).effective <= when.asof < begins:
            raise Refused(
                "effective_later",
                f"{name} is in force, and this version of it only counts from {document.spec['effective']}: "
                "until then nothing would, and its open cases would close",
                "Leave effective: as it is, and have it activated when it is to count.",
            )


def _check_preview(decision: Decision, declarations: Declarations) -> None:
    """Who activates has seen what it would change, where that is known."""
    known = declarations.preview(decision.case)
    expected = None if known is None else known.digest
    if decision.preview != expected:
        seen = "no preview" if decision.preview is None else f"the preview {decision.preview[:12]}"
        now = "there is none for what is active now" if expected is None else f"it is {expected[:12]} now"
        raise Refused(
            "preview_unseen",
            f"{decision.person} was shown {seen} of what {decision.case} would change, and {now}",
            f"Look at it and decide then: trueup show {decision.case}",
        )


def _origin(decision: Decision, when: When, cause: Event | None) -> Origin:
    return Origin(source=NAME, actor=f"person:{decision.person}", time=when.time, asof=when.asof, cause=cause)


def check_activator(decision: Decision, declarations: Declarations, directory: Directory) -> None:
    """Raise `Refused` unless this person may activate this proposal now. The signature apart."""
    _check_person(decision, ACTIVATOR, "activate", directory)
    proposal = declarations.proposal(decision.case)
    if proposal.author == decision.person:
        raise Refused(
            "author_decides",
            f"{decision.person} proposed {proposal.id} and can't activate it",
            f"Ask somebody else who holds the role {ACTIVATOR}.",
        )
    _check_writers(decision, proposal, directory)
    if proposal.activated:
        raise Refused("already_decided", f"{proposal.id} has been activated", "List what is: trueup proposals")
    if (newer := declarations.newer(proposal)) is not None:
        raise Refused(
            "superseded",
            f"{proposal.author} has proposed all of {proposal.id} anew, as {newer.id}",
            f"Look at that one: trueup show {newer.id}",
        )
    _check_subject(decision, proposal.set_digest, proposal.id)


def writers(proposal: Proposal, directory: Directory) -> dict[str, str | None]:
    """{email: the person who writes commits under it, as the directory has it now; None: nobody is known to}."""
    authors = proposal.git.authors if proposal.git is not None else []
    return {author.email: directory.writer(author.email) for author in authors}


def _check_writers(decision: Decision, proposal: Proposal, directory: Directory) -> None:
    """Every author of a commit is a person who is known, and not the one who decides."""
    found = writers(proposal, directory)
    if proposal.git is not None and not found:
        raise Refused(
            "authors_missing",
            f"{proposal.id} comes from Git and names nobody who wrote it, so anybody could decide about their own",
            "Propose it anew: trueup apply --watch",
        )
    if unknown := sorted(email for email, person in found.items() if person is None):
        raise Refused(
            "author_unmapped",
            f"{proposal.id} has commits by {', '.join(unknown)}, and the directory does not say who that is",
            "Say who: trueup people email PERSON ADDRESS. Until then nobody can activate it.",
        )
    if decision.person in found.values():
        raise Refused(
            "author_decides",
            f"{decision.person} wrote commits of {proposal.id} and can't activate it",
            f"Ask somebody else who holds the role {ACTIVATOR}.",
        )


def _check_person(decision: Decision, role: str, kind: str, directory: Directory) -> None:
    person = directory.person(decision.person)
    if decision.kind != kind:
        raise Refused("wrong_stage", f"the decision is to {decision.kind}, not to {kind}")
    if decision.realm != directory.realm:
        raise Refused("wrong_realm", f"the decision was made for realm {decision.realm}, this is {directory.realm}")
    if decision.role != role or role not in person.roles:
        held = ", ".join(person.roles) or "none"
        raise Refused(
            "role_not_held",
            f"to {kind} declarations takes the role {role}; {person.name} holds: {held}",
            f"Ask somebody who holds the role: {', '.join(directory.holders(role)) or 'nobody yet'}.",
        )


def _check_subject(decision: Decision, digest: str, proposal: str) -> None:
    if decision.subject != digest:
        raise Refused(
            "stale_digest",
            f"what was signed is {decision.subject[:12]}, the documents are {digest[:12]}",
            "Sign what you send: the digest covers kind, name and spec of every document.",
        )
    if decision.case != proposal:
        raise Refused("wrong_case", f"the proposal is called {proposal}, the decision names {decision.case}")


def _documents(text: str, file: str, catalogue: Catalogue) -> list[Document]:
    loaded = load(text, file)
    if loaded.problems:
        raise _invalid(loaded.problems)
    if len(loaded.documents) > MOST_DOCUMENTS:
        raise Refused("invalid_declaration", f"more than {MOST_DOCUMENTS} documents", "Split the file.")
    _check_fit(loaded.documents, catalogue)
    return sorted(loaded.documents, key=lambda document: (document.kind, document.name))


def _check_fit(documents: Sequence[Document], catalogue: Catalogue) -> None:
    problems = check(documents, catalogue)
    if problems:
        raise _invalid(problems)


def _invalid(problems: Sequence[Problem]) -> Refused:
    shown = "\n".join(str(problem) for problem in problems[:20])
    more = f"\n... and {len(problems) - 20} more" if len(problems) > 20 else ""
    return Refused("invalid_declaration", shown + more, "Repair these and check with: trueup validate FILE")
