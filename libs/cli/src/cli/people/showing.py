"""`trueup show`: one case, or one proposal, whole."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.people.deciding import case_id
from cli.people.page import case_page
from cli.people.screen import As, Json, acting, cell, console, print_json, say, table
from cli.people.words import moment


def show(
    ident: Annotated[str, typer.Argument(metavar="ID", help="A case, the key of its entity, or a proposal (p-...).")],
    as_person: As = None,
    as_json: Json = False,
) -> None:
    """One case with everything you need to decide, or one proposal."""
    with acting(as_person, as_json) as client:
        if ident.startswith("p-"):
            proposal, zone = client.proposal(ident), client.realm()["timezone"]
        else:
            page = client.case(case_id(client, ident))
        me = client.me()
    if as_json:
        print_json(proposal if ident.startswith("p-") else page)
    elif ident.startswith("p-"):
        _show_proposal(proposal, zone)
    else:
        screen = console()
        for part in case_page(page, me["person"], me["name"]):
            screen.print(part)


def _show_proposal(proposal: dict[str, object], zone: str) -> None:
    documents = table("kind", "name", "change", "digest")
    for item in proposal["documents"]:  # type: ignore[attr-defined]  # JSON
        documents.add_row(
            cell(item["kind"]), cell(item["name"]), cell(item["change"]), cell(item["digest"][:12], "dim")
        )
    proposed = moment(str(proposal["proposed"]), zone)
    say([cell(f"Proposal {proposal['id']}: {proposal['file']}, by {proposal['author']}, {proposed}", "bold")])
    if proposal["comment"]:
        say([cell(f'"{proposal["comment"]}"')])
    say([documents])
    if proposal["activated_by"]:
        active = moment(str(proposal["activated"]), zone)
        say([cell(f"{str(proposal['status']).capitalize()}; activated by {proposal['activated_by']}, {active}.")])
    elif proposal["actions"]:
        say([cell(f"It waits for somebody like you: trueup activate {proposal['id']}", "cyan")])
    else:
        say(["It waits for somebody else, who did not write it and holds the role declaration-approver."])
