"""`sensitive`: which columns it means, and where a declaration may not read them."""

from __future__ import annotations

import pytest
from common.declarations.catalogue import Catalogue
from common.declarations.checks import check
from common.declarations.loader import load
from common.declarations.models import EntityType
from common.declarations.problems import Problem

PAGE = """\
apiVersion: trueup/v1alpha1
kind: EntityType
metadata: {name: file}
spec:
  about: One customer file.
  source: crm
  key: id
  sensitive: [name, born, notes]
  attributes:
    name:   {from: full_name}
    alias:  {from: full_name}
    born:   {from: born_on, read: "yyyy-MM-dd"}
    state:  {from: state}
    due:    {from: due, read: "yyyy-MM-dd"}
  related:
    check: {latest: check, through: file, by: made_on}
---
apiVersion: trueup/v1alpha1
kind: EntityType
metadata: {name: check}
spec:
  about: One check of a file.
  source: crm
  key: id
  sensitive: [result]
  attributes:
    file:    {from: file}
    result:  {from: result}
    made_on: {from: made_on, read: "yyyy-MM-dd"}
---
apiVersion: trueup/v1alpha1
kind: DesiredState
metadata: {name: files-checked}
spec:
  statement: Every file is checked.
  basis: Policy
  owner: head
  effective: 2023-01-01
  selector: {entity: file, where: "state != 'gone'"}
  done: state == 'checked'
  severity: {high: name == 'VIP', medium: otherwise}
  expectations:
    - name: checked
      when: alias == 'x' || state == 'x'
      expect: check.result == 'clear'
      says: It is {state}.
  deadlines:
    - {name: timely, expect: state == 'checked', by: due, says: Too late.}
  verification: {proof: done, soak: 1 day, within: 5 days}
  remediation:
    autonomy: L2
    actions: [ask]
    playbook:
      checked: [{action: ask, with: {text: "Check {state}"}, why: "It is {state}."}]
---
apiVersion: trueup/v1alpha1
kind: System
metadata: {name: desk}
spec: {about: A desk., owner: head, production: false, financial: false}
---
apiVersion: trueup/v1alpha1
kind: ActionType
metadata: {name: ask}
spec:
  does: Asks.
  system: desk
  provider: manual
  risk: low
  autonomy: L2
  undo: Take it back.
  parameters: {text: text}
---
apiVersion: trueup/v1alpha1
kind: ApprovalPolicy
metadata: {name: files}
spec:
  covers: files-checked
  confirmGap: {keeper: 1}
  approvePlan: [{when: "true", roles: {head: 1}}]
  releaseStep: {head: 1}
  apart: [author, confirmer, approver, releaser, implementer]
  owners: {keeper: state, otherwise: head}
  expires: 2 days
"""
STEP = "spec.remediation.playbook.checked[0]"


def problems(text: str, active: Catalogue | None = None) -> list[Problem]:
    loaded = load(text, "page.yaml")
    assert not loaded.problems
    return check(loaded.documents, active)


def spec(text: str = PAGE) -> EntityType:
    model = load(text, "page.yaml").documents[0].model
    assert isinstance(model, EntityType)
    return model


def test_sensitive_attributes_may_decide_rules_and_severity() -> None:
    assert problems(PAGE) == []


def test_an_attribute_means_its_column_and_any_other_name_a_column() -> None:
    assert spec().sensitive_columns == {"full_name", "born_on", "notes"}
    assert spec().sensitive_attributes == {"name", "alias", "born"}, "alias is read from the same column"


@pytest.mark.parametrize(
    ("was", "now", "code", "path"),
    [
        ("says: It is {state}.", "says: It is {name}.", "sensitive_text", "spec.expectations[0].says"),
        ("says: It is {state}.", "says: It is {alias}.", "sensitive_text", "spec.expectations[0].says"),
        ("says: It is {state}.", "says: 'It is {check.result}.'", "sensitive_text", "spec.expectations[0].says"),
        ("says: Too late.", "says: 'Since {born}.'", "sensitive_text", "spec.deadlines[0].says"),
        ("by: due", "by: born", "sensitive_date", "spec.deadlines[0].by"),
        ("  verification:", "  objectives:\n    - {name: quick, mean: {from: born, to: due}, atMost: 3 days}\n"
         "  verification:", "sensitive_date", "spec.objectives[0]"),
        ("  verification:", "  objectives:\n    - {name: few, count: \"state == 'new'\", at: born, atMost: 3}\n"
         "  verification:", "sensitive_date", "spec.objectives[0]"),
        ("where: \"state != 'gone'\"", "where: \"name != 'gone'\"", "sensitive_proof", "spec.selector.where"),
        ("proof: done", "proof: check.result == 'clear'", "sensitive_proof", "spec.verification.proof"),
        ("done: state == 'checked'", "done: name == 'x'", "sensitive_proof", "spec.verification.proof"),
        ('"Check {state}"', '"Check {name}"', "sensitive_parameter", f"{STEP}.with.text"),
        ('why: "It is {state}."', 'why: "It is {name}."', "sensitive_text", f"{STEP}.why"),
        ("  done: state", "  ignore: [{where: \"alias == 'Smith'\", because: He left.}]\n  done: state",
         "sensitive_exemption", "spec.ignore[0].where"),
        ("kind: ApprovalPolicy\n", "kind: AcceptedGap\nmetadata: {name: left}\nspec: {desiredState: files-checked, "
         "where: \"name == 'Smith'\", rules: [timely], reason: He left., until: 2024-01-01}\n---\n"
         "apiVersion: trueup/v1alpha1\nkind: ApprovalPolicy\n", "sensitive_exemption", "spec.where"),
        ("keeper: state", "keeper: name", "sensitive_owner", "spec.owners.keeper"),
        ("sensitive: [result]", "sensitive: [file]", "sensitive_relation", "spec.related.check"),
        ("sensitive: [result]", "sensitive: [made_on]", "sensitive_relation", "spec.related.check"),
        ("  attributes:\n    name:", "  checks: [born <= due]\n  attributes:\n    name:", "sensitive_check",
         "spec.checks[0]"),
    ],
)  # fmt: skip
def test_it_can_not_be_read_where_it_would_be_written_down(was: str, now: str, code: str, path: str) -> None:
    assert was in PAGE
    found = problems(PAGE.replace(was, now, 1))
    assert (code, path) in [(problem.reason_code, problem.path) for problem in found], found


