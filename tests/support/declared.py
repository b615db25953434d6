"""Declarations as the ledger takes them: proposed by one person, activated by another, each decision signed."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from common import signing
from common.clock import instant, wall_now
from common.events import Event, Origin, new_event
from common.events.approver import Decision, DeclarationActivated, DeclarationProposed
from common.ids import declaration_stream
from common.proposals import set_digest

AUTHOR, ACTIVATOR = "c.adeyemi", "t.brandt"
_KEY = signing.new_key()


class Document(Protocol):
    """What the loader reads."""

    @property
    def kind(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def spec(self) -> dict[str, Any]: ...
    @property
    def digest(self) -> str: ...


@dataclass(frozen=True)
class Page:
    """A document that nobody loaded."""

    kind: str
    name: str
    spec: dict[str, Any]
    digest: str = "d"


def events(
    documents: Iterable[Document],
    asof: datetime,
    author: str = AUTHOR,
    activator: str = ACTIVATOR,
    realm: str = "demo",
    keys: Mapping[str, str] | None = None,
) -> tuple[list[Event], list[Event]]:
    """The proposals and the activations of `documents`. Signed with people's `keys`; without, with one that nobody
    holds, for services that don't ask who put a declaration in force."""
    page = list(documents)
    proposal = secrets.token_hex(8)
    whole = set_digest((item.kind, item.name, item.digest) for item in page)
    signed: dict[str, Any] = {"realm": realm, "case": proposal, "subject": whole, "made_at": instant(wall_now())}
    nonce = secrets.token_hex(8)
    first = Decision(kind="propose", person=author, role="declaration-author", nonce=nonce, **signed)
    second = Decision(kind="activate", person=activator, role="declaration-approver", nonce=nonce, **signed)
    proposed, activated = [], []
    for item in page:
        body: dict[str, Any] = {
            "proposal": proposal, "kind": item.kind, "name": item.name, "spec": item.spec, "digest": item.digest,
            "set_digest": whole,
        }  # fmt: skip
        one = DeclarationProposed(**body, documents=len(page), file="t.yaml", decision=first)
        two = DeclarationActivated(**body, declared_version=1, author=author, decision=second)
        proposed.append(_event(one, item, asof, keys))
        activated.append(_event(two, item, asof, keys))
    return proposed, activated


def _event(
    data: DeclarationProposed | DeclarationActivated, item: Document, asof: datetime, keys: Mapping[str, str] | None
) -> Event:
    person = data.decision.person
    origin = Origin(source="approver", actor=f"person:{person}", time=wall_now(), asof=asof)
    stream = declaration_stream(item.kind, item.name)
    signature = signing.sign(data.decision, _KEY if keys is None else keys[person])
    return new_event(data, stream, origin, secrets.token_hex(4), signature=signature)
