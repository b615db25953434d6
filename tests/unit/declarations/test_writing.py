"""A declaration written out again says the same."""

from __future__ import annotations

from typing import Any

from common.canonical import canonical, parse_strict
from common.declarations.catalogue import Catalogue
from common.declarations.loader import Document, load
from common.declarations.writing import written
from hypothesis import given
from hypothesis import strategies as st


def stored(spec: dict[str, Any]) -> dict[str, Any]:
    """As it comes out of the ledger: keys in alphabetical order."""
    back: dict[str, Any] = parse_strict(canonical(spec), 1_000_000)
    return back


def again(document: Document) -> Document:
    (read,) = load(written(document.kind, document.name, stored(document.spec)), "again.yaml").documents
    return read


def test_every_kind_is_read_back_to_the_same_digest(findings: Catalogue) -> None:
    for document in findings.documents.values():
        assert again(document).digest == document.digest


def test_parts_stand_in_the_order_of_the_language(findings: Catalogue) -> None:
    document = findings.documents["DesiredState", "money-findings-closed"]
    lines = [line.strip().split(":")[0] for line in written("DesiredState", "x", stored(document.spec)).splitlines()]
    for before, after in (("statement", "basis"), ("- name", "expect"), ("proof", "soak"), ("actions", "playbook")):
        assert lines.index(before) < lines.index(after)


@given(st.text(st.characters(exclude_categories=["C", "Z"], include_characters=" \"'#:-{}[]&*!|>%@`"), min_size=1))
def test_any_text_is_read_back_as_it_was(text: str) -> None:
    spec = {"about": f"x{text}x", "owner": "x", "production": True, "financial": False}
    (read,) = load(written("System", "a", spec), "f").documents
    assert read.spec["about"] == f"x{text}x"
