"""What a declaration means survives its being stored as canonical JSON, whose keys stand in alphabetical order."""

from __future__ import annotations

import json

from common.canonical import canonical
from common.declarations.loader import load, parse_spec
from common.declarations.models import DesiredState
from support.casework import FINDINGS

FOUR = """  severity:
    urgent: repeat && weakness == 'material'
    high: repeat
    medium: weakness == 'material'
    low: otherwise
"""


def test_severities_keep_their_rank() -> None:
    text = FINDINGS.read_text()
    start, end = text.index("  severity:\n"), text.index("  expectations:")
    loaded = load(text[:start] + FOUR + text[end:], "findings.yaml")
    assert not loaded.problems
    for document in loaded.documents:
        stored = parse_spec(document.kind, document.name, json.loads(canonical(document.spec))).model
        assert stored == document.model
        if isinstance(stored, DesiredState):
            assert list(stored.severity) == ["urgent", "high", "medium", "low"]
