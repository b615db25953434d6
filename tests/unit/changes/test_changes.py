"""What a changed declaration would open, close and change, over any rows."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Any

import pytest
from cli.preview.changes import changed_lines
from cli.preview.comparing import Compared, compare
from cli.preview.preview import previews
from cli.preview.states import State, StateRow
from common.changes.cases import OPEN
from common.changes.tally import totals
from common.declarations.catalogue import Catalogue
from common.declarations.checks import check
from common.declarations.loader import load
from hypothesis import given
from hypothesis import strategies as st
from support.casework import FINDINGS, ROW

AT = datetime(2023, 7, 3, 12, tzinfo=UTC)
TEXT = FINDINGS.read_text()
NAME = "money-findings-closed"
RENAMED = (
    TEXT.replace("    - name: fixed\n", "    - name: kept\n      formerly: [fixed]\n")
    .replace("met('fixed')", "met('kept')")
    .replace("      fixed:", "      kept:")
    .replace("    - name: none-open\n", "    - name: all-closed\n      formerly: [none-open]\n")
)
EDITS = {
    "same": TEXT,
    "renamed": RENAMED,
    "narrower": TEXT.replace("areas.matches('[ABC]')", "areas.matches('[AB]')"),
    "wider": TEXT.replace("areas.matches('[ABC]')", "areas.matches('[ABCL]')"),
    "later": TEXT.replace("by: due\n      says: Management", "by: due\n      plus: 30 days\n      says: Management"),
    "milder": TEXT.replace("high: weakness == 'material' || repeat", "high: weakness == 'material'"),
    "read": TEXT.replace('"MMMM d, yyyy"', '"yyyy-MM-dd"'),
    "ahead": TEXT.replace("effective: 2023-07-01", "effective: 2024-01-01"),
}  # fmt: skip


@cache
def catalogue(edit: str) -> Catalogue:
    loaded = load(EDITS[edit], "findings.yaml")
    assert not loaded.problems
    return Catalogue().with_documents(loaded.documents)


@st.composite
def rows(draw: st.DrawFn) -> dict[str, dict[str, Any]]:
    return {
        f"F-{number}": {
            **ROW,
            "reference": f"F-{number}",
            "material_weakness": draw(st.sampled_from("YN?")),
            "repeat_finding": draw(st.sampled_from("YN")),
            "compliance_requirements": draw(st.sampled_from(["C", "A", "L", ""])),
            "corrective_action_status": draw(
                st.sampled_from(["Corrective action in progress", "Corrective action complete", "see below", None])
            ),
            "completion_date": draw(st.sampled_from(["June 30, 2023", "July 31, 2023", "2023-01-01", "N/A"])),
        }
        for number in range(draw(st.integers(0, 6)))
    }


def given_rows(found: dict[str, dict[str, Any]]) -> dict[str, State]:
    state = State("finding", ["rows.csv"])
    state.rows = {key: StateRow(key, row, "rows.csv", line) for line, (key, row) in enumerate(found.items(), 2)}
    return {"finding": state, "retest": State("retest")}


def change(before: str, after: str, found: dict[str, dict[str, Any]]) -> Compared:
    state = given_rows(found)
    return compare(catalogue(before), catalogue(after), (state, state), AT)


def open_keys(edit: str, found: dict[str, dict[str, Any]]) -> set[str]:
    (preview,) = previews(catalogue(edit), given_rows(found), AT)
    if not preview.in_force:
        return set()
    every = [*preview.cases, *preview.undecided]
    return {seen.key for seen in every if seen.evaluation.standing in OPEN}


@given(rows(), st.sampled_from(sorted(EDITS)), st.sampled_from(sorted(EDITS)))
def test_what_opens_and_closes_is_the_difference_of_the_two_previews(
    found: dict[str, dict[str, Any]], before: str, after: str
) -> None:
    was, now = open_keys(before, found), open_keys(after, found)
    for state in change(before, after, found).changed:
        kinds = {
            kind: {case.key for case in state.cases if case.kind == kind} for kind in ("opens", "closes", "changes")
        }
        assert kinds["opens"] == now - was
        assert kinds["closes"] == was - now
        assert kinds["changes"] <= was & now
        assert (state.opens, state.closes, state.changes) == tuple(len(keys) for keys in kinds.values())
        assert state.changes + state.stays == len(was & now)
        assert sum(state.severities.values()) == state.opens
        assert all(case.says for case in state.cases), "whatever changes says what is different"


@given(rows())
def test_a_rename_alone_opens_closes_and_changes_nothing(found: dict[str, dict[str, Any]]) -> None:
    (state,) = change("same", "renamed", found).changed
    assert (state.opens, state.closes, state.changes, state.dates) == (0, 0, 0, 0)
    assert state.objectives == []
    assert state.renamed == {"fixed": "kept", "none-open": "all-closed"}


DUE = TEXT.replace("reach: 2023-12-31", "reach: 2023-07-01")


def of_texts(before: str, after: str) -> Compared:
    """With one finding that is open."""
    old, new = (Catalogue().with_documents(load(text, "findings.yaml").documents) for text in (before, after))
    state = given_rows({"F-1": {**ROW, "reference": "F-1"}})
    return compare(old, new, (state, state), AT)


def test_the_case_of_the_population_is_among_those_that_open_and_told_apart() -> None:
    found = of_texts(TEXT, DUE).changed
    (state,) = found
    assert (state.opens, state.stays) == (0, 1), "the finding's own case stays"
    assert state.population is not None
    told = state.population
    assert (told.key, told.kind, told.before, told.after, told.severity) == ("*", "opens", "no gap", "gap", "medium")
    assert told.says == ["none-open: missed (1 of 1; at most 0 wanted by 1 July 2023)"]
    assert totals(found) == (1, 0, 0)
    text = "\n".join(item.plain for item in changed_lines(state, 100, full=False))
    assert "+     1  open" in text and "1 of every finding together" in text
    assert "+ every finding  MEDIUM  none-open: missed" in text


def test_once_missed_an_objective_leaves_the_case_when_it_is_met() -> None:
    assert [state.population for state in of_texts(DUE, TEXT).changed] == [None], (
        "behind its path it is not met, and the case stays"
    )
    met = DUE.replace("atMost: 0", "atMost: 5")
    (closes,) = of_texts(DUE, met).changed
    assert closes.population is not None
    assert (closes.population.kind, closes.population.says) == ("closes", ["none-open: met"])
    assert totals([closes]) == (0, 1, 0)
    assert [state.population for state in of_texts(DUE, DUE.replace("plus: 60 days", "plus: 61 days")).changed] == [
        None
    ]


def test_a_new_declaration_opens_the_case_of_its_population() -> None:
    state = given_rows({"F-1": {**ROW, "reference": "F-1"}})
    after = Catalogue().with_documents(load(DUE, "findings.yaml").documents)
    (found,) = compare(Catalogue(), after, (state, state), AT).changed
    assert (found.opens, totals([found])) == (1, (2, 0, 0))


def test_without_formerly_a_rename_is_another_rule() -> None:
    text = RENAMED.replace("      formerly: [fixed]\n", "")
    loaded = load(text, "x").documents
    state = given_rows({"F-1": {**ROW, "reference": "F-1"}})
    found = compare(catalogue("same"), Catalogue().with_documents(loaded), (state, state), AT)
    assert [case.says for case in found.changed[0].cases] == [["fixed: no longer fails", "kept: missed"]]


def test_the_same_declaration_changes_nothing() -> None:
    found = change("same", "same", {"F-1": {**ROW, "reference": "F-1"}})
    assert found.changed == []
    assert found.same == [NAME]


def test_before_its_day_nothing_is_decided_and_the_preview_says_so() -> None:
    (state,) = change("same", "ahead", {"F-1": {**ROW, "reference": "F-1"}}).changed
    assert not state.in_force
    assert (state.closes, state.effective) == (1, "2024-01-01")
    assert state.cases[0].says == ["the new declaration is not in force yet"]


def problems(text: str, active: str = TEXT) -> list[tuple[str, str]]:
    loaded = load(text, "findings.yaml")
    documents = loaded.documents
    found = loaded.problems or check(documents, Catalogue().with_documents(load(active, "findings.yaml").documents))
    return [(problem.reason_code, problem.message) for problem in found]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("name: agreed\n", "name: agreed\n      formerly: [dated]\n", "there is a 'dated' still"),
        (
            "name: agreed\n",
            "name: accepted\n      formerly: [fixed]\n",
            "Both accepted and kept were formerly 'fixed'",
        ),
    ],
)
def test_a_rename_that_could_mean_two_things_is_refused(old: str, new: str, message: str) -> None:
    text = RENAMED.replace("- " + old, "- " + new)
    if "accepted" in new:
        text = text.replace("      agreed:", "      accepted:")
    ((code, told),) = problems(text)
    assert (code, message in told) == ("ambiguous_rename", True), told


def test_two_rules_that_are_active_cannot_go_on_as_one() -> None:
    dropped = TEXT.replace(
        "    - name: shown\n      when: position == 'complete'\n      expect: known(retest.result)\n"
        "      says: Reported complete, but nobody independent has tested it.\n",
        "",
    )
    start = dropped.index("      shown:")
    text = dropped[:start] + dropped[dropped.index("      ", dropped.index("\n", start) + 1) :]
    text = text.replace("    - name: agreed\n", "    - name: agreed\n      formerly: [shown]\n")
    found = problems(text)
    assert ("ambiguous_rename", "shown and agreed are both active, so agreed was not called shown.") in found


def test_an_objective_does_not_go_on_as_a_rule() -> None:
    text = TEXT.replace("    - name: agreed\n", "    - name: agreed\n      formerly: [on-time]\n")
    text = text.replace("- name: on-time", "- name: timely").replace("      on-time:", "      timely:")
    assert [code for code, _ in problems(text)] == ["ambiguous_rename"]


def test_what_is_accepted_is_not_said_to_hold() -> None:
    accepted = """
