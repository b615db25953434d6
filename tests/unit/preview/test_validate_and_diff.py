"""`trueup validate` and `trueup diff` as people call them."""

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from cli.preview.commands import diff, validate
from support import terminal
from support.pages import each_page_is_read_once  # noqa: F401 - used by every test here

FINDINGS = Path(__file__).parents[3] / "examples" / "findings"
PAGE = FINDINGS / "findings.yaml"
ROWS = FINDINGS / "single-audit-147110-2022.csv"

app = typer.Typer()
app.command()(validate)
app.command()(diff)


def run(*words: str | Path) -> Any:
    return terminal.run(app, *words)


def preview(*words: str | Path, rows: Path = ROWS) -> Any:
    return run("diff", PAGE, "--state", f"finding={rows}", "--at", "2023-07-03", *words)


@pytest.fixture
def changed(tmp_path: Path) -> Callable[[Callable[[dict[str, str]], None]], Path]:
    """The real findings with something done to every row."""

    def made(change: Callable[[dict[str, str]], None]) -> Path:
        with ROWS.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        for row in rows:
            change(row)
        path = tmp_path / "changed.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, rows[0].keys())
            writer.writeheader()
            writer.writerows(rows)
        return path

    return made


def test_the_example_is_valid() -> None:
    result = run("validate", PAGE)
    assert result.exit_code == 0
    assert result.output.startswith("Valid. 10 declarations:")


def test_the_page_says_what_the_real_findings_come_to() -> None:
    result = preview()
    assert result.exit_code == 2
    text = result.output
    assert "Nothing is written and nothing will run." in text
    assert "80 findings from single-audit-147110-2022.csv: 47 selected (areas.matches('[ABC]')), 33 not." in text
    assert "No retest records were given, so nothing can count as done.   add: --state retest=FILE" in text
    opens = "it would open 40 cases, 29 of them high, 1 of them of every finding together:"
    assert f"If this were active on 3 July 2023 {opens}" in text
    for figure in ("14  fixed", "12  dated", "11  agreed", "2  shown", "2  proven", "6  on track", "0  as wanted"):
        assert re.search(rf"^ +{figure}", text, re.MULTILINE), figure
    assert "1  missed by every finding together: on-time" in text
    assert "2  cannot be decided: position is unknown (2022-027, 2022-045)" in text
    assert "the next date is 30 September 2023 (2022-037, 2022-074)" in text
    assert (
        "40 cases to confirm. 22 plans may be drafted: 29 approvals and 7 releases. 18 cases for people only." in text
    )
    assert "23 cases name no single control-owner: to head-of-compliance." in text
    assert '26: 11 "N/A", 15 others' in text
    assert "40 cases to open, 2 undecided (exit code 2). Next: trueup apply findings.yaml" in text.splitlines()[-1]


def test_one_case_says_what_is_wanted_found_late_possible_and_needed() -> None:
    text = " ".join(preview("--only", "2022-090").output.split())
    for part in (
        "+ 2022-090 HIGH Internal control over DG PA program cash management needs improvement",
        "because weakness == 'material' || repeat: weakness material, repeat yes",
        "missed fixed: Management promised 30 June 2023 and has not reported the fix complete. findings.yaml:",
        "late since Saturday 1 July 2023, 00:00 America/New_York",
        'due 30 June 2023 "June 30, 2023" [single-audit-147110-2022.csv:78]',
        "could be request-evidence (low, L3) · publish-procedure (medium, L2)",
        "control-owner to confirm · compliance-lead and risk to approve",
        "technology-operations to release each L2 step",
        "owner Defense, Veterans and Emergency Management",
    ):
        assert part in text, part


def test_of_one_entity_nothing_is_said_of_the_population() -> None:
    assert "1 case to open, 0 undecided" in preview("--only", "2022-090").output
    (state,) = json.loads(preview("--only", "2022-090", "--json").output)["desired_states"]
    assert (state["counts"]["cases"], state["counts"]["of_population"]) == (1, 0)


def test_the_line_of_a_rule_is_the_line_it_stands_on() -> None:
    number = int(re.findall(r"findings\.yaml:(\d+)", preview("--only", "2022-090").output)[-2])
    assert PAGE.read_text(encoding="utf-8").splitlines()[number - 1].strip() == "expect: position == 'complete'"


