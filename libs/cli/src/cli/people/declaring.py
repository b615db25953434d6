"""`trueup apply` and `trueup activate`: declarations, proposed by one person and brought into force by another."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer
from common.errors import Refused

from cli.client import Client, previewed
from cli.people.lists import documents_changed
from cli.people.screen import As, Json, acting, cell, print_json, say
from cli.stack import operations, state

PREVIEW_WAIT_S = 10.0
"""How long an activation waits for the differ to say what it would change. A proposal stands on its own: where the
differ is away it can be activated without, and that is recorded."""
PREVIEW_LOOK_S = 0.2
Comment = Annotated[str, typer.Option("--comment", "-m", help="Recorded, and signed, with your decision.")]


def apply(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="One YAML file: it stands or falls as a whole.")],
    comment: Comment = "",
    as_person: As = None,
    as_json: Json = False,
) -> None:
    """Propose the declarations in a file. They count once somebody else activates them."""
    with acting(as_person, as_json) as client:
        if not file.is_file():
            raise Refused("no_such_file", f"there is no file {file}", "Name one YAML file.")
        proposal = client.propose(file, comment=comment)
    if as_json:
        print_json(proposal)
        return
    say([cell(f"Proposed as {proposal['id']}: {documents_changed(proposal)}."),
         cell(f"Nothing counts yet. Somebody else activates it: trueup activate {proposal['id']}")])  # fmt: skip


def activate(
    proposal: Annotated[str, typer.Argument(metavar="ID", help="The proposal's id: trueup proposals.")],
    comment: Comment = "",
    as_person: As = None,
    as_json: Json = False,
) -> None:
    """Bring somebody else's proposal into force, from now on."""
    with acting(as_person, as_json) as client:
        page = _with_preview(client, proposal)
        if not as_json:
            say(_consequences(page, client.realm()["timezone"]))
        active = client.activate(proposal, comment=comment, page=page)
        notes = _notes(client.session.url if client.session else "")
    if as_json:
        print_json({**active, "notes": notes})
        return
    names = ", ".join(f"{document['kind']} {document['name']}" for document in active["documents"])
    say([cell(f"Active since now: {names}."), *(cell(f"Note: {note}", "yellow") for note in notes)])


def _with_preview(client: Client, proposal: str) -> dict[str, Any]:
    """The proposal with what it would change; without, if that is not known in `PREVIEW_WAIT_S`."""
    until = time.monotonic() + PREVIEW_WAIT_S
    page = client.proposal(proposal)
    while page["status"] == "proposed" and page["actions"] and not previewed(page) and time.monotonic() < until:
        time.sleep(PREVIEW_LOOK_S)
        page = client.proposal(proposal)
    return page


def _consequences(page: dict[str, Any], zone: str) -> list[Any]:
    from cli.people.proposal import consequences  # noqa: PLC0415 - slow to import

    return consequences(page, zone) if page["actions"] else []


def _notes(approver: str) -> list[str]:
    """What the executor lacks to act on what is active now; nothing where the realm does not run here."""
    folder = state.serving("approver").get(approver)
    executor = operations.status(folder).services.get("executor") if folder is not None else None
    return list(executor.notes) if executor is not None else []
