"""`trueup apply` and `trueup activate`: declarations, proposed by one person and brought into force by another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from common.errors import Refused

from cli.people.lists import documents_changed
from cli.people.screen import As, Json, acting, cell, print_json, say
from cli.stack import operations, state

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
        active = client.activate(proposal, comment=comment)
        notes = _notes(client.session.url if client.session else "")
    if as_json:
        print_json({**active, "notes": notes})
        return
    names = ", ".join(f"{document['kind']} {document['name']}" for document in active["documents"])
    say([cell(f"Active since now: {names}."), *(cell(f"Note: {note}", "yellow") for note in notes)])


def _notes(approver: str) -> list[str]:
    """What the executor lacks to act on what is active now; nothing where the realm does not run here."""
    folder = state.serving("approver").get(approver)
    executor = operations.status(folder).services.get("executor") if folder is not None else None
    return list(executor.notes) if executor is not None else []
