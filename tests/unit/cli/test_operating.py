"""`trueup people` and `trueup feeds`: who may decide and who may report, as the operator of a realm enters it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cli.main import main
from cli.stack import state
from common.directory import Directory, WatchedDirectory
from common.signing import new_key, public_of
from observer.adapters.feeds import WatchedFeeds


@pytest.fixture
def realm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    config = tmp_path / "stack" / "config"
    config.mkdir(parents=True)
    (config / "directory.json").write_text('{"realm": "demo", "people": [], "agents": ["playbook"]}')
    monkeypatch.setenv("TRUEUP_CONFIG_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(state, "read", lambda _folder: SimpleNamespace(realm="demo"))
    return tmp_path / "stack"


def run(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> Any:
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--json"])
    assert ended.value.code == code
    return json.loads(capsys.readouterr().out)


def add(capsys: pytest.CaptureFixture[str], realm: Path, person: str, *more: str, code: int = 0) -> Any:
    given = ("--name", person.upper(), "--role", "risk", "--data", str(realm))
    return run(capsys, "people", "add", person, *given, *more, code=code)


def test_a_person_is_entered_with_a_key_that_only_this_computer_has(
    realm: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = realm / "config" / "directory.json"
    watched = WatchedDirectory(path, "demo")
    answer = add(capsys, realm, "r.osei")
    key = tmp_path / "home" / "demo" / "r.osei.key"
    assert key.stat().st_mode & 0o077 == 0
    assert public_of(key.read_text().strip()) == answer["public_key"] == watched().person("r.osei").key
    assert Directory.read(path).agents == {"playbook"}, "what else stands there stays"


def test_a_person_is_replaced_and_a_key_is_nobody_elses(realm: Path, capsys: pytest.CaptureFixture[str]) -> None:
    public = public_of(new_key())
    add(capsys, realm, "r.osei", "--public-key", public)
    add(capsys, realm, "r.osei", "--public-key", public, "--role", "examiner")
    directory = Directory.read(realm / "config" / "directory.json")
    assert directory.person("r.osei").roles == ("risk", "examiner")
    assert add(capsys, realm, "x.y", "--public-key", public, code=2)["error"] == "directory_shared_key"
    assert (
        add(capsys, realm, "Not An Id", "--public-key", public_of(new_key()), code=2)["error"] == "person_malformed"
    )
    assert [person["id"] for person in run(capsys, "people", "list", "--data", str(realm))] == ["r.osei"]


def test_a_feed_gets_a_token_that_the_observer_knows_by_its_digest(
    realm: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = realm / "config" / "feeds.json"
    path.write_text("{}")
    watched = WatchedFeeds(path)
    answer = run(capsys, "feeds", "add", "audit-tracker", "--data", str(realm))
    token = Path(answer["token"])
    assert token.stat().st_mode & 0o077 == 0
    assert watched() == {"audit-tracker": hashlib.sha256(token.read_text().strip().encode()).hexdigest()}
    path.write_text("not JSON")
    assert set(watched()) == {"audit-tracker"}, "a file that can't be read leaves the former standing"
    assert run(capsys, "feeds", "list", "--data", str(realm), code=2)["error"] == "feeds_unreadable"
    assert run(capsys, "feeds", "add", "../x", "--data", str(realm), code=2)["error"] == "feed_malformed"
