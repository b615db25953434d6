"""What import-linter can't see: decisions that await, read a clock or open files, which needs no import."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
CORES = sorted(ROOT.glob("services/*/src/*/core/**/*.py"))
CLOCKS = {"now", "utcnow", "today", "wall_now"}
BUILTINS = {"open", "print", "input", "exec", "eval"}


def impurities(source: str) -> list[str]:
    """What a module does that a decision may not do, as `line: what`."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Await | ast.AsyncFunctionDef | ast.AsyncFor | ast.AsyncWith):
            found.append(f"{node.lineno}: {type(node).__name__}")
        elif isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name not in CLOCKS | BUILTINS:
                continue
            owner = ast.unparse(node.func.value) if isinstance(node.func, ast.Attribute) else ""
            if (name in CLOCKS and owner in ("datetime", "date", "datetime.datetime", "")) or (
                name in BUILTINS and not owner
            ):
                found.append(f"{node.lineno}: {name}()")
    return found


@pytest.mark.law
@pytest.mark.parametrize("path", CORES, ids=lambda path: str(path.relative_to(ROOT)))
def test_decisions_are_pure(path: Path) -> None:
    assert impurities(path.read_text("utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        "datetime.now(UTC)",
        "date.today()",
        "async def f(): pass",
        "open('x')",
        "wall_now()",
        "datetime.datetime.utcnow()",
    ],
)
def test_the_check_sees_impurity(source: str) -> None:
    assert impurities(source) != []


def test_the_check_lets_the_realm_clock_pass() -> None:
    assert impurities("clock.now(wall)") == []
