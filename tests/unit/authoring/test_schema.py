"""The JSON Schema for editors is that of the models, says what the page says, and takes what the loader takes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cli.authoring import meanings, schema, starting
from common.declarations.models import KINDS
from common.declarations.trees import trees
from jsonschema import Draft7Validator

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "declarations.md").read_text("utf-8")
WHOLE = Draft7Validator(schema.kept())


def faults(text: str | bytes) -> list[str]:
    return [error.json_path for value, _ in trees(text) for error in WHOLE.iter_errors(value)]


def described(node: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every field below a node."""
    for name, value in node.get("properties", {}).items():
        yield f"{path}.{name}", value
        yield from described(value, f"{path}.{name}")
    for inner in (node.get("items"), node.get("additionalProperties"), *node.get("patternProperties", {}).values()):
        if isinstance(inner, dict):
            yield from described(inner, f"{path}[]")
    for inner in node.get("anyOf", ()):
        yield from described(inner, path)


def test_what_is_kept_is_what_the_models_and_the_page_say_now() -> None:
    assert schema.kept() == schema.made(PAGE), "make schema"


def test_it_is_a_schema_that_editors_can_read() -> None:
    Draft7Validator.check_schema(schema.kept())
    for kind in (*KINDS, schema.TEST):
        Draft7Validator.check_schema(schema.of(kind))


def test_every_field_says_what_it_means_and_in_full() -> None:
    for kind, node in schema.kept()["definitions"].items():
        assert node["description"]
        for path, field in described(node):
            assert field["description"], f"{kind}{path}"
            assert "As above" not in field["description"], f"{kind}{path}"


@pytest.mark.parametrize("file", sorted((ROOT / "examples").rglob("*.yaml")), ids=lambda file: str(file.name))
def test_the_examples_are_as_it_says(file: Path) -> None:
    assert faults(file.read_bytes()) == []


def test_what_one_begins_with_is_as_it_says() -> None:
    for kind in KINDS:
        assert faults(starting.document(kind, "late-payment")) == []
        own = Draft7Validator(schema.of(kind))
        assert [*own.iter_errors(trees(starting.document(kind, "late-payment"))[0][0])] == []
    for name, text in starting.scenario("invoice").items():
        assert not name.endswith(".yaml") or faults(text) == []


WRONG = [
    ("EntityType", "freshFor: 7 days", "freshFor: 1 week", "$.spec.freshFor"),
    ("EntityType", "about:", "abuot:", "$.spec"),
    ("EntityType", "key: id", "kee: id", "$.spec"),
    ("DesiredState", "autonomy: L2", "autonomy: L5", "$.spec.remediation.autonomy"),
    ("DesiredState", "by: received", "bye: received", "$.spec.deadlines[0]"),
    ("ApprovalPolicy", "covers: request", "covers: Request", "$.spec.covers"),
    ("System", "kind: System ", "kind: Sistem ", "$.kind"),
    ("ActionType", "risk: low", "risk: none", "$.spec.risk"),
]


@pytest.mark.parametrize(("kind", "old", "new", "path"), WRONG, ids=[row[2] for row in WRONG])
def test_it_refuses_what_the_language_does_not_have(kind: str, old: str, new: str, path: str) -> None:
    text = starting.document(kind, "late")
    assert old in text
    assert path in faults(text.replace(old, new))


def test_a_field_that_the_page_forgets_is_noticed() -> None:
    with pytest.raises(LookupError):
        schema.made(PAGE.replace("| `freshFor` |", "| `freshfor` |"))


def test_as_above_is_told_in_full() -> None:
    found = meanings.read(PAGE)["DesiredState"].fields
    assert found["deadlines[].when"] == found["expectations[].when"]
    assert found["objectives[].name"].startswith(found["expectations[].name"])
    assert found["objectives[].name"].endswith("No rule may have it, too.")
    with pytest.raises(LookupError):
        meanings.read("## A\n\n| `a.b` | no | As above. |\n")
