"""Every member declares what it imports: the shared environment would hide what its image lacks."""

from __future__ import annotations

import re
import sys
import tomllib
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
MEMBERS = {path.parent.name: path.parent for path in sorted(ROOT.glob("*/*/pyproject.toml"))}


IMPORT = re.compile(r"^\s*(?:import (\w+)[\w.]*(?: as \w+)?\s*(?:#.*)?|from (\w+)[\w.]* import .*)$", re.MULTILINE)
"""One module a line, as ruff demands (E401). Reading the syntax trees of all files instead takes a second."""


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(member: str) -> set[str]:
    project = tomllib.loads((MEMBERS[member] / "pyproject.toml").read_text("utf-8"))["project"]
    return {normal(re.split(r"[^A-Za-z0-9._-]", line)[0]) for line in project["dependencies"]}


def available(member: str) -> set[str]:
    """What the member's image surely holds: its own dependencies, and those of the members it depends on."""
    own = declared(member)
    return own.union(*(available(other) for other in own & set(MEMBERS)))


@cache
def distributions() -> dict[str, set[str]]:
    return {module: {normal(name) for name in names} for module, names in packages_distributions().items()}


def imported(member: str) -> dict[str, str]:
    """Top-level module -> one file that imports it, at the top or within a function; without the standard library."""
    found: dict[str, str] = {}
    for path in (MEMBERS[member] / "src").rglob("*.py"):
        for match in IMPORT.finditer(path.read_text("utf-8")):
            top = match[1] or match[2]
            if top not in sys.stdlib_module_names and top != member:
                found.setdefault(top, str(path.relative_to(ROOT)))
    return found


@pytest.mark.parametrize("member", MEMBERS)
def test_imports_are_declared(member: str) -> None:
    known = available(member)
    missing = {
        module: where
        for module, where in imported(member).items()
        if not distributions().get(module, {normal(module)}) & known
    }
    assert missing == {}


def test_the_executors_image_holds_no_model_library() -> None:
    assert "litellm" not in available("executor")
