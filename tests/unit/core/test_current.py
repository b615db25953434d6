"""Questions asked at once get whole answers, whoever is answered first."""

from __future__ import annotations

import asyncio
from typing import Any

from common.current import Current
from common.events import Event
from common.events.approver import RealmCreated
from common.ledger import Recorded
from support.casework import findings_catalogue


def _event(event_type: str, stream: str, data: dict[str, Any], number: int) -> Event:
    return Event(
        id=str(number), source="approver", type=event_type, subject=stream, time="2023-07-03T00:00:00Z",
        asof="2023-07-03T00:00:00Z", actor="service:approver", data=data,
    )  # fmt: skip


def _declarations() -> list[Recorded]:
    decision = {
        "kind": "activate", "realm": "demo", "case": "p", "person": "t.brandt", "role": "declaration-approver",
        "subject": "d", "made_at": "2023-07-03T00:00:00Z", "nonce": "n",
    }  # fmt: skip
    events = []
    for number, document in enumerate(findings_catalogue().documents.values(), 1):
        data = {
            "proposal": "p", "kind": document.kind, "name": document.name, "spec": document.spec,
            "digest": document.digest, "set_digest": "d", "declared_version": 1, "author": "c.adeyemi",
            "decision": decision,
        }  # fmt: skip
        stream = f"declaration/{document.kind}/{document.name}"
        events.append(_event("trueup.declaration.activated.v1", stream, data, number))
    return [Recorded(position, event, event.encode()) for position, event in enumerate(events, 1)]


class SlowLedger:
    """Answers when it is told to: `turns` are the pauses before each read, in order of asking."""

    def __init__(self, turns: list[int]) -> None:
        self._turns = turns
        self._declared = _declarations()

    async def read_stream(self, _source: Any, _stream: str, from_version: int = 1) -> list[Recorded]:
        await self._pause()
        data = RealmCreated(realm="demo", mode="replay", timezone="UTC", start="2023-07-03T00:00:00Z")
        event = _event(RealmCreated.TYPE, "realm", data.model_dump(exclude_none=True), 0)
        return [Recorded(0, event, event.encode())] if from_version == 1 else []

    async def read_category(self, _source: Any, _prefix: str, after: int = -1, limit: int = 10) -> list[Recorded]:
        await self._pause()
        return [recorded for recorded in self._declared if recorded.position > after][:limit]

    async def _pause(self) -> None:
        for _ in range(self._turns.pop(0) if self._turns else 0):
            await asyncio.sleep(0)


async def test_a_question_that_waits_for_the_clock_does_not_lose_what_another_one_read() -> None:
    current = Current(SlowLedger([1, 50]))  # type: ignore[arg-type]  # the two reads that are asked for
    answers = await asyncio.gather(current.catalogue(None), current.catalogue(None))
    for catalogue in (*answers, await current.catalogue(None)):
        assert set(catalogue.documents) == set(findings_catalogue().documents)
