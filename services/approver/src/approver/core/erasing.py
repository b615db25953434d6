"""Erasures on their way: one person asks, another approves. Nothing is destroyed here."""

from __future__ import annotations

from common.declarations.catalogue import Catalogue
from common.directory import Directory
from common.erasures import Erasure, check_approval, check_request
from common.errors import Refused
from common.events import EventData, Origin, new_event
from common.events.approver import ErasureApproved, ErasureRequested
from common.ids import erasure_stream

from approver.core.decisions import check_fresh
from approver.core.drafting import NAME, Signed, When
from approver.core.proposals import Numbered


def request(
    signed: Signed, erasure: Erasure, known: bool, catalogue: Catalogue, directory: Directory, when: When
) -> Numbered:
    """The event that records a request. `known`: whether anything was ever observed of the subject. Raises `Refused`.

    Codes: `subject_unknown`, `nothing_sensitive`, `already_requested`, and those of `common.erasures`.
    """
    decision, (entity_type, key) = signed.decision, erasure.subject
    check_fresh(decision, frozenset(erasure.nonces), when.time)
    check_request(decision, signed.signature, erasure.subject, directory)
    spec = catalogue.entity_types.get(entity_type)
    if not known or spec is None:
        raise Refused(
            "subject_unknown", f"nothing was ever observed of {entity_type}/{key}", "Check its type and its key."
        )
    if not spec.sensitive:
        raise Refused(
            "nothing_sensitive",
            f"no column of {entity_type} is sensitive: there is no key to destroy",
            "Declare sensitive columns first; what is stored in the clear can't be erased.",
        )
    if erasure.request is not None:
        raise Refused(
            "already_requested",
            f"the erasure of {entity_type}/{key} is {erasure.status}",
            "List them: trueup ledger erasures",
        )
    data = ErasureRequested(entity_type=entity_type, key=key, decision=decision)
    return _numbered(data, signed, erasure, when)


def approve(signed: Signed, erasure: Erasure, directory: Directory, when: When) -> Numbered:
    """The event that records the approval of another's request. Raises `Refused`.

    Codes: `erasure_unknown`, `already_decided`, and those of `common.erasures`.
    """
    decision, (entity_type, key) = signed.decision, erasure.subject
    check_fresh(decision, frozenset(erasure.nonces), when.time)
    if erasure.request is None:
        raise Refused(
            "erasure_unknown", f"nobody has asked to erase {entity_type}/{key}", "List them: trueup ledger erasures"
        )
    check_approval(decision, signed.signature, erasure.subject, erasure.request, directory)
    if erasure.approval is not None:
        raise Refused("already_decided", f"the erasure of {entity_type}/{key} is {erasure.status}")
    data = ErasureApproved(entity_type=entity_type, key=key, request=erasure.request.id, decision=decision)
    return _numbered(data, signed, erasure, when)


def _numbered(data: EventData, signed: Signed, erasure: Erasure, when: When) -> Numbered:
    origin = Origin(
        source=NAME,
        actor=f"person:{signed.decision.person}",
        time=when.time,
        asof=when.asof,
        cause=erasure.request,
    )
    stream = erasure_stream(*erasure.subject)
    event = new_event(data, stream, origin, signed.decision.nonce, signature=signed.signature)
    return Numbered(event, erasure.version + 1)
