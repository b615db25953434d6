"""Declarations as the ledger takes them: proposed by one person, activated by another, each decision signed."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from common import signing
from common.clock import instant, wall_now
from common.events import Event, Origin, new_event
from common.events.approver import Decision, DeclarationActivated, DeclarationProposed
from common.ids import declaration_stream

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
    documents: Iterable[Document], asof: datetime, author: str = AUTHOR, activator: str = ACTIVATOR
) -> tuple[list[Event], list[Event]]:
    """The proposals and the activations of `documents`. Nothing checks the signatures' keys: nobody holds them."""
    page = list(documents)
    proposal = secrets.token_hex(8)
    proposed, activated = [], []
    for item in page:
        body: dict[str, Any] = {
            "proposal": proposal, "kind": item.kind, "name": item.name, "spec": item.spec, "digest": item.digest,
            "set_digest": "s",
        }  # fmt: skip
        one = DeclarationProposed(**body, documents=len(page), file="t.yaml", decision=_decision("propose", author))
        two = DeclarationActivated(
            **body, declared_version=1, author=author, decision=_decision("activate", activator)
        )
        proposed.append(_event(one, one.decision, item, asof))
        activated.append(_event(two, two.decision, item, asof))
    return proposed, activated


def _decision(kind: Any, person: str) -> Decision:
    role = "declaration-author" if kind == "propose" else "declaration-approver"
    return Decision(
        kind=kind, realm="r", case="p", person=person, role=role, subject="s", made_at=instant(wall_now()), nonce="n"
    )


def _event(
    data: DeclarationProposed | DeclarationActivated, decision: Decision, item: Document, asof: datetime
) -> Event:
    origin = Origin(source="approver", actor=f"person:{decision.person}", time=wall_now(), asof=asof)
    stream = declaration_stream(item.kind, item.name)
    return new_event(data, stream, origin, secrets.token_hex(4), signature=signing.sign(decision, _KEY))
