"""The client signs only what it was shown, and says what went wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer
from approver.api.pages import page
from approver.desk import Opened
from cli.client import Client, Session
from cli.people.screen import EXIT_COULD_NOT, EXIT_REFUSED, answering
from cli.private_keys import read_key, write_key
from common.clock import RealmClock
from common.errors import Refused
from common.events.approver import Decision
from common.ledger import Recorded
from common.signing import check_signature
from support.desk import around, decided, draft, signed, ticketed
from support.walk import Walk, keys, opened

SESSION = Session("http://approver", "demo", "l.hansen", "L. Hansen", ("compliance-lead",), "t", "")


def shown(walk: Walk, person: str = "l.hansen") -> dict[str, Any]:
    """The page that the service shows of the walk's case."""
    recorded = [Recorded(at, event, b"") for at, event in enumerate(walk.ledger) if event.caseid == walk.id]
    body = page(Opened(draft(walk), recorded, around(walk)), person, RealmClock("replay", walk.asof))
    return body.model_dump(mode="json")


class Service:
    """Answers with one page, takes every decision, and remembers what was sent."""

    def __init__(self, body: dict[str, Any]) -> None:
        self.body = body
        self.sent: list[dict[str, Any]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            self.sent.append(json.loads(request.content))
            return httpx.Response(200, json={"case": self.body["case"], "stage": "", "events": [], "types": []})
        if request.url.path == "/v1/decisions/template":
            refusal = {"reason_code": "role_not_held", "message": "no", "what_to_do": "ask"}
            return httpx.Response(403, json=refusal)
        return httpx.Response(200, json=self.body)


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.write_text(keys()["l.hansen"])
    path.chmod(0o600)
    return path


def client(key: Path, answer: Callable[[httpx.Request], httpx.Response], person: str = "l.hansen") -> Client:
    return Client("http://approver", person, key, session=SESSION, transport=httpx.MockTransport(answer))


def test_a_decision_is_signed_with_the_persons_key_over_all_of_it(key: Path) -> None:
    walk = ticketed()
    service = Service(shown(walk))
    client(key, service).decide("approve", walk.id, comment="Good.", page=shown(walk))
    (sent,) = service.sent
    decision = Decision.model_validate(sent["decision"])
    check_signature(decision, sent["signature"], walk.directory.person("l.hansen").key)
    assert (decision.comment, decision.subject) == ("Good.", walk.case.ticket.data.digest)  # type: ignore[union-attr]
    assert decided(walk, *signed(walk, "approve", "l.hansen", "compliance-lead")) == ["approval.given"]


def tamper_step(body: dict[str, Any]) -> None:
    body["plan"]["data"]["steps"][0]["parameters"]["ask"] = "Something harmless."


def tamper_reason(body: dict[str, Any]) -> None:
    body["plan"]["data"]["reasoning"][0]["text"] = "Because."


def tamper_parts(body: dict[str, Any]) -> None:
    body["ticket"]["data"]["parts"]["facts"] = "0" * 64


def tamper_subject(body: dict[str, Any]) -> None:
    for action in body["actions"]:
        action["decision"]["subject"] = "0" * 64


def tamper_person(body: dict[str, Any]) -> None:
    for action in body["actions"]:
        action["decision"]["person"] = "r.osei"


@pytest.mark.parametrize("tamper", [tamper_step, tamper_reason, tamper_parts, tamper_subject, tamper_person])
def test_a_service_that_shows_one_thing_and_asks_for_another_gets_no_signature(
    key: Path, tamper: Callable[[dict[str, Any]], None]
) -> None:
    service = Service(shown(ticketed()))
    tamper(service.body)
    with pytest.raises(Refused, match="shown_differs"):
        client(key, service).decide("approve", service.body["case"])
    assert service.sent == []


def test_a_gap_that_is_shown_otherwise_is_not_confirmed(key: Path) -> None:
    service = Service(shown(opened(), "j.moreau"))
    service.body["gap"]["data"]["rules"][0]["name"] = "dated"
    with pytest.raises(Refused, match="shown_differs"):
        client(key, service, "j.moreau").decide("confirm", service.body["case"])
    assert service.sent == []


def test_the_service_says_why_something_is_not_offered(key: Path) -> None:
    service = Service(shown(ticketed()))
    with pytest.raises(Refused, match="role_not_held"):
        client(key, service).decide("confirm", service.body["case"])


def test_which_step_is_meant_must_be_clear(key: Path) -> None:
    body = shown(ticketed())
    template = {**body["actions"][0]["decision"], "kind": "release"}
    body["actions"] = [{"kind": "release", "says": "", "decision": {**template, "step": step}} for step in (2, 3)]
    with pytest.raises(Refused, match="which_step"):
        client(key, Service(body)).decide("release", body["case"])


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (httpx.Response(200, text="<html>"), "not_the_approver"),
        (httpx.Response(500, json={"detail": "x"}), "not_the_approver"),
        (
            httpx.Response(409, json={"reason_code": "stale_digest", "message": "m", "what_to_do": "w"}),
            "stale_digest",
        ),
    ],
)
def test_an_answer_that_is_none_is_a_refusal(key: Path, answer: httpx.Response, code: str) -> None:
    with pytest.raises(Refused) as caught:
        client(key, lambda _: answer).me()
    assert caught.value.reason_code == code


