"""docs/wrong-documents.md: wrong documents with the message that each gets. Every row is a test, and the page is made
of these rows: `PYTHONPATH=tests .venv/bin/python -m unit.authoring.test_wrong_documents` writes it again.

Each document is the scenario that `trueup new scenario invoice` gives, with one thing changed.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from cli.authoring import starting
from common.declarations.checks import check
from common.declarations.loader import load
from common.declarations.problems import Problem

PAGE = Path(__file__).resolve().parents[3] / "docs" / "wrong-documents.md"
RIGHT = starting.scenario("invoice")["invoice.yaml"]
DONE = "done: state == 'answered'"
SAYS = "says: Received on {received}, and not answered."
LINE = "{when: risk != 'low' || system.financial, roles: {team-lead: 1, risk: 1}}"

ROWS: dict[str, list[tuple[str, str]]] = {
    "YAML": [
        ("  expectations:", "\texpectations:"),
        ("    - name: owned\n      expect:", "    name: owned\n    expect:"),
        (SAYS, "says: Late: received on {received}."),
        (SAYS, "says: {received}, and not answered."),
        ('where: "!disputed"', "where: !disputed"),
        ("      by: received\n", "      by: received\n      by: due\n"),
    ],
    "Fields": [
        ("apiVersion: trueup/v1alpha1\nkind: EntityType", "kind: EntityType"),
        ("kind: EntityType ", "kind: Entity "),
        ("name: invoices-answered", "name: Invoices Answered"),
        ("statement: Every", "statment: Every"),
        ("  basis: Service Standard, section 2             # what it rests on\n", ""),
        ("    - name: owned\n", "    - name: owned\n      by: received\n"),
        ("actions: [ask-about-invoice]", "actions: ask-about-invoice"),
        ("{case-worker: 1}", "case-worker"),
        ("production: true", "production: yes"),
        ("autonomy: L2                                 # a", "autonomy: full  # a"),
        ("effective: 2024-01-01", "effective: 1 January 2024"),
        ("plus: 10 business days", "plus: 2 weeks"),
        ("  verification: ", "  steady: 2 business days\n  verification: "),
        ("  verification: ", "  steady: 30 days\n  verification: "),
        ("timezone: America/New_York", "timezone: New York"),
        ("    medium: otherwise\n", ""),
        ("expires: 5 business days", "expires: 5 business days\n  refer: legal"),
    ],
    "Columns": [
        ('read: "yyyy-MM-dd"', 'read: "YYYY-MM-DD"'),
        ('read: "yyyy-MM-dd"', "read: date"),
        ('{"Y": true, "N": false}', "{Y: true, N: no}"),
        ("owner:     {from: owner}", "owner-name: {from: owner}"),
        ("owner:     {from: owner}", "owner:     owner"),
    ],
    "Conditions": [
        (DONE, "done: state = 'answered'"),
        (DONE, "done: state == answered"),
        (DONE, "done: state == 'anwsered'"),
        (DONE, "done: sate == 'answered'"),
        (DONE, "done: state is answered"),
        (DONE, "done: state == 'answered' and not disputed"),
        (DONE, "done: state <> 'open'"),
        (DONE, "done: state in ('answered', 'closed')"),
        (DONE, "done: (state == 'answered'"),
        (DONE, "done: state"),
        (DONE, "done: owner != null"),
        (DONE, "done: known(owner) && state == 'answered'"),
        (DONE, "done: disputed == 'N'"),
        (DONE, "done: received < today - 90 days"),
        (DONE, "done: received < '2024-03-01'"),
        ("amount > 10000.0", "amount > 10000"),
        ("amount > 10000.0", "amount > $10,000.00"),
    ],
    "Names that fit together": [
        ("entity: invoice,", "entity: invoce,"),
        ("by: received", "by: owner"),
        (SAYS, "says: Received on {recieved}, and not answered."),
        ("      in-time:\n", "      late:\n"),
        ("- action: ask-about-invoice", "- action: ask-invoice"),
        (', due: "{today + 2 days}"', ""),
        ('due: "{today + 2 days}"', "due: in two days"),
        ("  undo: Withdraw the request.                    # or: reversible: false\n", ""),
        ("provider: manual", "provider: sql"),
        ("  covers: invoices-answered", "  covers: invoices"),
        (LINE, "{when: risk == 'medium', roles: {team-lead: 1}}"),
        ("[author, confirmer, approver, releaser, implementer]", "[author, approver]"),
    ],
}  # fmt: skip
EVERY = [(*row, f"{row[0].strip()} -> {row[1].strip()}") for rows in ROWS.values() for row in rows]


@cache
def told(old: str, new: str) -> list[Problem]:
    assert RIGHT.count(old) >= 1, old
    loaded = load(RIGHT.replace(old, new, 1), "invoice.yaml")
    return [*loaded.problems] or check(loaded.documents)


def cell(text: str) -> str:
    """The text as code in a cell of a Markdown table."""
    shown = text.strip("\n").replace("\t", "→").replace("|", "\\|")
    lines = [line.partition("  #")[0].rstrip() for line in shown.split("\n")]
    least = min(len(line) - len(line.lstrip()) for line in lines)
    return "<br>".join(f"`{line[least:]}`" for line in lines) if text.strip() else "(nothing)"


def page() -> str:
    count = sum(map(len, ROWS.values()))
    lines = [
        "# Wrong documents, and what is said of them",
        "",
        f"{count} documents with one fault each, as people write them who know YAML and other languages. Each is",
        "`invoice.yaml` as `trueup new scenario invoice` writes it, with one change; the message is what",
        "`trueup validate` prints. A test holds every row. `→` is a tab.",
    ]
    for heading, rows in ROWS.items():
        lines += ["", f"## {heading}", "", "| in place of | written | told |", "|---|---|---|"]
        for old, new in rows:
            messages = "<br>".join(str(one).replace("|", "\\|").replace("<", "&lt;") for one in told(old, new))
            lines.append(f"| {cell(old)} | {cell(new)} | {messages} |")
    return "\n".join(lines) + "\n"


def test_the_page_is_what_is_told_now() -> None:
    assert PAGE.read_text("utf-8") == page(), "write it again, and read what changed"


def test_the_document_is_right_without_the_change() -> None:
    loaded = load(RIGHT, "invoice.yaml")
    assert not loaded.problems
    assert check(loaded.documents) == []


@pytest.mark.parametrize(("old", "new", "_name"), EVERY, ids=[row[2] for row in EVERY])
def test_the_message_names_the_line_and_what_to_write(old: str, new: str, _name: str) -> None:
    changed = RIGHT.replace(old, new, 1).splitlines()
    differs = next(number for number, (one, two) in enumerate(zip(RIGHT.splitlines(), changed, strict=False), 1)
                   if one != two)  # fmt: skip
    problems = told(old, new)
    assert problems, "it must not pass"
    assert len(problems) <= 2, "one mistake, and not an avalanche"
    for problem in problems:
        assert problem.hint, "what to write instead"
        for foreign in ("Input should", "validation", "NoneType", "pydantic", "Syntax error", "overload", "<input>"):
            assert foreign not in str(problem)
    assert any(-2 <= problem.line - differs <= 3 for problem in problems) or not new.strip(), (
        f"line {differs} changed; told at {[problem.line for problem in problems]}"
    )


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
