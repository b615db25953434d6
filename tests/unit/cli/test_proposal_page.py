"""Nobody activates what they have not been shown."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from cli.client import check_proposal
from cli.people.proposal import proposal_page
from common.declarations.loader import document_digest
from common.errors import Refused
from common.events.differ import ChangePreviewed
from common.proposals import set_digest
from rich.console import Console

OLD: dict[str, Any] = {"about": "Books.", "owner": "finance", "production": True, "financial": False}
NEW = {**OLD, "financial": True}


def proposal(change: str, **more: Any) -> dict[str, Any]:
    digest = document_digest("System", "ledger", NEW)
    document = {"kind": "System", "name": "ledger", "digest": digest, "change": change, "spec": NEW, "in_force": OLD}
    return {
        "id": "p-1",
        "file": "f.yaml",
        "author": "ann",
        "comment": "",
        "proposed": "2023-07-03T13:00:00Z",
        "status": "proposed",
        "set_digest": set_digest([("System", "ledger", digest)]),
        "documents": [document],
        "activated_by": None,
        "activated": None,
        "actions": [],
        **more,
    }


def text(page: dict[str, Any], *, full: bool = False) -> str:
    out = Console(width=100, file=StringIO(), highlight=False)
    for part in proposal_page(page, "America/New_York", full=full):
        out.print(part)
    told: str = out.file.getvalue()  # type: ignore[attr-defined]
    return told


def test_a_change_is_shown_line_by_line() -> None:
    lines = text(proposal("changed")).splitlines()
    assert "  -  financial: false" in lines and "  +  financial: true" in lines
    assert not any(line.startswith(("  -  about", "  +  about")) for line in lines)
    assert "3 July 2023, 09:00 EDT" in lines[0]


def test_a_new_document_is_shown_whole_and_an_unchanged_one_on_demand() -> None:
    assert "    about: Books." in text(proposal("new")).splitlines()
    assert "about:" not in text(proposal("unchanged"))
    assert "about:" in text(proposal("unchanged"), full=True)


def test_a_superseded_one_waits_for_nobody() -> None:
    told = text(proposal("changed", status="superseded"))
    assert "Superseded" in told and "It waits" not in told


def test_documents_that_are_not_those_of_the_digest_are_refused() -> None:
    check_proposal(proposal("new"))
    other = proposal("new")
    other["documents"][0]["spec"] = OLD
    with pytest.raises(Refused, match="shown_differs"):
        check_proposal(other)
    other["documents"][0]["digest"] = document_digest("System", "ledger", OLD)
    with pytest.raises(Refused, match="shown_differs"):
        check_proposal(other)


def with_preview(**more: Any) -> dict[str, Any]:
    page = proposal("changed")
    state = {
        "desired_state": "late", "change": "changed", "statement": "Nothing is late.", "entity_type": "finding",
        "effective": "2024-01-01", "in_force": False, "reports_only": True, "read": 9, "selected_before": 4,
        "selected": 3, "opens": 1200, "closes": 1, "changes": 0, "stays": 2, "dates": 0, "severities": {"high": 1200},
        "rules": {"paid": 1200}, "renamed": {"due": "paid"}, "objectives": [],
        "cases": [
            {"key": "F-\x1b[2J1", "kind": "opens", "before": "met", "after": "gap", "severity": "high",
             "says": ["paid: missed"]},
            {"key": "F-2", "kind": "closes", "before": "gap", "after": "met", "severity": "low",
             "says": ["every rule holds"]},
        ],
    }  # fmt: skip
    said = {"proposal": page["id"], "set_digest": page["set_digest"], "active": "a", "states": [state]}
    digest = ChangePreviewed.model_validate(said).digest
    preview = {"event": "e", "asof": "2023-07-03T13:00:00Z", "digest": digest, "current": True, "said": said}
    return {**page, "preview": {**preview, **more}}


def test_what_it_would_change_is_shown_before_anybody_signs() -> None:
    told = text(with_preview())
    assert "What it would change, worked out 3 July 2023, 09:00 EDT:" in told
    assert "1,200 cases to open, 1 to close, 0 to change." in told
    assert "It takes effect on 1 January 2024 by itself" in told
    assert "It only reports (L1)" in told
    assert "due is now called paid" in told
    assert "... 1,199 more that open" in told
    assert "\x1b" not in told
    check_proposal(with_preview())


def test_consequences_that_are_not_those_of_the_digest_are_not_shown() -> None:
    with pytest.raises(Refused, match="consequences shown"):
        check_proposal(with_preview(digest="0" * 64))


def test_a_preview_beside_what_is_no_longer_active_is_not_shown() -> None:
    told = text(with_preview(current=False))
    assert "still being worked out" in told and "to open" not in told
