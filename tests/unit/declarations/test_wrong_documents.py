"""Wrong pages: each with its line, a stable reason code, and what to write instead."""

from collections.abc import Callable

import pytest
from common.declarations import sql
from common.declarations.catalogue import Catalogue
from common.declarations.checks import check
from common.declarations.loader import load
from common.declarations.trees import LARGEST_BYTES
from pydantic_core import PydanticCustomError

Codes = Callable[..., list[tuple[str, int]]]

OWNER = "owner: treasurer"


def goal(more: str = "", measure: str = "count: not_met('ruled')", target: str = "0", name: str = "few") -> str:
    return f"{OWNER}\n  objectives:\n    - {{name: {name}, {measure}, atMost: {target}{more}}}"


REPLACED = [
    ("status: {from: status}", "status: {form: status}", "unknown_field", 9),
    ("read: decimal", "read: decimel", "bad_read", 10),
    ("read: decimal", "read: yy-MM-dd", "date_pattern", 10),
    ('read: {"Y": true, "N": false}', 'read: {"Y": true, "N": no}', "bad_read", 12),
    ("status: {from: status}", "Status: {from: status}", "bad_name", 9),
    ("status: {from: status}", "null: {from: status}", "bad_name", 9),
    ("  key: id\n  attributes:\n    status:", "  key: id\n  freshFor: 5 business days\n  attributes:\n    status:",
     "bad_period", 8),
    ("  key: id\n  attributes:\n    status:", "  key: id\n  sensitive: [id]\n  attributes:\n    status:",
     "sensitive_relation", 18),
    ("  key: id\n  attributes:\n    status:", "  key: id\n  computed: {a: last()}\n  attributes:\n    status:",
     "no_events", 8),
    ("  key: id\n  attributes:\n    status:", "  key: id\n  checks: [due >= sen]\n  attributes:\n    status:",
     "unknown_attribute", 8),
    ("latest: check", "earliest: check, latest: check", "bad_relation", 17),
    ("count: check, through: invoice", "count: check, through: invoice, where: a", "unknown_attribute", 18),
    ("count: check, through: invoice", "count: check, through: invoice, as: amount", "bad_relation", 18),
    ("latest: check", "latest: chek", "unknown_name", 17),
    ("by: made_on", "by: result", "not_a_date", 17),
    ("latest: check, through: invoice", "latest: check, through: made_on", "bad_relation", 17),
    ("count: check", "count: check, by: made_on", "bad_relation", 18),
    ("effective: 2023-01-01", "effective: 2023-02-30", "bad_date", 39),
    ("America/New_York", "America/New_Yrok", "bad_timezone", 40),
    ("entity: invoice", "entity: invoce", "unknown_entity_type", 41),
    ("done: paid", "done: pad", "unknown_attribute", 42),
    ("done: paid", "done: true", "not_an_expression", 42),
    ("low: otherwise", "low: paid", "bad_severity", 43),
    ("low: otherwise", "lowest: otherwise", "bad_value", 45),
    ("high: amount > 1000.0", "high: amount > 1000", "type", 44),
    ("high: amount > 1000.0", f"high: amount > 1{'0' * 400}.0", "number_too_large", 44),
    ("high: amount > 1000.0", f"high: amount * 1{'0' * 300}.0 > 1.0", "number_too_large", 44),
    ("name: ruled", "name: done", "bad_name", 47),
    ("{status}", "{statuss}", "unknown_attribute", 47),
    ("{status}", "{status", "bad_template", 47),
    ("soak: 1 day", "soak: 1 week", "bad_period", 48),
    ("proof: done", "proof: doen", "unknown_attribute", 48),
    ("autonomy: L1", "autonomy: L4", "not_offered_yet", 49),
    ("autonomy: L1", "autonomy: L1, documents: [a]", "not_offered_yet", 49),
    ("autonomy: L1", "autonomy: L1, actions: [mend]", "unknown_name", 49),
    ("autonomy: L1", "autonomy: L1, playbook: {rulled: [{action: mend}]}", "unknown_rule", 49),
    ("autonomy: L1", "autonomy: L1, peopleOnly: known(status)", "known_not_here", 49),
    ("covers: invoices-paid", "covers: invoices-payed", "unknown_name", 55),
    ("confirmGap: {treasurer: 1}", "confirmGap: {treasurer: 0}", "bad_quorum", 56),
    ("confirmGap: {treasurer: 1}", "confirmGap: {}", "bad_quorum", 56),
    ("confirmGap: {treasurer: 1}", "confirmGap: {treasurer: 2}", "not_offered_yet", 56),
    ("confirmGap: {treasurer: 1}", "confirmGap: {treasurer: 1, risk: 1}", "not_offered_yet", 56),
    ('when: "true"', "when: risk == 'low'", "uncovered", 57),
    ('when: "true"', "when: risk == low", "unknown_attribute", 57),
    ('when: "true"', "when: risk == 'lo'", "unknown_value", 57),
    ('when: "true"', "when: \"'urgnt' != severity || system.criticality in ['high', 'low']\"", "unknown_value", 57),
    ('when: "true"', "when: \"risk in ['low', 'hgh']\"", "unknown_value", 57),
    ('when: "true", ', 'when: "true", bulk: 5, ', "not_offered_yet", 57),
    ("[author, confirmer, approver, releaser, implementer]", "[author, approver]", "apart_incomplete", 59),
    ("expires: 5 business days", "expires: 5 business days\n  refer: legal", "not_offered_yet", 61),
    ("expires: 5 business days", "owners: {treasurer: status}\n  expires: 1 day", "no_fallback", 60),
    ("metadata: {name: check}", "metadata: {name: invoice}", "declared_twice", 22),
    ("kind: ApprovalPolicy", "kind: ApprovalPolice", "unknown_kind", 52),
    ("kind: ApprovalPolicy", "kind: ChangeCalendar", "not_offered_yet", 52),
    ("  statement: Every invoice is paid.\n", "", "missing", 35),
    ("metadata: {name: invoice-approvals}", "metadata: {}", "bad_name", 53),
    (OWNER, goal(", mean: {from: due, to: seen}"), "bad_objective", 40),
    (OWNER, goal(", atLeast: 3"), "bad_objective", 40),
    (OWNER, goal(target="15 %"), "bad_target", 40),
    (OWNER, goal(", window: rolling 30 days"), "window_of_what", 40),
    (OWNER, goal(", window: 30 days"), "bad_window", 40),
    (OWNER, goal(", at: status"), "not_a_date", 40),
    (OWNER, goal(", guard: {population: shrinks}"), "bad_guard", 40),
    (OWNER, goal(measure="count: not_met('rulde')"), "unknown_rule", 40),
    (OWNER, goal(name="ruled"), "duplicate_rule", 40),
    (OWNER, goal(measure="share: paid", target="15 %"), "diluted", 40),
    (OWNER, goal(measure="mean: {from: due, to: paid}", target="3 days"), "not_a_date", 40),
    (OWNER, goal(measure="mean: {from: due, to: seen}", target="3"), "bad_target", 40),
    ("{from: due,", "{from: due, and more,", "braces", 13),
    ("  statement: Every", "\tstatement: Every", "tab", 36),
    ("  basis: Payment Standard", "  basis: Payment: Standard", "not_yaml", 37),
    ("  basis: Payment Standard", "  basis:", "empty", 37),
    ("  basis: Payment Standard", "  basis: a\n  basis: b", "duplicate_key", 38),
    ("  basis: Payment Standard", "  basis: &b Payment", "alias", 37),
    ("  basis: Payment Standard", "  basis: !!python/name:os.system x", "tag", 37),
]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "code", "line"), REPLACED, ids=[f"{row[2]}: {row[1][:50]}" for row in REPLACED]
)
def test_a_wrong_page_is_refused_at_its_line(codes: Codes, old: str, new: str, code: str, line: int) -> None:
    assert (code, line) in codes((old, new))


