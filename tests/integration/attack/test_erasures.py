"""The approver's or the observer's login in wrong hands: which erasures the database itself refuses to record."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from cli.stack.realm import Realm
from common.clock import instant, wall_now
from common.erasures import APPROVER, REQUESTER, erasure_digest
from common.events import Event, Origin, new_event
from common.events.approver import Decision, ErasureApproved, ErasureRequested
from common.events.observer import ErasureDone
from common.ids import erased_stream, erasure_stream
from common.ledger import AppendRefused, Ledger, NewEvent
from support.ledgers import connected, name

pytestmark = pytest.mark.integration


@dataclass
class Room:
    """The ledger as approver and observer, and one subject."""

    ledgers: dict[str, Ledger]
    subject: tuple[str, str]

    async def code(self, event: Event) -> str | None:
        """The reason why the database refuses `event`, None when it takes it."""
        (answer,) = await self.ledgers[event.source].append([[NewEvent(event)]])
        return answer.reason_code if isinstance(answer, AppendRefused) else None

    def requested(self, person: str = "ann") -> Event:
        decision = self._decision("erase", person, REQUESTER, erasure_digest(self.subject))
        data = ErasureRequested(entity_type=self.subject[0], key=self.subject[1], decision=decision)
        return self._event(data, erasure_stream(*self.subject), person)

    def approved(self, request: Event, person: str = "bob") -> Event:
        decision = self._decision("approve_erasure", person, APPROVER, request.id)
        kind, key = self.subject
        data = ErasureApproved(entity_type=kind, key=key, request=request.id, decision=decision)
        return self._event(data, erasure_stream(*self.subject), person)

    def done(self, approval: Event) -> Event:
        data = ErasureDone(entity_type=self.subject[0], key=self.subject[1], approval=approval.id, payloads=0)
        return self._event(data, erased_stream(*self.subject), None)

    def _decision(self, kind: Any, person: str, role: str, subject: str) -> Decision:
        return Decision(
            kind=kind, realm="demo", case=erasure_stream(*self.subject), person=person, role=role, subject=subject,
            made_at=instant(wall_now()), nonce=name(),
        )  # fmt: skip

    def _event(self, data: Any, stream: str, person: str | None) -> Event:
        """As its writer would write it; the signature only looks like one, as no database can tell."""
        source, actor = ("approver", f"person:{person}") if person else ("observer", "service:observer")
        origin = Origin(source=source, actor=actor, time=wall_now(), asof=wall_now())
        return new_event(data, stream, origin, name(), signature=person and f"{person}:{'A' * 86}==")


@pytest.fixture
async def room(database: Realm) -> AsyncIterator[Room]:
    async with connected(database, "approver") as approver, connected(database, "observer") as observer:
        yield Room({"approver": Ledger(approver), "observer": Ledger(observer)}, ("file", name()))


def with_decision(event: Event, **change: str) -> Event:
    return replace(event, data={**event.data, "decision": {**event.data["decision"], **change}})


async def test_an_erasure_takes_a_request_and_anothers_approval(room: Room) -> None:
    request = room.requested()
    approval = room.approved(request)
    assert await room.code(room.done(approval)) == "erasure_not_approved"
    assert await room.code(approval) == "erasure_unknown"
    assert await room.code(request) is None
    assert await room.code(room.approved(request, "ann")) == "requester_decides"
    assert await room.code(room.done(request)) == "erasure_not_approved"
    assert await room.code(approval) is None
    assert await room.code(room.done(approval)) is None


async def test_a_forged_erasure_does_not_hold_up_the_real_one(room: Room) -> None:
    """The database takes it, as it knows no keys; and so it takes what comes after it, which counts."""
    request = room.requested()
    forged = room.approved(request)
    real = room.approved(request)
    for event in (request, forged, room.done(forged), real, room.done(real)):
        assert await room.code(event) is None
    again = room.requested()
    for event in (again, room.approved(again)):
        assert await room.code(event) is None


async def test_both_carry_a_persons_signature_and_are_that_persons(room: Room) -> None:
    request = room.requested()
    for code, change in (
        ("signature_missing", {"signature": None}),
        ("signature_missing", {"signature": "bob:" + "A" * 86 + "=="}),
        ("agent_identity", {"actor": "service:approver"}),
    ):
        assert await room.code(replace(request, **change)) == code
    assert await room.code(request) is None
    approval = room.approved(request)
    for code, change in (
        ("signature_missing", {"signature": None}),
        ("signature_missing", {"signature": "ann:" + "A" * 86 + "=="}),
        ("agent_identity", {"actor": "agent:model/1"}),
    ):
        assert await room.code(replace(approval, **change)) == code
    assert await room.code(approval) is None


async def test_an_approval_is_of_this_request_and_this_subject(room: Room) -> None:
    request = room.requested()
    assert await room.code(request) is None
    approval = room.approved(request)
    other = Room(room.ledgers, ("file", name()))
    assert await other.code(other.requested()) is None
    assert await room.code(with_decision(approval, subject="0" * 32)) == "stale_digest"
    assert await room.code(with_decision(approval, case=erasure_stream(*other.subject))) == "wrong_case"
    assert await room.code(replace(approval, subject=erasure_stream(*other.subject))) == "wrong_case"
    assert await other.code(other.approved(request)) == "erasure_unknown"
    assert await room.code(approval) is None
    assert await other.code(other.done(approval)) == "erasure_not_approved"
    assert await room.code(replace(room.done(approval), subject=erased_stream(*other.subject))) == "wrong_case"


async def test_a_forgery_that_only_keys_can_tell_does_not_hold_up_those_who_may(room: Room) -> None:
    """The database knows no keys: it takes both, and whoever checks signatures counts the right one."""
    forged, request = room.requested("eve"), room.requested()
    for event in (forged, room.approved(forged, "mallory"), request, room.approved(request)):
        assert await room.code(event) is None
