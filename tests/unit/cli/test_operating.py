"""`trueup people` and `trueup feeds`: who may decide and who may report, as the operator of a realm enters it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cli.main import main
from cli.observe import feeds
from cli.people import doubts
from cli.stack import state, targets
from common.directory import Directory, WatchedDirectory
from common.errors import Refused
from common.signing import new_key, public_of
from observer.adapters.feeds import WatchedFeeds


@pytest.fixture
def realm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    config = tmp_path / "stack" / "config"
    config.mkdir(parents=True)
    (config / "directory.json").write_text('{"realm": "demo", "people": [], "agents": ["playbook"]}')
    monkeypatch.setenv("TRUEUP_CONFIG_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(state, "read", lambda _folder: SimpleNamespace(realm="demo"))
    monkeypatch.setattr(doubts, "declared", lambda _stack: [])
    return tmp_path / "stack"


def run(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> Any:
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--json"])
    assert ended.value.code == code
    return json.loads(capsys.readouterr().out)


DECLARED = [
    ("EntityType", {"source": "audit-tracker"}),
    ("System", {"owner": "it-service"}),
    (
        "ApprovalPolicy",
        {
            "confirmGap": {"control-owner": 1},
            "releaseStep": {"technology-operations": 1},
            "approvePlan": [{"roles": {"compliance-lead": 1}}],
            "owners": {"control-owner": "owner", "otherwise": "head-of-compliance"},
        },
    ),
]


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
    assert not list(realm.parent.glob("**/Not*")), "a refused id leaves no key"
    assert [person["id"] for person in run(capsys, "people", "list", "--data", str(realm))] == ["r.osei"]


def test_a_feed_gets_a_token_that_the_observer_knows_by_its_digest(
    realm: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = realm / "config" / "feeds.json"
    path.write_text("{}")
    watched = WatchedFeeds(path)
    monkeypatch.delenv("TRUEUP_CONFIG_HOME")
    answer = run(capsys, "feeds", "add", "audit-tracker", "--data", str(realm))
    token = Path(answer["token"])
    assert token.stat().st_mode & 0o077 == 0
    assert token.is_relative_to(realm), "another realm's token of the same feed is not touched"
    assert watched() == {"audit-tracker": hashlib.sha256(token.read_text().strip().encode()).hexdigest()}
    path.write_text("not JSON")
    assert set(watched()) == {"audit-tracker"}, "a file that can't be read leaves the former standing"
    assert run(capsys, "feeds", "list", "--data", str(realm), code=2)["error"] == "feeds_unreadable"
    assert run(capsys, "feeds", "add", "../x", "--data", str(realm), code=2)["error"] == "feed_malformed"


def test_a_person_and_a_feed_can_be_taken_out_again(
    realm: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add(capsys, realm, "r.osei")
    add(capsys, realm, "k.lund")
    run(capsys, "people", "remove", "r.osei", "--data", str(realm))
    directory = Directory.read(realm / "config" / "directory.json")
    assert (set(directory.people), set(directory.left)) == ({"k.lund"}, {"r.osei"})
    again = run(capsys, "people", "remove", "r.osei", "--data", str(realm), code=2)
    assert again["error"] == "person_left"
    assert run(capsys, "people", "remove", "x", "--data", str(realm), code=2)["error"] == "person_unknown"
    listed = {one["id"]: one.get("until") for one in run(capsys, "people", "list", "--data", str(realm))}
    assert listed == {"k.lund": None, "r.osei": directory.left["r.osei"].until}


def test_who_gets_another_key_or_comes_back_keeps_what_they_signed_before(
    realm: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add(capsys, realm, "r.osei")
    first = Directory.read(realm / "config" / "directory.json").people["r.osei"].key
    told = [public_of(new_key()) for _ in range(2)]
    add(capsys, realm, "r.osei", "--public-key", told[0])
    again = Directory.read(realm / "config" / "directory.json").people["r.osei"]
    assert (again.key, [one.key for one in again.former]) == (told[0], [first])
    run(capsys, "people", "remove", "r.osei", "--data", str(realm))
    left = Directory.read(realm / "config" / "directory.json").left["r.osei"]
    add(capsys, realm, "r.osei", "--public-key", told[1])
    back = Directory.read(realm / "config" / "directory.json").people["r.osei"]
    assert (back.key, back.former[0], back.former[1].key) == (told[1], left.former[0], told[0])
    assert back.former[1].until == left.until  # what was signed between leaving and coming back is not theirs
    taken = run(capsys, "people", "add", "k.lund", "--name", "K", "--role", "risk", "--public-key", first, "--data",
                str(realm), code=2)  # fmt: skip
    assert taken["error"] == "directory_shared_key"

    token = Path(run(capsys, "feeds", "add", "audit-tracker", "--data", str(realm))["token"])
    run(capsys, "feeds", "remove", "audit-tracker", "--data", str(realm))
    assert run(capsys, "feeds", "list", "--data", str(realm)) == [] and not token.exists()
    assert run(capsys, "feeds", "remove", "audit-tracker", "--data", str(realm), code=2)["error"] == "feed_unknown"


def test_a_role_that_nothing_asks_for_is_doubted(
    realm: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def doubted(role: str) -> list[str]:
        given = ("--name", "R", "--role", role, "--data", str(realm))
        return list(run(capsys, "people", "add", "r.osei", *given)["doubts"])

    assert doubted("risk") == [], "nothing is declared yet"
    assert "did you mean declaration-author?" in doubted("declaration-autor")[0]
    monkeypatch.setattr(doubts, "declared", lambda _stack: DECLARED)
    assert "known: clock-keeper, compliance-lead" in doubted("nonsense")[0]
    built_in = ("clock-keeper", "erasure-requester", "erasure-approver")
    for role in ("control-owner/Labor", "compliance-lead", "it-service", "head-of-compliance", *built_in):
        assert doubted(role) == [], role
    assert run(capsys, "feeds", "add", "audit-trackr", "--data", str(realm))["doubt"].endswith("audit-tracker?")


def test_what_is_declared_is_not_known_where_no_realm_can_be_asked(tmp_path: Path) -> None:
    assert doubts.declared(tmp_path) == []


TOKENS = {"audit-tracker": "a", "control-testing": "c"}


@pytest.mark.parametrize(
    ("tokens", "feed", "source", "token"),
    [
        (TOKENS, "", "control-testing", "c"),
        (TOKENS, "audit-tracker", "control-testing", "a"),
        (TOKENS, "", None, "a"),
        ({"control-testing": "c"}, "", "other", "c"),
    ],
)
def test_the_entity_type_says_which_feeds_token_is_meant(
    tokens: dict[str, str], feed: str, source: str | None, token: str
) -> None:
    assert feeds.chosen(tokens, feed, lambda _token: source) == token


@pytest.mark.parametrize(
    ("tokens", "feed", "source", "words"),
    [
        ({}, "", None, "kept: none"),
        (TOKENS, "hr", None, "for hr; kept: audit-tracker, control-testing"),
        (TOKENS, "", "hr", "for hr; kept: audit-tracker, control-testing"),
    ],
)
def test_a_token_that_is_not_there_is_named(
    tokens: dict[str, str], feed: str, source: str | None, words: str
) -> None:
    with pytest.raises(Refused, match=words) as refusal:
        feeds.chosen(tokens, feed, lambda _token: source)
    assert refusal.value.reason_code == "token_missing"


def test_targets_are_named_and_never_shown_with_their_password(
    realm: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def there(_system: str, _url: str) -> None:
        return None

    given = (
        "targets",
        "add",
        "ticketing",
        "--url",
        "postgresql://me:secret@127.0.0.1:1/tickets",
        "--data",
        str(realm),
    )
    assert run(capsys, *given, code=2)["error"] == "target_unreachable"
    monkeypatch.setattr(targets, "_look", there)
    run(capsys, *given)
    path = realm / "config" / "targets.json"
    assert json.loads(path.read_text()) == {"ticketing": "postgresql://me:secret@127.0.0.1:1/tickets"}
    assert path.stat().st_mode & 0o077 == 0
    assert run(capsys, "targets", "list", "--data", str(realm)) == {"ticketing": "127.0.0.1:1/tickets"}
    run(capsys, "targets", "remove", "ticketing", "--data", str(realm))
    assert run(capsys, "targets", "remove", "ticketing", "--data", str(realm), code=2)["error"] == "target_unknown"


def test_an_entry_that_is_replaced_is_told(realm: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert add(capsys, realm, "r.osei")["replaced"] is None
    assert add(capsys, realm, "r.osei", "--role", "examiner")["replaced"]["roles"] == ["risk"]
    public = public_of(new_key())
    given = ["r.osei", "--name", "R. Osei", "--role", "auditor", "--public-key", public, "--data", str(realm)]
    with pytest.raises(SystemExit) as ended:
        main(["people", "add", *given])
    assert ended.value.code == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "Replaced the entry of R.OSEI (r.osei): roles risk, examiner \N{RIGHTWARDS ARROW} auditor." in told
    assert "Another key" in told
