"""`trueup polls`: what the operator says is what the observer reads, and no address is ever shown."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cli.main import main
from cli.observe import polls
from cli.people import doubts
from cli.stack import state
from common.errors import Refused
from common.polls import Poll
from observer.adapters.polls import read_polls

SECRET = "a-password-that-nobody-prints"
URL = f"postgresql://reader:{SECRET}@db.example:5432/audit?password={SECRET}"
ADD = ("add", "tracker", "--type", "finding", "--table", "audit.findings", "--cursor", "changed", "--tie", "id")


@pytest.fixture
def realm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "config").mkdir()
    monkeypatch.setattr(state, "read", lambda _folder: SimpleNamespace(realm="demo"))
    monkeypatch.setattr(doubts, "declared", lambda _stack: [])
    monkeypatch.delenv("TRUEUP_POLL_URL", raising=False)
    return tmp_path


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> list[Poll]:
    """Every database answers and every table fits; which were looked at."""
    looked: list[Poll] = []

    async def look(_url: str, poll: Poll) -> None:
        looked.append(poll)

    monkeypatch.setattr(polls, "_look", look)
    return looked


def run(capsys: pytest.CaptureFixture[str], realm: Path, *arguments: str, code: int = 0) -> Any:
    with pytest.raises(SystemExit) as ended:
        main(["polls", *arguments, "--data", str(realm), "--json"])
    shown = capsys.readouterr()
    assert ended.value.code == code, shown
    assert SECRET not in shown.out + shown.err
    return json.loads(shown.out)


def test_what_is_added_is_what_the_observer_reads(
    realm: Path, there: list[Poll], capsys: pytest.CaptureFixture[str]
) -> None:
    added = run(capsys, realm, *ADD, "--url", URL, "--column", "id", "--column", "changed", "--every", "0.5")
    assert added["database"] == "db.example:5432/audit"
    path = realm / "config" / "polls.json"
    assert path.stat().st_mode & 0o777 == 0o600
    read = read_polls(path)
    expected = Poll(
        "tracker", "finding", ("audit", "findings"), "changed", "id", columns=("id", "changed"), every_s=0.5
    )
    assert (read.addresses, read.tables, there) == ({"tracker": URL}, (expected,), [expected])


def test_a_further_table_needs_no_address_and_an_added_one_is_replaced(
    realm: Path, there: list[Poll], capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, realm, *ADD, "--url", URL)
    run(capsys, realm, "add", "tracker", "--type", "owner", "--table", "people", "--cursor", "n", "--tie", "id",
        "--moment", "since")  # fmt: skip
    run(capsys, realm, *ADD, "--schema-version", "2")
    listed = [(one["entity_type"], one["table"], one.get("schema_version")) for one in run(capsys, realm, "list")]
    assert listed == [("owner", "people", None), ("finding", "audit.findings", 2)]
    run(capsys, realm, "remove", "tracker", "--type", "owner")
    assert [one.name for one in read_polls(realm / "config" / "polls.json").tables] == [("tracker", "finding")]
    run(capsys, realm, "remove", "tracker")
    assert json.loads((realm / "config" / "polls.json").read_text()) == {}
    assert run(capsys, realm, "remove", "tracker", code=2)["error"] == "poll_unknown"
    assert [poll.entity_type for poll in there] == ["finding", "owner", "finding"]


@pytest.mark.parametrize(
    ("more", "error", "words"),
    [
        (("--url", URL, "--zone", "Europe/Nowhere"), "poll_malformed", "zone"),
        (("--url", URL, "--every", "0.01"), "poll_malformed", "every_s"),
        (("--url", URL, "--cursor", ""), "poll_malformed", "cursor"),
        ((), "option_missing", "Add --url"),
        (("--url", f"postgresql://x:{SECRET}@127.0.0.1:1/y"), "source_unreachable", "ConnectionRefusedError"),
        (("--url", f"mysql://x:{SECRET}@127.0.0.1:1/y"), "source_unreachable", "Check --url"),
        (("--url", f"postgresql://x:{SECRET}@[127.0.0.1/y"), "source_unreachable", "Check --url"),
    ],
)
def test_what_the_observer_could_not_use_is_refused_and_not_written(
    realm: Path, capsys: pytest.CaptureFixture[str], more: tuple[str, ...], error: str, words: str
) -> None:
    answer = run(capsys, realm, *ADD, *more, code=2)
    assert answer["error"] == error
    assert words in answer["message"] + answer["what_to_do"]
    assert not (realm / "config" / "polls.json").exists()


def test_a_name_that_can_not_be_a_feed_and_a_file_that_can_not_be_read_are_refused(
    realm: Path, there: list[Poll], capsys: pytest.CaptureFixture[str]
) -> None:
    answer = run(capsys, realm, "add", "../x", *ADD[2:], "--url", URL, code=2)
    assert answer["error"] == "feed_malformed"
    (realm / "config" / "polls.json").write_text(f'{{"tracker": {{"dsn": "{URL}", "tables": []}}}}')
    assert run(capsys, realm, "list", code=2)["error"] == "polls_malformed"
    assert run(capsys, realm, *ADD, code=2)["error"] == "polls_malformed"
    assert there == []


async def test_the_table_itself_is_looked_at_before_anything_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    class Connection:
        async def fetch(self, _statement: str, table: str) -> list[tuple[str, str]]:
            assert table == '"audit"."find""ings"'
            return [("id", "text"), ("changed", "text")]

        async def close(self, *, timeout: float) -> None:
            assert timeout > 0

    async def connect(_url: str, **settings: Any) -> Connection:
        assert settings["server_settings"]["default_transaction_read_only"] == "on"
        return Connection()

    monkeypatch.setattr("asyncpg.connect", connect)
    with pytest.raises(Refused, match="neither a moment nor a whole number") as refused:
        await polls._look(URL, Poll("tracker", "finding", ("audit", 'find"ings'), "changed", "id"))
    assert refused.value.reason_code == "cursor_unfit"
