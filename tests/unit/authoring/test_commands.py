"""`trueup explain`, `trueup new` and `trueup schema` as people call them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cli.authoring import reference, schema, starting
from cli.authoring.commands import json_schema
from cli.main import app
from common.declarations.checks import check
from common.declarations.loader import Loaded, load
from common.declarations.models import KINDS
from support import terminal

FINDINGS = Path(__file__).resolve().parents[3] / "examples" / "findings"


def run(*words: str | Path) -> Any:
    return terminal.run(app, *words)


# -- explain


def test_a_field_is_explained_as_on_the_page() -> None:
    told = run("explain", "DesiredState.deadlines.lead")
    assert told.exit_code == 0
    assert "DesiredState.deadlines[].lead   period, not needed" in told.output
    assert "How long before that the case opens as due soon." in told.output
    assert "lead: 30 days" in told.output


@pytest.mark.parametrize(
    "asked",
    ["EntityType.attributes.*.read", "EntityType.attributes.read", "entitytype.spec.attributes.read"],
)
def test_a_path_may_be_written_as_people_would(asked: str) -> None:
    assert reference.part(schema.kept()["definitions"], asked).path == "attributes.*.read"


def test_a_kind_shows_its_fields_and_which_are_needed() -> None:
    told = run("explain", "ActionType").output
    assert "* does" in told
    assert "  limits" in told


def test_every_field_can_be_explained() -> None:
    kinds = schema.kept()["definitions"]

    def walk(part: reference.Part) -> int:
        assert len(reference.page(part)) > 2
        return 1 + sum(
            walk(reference.part(kinds, ".".join(filter(None, (part.kind, part.path, name)))))
            for name, *_ in reference.fields(part)
        )

    assert sum(walk(reference.part(kinds, kind)) for kind in kinds) > 150


def test_what_there_is_not_is_told_with_what_there_is() -> None:
    told = run("explain", "DesiredState.deadlines.led")
    assert told.exit_code == 1
    assert "DesiredState.deadlines has no field 'led'. Did you mean lead?" in told.output
    assert "Did you mean DesiredState?" in run("explain", "DesiredSate").output
    assert run("explain", "System.owner.name").exit_code == 1


def test_programs_get_the_schema_of_a_field() -> None:
    told = json.loads(run("explain", "System.criticality", "--json").output)
    assert told["schema"]["enum"] == ["low", "medium", "high"]
    assert set(json.loads(run("explain", "--json").output)) == {*KINDS, "Test"}


def test_the_schema_is_printed_whole_or_for_one_kind() -> None:
    assert json.loads(run("schema").output) == schema.kept()
    assert json.loads(run("schema", "System").output) == schema.of("System")
    assert run("schema", "Sytem").exit_code == 1
    assert json_schema.__doc__


# -- new


def loaded(text: str) -> Loaded:
    return load(text, "new.yaml")


@pytest.mark.parametrize("kind", [*KINDS])
def test_a_new_document_is_valid_beside_the_scenario_it_speaks_of(kind: str) -> None:
    new = loaded(run("new", kind, "late-payment").output)
    assert not new.problems
    (document,) = new.documents
    assert (document.kind, document.name) == (kind, "late-payment")
    others = [
        other
        for other in loaded(starting.scenario("request")["request.yaml"]).documents
        if other.kind != kind or kind in ("EntityType", "System", "ActionType")
    ]
    wanted = {"ApprovalPolicy": [], "DesiredState": ["no_policy"]}.get(kind, [])
    found = [problem.reason_code for problem in check([document, *others]) if problem.file == "new.yaml"]
    assert [code for code in found if code in wanted] == wanted
    assert set(found) <= {"no_policy", "unknown_name"} if kind == "DesiredState" else found == []


def test_a_new_scenario_is_valid_and_passes_its_own_tests(tmp_path: Path) -> None:
    assert run("new", "scenario", "invoice", "--to", tmp_path).exit_code == 0
    folder = tmp_path / "invoice"
    assert run("validate", folder).exit_code == 0
    assert run("test", folder).exit_code == 0
    told = run("diff", folder / "invoice.yaml", "--state", f"invoice={folder / 'invoices.csv'}", "--at", starting.AT)
    assert "it would open 3 cases" in told.output
    again = run("new", "scenario", "invoice", "--to", tmp_path)
    assert again.exit_code == 1
    assert "is there already" in again.output


@pytest.mark.parametrize("name", ["Invoice", "a b", "-x", "x" * 60, "../up"])
def test_a_name_that_is_none_is_refused_and_nothing_is_written(tmp_path: Path, name: str) -> None:
    assert run("new", "scenario", "--to", tmp_path, "--", name).exit_code == 1
    assert list(tmp_path.iterdir()) == []
    assert run("new", "System", "--", name).exit_code == 1


def test_a_kind_that_is_none_is_told() -> None:
    told = run("new", "Polcy", "x")
    assert told.exit_code == 1
    assert "'Polcy' is not a kind." in told.output