def test_json_holds_the_same_figures() -> None:
    result = preview("--json")
    assert result.exit_code == 2
    answer = json.loads(result.output)
    [state] = answer["desired_states"]
    assert state["counts"]["cases"] == len(state["cases"]) == 39
    assert {rule["name"]: rule["missed"] for rule in state["rules"]} == {
        "fixed": 14, "dated": 12, "agreed": 11, "shown": 2, "proven": 2,
    }  # fmt: skip
    assert state["counts"]["of_population"] == 1, "the case of all findings together, for on-time"
    assert state["people"]["approvals"] == 29
    assert state["asof"] == "2023-07-03T04:00:00Z"
    assert [case["key"] for case in state["undecided"]] == ["2022-027", "2022-045"]
    assert len(state["unreadable"]["due"]) == 26


def test_full_shows_every_case_and_every_undecided_one() -> None:
    text = preview("--full").output
    assert len(re.findall(r"^  \+ ", text, re.MULTILINE)) == 39
    assert len(re.findall(r"^  \? ", text, re.MULTILINE)) == 2


def test_one_fact_changed_changes_the_figures(changed: Callable[..., Path]) -> None:
    def fix(row: dict[str, str]) -> None:
        if row["reference"] == "2022-090":
            row["corrective_action_status"] = "Corrective action complete"

    answer = json.loads(preview("--json", rows=changed(fix)).output)["desired_states"][0]
    assert {rule["name"]: rule["missed"] for rule in answer["rules"]} == {
        "fixed": 13, "dated": 12, "agreed": 11, "shown": 3, "proven": 2,
    }  # fmt: skip


def test_with_retests_the_proven_ones_are_as_wanted(changed: Callable[..., Path], tmp_path: Path) -> None:
    def fix(row: dict[str, str]) -> None:
        row["corrective_action_status"] = "Corrective action complete"

    rows = changed(fix)
    with ROWS.open(encoding="utf-8", newline="") as file:
        keys = [row["reference"] for row in csv.DictReader(file)]
    retests = tmp_path / "retests.jsonl"
    retests.write_text("".join(
        json.dumps({"id": f"RT-{key}", "finding": key, "result": "passed", "team": "internal-audit",
                    "tested_on": "2023-06-01", "samples": 25}) + "\n" for key in keys
    ), encoding="utf-8")  # fmt: skip
    result = preview("--state", f"retest={retests}", rows=rows)
    assert result.exit_code == 0, result.output
    assert "it would open 0 cases." in result.output
    assert "47  as wanted" in result.output
    assert "Missing" not in result.output


def test_before_it_takes_effect_nothing_is_decided() -> None:
    result = run("diff", PAGE, "--state", f"finding={ROWS}", "--at", "2023-06-30")
    assert result.exit_code == 0
    assert "It takes effect on 1 July 2023. Nothing is decided before." in result.output


def test_text_from_upstream_cannot_steer_the_terminal(changed: Callable[..., Path]) -> None:
    def poison(row: dict[str, str]) -> None:
        row["title"] = "\x1b[2J[bold red]gone[/]\x07\nnext"
        row["completion_date"] = "\x1b]0;owned\x07"

    text = preview("--full", rows=changed(poison)).output
    assert not set(text) & {"\x1b", "\x07"}
    assert "[bold red]gone[/]" in text


