"""A type's second version must not make its first unseen: every place that asks for the type asks for both.

Nothing but a test can see that: a comparison with the newest name alone is no error, it never holds for what
was stored before.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from common.events import MODELS
from common.events.differ import GapOpened
from common.events.upcasting import STEPS, Step, names, newest

ROOT = Path(__file__).resolve().parents[3]
EVENTS = ROOT / "libs" / "common" / "src" / "common" / "events"
SOURCES = sorted(path for path in ROOT.glob("*/*/src/**/*.py") if EVENTS not in path.parents)
READ = {"newest", "names"}
"""The functions of `upcasting` that know of older versions."""
ANY_MODEL = "model"
"""What a comprehension over models calls each: what asks for all names asks for these, too."""


def blind(source: str, models: set[str]) -> list[str]:
    """Where a module asks for the newest name of these models alone, as `line: Model`."""
    return sorted(f"{node.lineno}: {name}" for node, name in _alone(ast.parse(source), models))


def _alone(tree: ast.AST, models: set[str]) -> Iterator[tuple[ast.Attribute, str]]:
    if isinstance(tree, ast.Compare) and any(_knows(side) for side in (tree.left, *tree.comparators)):
        return
    if isinstance(tree, ast.Call) and _knows(tree):
        return
    if isinstance(tree, ast.Attribute) and tree.attr == "TYPE":
        owner = tree.value.id if isinstance(tree.value, ast.Name) else getattr(tree.value, "attr", "")
        if owner in models or owner == ANY_MODEL:
            yield tree, owner
    for child in ast.iter_child_nodes(tree):
        yield from _alone(child, models)


def _knows(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call):
        return False
    return (node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")) in READ


def second_versions(steps: Mapping[str, Step]) -> set[str]:
    """The names of the models of which an older version may be stored."""
    return {MODELS[found].__name__ for found in (newest(older, steps) for older in steps) if found in MODELS}


def places(models: set[str]) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{place}"
        for path in (SOURCES if models else ())
        for place in blind(path.read_text("utf-8"), models)
    ]


@pytest.mark.law
def test_every_place_that_asks_for_a_type_asks_for_its_older_versions_too() -> None:
    assert places(second_versions(STEPS)) == []


@pytest.mark.law
def test_the_first_step_of_a_type_names_the_places_that_would_miss_what_is_stored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(GapOpened, "TYPE", "trueup.gap.opened.v2")
    monkeypatch.setitem(MODELS, GapOpened.TYPE, GapOpened)
    steps: dict[str, Step] = {"trueup.gap.opened.v1": dict}
    models = second_versions(steps)
    assert models == {"GapOpened"}
    found = {place.split(":")[0] for place in places(models)}
    assert {"libs/common/src/common/convergence.py", "services/differ/src/differ/core/folding.py"} <= found


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ("event.type == GapOpened.TYPE", 1),
        ("event.type in (GapOpened.TYPE, GapClosed.TYPE)", 1),
        ("TYPES = (differ.GapOpened.TYPE,)", 1),
        ("fetch(query, GapOpened.TYPE)", 1),
        ("{model.TYPE for model in BY_SERVICE['differ']}", 1),
        ("{name for model in MODELS for name in names(model.TYPE)}", 0),
        ("newest(event.type) == GapOpened.TYPE", 0),
        ("GapOpened.TYPE != upcasting.newest(event.type)", 0),
        ("fetch(query, upcasting.names(GapOpened.TYPE))", 0),
        ("event.type == GapClosed.TYPE", 0),
    ],
)
def test_what_is_looked_for(source: str, count: int) -> None:
    assert len(blind(source, {"GapOpened"})) == count


def test_all_names_of_a_type_are_told_in_order() -> None:
    steps: dict[str, Step] = {"a.v9": dict, "a.v10": dict, "b.v1": dict}
    assert names("a.v11", steps) == ("a.v9", "a.v10", "a.v11")
    assert names("c.v1", steps) == ("c.v1",)
