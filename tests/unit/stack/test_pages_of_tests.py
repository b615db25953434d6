"""The pages that name tests name tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGES = {"docs/security/refusals.md": 80, "docs/fault-list.md": 40}
"""How many tests each names at least."""
FAULTS = """
16 writers; SIGKILL of the postmaster; SIGKILL of a backend; SIGKILL of the sealer; SIGKILL of an appender;
answer to a commit lost; same version; idles in a transaction; broker lost; messages twice; out of order;
rebalance mid-batch; hour off; torn; byte flipped; rewritten; old backup; poison; another's stream, id or type
"""


def named(page: str) -> list[tuple[str, str]]:
    """(file, test) for every test the page names; `::name` alone is in the file named before it."""
    found: list[tuple[str, str]] = []
    file = ""
    for path, name in re.findall(r"`((?:unit|integration|loop)/[\w/]+\.py)?(?:::(\w+))?`", page):
        file = path or file
        if path or name:
            found.append((file, name))
    return found


@pytest.mark.parametrize("page", PAGES)
def test_every_test_that_the_page_names_exists(page: str) -> None:
    tests = named((ROOT / page).read_text("utf-8"))
    assert len(tests) >= PAGES[page]
    missing = []
    for file, name in tests:
        path = ROOT / "tests" / file
        if not path.is_file() or (name and f"def {name}(" not in path.read_text("utf-8")):
            missing.append(f"{file}::{name}")
    assert missing == []


def test_every_fault_of_the_design_has_a_row_with_a_test() -> None:
    rows = [line.split("|") for line in (ROOT / "docs/fault-list.md").read_text("utf-8").splitlines()]
    first = [(row[1], row[2]) for row in rows if len(row) == 5]
    faults = [" ".join(fault.split()) for fault in FAULTS.split(";")]
    assert [fault for fault in faults if not any(fault in what and "::" in test for what, test in first)] == []
