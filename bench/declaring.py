"""Declarations put into force without a service, as the ledger takes them: proposed and activated by two people."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import asyncpg
from common import signing
from common.canonical import digest
from common.clock import parse_instant, wall_now
from common.declarations.loader import Document
from common.events import Event, Origin, new_event
from common.events.approver import Decision, DeclarationActivated, DeclarationProposed
from common.ids import declaration_stream
from common.ledger import Appended, Ledger, NewEvent

_AUTHOR, _APPROVER = "c.d", "a.b"


async def declare(approver_url: str, realm: str, documents: Iterable[Document], start: str, version: int = 1) -> None:
    """Activate `documents` in the realm, as of `start`; each time as another `version`."""
    page = list(documents)
    key = signing.new_key()
    pool = await asyncpg.create_pool(approver_url, min_size=1, max_size=1)
    try:
        for made in (_proposed, _activated):
            events = [made(realm, item, (len(page), version), start, key) for item in page]
            (answer,) = await Ledger(pool).append([[NewEvent(event) for event in events]])
            assert isinstance(answer, Appended), answer
    finally:
        await pool.close()


def _proposed(realm: str, item: Document, numbers: tuple[int, int], start: str, key: str) -> Event:
    decision = _decision("propose", realm, _AUTHOR, start)
    data = DeclarationProposed(**_body(item), documents=numbers[0], file="bench", decision=decision)
    return _event(data, decision, item, (start, numbers[1]), key)


def _activated(realm: str, item: Document, numbers: tuple[int, int], start: str, key: str) -> Event:
    decision = _decision("activate", realm, _APPROVER, start)
    data = DeclarationActivated(**_body(item), declared_version=numbers[1], author=_AUTHOR, decision=decision)
    return _event(data, decision, item, (start, numbers[1]), key)


def _body(item: Document) -> dict[str, Any]:
    whole = digest([item.digest])
    named: dict[str, Any] = {"kind": item.kind, "name": item.name, "spec": item.spec, "digest": item.digest}
    return named | {"proposal": "p", "set_digest": whole}


def _decision(kind: Any, realm: str, person: str, start: str) -> Decision:
    return Decision(
        kind=kind, realm=realm, case="p", person=person, role="declaration-approver", subject="s", made_at=start,
        nonce="n",
    )  # fmt: skip


def _event(
    data: DeclarationProposed | DeclarationActivated,
    decision: Decision,
    item: Document,
    made: tuple[str, int],
    key: str,
) -> Event:
    actor = f"person:{decision.person}"
    origin = Origin(source="approver", actor=actor, time=wall_now(), asof=parse_instant(made[0]))
    unique = f"bench {made[1]}"
    return new_event(
        data, declaration_stream(item.kind, item.name), origin, unique, signature=signing.sign(decision, key)
    )
