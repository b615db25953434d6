"""docs/declarations.md names every field of every kind, exactly as it is, and no other."""

from __future__ import annotations

import re
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin

from cli.authoring.expected import TestFile
from cli.authoring.schema import TEST
from common.declarations.fields import Strict
from common.declarations.models import KINDS, LEVELS, RISKS, ROLES_APART, SEVERITIES
from pydantic.fields import FieldInfo

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "declarations.md").read_text("utf-8")
WRITTEN: dict[str, type[Strict]] = {**KINDS, TEST: TestFile}
ROW = re.compile(r"^\| `([^`]+)` \| ([^|]+) \| (.+) \|$", re.MULTILINE)


def sections() -> dict[str, str]:
    """The text below each heading `## Kind`."""
    parts = re.split(r"^## (.+)$", PAGE, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def fields(model: type[Strict], path: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Every field below the model as it is written: `a.b`, `a[].b` in a list, `a.*.b` under a name of one's own."""
    for name, field in model.model_fields.items():
        written = f"{path}{field.alias or name}"
        yield written, field
        for suffix, nested in models(field.annotation):
            yield from fields(nested, f"{written}{suffix}.")


def models(annotation: Any, suffix: str = "") -> Iterator[tuple[str, type[Strict]]]:
    """The models in an annotation, with what stands between."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if isinstance(annotation, type) and issubclass(annotation, Strict):
        yield suffix, annotation
    elif origin is Annotated:
        yield from models(arguments[0], suffix)
    elif origin is tuple:
        yield from models(arguments[0], f"{suffix}[]")
    elif origin is dict:
        yield from models(arguments[1], f"{suffix}.*")
    elif origin in (Union, types.UnionType):
        for argument in arguments:
            yield from models(argument, suffix)


def test_every_field_of_every_kind_is_named_and_no_other() -> None:
    for kind, model in WRITTEN.items():
        assert [path for path, _, _ in ROW.findall(sections()[kind])] == [path for path, _ in fields(model)], kind


def test_what_must_be_written_is_said_to_be_needed() -> None:
    for kind, model in WRITTEN.items():
        said = {path: needed.strip() == "yes" for path, needed, _ in ROW.findall(sections()[kind])}
        assert said == {path: field.is_required() for path, field in fields(model)}, kind


def test_every_word_that_may_be_chosen_is_there() -> None:
    for word in (*LEVELS, *RISKS, *ROLES_APART, *SEVERITIES, "sql", "manual", "allowed", "refused"):
        assert f"`{word}`" in PAGE, word


def test_the_walk_finds_what_is_deep() -> None:
    found = dict(fields(KINDS["DesiredState"]))
    assert {"selector.where", "deadlines[].plus", "remediation.playbook.*[].with"} <= set(found)
