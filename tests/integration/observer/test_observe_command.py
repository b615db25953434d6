"""`trueup observe` against a running observer: files become snapshots, once, and what is left out is said."""

from __future__ import annotations

import gzip
import json
import shutil
from datetime import date
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import typer
from cli.observe.commands import observe
from common.events.observer import EntityObserved, ObservationRejected, SourceReported
from support.observer_realm import FEED, FINDING, OTHER_FEED, TOKENS, ObserverRealm
from typer.testing import CliRunner

pytestmark = pytest.mark.integration
DATED = {
    **FINDING,
    "attributes": {"number": {"from": "reference"}, "ended": {"from": "ends", "read": "yyyy-MM-dd"}},
}


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


def workbook(path: Path, names: list[str], *rows: list[Any]) -> str:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in (names, *rows):
        sheet.append(row)
    book.save(path)
    return str(path)


async def test_a_workbook_by_a_kept_mapping_and_what_can_not_be_read_is_listed(
    running: ObserverRealm, command: Command, tmp_path: Path
) -> None:
    await running.declare("dated", DATED)
    names = ["No.", "Finished on", "Notes"]
    rows = (["W-1", date(2023, 6, 30), "x"], ["W-2", "N/A", "x"])
    first = workbook(tmp_path / "june.xlsx", names, *rows)
    named = ("--map", "No.=reference", "--map", "Finished on=ended", "--map", "Notes=")
    said = command(first, "--type", "dated", "--as-of", "2023-07-01", *named)
    assert said["counts"]["accepted"] == 2
    (cell,) = said["could_not_read"]["cells"]
    assert (cell["place"], cell["column"], cell["text"]) == ("Sheet!3", "ends", "N/A")
    assert cell["reason"] == 'ends "N/A" is not one date written as yyyy-MM-dd'
    stored = [e.data["row"] for e in await running.events(EntityObserved) if e.data["entity_type"] == "dated"]
    assert sorted(stored, key=str) == [
        {"ends": "2023-06-30", "reference": "W-1"},
        {"ends": "N/A", "reference": "W-2"},
    ]
    later = workbook(tmp_path / "july.xlsx", names, ["W-1", date(2023, 7, 1), "x"], rows[1])
    again = command(later, "--type", "dated", "--as-of", "2023-07-02")
    assert again["counts"] == {"accepted": 1, "unchanged": 1, "duplicate": 0, "rejected": 0}
    changed = workbook(tmp_path / "august.xlsx", ["Number", "Finished on", "Notes"], *rows)
    refused = command(changed, "--type", "dated", "--as-of", "2023-07-02", code=1)
    assert refused["error"] == "header_changed"
    assert "'No.' went missing" in refused["message"]


async def test_packed_lines_and_a_plan_of_action_are_snapshots_too(
    running: ObserverRealm, command: Command, tmp_path: Path
) -> None:
    lines = "".join(json.dumps({"reference": f"P-{number}", "title": "x"}) + "\n" for number in range(600))
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    packed = command(str(tmp_path / "a.jsonl.gz"), "--type", "finding", "--as-of", "2023-07-01")
    assert packed["counts"]["accepted"] == 600
    await running.declare("risk", {**FINDING, "key": "uuid", "attributes": {"title": {"from": "title"}}})
    plan = Path(__file__).parents[2] / "support" / "oscal" / "ifa_plan-of-action-and-milestones.json"
    copy = shutil.copy(plan, tmp_path / plan.name)
    said = command(f"{copy}#risks", "--type", "risk", "--as-of", "2023-07-01")
    assert said["counts"]["accepted"] == 2
    assert said["could_not_read"]["not_understood"]["system-id"] == 1
    kept = [e.data["row"] for e in await running.events(EntityObserved) if e.data["entity_type"] == "risk"]
    assert {row["status"] for row in kept} == {"deviation-approved", "open"}