def test_the_page_that_all_others_are_made_from_is_right(codes: Codes) -> None:
    assert codes() == []


@pytest.mark.parametrize(
    ("steady", "found"), [("2 hours", []), ("29 days", []), ("30 days", ["bad_steady"]), ("2 weeks", ["bad_period"])]
)
def test_what_must_last_longer_than_a_proof_may_take_is_refused(codes: Codes, steady: str, found: list[str]) -> None:
    assert [code for code, _ in codes(("  verification:", f"  steady: {steady}\n  verification:"))] == found


def test_of_objectives_alone_nothing_is_asked_to_last(page: str) -> None:
    rules = page[page.index("  expectations:") : page.index("  verification:")]
    alone = page.replace(rules, "  steady: 2 hours\n").replace(OWNER, goal(measure="count: paid"))
    (problem,) = load(alone, "page.yaml").problems
    assert problem.reason_code == "bad_steady"
    assert str(problem).endswith("Drop steady:. An objective is damped by its window: and minimum:.")


def test_an_objective_that_is_right_is_read(codes: Codes) -> None:
    assert codes((OWNER, goal(", at: due, window: rolling 30 days, minimum: 10, reach: 2023-12-31"))) == []


def test_every_problem_says_what_to_write(page: str) -> None:
    text = page.replace("by: made_on", "by: mde_on").replace("latest: check", "latest: check")
    problems = check(load(text, "page.yaml").documents)
    assert [str(problem) for problem in problems] == [
        "page.yaml:17: spec.related.check: There is no attribute 'mde_on'. Did you mean made_on?"
    ]


