"""What the API refuses, each with its reason code and nothing recorded; the service stays up."""

from __future__ import annotations

import asyncio
import secrets
from datetime import timedelta
from typing import Any

import httpx
import pytest
from cli.client import Client
from common import signing
from common.clock import instant, wall_now
from common.errors import Refused
from common.events.approver import Decision
from common.http_auth import Tokens, read_secret
from support.office import Office
from support.walk import keys

pytestmark = pytest.mark.integration


async def call(office: Office, method: str, path: str, token: str | None = None, **given: Any) -> httpx.Response:
    """One raw request, as a stranger or with a token."""
    headers = {"authorization": f"Bearer {token}"} if token is not None else {}
    async with httpx.AsyncClient(base_url=office.url, trust_env=False, headers=headers) as http:
        return await http.request(method, path, **given)


def token(office: Office, person: str) -> str:
    session = office.client(person).session
    assert session is not None
    return session.token


def code(answer: httpx.Response) -> tuple[int, str]:
    body = answer.json()
    assert set(body) == {"reason_code", "message", "what_to_do"} and body["message"]
    return answer.status_code, body["reason_code"]


async def post(office: Office, person: str, decision: Decision, signature: str) -> tuple[int, str]:
    """The status and the reason code with which a decision is refused; nothing may have been recorded."""
    before = await office.types()
    bearer = await asyncio.to_thread(token, office, person)
    body = {"decision": decision.model_dump(mode="json", exclude_none=True), "signature": signature}
    answer = await call(office, "POST", "/v1/decisions", bearer, json=body)
    assert await office.types() == before
    return code(answer)


def decision(office: Office, kind: str, person: str, role: str, **changes: Any) -> tuple[Decision, str]:
    """A properly signed decision about what stands now, with `changes` made before it is signed."""
    case = office.walk.case
    ticket, gap = case.ticket, case.gap
    subject = ticket.data.digest if ticket else gap.data.digest if gap else ""
    signer = changes.pop("signer", person)
    made = Decision.model_validate(
        {
            "kind": kind,
            "realm": office.realm.name,
            "case": office.walk.id,
            "person": person,
            "role": role,
            "subject": subject,
            "made_at": instant(wall_now()),
            "nonce": secrets.token_urlsafe(12),
            **changes,
        }
    )
    return made, signing.sign(made, keys()[signer])


# Who is asking


@pytest.mark.parametrize("path", ["/v1/me", "/v1/cases", "/v1/proposals", "/v1/tasks", "/v1/realm", "/v1/people"])
async def test_without_a_token_nothing_is_shown(reception: Office, path: str) -> None:
    answer = await call(reception, "GET", path)
    assert code(answer) == (401, "token_missing")
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_an_expired_or_foreign_token_is_refused(reception: Office) -> None:
    secret = read_secret(reception.folder / "issuer.key")
    old, _ = Tokens(secret, reception.realm.name).issue("l.hansen", wall_now() - timedelta(hours=13))
    assert code(await call(reception, "GET", "/v1/me", old)) == (401, "token_expired")
    now = wall_now()
    for foreign in (Tokens(secret, "production"), Tokens(secrets.token_bytes(32), reception.realm.name)):
        assert code(await call(reception, "GET", "/v1/me", foreign.issue("l.hansen", now)[0])) == (
            401,
            "token_invalid",
        )


async def test_software_and_strangers_can_not_sign_in(reception: Office) -> None:
    for name, expected in (("playbook", "agent_identity"), ("agent:x/1", "agent_identity"), ("x", "person_unknown")):
        body = {"person": name, "made_at": instant(wall_now()), "nonce": "n" * 16, "signature": ""}
        assert code(await call(reception, "POST", "/v1/login", json=body)) == (403, expected)


async def test_nobody_signs_in_with_somebody_elses_key(reception: Office) -> None:
    path = reception.folder / "stolen.key"
    path.write_text(keys()["r.osei"])
    path.chmod(0o600)
    with Client(reception.url, "l.hansen", path) as client, pytest.raises(Refused, match="signature_invalid"):
        await asyncio.to_thread(client.login)


# What is sent


async def test_an_oversized_body_is_refused_and_the_service_stays_up(reception: Office) -> None:
    answer = await call(reception, "POST", "/v1/decisions", content=b"x" * (2 * 1024 * 1024))
    assert code(answer) == (413, "oversized")
    assert (await call(reception, "GET", "/healthz")).status_code == 200


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"decision": 1}', b"\xff\xfe", b'{"decision": {"kind": "x"}}']
)
async def test_a_malformed_body_is_refused(reception: Office, content: bytes) -> None:
    bearer = await asyncio.to_thread(token, reception, "l.hansen")
    headers = {"content-type": "application/json", "authorization": f"Bearer {bearer}"}
    async with httpx.AsyncClient(base_url=reception.url, trust_env=False, headers=headers) as http:
        answer = await http.post("/v1/decisions", content=content)
    assert code(answer) == (422, "malformed_request")


