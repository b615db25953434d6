"""The page of refusals names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "security" / "refusals.md"


def named() -> list[tuple[str, str]]:
    """(file, test) for every test the page names; `::name` alone is in the file named before it."""
    found: list[tuple[str, str]] = []
    file = ""
    for path, name in re.findall(r"`((?:unit|integration|loop)/[\w/]+\.py)?(?:::(\w+))?`", PAGE.read_text("utf-8")):
        file = path or file
        if path or name:
            found.append((file, name))
    return found


def test_every_test_that_the_page_names_exists() -> None:
    tests = named()
    assert len(tests) > 80
    missing = []
    for file, name in tests:
        path = ROOT / "tests" / file
        if not path.is_file() or (name and f"def {name}(" not in path.read_text("utf-8")):
            missing.append(f"{file}::{name}")
    assert missing == []