BYTES = [
    (b"\xff\xfe", "not_utf8", 1),
    (b"a: 1\nb: \xff", "not_utf8", 2),
    (b"a: " + b"x" * LARGEST_BYTES, "too_large", 1),
    (b"- " * 60 + b"x", "too_deep", 1),
    (b"a:\n" + b"-\n" * 20_100, "too_large", 19_997),  # five events come before the entries
    (b"", "empty", 1),
    (b"# only a comment\n---\n", "empty", 1),
    (b"just words", "not_a_declaration", 1),
    (b"a: &a [x]\nb: &b [*a,*a]\nc: [*b,*b]", "alias", 1),
    (b"kind: System", "api_version", 1),
    (b"apiVersion: trueup/v2\nkind: System", "api_version", 1),
    (b"[" * 300, "too_deep", 1),
    (b"{" * 300, "braces", 1),
]


@pytest.mark.parametrize(("data", "code", "line"), BYTES, ids=[repr(row[0][:20]) for row in BYTES])
def test_hostile_bytes_are_refused_and_nothing_is_raised(data: bytes, code: str, line: int) -> None:
    loaded = load(data, "page.yaml")
    assert loaded.documents == ()
    assert [(problem.reason_code, problem.line) for problem in loaded.problems] == [(code, line)]


ACTION = """\
apiVersion: trueup/v1alpha1
kind: ActionType
metadata: {name: mend}
spec:
  does: Mends it.
  system: books
  provider: sql
  risk: low
  autonomy: L3
  undo: Put it back.
  parameters: {reason: text}
  limits: {perCase: 1}
  sql: {statement: "insert into notes (id, reason) values (:entity_key, :reason)"}
---
apiVersion: trueup/v1alpha1
kind: System
metadata: {name: books}
spec: {about: Books., owner: treasurer, production: true, financial: true}
"""
ACTIONS = [
    ("provider: sql", "provider: ticket", "not_offered_yet", 7),
    ("provider: sql", "provider: manual", "bad_sql", 13),
    ("risk: low", "risk: medium", "autonomy_too_high", 9),
    ("  undo: Put it back.\n", "", "bad_undo", 4),
    ("system: books", "system: boks", "unknown_name", 6),
    ("perCase: 1", "perCase: 10 %", "not_offered_yet", 12),
    ("perCase: 1", "perPersonPerDay: 1", "not_offered_yet", 12),
    ("perCase: 1", "perCase: 0", "bad_value", 12),
    (":reason)", ":resaon)", "unknown_parameter", 13),
    (":reason)", "'x')", "unused_parameter", 13),
    (":reason)", ":reason); drop table notes", "bad_sql", 13),
    ("insert into", "drop table", "bad_sql", 13),
    (":reason)", ":reason) -- x", "bad_sql", 13),
    (":reason)", ":reason || E'\\\\'')", "bad_sql", 13),
    (":reason)", ":reason || u&'x')", "bad_sql", 13),
    (
        "insert into notes (id, reason)",
        "insert into trueup_receipts (idempotency_key, case_id)",
        "receipts_named",
        13,
    ),
    (":reason)", ":reason) returning (select 1 from public.TRUEUP_RECEIPTS)", "receipts_named", 13),
    (":reason)", ":reason) returning query_to_xml('delete from trueup_receipts')", "receipts_named", 13),
    ("reason: text", "reason: json", "bad_value", 11),
]