def test_a_service_that_is_away_is_said_to_be_away(key: Path) -> None:
    def away(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    with pytest.raises(Refused, match="unreachable"):
        client(key, away).me()


def test_all_pages_of_the_list_are_read(key: Path) -> None:
    pages = {None: (["a", "b"], "b"), "b": (["c"], None)}

    def answer(request: httpx.Request) -> httpx.Response:
        cases, following = pages[request.url.params.get("after")]
        assert request.url.params["mine"] == "true" and "stage" not in request.url.params
        return httpx.Response(200, json={"cases": [{"case": name} for name in cases], "next": following, "total": 3})

    found = client(key, answer).cases(mine=True, stage=None)
    assert [line["case"] for line in found] == ["a", "b", "c"]


def test_a_key_is_read_only_from_a_private_file(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "c.adeyemi.key"
    with pytest.raises(Refused, match="key_missing"):
        read_key(path)
    write_key(path)
    assert path.stat().st_mode & 0o777 == 0o600 and read_key(path)
    with pytest.raises(Refused, match="key_exists"):
        write_key(path)
    path.chmod(0o640)
    with pytest.raises(Refused, match="key_not_private"):
        read_key(path)
    path.chmod(0o600)
    path.write_text("not a key")
    with pytest.raises(Refused, match="key_malformed"):
        read_key(path)


def test_a_mistyped_person_is_told_whose_keys_are_here(tmp_path: Path) -> None:
    write_key(tmp_path / "c.adeyemi.key")
    with pytest.raises(Refused, match=r"no private key of c\.adeyem at") as near:
        read_key(tmp_path / "c.adeyem.key")
    assert near.value.what_to_do == "Did you mean c.adeyemi?"
    with pytest.raises(Refused) as far:
        read_key(tmp_path / "x.other.key")
    assert "trueup login --person x.other --new-key" in far.value.what_to_do


@pytest.mark.parametrize("code", ["database_unavailable", "internal_error"])
def test_a_service_that_can_not_answer_now_has_refused_nothing(key: Path, code: str) -> None:
    def away(_request: httpx.Request) -> httpx.Response:
        body = {"reason_code": code, "message": "the database does not answer", "what_to_do": "Try again."}
        return httpx.Response(503, json=body)

    with pytest.raises(typer.Exit) as ended, answering(as_json=True):
        client(key, away).case("a/b/1")
    assert ended.value.exit_code == EXIT_COULD_NOT

    def refused(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(409, json={"reason_code": code, "message": "no", "what_to_do": ""})

    with pytest.raises(typer.Exit) as ended, answering(as_json=True):
        client(key, refused).case("a/b/1")
    assert ended.value.exit_code == EXIT_REFUSED