def test_what_is_sealed_stays_sensitive() -> None:
    active = Catalogue().with_documents(load(PAGE, "page.yaml").documents)
    dropped = PAGE.replace("sensitive: [name, born, notes]", "sensitive: [name, born]")
    (problem,) = problems(dropped, active)
    assert (problem.reason_code, problem.path, problem.line) == ("sensitive_dropped", "spec.sensitive", 8)
    assert "notes" in problem.message
    moved = PAGE.replace("name:   {from: full_name}", "name:   {from: name_now}")
    assert [problem.reason_code for problem in problems(moved, active)] == ["sensitive_dropped"]
    kept = moved.replace("[name, born, notes]", "[name, born, notes, full_name]")
    assert problems(kept, active) == []


@pytest.mark.parametrize(
    ("sensitive", "code"),
    [("[alia]", "unknown_attribute"), ("[full_nam]", "unknown_attribute")],
)
def test_a_slip_of_the_pen_is_refused(sensitive: str, code: str) -> None:
    loaded = load(PAGE.replace("[name, born, notes]", sensitive), "page.yaml")
    assert [(problem.reason_code, problem.line) for problem in loaded.problems] == [(code, 8)]


def test_a_column_that_is_only_like_another_may_be_named() -> None:
    assert problems(PAGE.replace("[name, born, notes]", "[name, born_on, state_of_mind]")) == []


def test_done_may_read_it_where_the_proof_does_not() -> None:
    told = PAGE.replace("done: state == 'checked'", "done: name == 'x'").replace("proof: done", "proof: state == 'x'")
    assert problems(told) == []


def test_what_is_refused_says_what_is_offered() -> None:
    (problem,) = problems(PAGE.replace("by: due", "by: born", 1))
    assert "tells the date" in problem.message
    assert all(place in (problem.hint or "") for place in ("when:", "expect:", "severity:", "peopleOnly:", "done:"))


# -- the key

KEYED = PAGE.replace("[name, born, notes]", "[id, name]").replace(
    "  related:\n    check: {latest: check, through: file, by: made_on}\n", ""
).replace("check.result == 'clear'", "state == 'clear'")  # fmt: skip


def test_a_sensitive_key_is_offered_and_is_sensitive_by_whatever_name_it_is_read() -> None:
    assert problems(KEYED) == []
    assert (spec(KEYED).sensitive_key, spec().sensitive_key) == (True, False)
    named = KEYED.replace("    name:   {from: full_name}", "    number: {from: id}\n    name:   {from: full_name}")
    (problem,) = problems(named.replace("says: It is {state}.", "says: 'It is {number}.'", 1))
    assert problem.reason_code == "sensitive_text"


def test_nothing_may_name_it_by_a_sensitive_key() -> None:
    (problem,) = problems(PAGE.replace("[name, born, notes]", "[id, name]"))
    assert (problem.reason_code, problem.path) == ("sensitive_relation", "spec.related.check")
    assert "check.file would name it: in the clear" in problem.message


@pytest.mark.parametrize(
    ("was", "now"), [("[name]", "[id, name]"), ("[id, name]", "[name, number]"), ("[id, name]", "[name]")]
)
def test_a_key_stays_as_sensitive_as_it_was(was: str, now: str) -> None:
    before, after = KEYED.replace("[id, name]", was), KEYED.replace("[id, name]", now)
    if "number" in now:
        after = after.replace("key: id", "key: number")
    active = Catalogue().with_documents(load(before, "page.yaml").documents)
    codes = [problem.reason_code for problem in problems(after, active)]
    assert codes[0] == "sensitive_key_changed", codes
    assert [problem.reason_code for problem in problems(before, active)] == []
