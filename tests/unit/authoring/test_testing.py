"""`trueup test`: what is as expected passes, and whatever is not is told with both."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cli.authoring import starting
from cli.main import app
from support import terminal
from support.pages import each_page_is_read_once  # noqa: F401 - used by every test here

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"


def run(*words: str | Path) -> Any:
    return terminal.run(app, *words)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in starting.scenario("invoice").items():
        (tmp_path / name).write_text(text, "utf-8")
    return tmp_path


HEAD = """\
declarations: invoice.yaml
rows:
  invoice: {owner: K. Lund, state: open, disputed: "N", amount: "80.00", received: 2024-03-01}
tests:
"""
TRIAL = """\
  - name: It is late
    at: 2024-03-18
    given: {invoice: [{id: A}, {id: B, state: answered}]}
    expect:
      cases: {A: {missed: [in-time], severity: medium}}
"""


def tried(folder: Path, *replaced: tuple[str, str], trial: str = TRIAL) -> Any:
    text = HEAD + trial
    for old, new in replaced:
        assert old in text
        text = text.replace(old, new)
    (folder / "invoice.test.yaml").write_text(text, "utf-8")
    return run("test", folder)


def test_the_examples_pass_their_tests() -> None:
    told = run("test", EXAMPLES)
    assert told.exit_code == 0, told.output
    assert "FAIL" not in told.output


def test_as_expected(folder: Path) -> None:
    told = tried(folder)
    assert (told.exit_code, told.output) == (0, "ok    It is late\n1 test: all as expected.\n")


FAILING = [
    ("severity: medium", "severity: high", "A, severity", "high", "medium"),
    ("missed: [in-time]", "missed: [owned]", "A, missed", "owned", "in-time"),
    ("missed: [in-time]", "dueSoon: [in-time]", "A, due soon", "in-time", "none"),
    ("severity: medium", "peopleOnly: true", "A, people only", "yes", "no"),
    ("severity: medium", "actions: []", "A, actions", "none", "ask-about-invoice"),
    ("severity: medium", "says: {in-time: Late.}", "A, in-time says", "Late.", "Received on 1 March 2024, and not"),
    ("cases: {A: {missed: [in-time], severity: medium}}", "cases: []", "A", "no case", "a case that misses in-time"),
    ("cases: {A:", "cases: {B: {}, A:", "B", "a case", "no case: it is as wanted"),
    ("cases: {A:", "cases: {C: {missed: [owned]}, A:", "C", "a case that misses owned", "no row with this key"),
    ("{id: A}", "{id: A, received: soon}", "A", "a case that misses in-time",
     'undecided (received: received "soon" is not one date written as yyyy-MM-dd)'),
    ("id: B, state: answered", "id: B, disputed: maybe", "B", "no case", "undecided: whether it is selected"),
    ("cases: {A:", "undecided: {B: {}}\n      cases: {A:", "B", "undecided", "no case: it is as wanted"),
    ("cases: {A:", "counts: {selected: 3}\n      cases: {A:", "selected", "3", "2"),
    ("cases: {A:", "counts: {met: 0}\n      cases: {A:", "met", "0", "1"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "what", "wanted", "found"), FAILING, ids=[row[1] for row in FAILING])
def test_what_differs_is_told_with_both(folder: Path, old: str, new: str, what: str, wanted: str, found: str) -> None:
    told = tried(folder, (old, new))
    assert told.exit_code == 2
    assert "FAIL  It is late  invoice.test.yaml:5" in told.output
    lines = [line.strip() for line in told.output.splitlines()]
    at = lines.index(what)
    assert lines[at + 1] == f"expected  {wanted}"
    assert lines[at + 2].startswith(f"found     {found}")
    assert lines[-1] == "1 test: 1 failed."


WRONG = [
    ("missed: [in-time]", "missed: [in-tme]", "There is no rule 'in-tme'. Did you mean in-time?", 9),
    ("declarations: invoice.yaml\n", "", "'declarations' is missing.", 1),
    ("{id: A}", "{id: A, stat: open}", "No attribute of invoice is read from 'stat'. Did you mean state?", 7),
    ("{id: A}", "{state: open}", "This row has no id, the key.", 7),
    ("id: B", "id: A", "A is there twice.", 7),
    ("given: {invoice:", "given: {invoce:", "There is no entity type 'invoce'. Did you mean invoice?", 7),
    ("at: 2024-03-18", "at: Monday", "'Monday' is no day and no instant.", 6),
    ("cases: {A: {missed: [in-time], severity: medium}}", "counts: {open: 1}", "'open' is not known here.", 9),
    ("expect:\n      cases: {A: {missed: [in-time], severity: medium}}", "expect: {}", "Nothing is expected.", 8),
    ("invoice: [{id: A}, {id: B, state: answered}]", "invoice: more.csv", "There is no file more.csv", 7),
    ("invoice: [{id: A}, {id: B, state: answered}]", "invoice: [3]", "3 is not a row.", 7),
    ("    at:", "    desiredState: x\n    at:", "There is no desired state 'x'.", 6),
    ("rows:\n", "---\nrows:\n", "There are 2 documents in this file of tests.", 1),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "message", "line"), WRONG, ids=[row[1].strip()[:40] for row in WRONG])
def test_a_test_that_could_not_fail_or_is_wrong_is_refused(
    folder: Path, old: str, new: str, message: str, line: int
) -> None:
    told = tried(folder, (old, new))
    assert told.exit_code == 1, told.output
    assert message in " ".join(told.output.split())
    assert told.output.startswith(f"invoice.test.yaml:{line}: ")


def test_an_objective_is_compared_by_where_it_stands(tmp_path: Path) -> None:
    folder = EXAMPLES / "findings"
    text = (folder / "findings.test.yaml").read_text("utf-8").replace("none-open: behind", "none-open: met")
    for name in ("findings.yaml", "single-audit-147110-2022.csv"):
        text = text.replace(f": {name}", f": {folder / name}")
    (tmp_path / "a.test.yaml").write_text(text, "utf-8")
    answer = run("test", tmp_path, "--json")
    found = json.loads(answer.output)
    assert answer.exit_code == 2
    assert found["failed"] == 1
    assert found["tests"][-1]["differences"] == [{"of": "none-open", "expected": "met", "found": "behind"}]


def test_wrong_declarations_are_told_before_any_test(folder: Path) -> None:
    page = folder / "invoice.yaml"
    page.write_text(page.read_text("utf-8").replace("by: received", "by: recieved"), "utf-8")
    told = tried(folder)
    assert told.exit_code == 1
    assert "There is no attribute 'recieved'. Did you mean received?" in " ".join(told.output.split())


def test_a_place_without_tests_is_told(tmp_path: Path) -> None:
    assert run("test", tmp_path).exit_code == 1
    assert "There are no tests at" in run("test", tmp_path / "a.yaml").output


def test_tests_are_no_declarations(folder: Path) -> None:
    tried(folder)
    assert run("validate", folder).exit_code == 0


EVENTS = """\
declarations: {page}
tests:
  - name: Slow
    at: 2012-02-10
    given: {{kyc-file: [], application: {rows}}}
    expect: {{cases: {{slow: {{missed: [three-days, moving]}}}}}}
