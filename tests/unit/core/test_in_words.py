"""What can't be read is said in words: the field and what is wrong, never a value, a class or an address."""

from __future__ import annotations

import httpx
import pytest
from common.cases import Case
from common.directory import DirectoryFile
from common.errors import Permanent
from common.events import Event
from common.http_api import harden
from common.in_words import in_words
from common.service_keys import ServiceKeysFile
from fastapi import FastAPI
from pydantic import BaseModel, ValidationError
from support.walk import opened


def refusal(model: type[BaseModel], value: object) -> str:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(value)
    return in_words(caught.value)


def test_a_field_and_what_is_wrong_with_it() -> None:
    secret = {"realm": "demo", "people": [{"id": "a", "name": "Secret Name", "roles": "x", "key": ""}], "agents": []}
    assert refusal(DirectoryFile, secret) == "people.0.roles should be a valid tuple"
    assert "keys is missing" in refusal(ServiceKeysFile, {"realm": "demo"})
    for told in (refusal(DirectoryFile, secret), refusal(ServiceKeysFile, secret), refusal(ServiceKeysFile, [])):
        assert not any(word in told for word in ("pydantic", "Secret Name", "validation error", "input_value"))


def test_many_problems_are_counted() -> None:
    people = [{"id": "a"}, {"id": "b"}]
    assert refusal(DirectoryFile, {"realm": "demo", "people": people, "agents": []}).endswith("; and 3 more")


def test_other_errors_are_one_line() -> None:
    assert in_words(Permanent("x", "no such thing")) == "no such thing"
    assert in_words(KeyError(3)) == "there is no 3"
    assert in_words(ValueError("a\n  b")) == "a b"


def spoilt() -> Event:
    first = opened().case.gap
    assert first is not None
    return Event.decode(first.event.encode().replace(b'"severity"', b'"severety"'))


async def test_a_spoilt_case_names_the_field_and_what_to_run() -> None:
    event = spoilt()
    with pytest.raises(Permanent) as caught:
        Case(str(event.caseid)).apply(7, event)
    assert "severity is missing" in caught.value.message and "pydantic" not in caught.value.message
    assert "validation error" not in caught.value.message

    app = FastAPI()
    harden(app, 1_000)

    @app.get("/case")
    async def case() -> None:
        raise caught.value

    @app.get("/away")
    async def away() -> None:
        raise ConnectionRefusedError(111, "Connect call failed")

    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        told = (await client.get("/case")).json()
        answer = await client.get("/away")
    assert "trueup ledger fsck" in told["what_to_do"] and "Correct the request" not in told["what_to_do"]
    assert (answer.status_code, answer.json()["reason_code"]) == (503, "database_unavailable")
