"""`trueup diff OLD NEW` as people call it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from cli.preview.commands import diff
from support import terminal
from support.pages import each_page_is_read_once  # noqa: F401 - used by every test here

FINDINGS = Path(__file__).parents[3] / "examples" / "findings"
OLD = FINDINGS / "findings.yaml"
ROWS = FINDINGS / "single-audit-147110-2022.csv"
TEXT = OLD.read_text()
app = typer.Typer()
app.command()(diff)


@pytest.fixture
def new(tmp_path: Path) -> Path:
    return tmp_path / "new.yaml"


def run(*words: str | Path) -> Any:
    return terminal.run(app, *words)


def compare(new: Path, text: str, *words: str) -> Any:
    new.write_text(text)
    return run(OLD, new, "--state", f"finding={ROWS}", "--at", "2023-07-03", *words)


def test_the_page_says_what_opens_closes_and_changes_on_the_real_findings(new: Path) -> None:
    text = TEXT.replace("areas.matches('[ABC]')", "areas.matches('[AB]')")
    text = text.replace("high: weakness == 'material' || repeat", "high: weakness == 'material'")
    result = compare(new, text)
    assert result.exit_code == 2
    told = result.output
    assert "as of 3 July 2023: a preview. Nothing is written and nothing will run." in told
    summary = told.splitlines()[-1]
    found = compare(new, text, "--json")
    assert found.exit_code == 2
    body = json.loads(found.output)
    (state,) = body["desired_states"]
    counts = (body["opens"], body["closes"], body["changes"])
    assert counts == (0, state["closes"], state["changes"]) and state["closes"] and state["changes"]
    assert summary.startswith(f"0 cases to open, {counts[1]} to close, {counts[2]} to change (exit code 2).")
    assert state["closes"] + state["changes"] + state["stays"] == 41, "39 cases and 2 undecided were open"
    assert len(state["cases"]) == counts[1] + counts[2]
    assert {case["says"][0] for case in state["cases"] if case["kind"] == "closes"} == {"it is no longer selected"}
    assert {case["says"][0] for case in state["cases"] if case["kind"] == "changes"} == {"severity: high → medium"}


def test_nothing_is_said_of_what_stays(new: Path) -> None:
    result = compare(new, TEXT.replace("basis: Issue Management Standard, section 4", "basis: Section 5"))
    assert result.exit_code == 0
    assert "0 cases to open, 0 to close, 0 to change (exit code 0)." in result.output


def test_what_the_new_file_leaves_out_stays_in_force(new: Path) -> None:
    start = TEXT.index("apiVersion")
    result = compare(new, TEXT[start : TEXT.index("---", start)])
    assert result.exit_code == 0, result.output
    assert "As before: money-findings-closed (money-findings-closed is not in" in result.output


def test_a_new_document_must_fit_the_old_ones(new: Path) -> None:
    result = compare(new, TEXT.replace("expect: position != 'disputed'", "expect: positon != 'disputed'"))
    assert result.exit_code == 1
    assert "new.yaml:" in result.output


def test_three_declarations_are_too_many(new: Path) -> None:
    new.write_text(TEXT)
    result = run(OLD, new, new, "--json")
    assert (result.exit_code, json.loads(result.output)["error"]) == (1, "too_many")
