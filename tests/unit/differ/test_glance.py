"""A glance says of most entities what deciding them whole would: the differ may leave it at that."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import pytest
from common.declarations.catalogue import Catalogue
from common.declarations.evaluation import EntityView, Origin, evaluate
from common.declarations.glancing import glance
from common.declarations.loader import load
from common.declarations.values import Unknown
from differ.core.deciding import CaseState
from differ.core.diffing import diff
from differ.core.planning import Declared, Look
from hypothesis import given
from hypothesis import strategies as st
from support.casework import FINDINGS, ROW, without_objectives

NOW = datetime(2023, 7, 3, 12, tzinfo=UTC)
TEXT = FINDINGS.read_text()
PLAIN = without_objectives(TEXT)
EDITS = {
    "plain": PLAIN,
    "lead": PLAIN.replace("      by: due\n", "      by: due\n      lead: 10 days\n", 1),
    "clock": PLAIN.replace("expect: known(due)", "expect: due > today - days(40)"),
    "moment": PLAIN.replace("expect: known(due)", "expect: due > now - days(3)"),
    "ahead": PLAIN.replace("effective: 2023-07-01", "effective: 2023-07-20"),
    "unsure": PLAIN.replace("      by: due\n", "      when: repeat\n      by: due\n", 1),
}

DAYS = (-60, -3, 0, 3, 4, 20, 28, 60)
"""From `NOW`: before and after each of the dates in `rows`, and within ten days of some."""


@cache
def catalogue(edit: str) -> Catalogue:
    assert edit == "plain" or EDITS[edit] != PLAIN
    return Catalogue().with_documents(load(EDITS[edit], "findings.yaml").documents)


@st.composite
def rows(draw: st.DrawFn) -> dict[str, Any]:
    positions = ["Corrective action in progress", "Corrective action complete", "see below", None]
    return {
        **ROW,
        "repeat_finding": draw(st.sampled_from("YN?")),
        "compliance_requirements": draw(st.sampled_from(["C", "L", None])),
        "corrective_action_status": draw(st.sampled_from(positions)),
        "completion_date": draw(st.sampled_from(["June 30, 2023", "July 31, 2023", "July 7, 2023", "soon", None])),
    }


@given(rows(), st.sampled_from(sorted(EDITS)), st.sampled_from(DAYS), st.integers(-2, 40), st.booleans())
def test_a_glance_and_a_whole_evaluation_agree(
    row: dict[str, Any], edit: str, days: int, fresh: int, observed: bool
) -> None:
    known, asof = catalogue(edit), NOW + timedelta(days=days)
    state = known.compiled("money-findings-closed")
    origin = Origin("entity/finding/F-1", "event", asof + timedelta(days=fresh)) if observed else None
    related = {"retest": Unknown("absent", "no retest names this one")}
    view = EntityView("finding", "F-1", known.readers["finding"].read(row).values, origin, related)
    whole, quiet = evaluate(state, view, asof), glance(state, view, asof)
    assert (quiet is not None) == (whole.standing in ("not selected", "met", "on track"))
    if quiet is not None:
        assert quiet.look_again == min(whole.next_timers, default=None)


def test_what_is_due_soon_is_not_quiet() -> None:
    state, reader = catalogue("lead").compiled("money-findings-closed"), catalogue("lead").readers["finding"]
    row = {**ROW, "completion_date": "July 31, 2023", "corrective_action_status": "Corrective action in progress"}
    view = EntityView("finding", "F-1", reader.read(row).values, Origin("s", "e", None))
    asof = [datetime(2023, 7, day, 12, tzinfo=UTC) for day in (20, 23)]
    assert [evaluate(state, view, one).standing for one in asof] == ["on track", "due soon"]
    assert [glance(state, view, one) is None for one in asof] == [False, True]


def test_what_is_stale_is_not_quiet_whatever_its_rules_read() -> None:
    start, end = PLAIN.index("  expectations:"), PLAIN.index("  verification:")
    text = (
        PLAIN[:start]
        + "  expectations:\n    - {name: dated, expect: today > now - days(9), says: No.}\n"
        + PLAIN[end:]
    )
    text = text.replace(
        """selector: {entity: finding, where: "areas.matches('[ABC]')"}""", "selector: {entity: finding}"
    )
    text = text[: text.index("    playbook:")] + text[text.index("    peopleOnly:") :]
    loaded = load(text, "findings.yaml")
    assert not loaded.problems
    known = Catalogue().with_documents(loaded.documents)
    state = known.compiled("money-findings-closed")
    values = known.readers["finding"].read(ROW).values
    views = [EntityView("finding", "F-1", values, Origin("s", "e", NOW + timedelta(days=by))) for by in (1, -1)]
    assert [evaluate(state, view, NOW).standing for view in views] == ["met", "undecided"]
    assert [glance(state, view, NOW) is None for view in views] == [False, True]


@pytest.mark.parametrize("edit", sorted(EDITS))
def test_answers_that_are_kept_are_those_of_the_same_values(edit: str) -> None:
    """Decided again in another order, after others, each entity comes to the same."""
    known = catalogue(edit)
    state, reader = known.compiled("money-findings-closed"), known.readers["finding"]
    every = [
        {**ROW, "repeat_finding": repeat, "corrective_action_status": status, "completion_date": due}
        for repeat in "YN?"
        for status in ("Corrective action complete", "Corrective action in progress", None)
        for due in ("June 30, 2023", "July 31, 2023", None)
    ]

    def decided(row: dict[str, Any]) -> list[Any]:
        view = EntityView("finding", "F-1", reader.read(row).values, Origin("s", "e", None))
        found = evaluate(state, view, NOW)
        return [found.standing, found.severity, [(rule.name, rule.status, rule.reason) for rule in found.rules]]

    first = [decided(row) for row in every]
    assert [decided(row) for row in reversed(every)] == first[::-1]
    conditions = [rule.expect for rule in state.rules] + [rule.when for rule in state.rules if rule.when]
    for condition in conditions:
        condition.answers.clear()
    assert [decided(row) for row in every] == first


def test_what_was_accepted_or_ignored_is_forgotten_when_every_rule_holds() -> None:
    declared = Declared(catalogue("plain"))
    row = {**ROW, "completion_date": "July 31, 2023", "corrective_action_status": "Corrective action in progress"}
    view = EntityView("finding", "F-1", declared.catalogue.readers["finding"].read(row).values, Origin("s", "e"))
    look, ref = Look("money-findings-closed", ("finding", "F-1")), ("finding", "F-1")
    left = CaseState(look.desired_state, ref, exempt="accepted: fixed (until-the-merger)")
    (decision,) = diff(declared, [look], {ref: view}, {left.key: left}, NOW).decisions
    assert decision.after.exempt is None
    assert decision.data is None