apiVersion: trueup/v1alpha1
kind: AcceptedGap
metadata: {name: board}
spec:
  desiredState: money-findings-closed
  entity: F-1
  rules: [RULES]
  reason: The board accepted it.
  until: 2023-08-31
"""
    unclear = {"completion_date": "soon", "corrective_action_status": "Corrective action in progress"}
    late = {**unclear, "completion_date": "June 30, 2023"}
    for rules, cells, says in (("dated", unclear, "dated"), ("fixed", late, "fixed")):
        known = Catalogue().with_documents(load(f"{TEXT}\n---{accepted.replace('RULES', rules)}", "x").documents)
        state = given_rows({"F-1": {**ROW, "reference": "F-1", **cells}})
        (case,) = compare(catalogue("same"), known, (state, state), AT).changed[0].cases
        assert case.says == [f"{says}: accepted (board)"]


def test_what_closes_says_for_how_long_it_must_last() -> None:
    later = EDITS["later"].replace("plus: 30 days", "plus: 90 days")
    damped = later.replace("\n  verification:", "\n  steady: 2 hours\n  verification:", 1)
    told = "nothing is wrong yet; a date lies ahead"
    for text, says in ((later, told), (damped, f"{told}; closes when that has lasted 2 hours")):
        (state,) = of_texts(TEXT, text).changed
        assert [case.says for case in state.cases] == [[says]]
