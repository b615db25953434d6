"""Requests that are made to break the service: each gets a reason code, none a bare failure, and it stays up."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from common.clock import instant, wall_now
from support.office import Office

pytestmark = pytest.mark.integration
PLACES = [
    "/v1/cases/%00",
    "/v1/cases/a%2Fb%2F1%00",
    "/v1/cases?stage=%00",
    "/v1/cases?key=%00",
    "/v1/cases?after=%00",
    "/v1/cases?limit=99999999999999999999999",
    "/v1/cases?limit=-1",
    "/v1/decisions/template?case=%00&kind=approve",
]


def decision(case: str) -> dict[str, object]:
    return {
        "kind": "approve", "realm": "x", "case": case, "person": "l.hansen", "role": "risk", "subject": "s",
        "made_at": instant(wall_now()), "nonce": "n" * 16,
    }  # fmt: skip


@pytest.fixture
async def asking(reception: Office) -> httpx.AsyncClient:
    client = await asyncio.to_thread(reception.client, "l.hansen")
    assert client.session is not None
    headers = {"authorization": f"Bearer {client.session.token}"}
    return httpx.AsyncClient(base_url=reception.url, trust_env=False, headers=headers)


@pytest.mark.parametrize("place", PLACES)
async def test_what_no_query_can_hold_is_malformed(asking: httpx.AsyncClient, place: str) -> None:
    async with asking as http:
        answer = await http.get(place)
        assert (answer.status_code, answer.json()["reason_code"]) == (422, "malformed_request")
        assert (await http.get("/healthz")).status_code == 200


BODIES = {
    "deep": b"[" * 100_000,
    "a deep object": b'{"decision":' * 50_000,
    "a lone surrogate": b'{"decision": {"kind": "approve", "person": "\\ud800"}, "signature": "\\ud800"}',
    "a huge integer": b'{"decision": ' + b"9" * 10_000 + b"}",
    "not a number": b'{"decision": NaN, "signature": Infinity}',
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
@pytest.mark.parametrize("place", ["/v1/decisions", "/v1/proposals", "/v1/clock", "/v1/login"])
async def test_hostile_json_is_malformed(asking: httpx.AsyncClient, place: str, body: bytes) -> None:
    async with asking as http:
        answer = await http.post(place, content=body, headers={"content-type": "application/json"})
        assert answer.status_code in (400, 422)
        assert answer.json()["reason_code"] == "malformed_request"


async def test_a_case_that_no_query_can_hold_is_not_decided(asking: httpx.AsyncClient) -> None:
    async with asking as http:
        answer = await http.post("/v1/decisions", json={"decision": decision("x\0y"), "signature": "l.hansen:AAAA"})
        assert (answer.status_code, answer.json()["reason_code"]) == (422, "malformed_request")
