"""A service's login without its key: the database takes nothing that lacks the service's own signature."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cli.stack.realm import Realm
from common.events import MODELS, SIGNED, WRITER
from common.ledger import Appended, AppendRefused, Ledger, NewEvent
from support.ledgers import SIGNATURE, an_event, connected, name

pytestmark = pytest.mark.integration

KEY = "0" * 16
FORGED = {
    "none": None,
    "empty": "",
    "a person's": "j.moreau:" + "A" * 86 + "==",
    "another service's": SIGNATURE.format("auditor"),
    "no key": "service:planner:" + "A" * 86 + "==",
    "too short": f"service:planner/{KEY}:AAAA",
    "too long": SIGNATURE.format("planner") + "A",
    "no base64": f"service:planner/{KEY}:" + "-" * 86 + "==",
    "a line more": SIGNATURE.format("planner") + "\n",
}


@pytest.mark.parametrize("signature", FORGED.values(), ids=FORGED.keys())
async def test_what_a_service_signs_is_not_taken_without_its_signature(
    database: Realm, signature: str | None
) -> None:
    event = replace(an_event("planner"), signature=signature)
    async with connected(database, "planner") as pool:
        ledger = Ledger(pool)
        answers = await ledger.append([[NewEvent(an_event("planner"))], [NewEvent(event)]])
        assert isinstance(answers[0], Appended)
        assert isinstance(answers[1], AppendRefused) and answers[1].reason_code == "signature_missing"
        (alone,) = await ledger.append([[NewEvent(event)]])
        assert isinstance(alone, AppendRefused) and alone.reason_code == "signature_missing"
        assert await ledger.by_ids(pool, [("planner", event.id)]) == []


@pytest.mark.parametrize("type_", sorted(SIGNED))
async def test_every_type_that_is_signed_is_refused_unsigned(database: Realm, type_: str) -> None:
    service = WRITER[type_]
    stream = f"{MODELS[type_].CATEGORY}/{name()}"
    event = replace(an_event(service, type_=type_, stream=stream), signature=None)
    async with connected(database, service) as pool:
        (answer,) = await Ledger(pool).append([[NewEvent(event)]])
    assert isinstance(answer, AppendRefused) and answer.reason_code == "signature_missing"


async def test_observer_and_differ_sign_nothing(database: Realm) -> None:
    for service in ("observer", "differ"):
        async with connected(database, service) as pool:
            (answer,) = await Ledger(pool).append([[NewEvent(replace(an_event(service), signature=None))]])
            assert isinstance(answer, Appended)
