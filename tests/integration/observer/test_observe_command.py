"""`trueup observe` against a running observer: files become snapshots, once, and what is left out is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from cli.observe.commands import observe
from common.events.observer import EntityObserved, ObservationRejected, SourceReported
from support.observer_realm import FEED, OTHER_FEED, TOKENS, ObserverRealm
from typer.testing import CliRunner

pytestmark = pytest.mark.integration


class Command:
    """Runs the command with the realm's address and the feed's token."""

    def __init__(self, realm: ObserverRealm) -> None:
        self._app = typer.Typer()
        self._app.command()(observe)
        self._environment = {
            "TRUEUP_OBSERVER_URL": realm.stack.urls["observer"],
            "TRUEUP_FEED_TOKEN": TOKENS[FEED],
        }

    def __call__(self, *arguments: str, code: int = 0, **environment: str) -> dict[str, Any]:
        result = CliRunner().invoke(
            self._app, [*arguments, "--json"], env={**self._environment, **environment}, catch_exceptions=False
        )
        assert result.exit_code == code, result.output
        answer: dict[str, Any] = json.loads(result.stdout)
        return answer


@pytest.fixture
def command(running: ObserverRealm) -> Command:
    return Command(running)


def write(path: Path, *rows: tuple[str, str]) -> str:
    path.write_text("reference,title\n" + "".join(f'{key},"{title}"\n' for key, title in rows))
    return str(path)


async def reports(realm: ObserverRealm, snapshot: str) -> list[dict[str, Any]]:
    return [e.data for e in await realm.events(SourceReported) if e.data["snapshot"] == snapshot]


async def stored(realm: ObserverRealm, prefix: str) -> list[str]:
    return [e.data["key"] for e in await realm.events(EntityObserved) if e.data["key"].startswith(prefix)]


async def test_a_file_is_one_snapshot_and_again_changes_nothing(
    running: ObserverRealm, command: Command, tmp_path: Path
) -> None:
    file = write(tmp_path / "a.csv", *((f"A-{number}", "text, with a comma") for number in range(1_200)))
    arguments = (file, "--type", "finding", "--feed", FEED, "--as-of", "2023-07-01")
    first = command(*arguments)
    assert first["counts"] == {"accepted": 1_200, "unchanged": 0, "duplicate": 0, "rejected": 0}
    (report,) = await reports(running, first["snapshot"])
    assert (report["rows"], report["complete"], report["as_of"]) == (1_200, True, "2023-07-01T00:00:00Z")
    assert len(report["stored"]) == 1_200
    again = command(*arguments)
    assert again["counts"] == {"accepted": 0, "unchanged": 0, "duplicate": 1_200, "rejected": 0}
    assert again["positions"] == first["positions"]
    assert len(await stored(running, "A-")) == 1_200


async def test_a_later_snapshot_stores_only_what_changed(
    running: ObserverRealm, command: Command, tmp_path: Path
) -> None:
    command(write(tmp_path / "b.csv", ("B-1", "x"), ("B-2", "x")), "--type", "finding", "--as-of", "2023-07-01")
    changed = write(tmp_path / "b.csv", ("B-1", "x"), ("B-2", "y"), ("B-3", "z"))
    later = command(changed, "--type", "finding", "--as-of", "2023-07-02T12:00:00Z", "--partial")
    assert later["counts"] == {"accepted": 2, "unchanged": 1, "duplicate": 0, "rejected": 0}
    (report,) = await reports(running, later["snapshot"])
    assert (report["refreshed"], report["stored"], report["complete"]) == (["B-1"], ["B-2", "B-3"], False)
    assert await stored(running, "B-") == ["B-1", "B-2", "B-2", "B-3"]


async def test_what_is_left_out_is_listed_and_makes_the_snapshot_incomplete(
    running: ObserverRealm, command: Command, tmp_path: Path
) -> None:
    file = tmp_path / "c.csv"
    file.write_text("reference,title\nC-1,a\n,no key\nC 2,a\nC-1,again\nC-3,too,many\nC-4,b\n")
    answer = command(str(file), "--type", "finding", "--as-of", "2023-07-01", code=2)
    assert [(item["line"], item["reason_code"]) for item in answer["refused"]] == [
        (3, "key_missing"),
        (4, "key_malformed"),
    ]
    assert len(answer["faults"]) == 2
    assert answer["complete"] is False
    (report,) = await reports(running, answer["snapshot"])
    assert (report["stored"], report["complete"]) == (["C-1", "C-4"], False)
    refused = [e.data for e in await running.events(ObservationRejected) if answer["snapshot"] in str(e.data)]
    assert len(refused) == 2, "the refusals are on record"


async def test_made_up_rows_say_so(running: ObserverRealm, command: Command, tmp_path: Path) -> None:
    file = tmp_path / "d.jsonl"
    file.write_text('{"reference": "D-1", "amount": 1.5}\n{"reference": "D-2", "amount": null}\n')
    answer = command(str(file), "--type", "finding", "--as-of", "2023-07-01", "--simulated")
    events = [e for e in await running.events(EntityObserved) if e.data["key"].startswith("D-")]
    assert [event.data["simulated"] for event in events] == [True, True]
    assert [event.data["row"].get("amount") for event in events] == ["1.5", None]
    (report,) = await reports(running, answer["snapshot"])
    assert report["simulated"] is True


def test_what_cannot_be_done_says_why(command: Command, tmp_path: Path) -> None:
    file = write(tmp_path / "e.csv", ("E-1", "x"))
    given = (file, "--type", "finding", "--as-of", "2023-07-01")
    cases: list[tuple[str, tuple[str, ...], dict[str, str]]] = [
        ("no_such_file", (str(tmp_path / "none.csv"), *given[1:]), {}),
        ("option_missing", (file,), {}),
        ("time_malformed", (*given[:3], "--as-of", "3 July"), {}),
        ("token_invalid", given, {"TRUEUP_FEED_TOKEN": "guess"}),
        ("token_missing", given, {"TRUEUP_FEED_TOKEN": "", "TRUEUP_CONFIG_HOME": str(tmp_path)}),
        ("unreachable", given, {"TRUEUP_OBSERVER_URL": "http://127.0.0.1:9"}),
        ("unknown_entity_type", (file, "--type", "vendor"), {}),
        ("feed_mismatch", (*given, "--feed", OTHER_FEED), {}),
        ("unknown_format", (write(tmp_path / "e.txt", ("E-1", "x")), *given[1:]), {}),
        ("time_in_future", (file, "--type", "finding", "--as-of", "2999-01-01"), {}),
    ]
    for reason_code, arguments, environment in cases[:-1]:
        answer = command(*arguments, code=1, **environment)
        assert answer["error"] == reason_code, arguments
        assert answer["what_to_do"]
    answer = command(*cases[-1][1], code=1)
    assert answer["what_to_do"] and answer["error"] == "time_in_future", "the report is refused as its rows are"