@pytest.mark.parametrize(("old", "new", "code", "line"), ACTIONS, ids=[f"{row[2]}: {row[1][:40]}" for row in ACTIONS])
def test_a_wrong_action_is_refused_at_its_line(codes: Codes, old: str, new: str, code: str, line: int) -> None:
    assert codes(text=ACTION) == []
    assert (code, line) in codes((old, new), text=ACTION)


def test_a_name_that_only_begins_like_the_receipts_is_fine() -> None:
    sql.check("insert into trueup_receipts_copy (id) values (:entity_key)", {})
    sql.check("update notes set state = 'open', date = date'2023-01-01' where id = :entity_key", {})


def test_the_receipts_cannot_be_named_in_quotes_or_in_disguise() -> None:
    for name in ('"trueup_receipts"', '"public"."trueup_receipts"', "trueup_receipts*"):
        with pytest.raises(PydanticCustomError, match="only the executor"):
            sql.check(f"delete from {name} where case_id = :case_id", {})
    with pytest.raises(PydanticCustomError, match="not allowed"):
        sql.check(r'delete from U&"trueup\005Freceipts" where case_id = :case_id', {})


PLAYBOOK = "autonomy: L1, actions: [mend], playbook: {ruled: [{action: mend, with: WITH}]}"
STEPS = [
    ('{reason: "It is {status}."}', None),
    ("{}", "missing_parameter"),
    ("{reason: a, raeson: b}", "unknown_parameter"),
    ('{reason: "{statis}"}', "unknown_attribute"),
    ('{reason: "{status + 3 days}"}', "bad_template"),
    ('{reason: "{today + 3 dys}"}', "bad_template"),
    ("{reason: [a, b]}", "bad_parameter"),
]


@pytest.mark.parametrize(("with_", "code"), STEPS)
def test_playbook_steps_are_checked_against_the_action(codes: Codes, page: str, with_: str, code: str | None) -> None:
    text = page.replace("autonomy: L1", PLAYBOOK.replace("WITH", with_)) + "---\n" + ACTION
    assert codes(text=text) == ([] if code is None else [(code, 49)])


def test_a_typo_in_the_list_of_actions_is_one_problem(codes: Codes, page: str) -> None:
    typo = PLAYBOOK.replace("actions: [mend]", "actions: [mned]").replace("WITH", '{reason: "a"}')
    text = page.replace("autonomy: L1", typo) + "---\n" + ACTION
    assert codes(text=text) == [("unknown_name", 49)]
    elsewhere = text.replace("{action: mend,", "{action: mended,")
    assert codes(text=elsewhere) == [("unknown_name", 49)] * 2, "a step that names no action at all is still told"


def test_a_document_that_breaks_an_active_one_is_refused(page: str) -> None:
    active = Catalogue().with_documents(load(page, "old.yaml").documents)
    new = page.split("---", maxsplit=1)[0].replace('    paid:   {from: paid, read: {"Y": true, "N": false}}\n', "")
    problems = check(load(new, "new.yaml").documents, active)
    assert [(problem.reason_code, problem.file) for problem in problems] == [("breaks_active", "new.yaml")]
    assert "invoices-paid" in problems[0].message