"""
HAPPENED = (("A_SUBMITTED", "2012-02-06T10:00:00+01:00"), ("A_ACCEPTED", "2012-02-06T10:05:00+01:00"))


def of_events(folder: Path, rows: str) -> Any:
    page = EXAMPLES / "onboarding" / "onboarding.yaml"
    (folder / "a.test.yaml").write_text(EVENTS.format(page=page, rows=rows), "utf-8")
    return run("test", folder)


def test_rows_of_a_log_are_events_of_cases_written_out_or_in_a_file(tmp_path: Path) -> None:
    written = ", ".join(f'{{case: slow, activity: {what}, time: "{at}"}}' for what, at in HAPPENED)
    told = of_events(tmp_path, f"[{written}]")
    assert (told.exit_code, told.output) == (0, "ok    Slow\n1 test: all as expected.\n")
    lines = ["case,activity,time", *(f"slow,{what},{at}" for what, at in HAPPENED)]
    (tmp_path / "log.csv").write_text("\n".join(lines) + "\n")
    assert of_events(tmp_path, "log.csv").exit_code == 0


@pytest.mark.parametrize(
    "event",
    [
        "{case: slow, activity: A_SUBMITTED}",
        "{case: slow, activity: A_SUBMITTED, time: 2012-02-06}",
        '{case: slow, time: "2012-02-06T10:00:00+01:00"}',
        '{activity: A_SUBMITTED, time: "2012-02-06T10:00:00+01:00"}',
    ],
)
def test_an_event_that_can_not_be_placed_is_refused(tmp_path: Path, event: str) -> None:
    told = of_events(tmp_path, f"[{event}]")
    assert told.exit_code == 1
    assert "no case, no activity, or no time with its zone" in " ".join(told.output.split())
