"""Keys and sessions belong to the realm that runs here; those of a realm elsewhere are in the user's folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from cli.client import Client, Session
from cli.people import sessions
from common.errors import Refused


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.delenv("TRUEUP_CONFIG_HOME", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "user"))
    (tmp_path / "clone").mkdir()
    monkeypatch.chdir(tmp_path / "clone")
    yield tmp_path / "clone"


def sign_in(person: str, url: str, stack: Path | None, at: int) -> None:
    session = Session(url, "demo", person, person.upper(), ("risk",), "t", "")
    sessions.save(session, Path("key"), stack)
    pointer = (stack / "people" if stack else sessions.home()) / sessions.CURRENT
    os.utime(pointer, ns=(at, at))


def signed_in(person: str | None = None) -> tuple[str, str]:
    with sessions.connect(person) as client:
        assert client.session is not None
        return client.person, client.session.url


MAIN = Path(".trueup/main")


def test_a_realm_here_keeps_its_keys_in_its_own_folder(here: Path) -> None:
    assert sessions.key_path("demo", "r.osei", MAIN) == MAIN / "people" / "r.osei.key"
    assert sessions.key_path("demo", "r.osei") == here.parent / "user" / "trueup" / "demo" / "r.osei.key"


def test_another_clone_does_not_know_who_is_signed_in_here(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sign_in("r.osei", "http://a", MAIN, 1)
    assert signed_in() == ("r.osei", "http://a")
    (here.parent / "other").mkdir()
    monkeypatch.chdir(here.parent / "other")
    with pytest.raises(Refused, match="not_signed_in"):
        signed_in()


def test_who_signed_in_last_counts() -> None:
    sign_in("r.osei", "http://here", MAIN, 1)
    sign_in("r.osei", "https://elsewhere", None, 2)
    assert signed_in() == ("r.osei", "https://elsewhere")
    sign_in("k.lund", "http://here", MAIN, 3)
    assert signed_in() == ("k.lund", "http://here")
    assert signed_in("r.osei") == ("r.osei", "http://here"), "another person of the same realm"


def test_one_folder_of_ones_own_replaces_both(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUEUP_CONFIG_HOME", str(here / "mine"))
    assert sessions.key_path("demo", "r.osei", MAIN) == here / "mine" / "demo" / "r.osei.key"
    sign_in("r.osei", "http://a", None, 1)
    assert signed_in() == ("r.osei", "http://a")
    assert (here / "mine" / "demo" / "r.osei.session.json").stat().st_mode & 0o077 == 0


def test_a_session_whose_realm_is_gone_says_whose_and_where() -> None:
    def away(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    session = Session("http://127.0.0.1:1", "demo", "r.osei", "R. Osei", (), "t", "")
    client = Client(session.url, "r.osei", Path("k"), session=session, transport=httpx.MockTransport(away))
    with pytest.raises(Refused, match=r"r\.osei is signed in at http://127\.0\.0\.1:1") as refusal:
        client.me()
    assert "trueup login --person r.osei" in refusal.value.what_to_do
