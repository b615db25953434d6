"""`trueup show`: one case, or one proposal, whole."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from cli.people.deciding import case_id
from cli.people.page import case_page
from cli.people.screen import As, Json, acting, console, print_json, say
from cli.shown import check_proposal


def show(
    ident: Annotated[str, typer.Argument(metavar="ID", help="A case, the key of its entity, or a proposal (p-...).")],
    full: Annotated[bool, typer.Option("--full", help="Of a proposal, also what it leaves as it is.")] = False,
    as_person: As = None,
    as_json: Json = False,
) -> None:
    """One case with everything you need to decide, or one proposal."""
    with acting(as_person, as_json) as client:
        if ident.startswith("p-"):
            proposal, zone = client.proposal(ident), client.realm()["timezone"]
            check_proposal(proposal)
        else:
            page = client.case(case_id(client, ident))
        me = client.me()
    if as_json:
        print_json(proposal if ident.startswith("p-") else page)
    elif ident.startswith("p-"):
        say(_proposal_page(proposal, zone, full=full))
    else:
        screen = console()
        for part in case_page(page, me["person"], me["name"]):
            screen.print(part)


def _proposal_page(proposal: dict[str, Any], zone: str, *, full: bool) -> list[Text | Table | str]:
    from cli.people.proposal import proposal_page  # noqa: PLC0415 - slow to import; a case does without

    return proposal_page(proposal, zone, full=full)
