"""Every member declares what it imports: the shared environment would hide what its image lacks."""

from __future__ import annotations

import re
import sys
import tomllib
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
MEMBERS = {path.parent.name: path.parent for path in sorted(ROOT.glob("*/*/pyproject.toml"))}


IMPORT = re.compile(r"^\s*(?:import (\w+)[\w.]*(?: as \w+)?\s*(?:#.*)?|from (\w+)[\w.]* import .*)$", re.MULTILINE)
"""One module a line, as ruff demands (E401). Reading the syntax trees of all files instead takes a second."""


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def project(member: str) -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads((MEMBERS[member] / "pyproject.toml").read_text("utf-8"))["project"]
    return found


def names(lines: list[str]) -> set[str]:
    return {normal(re.split(r"[^A-Za-z0-9._-]", line)[0]) for line in lines}


def declared(member: str) -> set[str]:
    return names(project(member)["dependencies"])


def optional(member: str) -> set[str]:
    """What the member imports in places that not every image reaches (`.importlinter` says in which)."""
    return names([line for extra in project(member).get("optional-dependencies", {}).values() for line in extra])


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
    known = available(member) | optional(member)
    missing = {
        module: where
        for module, where in imported(member).items()
        if not distributions().get(module, {normal(module)}) & known
    }
    assert missing == {}


def test_only_the_command_has_what_migrates() -> None:
    extra = "common[migrate]"
    assert [member for member in MEMBERS if extra in project(member)["dependencies"]] == ["cli"]
    assert optional("common") == {"alembic", "sqlalchemy"}
    assert not optional("common") & set().union(*(available(member) for member in MEMBERS))


def test_the_executors_image_holds_no_model_library() -> None:
    assert "litellm" not in available("executor")
