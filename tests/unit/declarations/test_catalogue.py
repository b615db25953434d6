"""What follows from the active declarations."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import pytest
from common.declarations import sql, templates
from common.declarations.catalogue import Catalogue
from common.declarations.evaluation import EntityView, Origin, slots_of
from common.declarations.loader import document_digest, load
from common.declarations.problems import Wrong
from common.declarations.values import Unknown
from common.errors import Permanent

from .conftest import PAGE

STATE = "money-findings-closed"
SOURCE = """
apiVersion: trueup/v1alpha1
kind: Source
metadata: {name: ledger}
spec: {about: What is owed., quietAfter: 3 days}
"""


@dataclass
class Event:
    kind: str
    name: str
    spec: dict[str, Any]
    author: str = "c.adeyemi"
    authors: tuple[str, ...] = ()


def test_a_catalogue_folded_from_events_equals_one_built_from_documents(findings: Catalogue) -> None:
    folded = Catalogue()
    for document in findings.documents.values():
        folded = folded.apply(Event(document.kind, document.name, document.spec))
    assert folded.version_digest(STATE) == findings.version_digest(STATE)
    assert folded.policy_digest(STATE) == findings.policy_digest(STATE)
    assert [rule.reads for rule in folded.compiled(STATE).rules] == [
        rule.reads for rule in findings.compiled(STATE).rules
    ]


def test_an_event_that_this_version_cannot_read_is_a_permanent_error() -> None:
    with pytest.raises(Permanent) as refused:
        Catalogue().apply(Event("System", "books", {"about": "x", "colour": "red"}))
    assert refused.value.reason_code == "declaration_unreadable"


def test_a_desired_state_waits_for_the_entity_types_it_reads(findings: Catalogue) -> None:
    without = Catalogue({key: item for key, item in findings.documents.items() if key != ("EntityType", "retest")})
    assert without.missing(STATE) == ("EntityType/retest",)
    assert without.desired_states_for("finding") == ()
    assert findings.desired_states_for("finding") == (STATE,)
    assert findings.desired_states_for("retest") == ()
    with pytest.raises(Permanent):
        without.compiled(STATE)


def changed(findings: Catalogue, kind: str, name: str, **fields: Any) -> Catalogue:
    return findings.apply(Event(kind, name, {**findings.documents[kind, name].spec, **fields}))


@pytest.mark.parametrize(
    ("kind", "name", "field", "value", "state_changes", "policy_changes"),
    [
        ("DesiredState", STATE, "basis", "Another", True, False),
        ("EntityType", "retest", "freshFor", "36 days", True, False),
        ("ActionType", "request-evidence", "limits", {"perCase": 3}, True, False),
        ("System", "ticketing", "owner", "someone", True, False),
        ("ApprovalPolicy", "findings-approvals", "expires", "6 days", False, True),
    ],
)
def test_a_version_changes_with_all_it_depends_on_and_nothing_else(
    findings: Catalogue, kind: str, name: str, field: str, value: Any, state_changes: bool, policy_changes: bool
) -> None:
    after = changed(findings, kind, name, **{field: value})
    assert (after.version_digest(STATE) != findings.version_digest(STATE)) is state_changes
    assert (after.policy_digest(STATE) != findings.policy_digest(STATE)) is policy_changes


def test_what_is_asked_of_a_source_is_no_other_version_and_everything_is_looked_at_again() -> None:
    """A plan rests on facts; a source in doubt makes them Unknown, and one that is not changes nothing."""
    before = load(PAGE, "page.yaml").documents
    versions, decided = set(), set()
    for source in ("", SOURCE, SOURCE.replace("3 days", "4 days")):
        catalogue = Catalogue().with_documents(
            [*before, *load(source, "source.yaml").documents] if source else before
        )
        versions.add(catalogue.version_digest("invoices-paid"))
        decided.add(catalogue.decided_by("invoices-paid"))
    assert (len(versions), len(decided)) == (1, 3)
    other = Catalogue().with_documents([*before, *load(SOURCE.replace("ledger", "pager"), "source.yaml").documents])
    assert {other.decided_by("invoices-paid")} == versions, "nothing of it is read"


def test_comments_and_layout_do_not_change_a_digest(page: str) -> None:
    first = load(page, "a.yaml").documents[0]
    second = load(
        "# moved\n\n" + page.replace("{name: invoice}", "\n  name: invoice  # the same"), "b.yaml"
    ).documents[0]
    assert first.digest == second.digest == document_digest("EntityType", "invoice", first.spec)


def test_compiling_is_done_once_a_version(findings: Catalogue) -> None:
    after = changed(findings, "ApprovalPolicy", "findings-approvals", expires="7 days")
    assert after.compiled(STATE) is findings.compiled(STATE)
    other = changed(findings, "System", "ticketing", owner="someone")
    assert other.compiled(STATE) is not findings.compiled(STATE)


def test_matching_lines_are_united_with_the_larger_quorum(findings: Catalogue) -> None:
    assert findings.required_approvals(STATE, ["request-evidence"], "high") == {"compliance-lead": 1}
    both = findings.required_approvals(STATE, ["request-evidence", "publish-procedure"], "medium")
    assert both == {"compliance-lead": 1, "risk": 1}
    financial = changed(findings, "System", "policy-library", financial=True)
    assert financial.required_approvals(STATE, ["publish-procedure"], "low") == {
        "compliance-lead": 1, "risk": 1, "system-owner": 1, "technology-operations": 1,
    }  # fmt: skip


def test_an_action_that_no_line_covers_can_be_approved_by_nobody(findings: Catalogue) -> None:
    lines = [{"when": "risk == 'high'", "roles": {"risk": 2}}]
    bare = changed(findings, "ApprovalPolicy", "findings-approvals", approvePlan=lines)
    with pytest.raises(Permanent) as refused:
        bare.required_approvals(STATE, ["request-evidence"], "low")
    assert refused.value.reason_code == "no_approval_line"


@pytest.mark.parametrize(
    ("state", "action", "financial", "level"),
    [("L3", "L3", False, "L3"), ("L2", "L3", False, "L2"), ("L3", "L2", False, "L2"), ("L1", "L3", False, "L1"),
     ("L3", "L3", True, "L2"), ("L0", "L3", True, "L0")],
)  # fmt: skip
def test_the_level_is_the_lowest_and_l2_at_most_on_production_financials(
    findings: Catalogue, state: str, action: str, financial: bool, level: str
) -> None:
    remediation = {**findings.documents["DesiredState", STATE].spec["remediation"], "autonomy": state}
    after = changed(findings, "DesiredState", STATE, remediation=remediation)
    after = changed(after, "ActionType", "request-evidence", autonomy=action)
    after = changed(after, "System", "ticketing", financial=financial)
    assert after.effective_level(STATE, "request-evidence") == level


def test_joins_say_whom_a_row_concerns(findings: Catalogue) -> None:
    assert [(join.reader, join.name, join.through) for join in findings.joins_from("retest")] == [
        ("finding", "retest", "finding")
    ]
    assert [(join.reader, join.name) for join in findings.joins_from("finding")] == [("finding", "recurrences")]
    assert [join.name for join in findings.joins_of("finding")] == ["retest", "recurrences"]


def finding_slots(findings: Catalogue, row: dict[str, str]) -> Any:
    values = findings.readers["finding"].read(row).values
    view = EntityView("finding", row["reference"], values, Origin("s", "e"), {})
    return slots_of(findings.compiled(STATE), view, datetime(2023, 7, 3, 16, tzinfo=UTC))


def test_the_playbook_is_filled_in_from_the_finding(findings: Catalogue, finding_rows: list[dict[str, str]]) -> None:
    row = next(row for row in finding_rows if row["reference"] == "2022-090")
    steps = findings.playbook(STATE, "fixed", finding_slots(findings, row))
    assert [step.action for step in steps] == ["request-evidence", "publish-procedure"]
    assert steps[0].parameters == {
        "ask": f"Show what is fixed and what is not: {row['title']}",
        "due": date(2023, 7, 17),
    }
    assert "30 June 2023" in steps[0].why
    other = findings.playbook(STATE, "fixed", finding_slots(findings, {**row, "completion_date": "N/A"}))
    assert isinstance(other[1].parameters["reason"], Unknown)
    assert findings.playbook(STATE, "no-such-rule", {}) == ()


def test_a_routed_role_falls_back_when_nobody_is_named(
    findings: Catalogue, finding_rows: list[dict[str, str]]
) -> None:
    row = finding_rows[0]
    one = finding_slots(findings, {**row, "department": "Education"})
    two = finding_slots(findings, {**row, "department": "EducationAdministrative and Financial Services"})
    assert findings.owner_role(STATE, "control-owner", one) == ("Education", "")
    assert findings.owner_role(STATE, "control-owner", two) == ("", "head-of-compliance")
    assert findings.owner_role(STATE, "risk", one) == ("", "risk")


def test_named_parameters_become_numbered_ones() -> None:
    text = "insert into t (a, b, c) values (:a, ':a'::text, :b || :a)"
    assert sql.names(text) == ("a", "b")
    assert sql.numbered(text) == ("insert into t (a, b, c) values ($1, ':a'::text, $2 || $1)", ("a", "b"))


SLOTS: dict[str, Any] = {
    "due": date(2023, 6, 30),
    "n": 3,
    "name": "A",
    "tags": ("x", "y"),
    "gone": Unknown("absent", "-"),
}
SCOPE: Any = {"due": "date", "n": "number", "name": "text", "tags": "list", "gone": "date"}


@pytest.mark.parametrize(
    ("template", "kind", "value"),
    [
        ("{name}: {due}, {n}", "text", "A: 30 June 2023, 3"),
        ("{due - 10 days}", "date", date(2023, 6, 20)),
        ("{due + 1 business day}", "date", date(2023, 7, 3)),
        ("{due - 1 business day}", "date", date(2023, 6, 29)),
        ("2023-01-31", "date", date(2023, 1, 31)),
        (5, "number", 5),
        ("{n}", "number", 3),
        (("a {name}", "{tags}"), "list", ("a A", "x", "y")),
        ("{name} {gone}", "text", Unknown("absent", "gone: -")),
        ("{gone + 3 days}", "date", Unknown("absent", "-")),
        (("{gone}",), "list", Unknown("absent", "-")),
    ],
)
def test_parameters_are_filled_or_unknown(template: Any, kind: str, value: Any) -> None:
    assert templates.parameter(template, kind, SCOPE)(SLOTS) == value


@pytest.mark.parametrize(
    ("template", "kind"),
    [("{name}", "date"), ("soon", "date"), ("{due}", "number"), ("three", "number"), (("a",), "text"),
     ("{n + 3 days}", "text"), ("{", "text"), ("{a b}", "text"),
     ("{nme}", "text")],
)  # fmt: skip
def test_templates_that_cannot_give_the_kind_are_refused(template: Any, kind: str) -> None:
    with pytest.raises(Wrong):
        templates.parameter(template, kind, SCOPE)