def test_rows_that_cannot_be_used_are_listed(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(
        b'{"reference": "A", "compliance_requirements": "B"}\n{"reference": ""}\nnot json\n{"a": 1, "a": 2}\n[1]\n'
        b'{"reference": "A", "compliance_requirements": "C", "n": 1.5}\n'
    )
    text = preview("--full", rows=path).output
    assert "Left out        5 lines" in text
    for part in ("rows.jsonl:2: the row has no reference, the key", "rows.jsonl:3:", "rows.jsonl:4:",
                 "rows.jsonl:5: this is not an object",
                 "rows.jsonl:6: A again; this row counts, not line 1"):  # fmt: skip
        assert part in text, part


def test_a_row_that_is_left_out_is_not_compliant(changed: Callable[..., Path]) -> None:
    def fine(row: dict[str, str]) -> None:
        row["compliance_requirements"] = "L"

    assert preview(rows=changed(fine)).exit_code == 0
    given = changed(fine)
    lines = given.read_text(encoding="utf-8").splitlines(keepends=True)
    given.write_text("".join([*lines[:-1], lines[-1].replace("2022-093", "")]), encoding="utf-8")
    result = preview(rows=given)
    assert result.exit_code == json.loads(preview("--json", rows=given).output)["exit_code"] == 2
    last = result.output.splitlines()[-1]
    assert "1 line left out (exit code 2). Next: repair the lines that were left out." in last
    assert "apply" not in last


def test_what_may_be_selected_is_not_compliant(changed: Callable[..., Path]) -> None:
    def hide(row: dict[str, str]) -> None:
        del row["compliance_requirements"]

    result = preview(rows=changed(hide))
    assert result.exit_code == 2
    assert "80 of which it can't be told whether they are selected" in result.output.splitlines()[-1]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("wrong.csv", "a,b\n1,2\n"),
        ("wrong.csv", "a,b\n"),
        ("wrong.jsonl", '{"b": 1}\n{"a": 1, "b": 2}\n'),
    ],
)
def test_a_file_without_the_keys_column_is_an_error(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    result = preview(rows=path)
    assert result.exit_code == 1
    assert f"{name} has no column 'reference', the key of finding; it has: " in result.output
    assert json.loads(preview("--json", rows=path).output)["error"] == "no_key_column"


ERRORS: list[tuple[list[Any], str]] = [
    (["diff", PAGE], "No finding records were given. Add: --state finding=FILE"),
    (["diff", PAGE, "--state", ROWS], "does not say which entity type the rows are"),
    (["diff", PAGE, "--state", f"findin={ROWS}"], "Did you mean finding?"),
    (["diff", PAGE, "--state", "finding=/no/such/file.csv"], "There is no file /no/such/file.csv."),
    (["diff", PAGE, "--state", f"finding={PAGE}"], "is of no format that is read here"),
    (["diff", PAGE, "--state", f"finding={ROWS}", "--at", "yesterday"], "is not a day or an instant"),
    (["diff", PAGE, "--state", f"finding={ROWS}", "--at", "2023-02-30"], "is not a day or an instant"),
    (["diff", "/no/such.yaml", "--state", f"finding={ROWS}"], "There is no declaration at /no/such.yaml."),
    (["validate", "/no/such.yaml"], "There is no declaration at /no/such.yaml."),
]


@pytest.mark.parametrize(("words", "told"), ERRORS, ids=[row[1][:40] for row in ERRORS])
def test_errors_say_what_to_do_and_exit_1(words: list[Any], told: str) -> None:
    result = run(*words)
    assert result.exit_code == 1
    assert told in " ".join(result.output.split())
    as_json = json.loads(run(*words, "--json").output)
    assert as_json["error"] and as_json["what_to_do"]


BAD_ROWS = [
    (b"reference,title\n\xff,x\n", "is not UTF-8"),
    (b"a,a\n1,2\n", "does not name each column once"),
    (b'reference\n"A" x\n', "is not CSV"),
]


@pytest.mark.parametrize(("data", "told"), BAD_ROWS)
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, data: bytes, told: str) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(data)
    result = preview(rows=path)
    assert result.exit_code == 1
    assert told in result.output


def test_problems_are_listed_with_file_line_and_hint(tmp_path: Path) -> None:
    page = tmp_path / "page.yaml"
    page.write_text(
        PAGE.read_text(encoding="utf-8").replace("expect: known(due)", "expect: known(deu)"), encoding="utf-8"
    )
    commands: list[list[str | Path]] = [["validate", page], ["diff", page, "--state", f"finding={ROWS}"]]
    for command in commands:
        result = run(*command)
        assert result.exit_code == 1
        assert re.search(
            r"^page\.yaml:\d+: spec\.expectations\[0\]\.expect: There is no attribute 'deu'\.$", result.output, re.M
        )
        assert "    Did you mean due?" in result.output
        answer = json.loads(run(*command, "--json").output)
        assert answer["valid"] is False and answer["problems"][0]["reason_code"] == "unknown_attribute"


def test_a_folder_is_checked_as_one(tmp_path: Path) -> None:
    documents = PAGE.read_text(encoding="utf-8").split("\n---\n")
    for number, text in enumerate(documents):
        (tmp_path / f"{number}.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "0.yaml").unlink()  # only the comment above the first document
    assert run("validate", tmp_path).exit_code == 0
    (tmp_path / "2.yaml").unlink()  # the entity type retest
    result = run("validate", tmp_path)
    assert result.exit_code == 1
    assert "There is no entity type 'retest'" in result.output
