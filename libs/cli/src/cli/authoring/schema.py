"""JSON Schema of the declarations, for editors: what the models accept, with what the page of fields says of each.

It is made from both (`make schema`) and kept beside this module, so that whoever has only the command has it, too.
"""

from __future__ import annotations

import json
import sys
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from common.declarations import shapes
from common.declarations.models import API_VERSION, KINDS

from cli.authoring import meanings
from cli.authoring.expected import TestFile
from cli.authoring.meanings import Meaning

FILE = "declarations.schema.json"
TEST = "Test"
"""The heading of what tests are written in: a file of its own, without kind and name."""
DIALECT = "http://json-schema.org/draft-07/schema#"


def made(page: str) -> dict[str, Any]:
    """The schema of one document of any kind, and of a file of tests; each kind's `spec` below `definitions`."""
    told = meanings.read(page)
    parts = {name: described(shapes.of(model), told[name]) for name, model in {**KINDS, TEST: TestFile}.items()}
    document = {**_document({kind: told[kind].about for kind in KINDS}), "allOf": [_when(kind) for kind in KINDS]}
    return {
        "$schema": DIALECT,
        "title": "Trueup declarations, and tests of them",
        "if": {"required": ["tests"]},
        "then": {"$ref": f"#/definitions/{TEST}"},
        "else": document,
        "definitions": parts,
    }


def text(schema: dict[str, Any]) -> str:
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


@cache
def kept() -> dict[str, Any]:
    """The schema as it was released."""
    return dict(json.loads(resources.files("cli.authoring").joinpath(FILE).read_text("utf-8")))


def of(kind: str) -> dict[str, Any]:
    """The schema of a document of one kind, or of a file of tests."""
    whole = kept()
    part = whole["definitions"][kind]
    if kind == TEST:
        return {"$schema": DIALECT, "title": "Tests of Trueup declarations", **part}
    document = _document({kind: part["description"]})
    document["properties"]["spec"] = part
    return {"$schema": DIALECT, "title": f"A Trueup {kind}", **document}


def described(node: dict[str, Any], meaning: Meaning) -> dict[str, Any]:
    """The schema with a description on every field. Raises LookupError for a field that the page doesn't name."""
    return {"description": meaning.about, **_described(node, "", meaning.fields)}


def _described(node: dict[str, Any], path: str, fields: dict[str, str]) -> dict[str, Any]:
    node = dict(node)
    if "properties" in node:
        below = f"{path}." if path else ""
        node["properties"] = {
            name: {"description": fields[f"{below}{name}"], **_described(value, f"{below}{name}", fields)}
            for name, value in node["properties"].items()
        }
    if isinstance(node.get("items"), dict):
        node["items"] = _described(node["items"], f"{path}[]", fields)
    if isinstance(node.get("additionalProperties"), dict):
        node["additionalProperties"] = _described(node["additionalProperties"], f"{path}.{shapes.OWN}", fields)
    if "patternProperties" in node:
        node["patternProperties"] = {
            pattern: _described(value, f"{path}.{shapes.OWN}", fields)
            for pattern, value in node["patternProperties"].items()
        }
        node["additionalProperties"] = False
    if "anyOf" in node:
        node["anyOf"] = [_described(item, path, fields) for item in node["anyOf"]]
    return node


def _document(kinds: dict[str, str]) -> dict[str, Any]:
    about = "; ".join(f"{kind}: {text}" for kind, text in kinds.items())
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "properties": {
            "apiVersion": {"description": "The version of the language.", "const": API_VERSION},
            "kind": {"description": about, "enum": [*kinds]},
            "metadata": {
                "description": "Its name; nothing else.",
                "type": "object",
                "additionalProperties": False,
                "required": ["name"],
                "properties": {"name": {"type": "string", "pattern": "^[a-z][a-z0-9-]{0,62}$"}},
            },
            "spec": {"description": "The fields of its kind.", "type": "object"},
        },
    }


def _when(kind: str) -> dict[str, Any]:
    return {
        "if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]},
        "then": {"properties": {"spec": {"$ref": f"#/definitions/{kind}"}}},
    }


def main() -> None:
    """Write the schema again: `python -m cli.authoring.schema docs/declarations.md`."""
    page = Path(sys.argv[1]).read_text("utf-8")
    Path(__file__).with_name(FILE).write_text(text(made(page)), "utf-8")


if __name__ == "__main__":
    main()