async def test_unknown_places_are_not_found(reception: Office) -> None:
    assert code(await call(reception, "GET", "/v1/nothing")) == (404, "not_found")
    bearer = await asyncio.to_thread(token, reception, "l.hansen")
    assert code(await call(reception, "GET", "/v1/proposals/p-nothing", bearer)) == (404, "proposal_unknown")


# What is decided


async def test_decisions_that_the_gate_refuses(office: Office) -> None:
    await office.open_ticket()
    good = ("approve", "l.hansen", "compliance-lead")
    refusals = {
        (409, "stale_digest"): decision(office, *good, subject="0" * 64),
        (403, "role_not_held"): decision(office, "approve", "l.hansen", "risk"),
        (403, "wrong_realm"): decision(office, *good, realm="production"),
        (409, "decision_too_old"): decision(office, *good, made_at="2026-01-01T00:00:00Z"),
        (403, "signature_invalid"): decision(office, *good, signer="r.osei"),
        (409, "wrong_stage"): decision(office, "confirm", "l.hansen", "compliance-lead"),
    }
    for expected, (made, signature) in refusals.items():
        assert await post(office, "l.hansen", made, signature) == expected
    made, signature = decision(office, *good)
    assert await post(office, "l.hansen", made, "") == (403, "signature_missing")
    assert await post(office, "r.osei", made, signature) == (403, "wrong_person")
    agent = made.model_copy(update={"person": "agent:playbook/1"})
    assert await post(office, "l.hansen", agent, signature) == (403, "agent_identity")
    unknown = made.model_copy(update={"case": "money-findings-closed/none/1"})
    assert await post(office, "l.hansen", unknown, signature) == (404, "case_unknown")
    made, signature = decision(office, "approve", "j.moreau", "head-of-compliance")
    assert await post(office, "j.moreau", made, signature) == (403, "not_apart")


async def test_one_person_approves_once_however_it_is_sent(office: Office) -> None:
    await office.open_ticket()
    made, signature = decision(office, "approve", "l.hansen", "compliance-lead")
    bearer = await asyncio.to_thread(token, office, "l.hansen")
    body = {"decision": made.model_dump(mode="json", exclude_none=True), "signature": signature}
    answers = await asyncio.gather(*(call(office, "POST", "/v1/decisions", bearer, json=body) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409, 409, 409]
    assert {code(answer) for answer in answers if answer.status_code == 409} == {(409, "already_decided")}
    again = decision(office, "approve", "l.hansen", "compliance-lead")
    assert await post(office, "l.hansen", *again) == (409, "already_decided")
    assert (await office.types()).count("approval.given") == 1


async def test_two_last_approvals_at_once_authorise_once(office: Office) -> None:
    await office.open_ticket()
    sent = [
        (await asyncio.to_thread(token, office, person), decision(office, "approve", person, role))
        for person, role in (("l.hansen", "compliance-lead"), ("r.osei", "risk"))
    ]
    answers = await asyncio.gather(
        *(
            call(
                office,
                "POST",
                "/v1/decisions",
                bearer,
                json={"decision": made.model_dump(mode="json", exclude_none=True), "signature": signature},
            )
            for bearer, (made, signature) in sent
        )
    )
    assert [answer.status_code for answer in answers] == [200, 200]
    assert (await office.types()).count("plan.authorised") == 1


async def test_declarations_need_two_people(office: Office) -> None:
    file = office.folder / "findings.yaml"
    await office.declare()
    file.write_text(file.read_text().replace("soak: 30 days", "soak: 31 days"))
    proposal = await office.ask("c.adeyemi", "propose", file)
    with pytest.raises(Refused, match="role_not_held"):
        await office.ask("c.adeyemi", "activate", proposal["id"])
    with pytest.raises(Refused, match="role_not_held"):
        await office.ask("l.hansen", "propose", file)
    with pytest.raises(Refused, match="invalid_declaration"):
        file.write_text("a: &x [1]\nb: *x\n")
        await office.ask("c.adeyemi", "propose", file)
    assert [item["status"] for item in await office.ask("l.hansen", "proposals")] == ["active", "proposed"]


async def test_the_server_reads_the_declarations_itself(office: Office) -> None:
    """A client that doesn't check can't bring anything in that doesn't fit."""
    await office.declare()
    bearer = await asyncio.to_thread(token, office, "c.adeyemi")
    for text in ("nonsense", "apiVersion: trueup/v1alpha1\nkind: ActionType\nmetadata: {name: x}\nspec: {}\n"):
        made, signature = decision(office, "propose", "c.adeyemi", "declaration-author", case="p-x")
        body = {"file": "f.yaml", "text": text, "signature": signature}
        body["decision"] = made.model_dump(mode="json", exclude_none=True)  # type: ignore[assignment]
        answer = await call(office, "POST", "/v1/proposals", bearer, json=body)
        assert code(answer) == (422, "invalid_declaration")
        assert "f.yaml:" in answer.json()["message"]
