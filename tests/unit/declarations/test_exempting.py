"""Accepted gaps and what is ignored: the same answer for everybody, until the day is over."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from common.declarations.catalogue import Catalogue
from common.declarations.checks import check
from common.declarations.evaluation import EntityView, Evaluation, Origin, evaluate
from common.declarations.exempting import Exemption, stands
from common.declarations.loader import load
from common.declarations.problems import Problem
from common.declarations.values import Decimal, Slot, Status, Unknown
from hypothesis import given
from hypothesis import strategies as st

from .conftest import PAGE

ASOF = datetime(2023, 7, 3, 12, tzinfo=UTC)
END = datetime(2023, 8, 1, 4, tzinfo=UTC)  # 31 July is over, in New York
ACCEPTED = """
---
apiVersion: trueup/v1alpha1
kind: AcceptedGap
metadata: {name: old-archive}
spec:
  desiredState: invoices-paid
  entity: I-1
  rules: [ruled]
  reason: The archive is closed at the end of July.
  until: 2023-07-31
"""
IGNORED = "  ignore:\n    - {%s, because: It is on its way out.}\n  verification: {proof"


def read(text: str) -> tuple[Catalogue, list[Problem]]:
    loaded = load(text, "invoices.yaml")
    assert not loaded.problems, loaded.problems
    return Catalogue().with_documents(loaded.documents), check(loaded.documents)


def found(text: str, key: str = "I-1", asof: datetime = ASOF, **values: Slot) -> Evaluation:
    catalogue, problems = read(text)
    assert not problems, problems
    known: dict[str, Any] = {"status": "lost", "amount": Decimal("5.00"), "paid": False, "copies": 1, **values}
    missing = Unknown("absent", "none")
    slots = {name: known.get(name, missing) for name in catalogue.entity_types["invoice"].attributes}
    return evaluate(catalogue.compiled("invoices-paid"), EntityView("invoice", key, slots, Origin("s", "e")), asof)


def test_an_accepted_gap_is_seen_opens_nothing_and_comes_back_when_the_day_is_over() -> None:
    text = PAGE + ACCEPTED
    assert found(PAGE).standing == "gap"
    now = found(text)
    assert (now.standing, now.failing) == ("accepted", ())
    (rule,) = now.exempt
    version = load(ACCEPTED, "accepted.yaml").documents[0].digest
    assert (rule.status, rule.exempt) == (Status.MISSED, Exemption("accepted", "old-archive", END, version))
    assert END in now.next_timers
    assert found(text, asof=END - timedelta(microseconds=1)).standing == "accepted"
    assert found(text, asof=END).standing == "gap"
    assert found(text, "I-2").standing == "gap", "another one is not accepted"


def test_what_is_unknown_is_never_accepted_nor_ignored() -> None:
    unknown = Unknown("unreadable", "?")
    page = PAGE.replace("""where: "status != 'draft'"}""", "}").replace("{entity: invoice, }", "{entity: invoice}")
    ignored = page.replace("  verification: {proof", IGNORED % "entities: [I-1]")
    for text in (page + ACCEPTED, ignored):
        assert found(text, status=unknown).standing == "undecided"


def test_a_condition_accepts_those_for_which_it_is_met_and_no_others() -> None:
    text = PAGE + ACCEPTED.replace("entity: I-1", "where: copies > 3")
    assert found(text, copies=4).standing == "accepted"
    assert found(text, copies=3).standing == "gap"
    assert found(text, copies=Unknown("absent", "none")).standing == "gap"


@pytest.mark.parametrize(
    ("what", "key", "standing"),
    [
        ("entities: [I-1]", "I-1", "ignored"),
        ("entities: [I-1]", "I-2", "gap"),
        ("where: copies == 1", "I-2", "ignored"),
        ("where: copies == 2", "I-2", "gap"),
        ("attributes: [status]", "I-2", "ignored"),
        ("attributes: [amount]", "I-2", "gap"),
        ("entities: [I-1], attributes: [status]", "I-1", "ignored"),
        ("entities: [I-1], attributes: [amount]", "I-1", "gap"),
    ],
)
def test_what_is_ignored(what: str, key: str, standing: str) -> None:
    text = PAGE.replace("  verification: {proof", IGNORED % what)
    assert found(text, key).standing == standing


def test_an_accepted_gap_is_no_other_version_and_is_looked_at_all_the_same() -> None:
    before, (after, _) = read(PAGE)[0], read(PAGE + ACCEPTED)
    assert (
        before.version_digest("invoices-paid")
        == after.version_digest("invoices-paid")
        == before.decided_by("invoices-paid")
    )
    later = read(PAGE + ACCEPTED.replace("2023-07-31", "2023-08-31"))[0]
    assert len({item.decided_by("invoices-paid") for item in (before, after, later)}) == 3


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda text: text.replace("rules: [ruled]", "rules: [rulde]"), "unknown_name"),
        (lambda text: text.replace("entity: I-1", "where: copeis > 3"), "unknown_attribute"),
        (lambda text: text.replace("desiredState: invoices-paid", "desiredState: invoices"), "unknown_name"),
    ],
)
def test_what_does_not_fit_is_said(change: Callable[[str], str], code: str) -> None:
    _, (problem,) = read(PAGE + change(ACCEPTED))
    assert problem.reason_code == code
    assert problem.hint


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda text: text.replace("  entity: I-1\n", ""), "accepts_what"),
        (lambda text: text.replace("entity: I-1", "entity: I-1\n  where: copies > 3"), "accepts_what"),
        (lambda text: text.replace("until: 2023-07-31", "until: never"), "bad_date"),
        (lambda text: text.replace("until: 2023-07-31", "until: 9999-12-31"), "bad_date"),
        (lambda text: text.replace("  until: 2023-07-31\n", ""), "missing"),
        (lambda text: text.replace("  reason: The archive is closed at the end of July.\n", ""), "missing"),
    ],
)
def test_an_exception_without_end_or_reason_is_refused(change: Callable[[str], str], code: str) -> None:
    (problem,) = load(PAGE + change(ACCEPTED), "t.yaml").problems
    assert problem.reason_code == code


@pytest.mark.parametrize(("what", "code"), [("", "ignores_all"), ("entities: [I-1], where: paid, ", "ignores_what")])
def test_nothing_is_ignored_by_accident(what: str, code: str) -> None:
    text = PAGE.replace("  verification: {proof", (IGNORED % "X").replace("X, ", what))
    (problem,) = load(text, "t.yaml").problems
    assert problem.reason_code == code


def test_one_that_no_longer_fits_accepts_nothing_and_holds_up_no_amendment() -> None:
    active, _ = read(PAGE + ACCEPTED.replace("entity: I-1", "where: copies > 0"))
    amended = load(PAGE.replace("    copies: {from: copies, read: number}\n", ""), "new.yaml").documents
    assert check(amended, active) == []
    catalogue = active.with_documents(amended)
    view = EntityView("invoice", "I-1", {"status": "lost", "paid": False}, Origin("s", "e"))
    assert evaluate(catalogue.compiled("invoices-paid"), view, ASOF).standing == "gap"


@given(st.none() | st.integers(-100, 100), st.integers(-100, 100))
def test_expiry_is_one_question(until: int | None, asof: int) -> None:
    end = None if until is None else ASOF + timedelta(hours=until)
    holds = stands(Exemption("accepted", "x", end), ASOF + timedelta(hours=asof))
    assert holds == (until is None or asof < until)


def test_a_gap_stays_accepted_when_its_rule_is_renamed() -> None:
    renamed = PAGE.replace("{name: ruled, expect", "{name: in-order, formerly: [ruled], expect")
    catalogue, problems = read(renamed)
    assert not problems
    known = catalogue.with_documents(load(PAGE + ACCEPTED, "t.yaml").documents).with_documents(
        load(renamed, "t.yaml").documents
    )
    missing = Unknown("absent", "none")
    slots: dict[str, Slot] = dict.fromkeys(known.entity_types["invoice"].attributes, missing)
    view = EntityView("invoice", "I-1", {**slots, "status": "lost"}, Origin("s", "e"))
    assert evaluate(known.compiled("invoices-paid"), view, ASOF).standing == "accepted"


@pytest.mark.parametrize("where", ["ignored", "accepted"])
def test_no_declaration_names_an_entity_whose_key_is_sensitive(where: str) -> None:
    page = PAGE.replace("  key: id\n", "  key: id\n  sensitive: [id]\n", 1)
    start, end = page.index("  related:\n"), page.index("---\n")
    page = page[:start] + page[end:]
    text = (
        page + ACCEPTED
        if where == "accepted"
        else page.replace("  verification: {proof", IGNORED % "entities: [I-1]")
    )
    _, (problem,) = read(text)
    assert problem.reason_code == "sensitive"
    assert "id, the key, is sensitive" in problem.message


def test_an_objective_is_not_accepted_and_the_message_says_so() -> None:
    objective = "  objectives:\n    - {name: all-paid, count: not_met('done'), atMost: 0}\n  verification: {proof"
    text = PAGE.replace("  verification: {proof", objective) + ACCEPTED.replace("[ruled]", "[all-paid]")
    _, (problem,) = read(text)
    assert problem.reason_code == "unknown_name"
    assert problem.message.startswith("all-paid is an objective")
