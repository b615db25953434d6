"""A proposal as a page to decide on: what would come into force, word for word, beside what is in force now."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from common.declarations.writing import written
from common.events.differ import ChangePreviewed
from rich.table import Table
from rich.text import Text

from cli.people.screen import PAGE_WIDTH, cell, table
from cli.people.words import moment
from cli.preview.changes import changed_lines, total_line

_LINES = {"+": "green", "-": "red", "@": "dim"}


def proposal_page(proposal: Mapping[str, Any], zone: str, *, full: bool) -> list[Text | Table | str]:
    """The page; instants in `zone`. Documents that it leaves as they are are shown with `full` only."""
    proposed = moment(proposal["proposed"], zone)
    parts: list[Text | Table | str] = [
        cell(f"Proposal {proposal['id']}: {proposal['file']}, by {proposal['author']}, {proposed}", "bold")
    ]
    if proposal["comment"]:
        parts.append(cell(f'"{proposal["comment"]}"'))
    documents = table("kind", "name", "change", "digest", first=14)
    for item in proposal["documents"]:
        documents.add_row(
            cell(item["kind"]), cell(item["name"]), cell(item["change"]), cell(item["digest"][:12], "dim")
        )
    parts.append(documents)
    for item in proposal["documents"]:
        if full or item["change"] != "unchanged":
            parts += [cell(f"\n{item['kind']} {item['name']}: {item['change']}", "bold"), *_content(item)]
    return [*parts, "", *consequences(proposal, zone, full=full), _standing(proposal, zone)]


def consequences(proposal: Mapping[str, Any], zone: str, *, full: bool = False) -> list[Text | Table | str]:
    """What it would open, close and change; of one that is active, what was said of it then."""
    preview = proposal.get("preview")
    if preview is None or not (preview["current"] or proposal["activated_by"]):
        waits = proposal["status"] == "proposed"
        return [cell("What it would change is still being worked out.", "dim"), ""] if waits else []
    said = ChangePreviewed.model_validate(preview["said"])
    head = cell(f"What it would change, worked out {moment(preview['asof'], zone)}:", "bold")
    if not said.states:
        return [head, cell("  Nothing: every case is decided as before."), ""]
    lines = [text for state in said.states for text in changed_lines(state, PAGE_WIDTH, full=full)]
    return [head, cell(f"{total_line(said.states)}."), "", *lines]


def _content(item: Mapping[str, Any]) -> Iterator[Text]:
    """All of a document, or the lines that it changes."""
    after = written(item["kind"], item["name"], item["spec"]).splitlines()
    if item["change"] != "changed":
        yield from (cell(f"  {line}") for line in after)
        return
    before = written(item["kind"], item["name"], item["in_force"]).splitlines()
    for line in list(difflib.unified_diff(before, after, lineterm="", n=3))[2:]:
        yield cell(f"  {line}", _LINES.get(line[:1], ""))


def _standing(proposal: Mapping[str, Any], zone: str) -> Text:
    if proposal["status"] == "superseded":
        return cell("Superseded: its author has proposed all of it anew. See: trueup proposals")
    if proposal["activated_by"]:
        active = moment(proposal["activated"], zone)
        return cell(f"{proposal['status'].capitalize()}; activated by {proposal['activated_by']}, {active}.")
    if proposal["actions"]:
        return cell(f"It waits for somebody like you: trueup activate {proposal['id']}", "cyan")
    return cell("It waits for somebody else, who did not write it and holds the role declaration-approver.")
