"""Whether a declaration that is said to be in force was put there by people: by one who wrote it and another. Pure.

Whoever has the approver's login to the database can write both events, and the database knows no keys. So who acts on
declarations asks here, of the events alone and of the directory beside them.
"""

from __future__ import annotations

from collections.abc import Container, Iterable

from common.approvals import refuse
from common.declarations.loader import document_digest
from common.directory import Directory
from common.errors import Permanent, Refused
from common.events import Event
from common.events.approver import Decision, DeclarationActivated, DeclarationProposed
from common.in_words import in_words
from common.proposals import set_digest
from common.signing import check_signature

Used = tuple[str, str]
"""A document's stream, and the nonce of the decision that put a version of it in force."""


def used_by(event: Event) -> Used:
    """What the DeclarationActivated `event` uses up."""
    return event.subject, DeclarationActivated.of(event).decision.nonce


def check_activation(
    event: Event, before: Iterable[Event], directory: Directory, used: Container[Used] = frozenset()
) -> None:
    """Raise `Refused` unless the DeclarationActivated `event` is what two people signed: its author the proposal, all
    of it, and somebody else that it counts. `before` are DeclarationProposed events that stand before it, those of
    its proposal among them; `used` is what activations that count have used up: nobody brings a former version back
    with the signatures that it had then.

    Who decided may have left since, or lost the role. Codes: `already_decided`, `proposal_unknown`, `stale_digest`,
    `author_decides`, `wrong_case`, `wrong_realm`, `wrong_stage`, and those of `Directory.decided` and
    `check_signature`.
    """
    said = DeclarationActivated.of(event)
    where = f"{said.kind} {said.name}"
    if used_by(event) in used:
        raise refuse("already_decided", f"what {said.decision.person} signed has put {where} in force once")
    proposal = [(item, data) for item in before if (data := DeclarationProposed.of(item)).proposal == said.proposal]
    own = [pair for pair in proposal if (pair[1].kind, pair[1].name) == (said.kind, said.name)]
    if not own:
        raise refuse("proposal_unknown", f"nobody proposed {where} before it was activated")
    proposed, data = own[-1]
    author = data.decision.person
    _check(data.decision, "propose", proposed, said.proposal, directory)
    _check(said.decision, "activate", event, said.proposal, directory)
    digest = document_digest(said.kind, said.name, said.spec)
    whole = set_digest((item.kind, item.name, item.digest) for _, item in proposal if item.decision == data.decision)
    if not said.digest == data.digest == digest or not said.set_digest == data.set_digest == whole:
        raise refuse("stale_digest", f"{where} is not what was proposed")
    if not said.decision.subject == data.decision.subject == whole:
        raise refuse("stale_digest", f"{where} is not what was signed")
    if author != said.author or said.decision.person in (author, *said.authors):
        raise refuse("author_decides", f"{where}: {said.decision.person} wrote what they put in force")


def against(
    event: Event, before: Iterable[Event], directory: Directory, used: Container[Used] = frozenset()
) -> str | None:
    """What there is to say against the activation, in words for a log; None where it counts. See `check_activation`.

    Raises nothing: what a hostile writer stored may be anything.
    """
    try:
        check_activation(event, before, directory, used)
    except Refused as refusal:
        return f"{event.subject}: {refusal}"
    except (Permanent, ValueError, KeyError, TypeError) as error:
        return f"{event.subject}: malformed_event: {in_words(error)}"
    return None


def _check(decision: Decision, kind: str, event: Event, proposal: str, directory: Directory) -> None:
    check_signature(decision, event.signature, directory.decided(decision.person, event.time)[1])
    if decision.kind != kind:
        raise refuse("wrong_stage", f"{decision.person} signed to {decision.kind}, not to {kind}")
    if decision.realm != directory.realm:
        raise refuse("wrong_realm")
    if decision.case != proposal:
        raise refuse("wrong_case", f"{decision.person} signed another proposal than {proposal}")
