"""`trueup bus rebuild`: publish the whole ledger again."""

from __future__ import annotations

import asyncio

import typer
from common.ledger import progress
from common.topics import SERVICES

from cli.people.screen import Json, answering, cell, print_json, say, table
from cli.stack.administering import Administrator, RealmName, administration, realm_url
from cli.stack.commands import Running

app = typer.Typer(name="bus", add_completion=False, no_args_is_help=True, help="The bus, made again from the ledger.")


@app.callback()
def _root() -> None:
    """Holds the group together where it has a single command."""


@app.command()
def rebuild(
    folder: Running = None, realm: RealmName = "", database: Administrator = "", as_json: Json = False
) -> None:
    """Have every event published again, after a broker has lost its topics.

    Services may run: their relays begin anew at once, and consumers drop what they have handled. The topics must be
    there again (the prepare job creates them). On a broker that lost nothing every message is there twice
    afterwards, which does no harm. `trueup status` shows how far it is.
    """
    with answering(as_json):
        name, url = realm_url(folder, realm, database)
        events = asyncio.run(_republish(url, name))
    if as_json:
        print_json({"realm": name, "to_publish": events})
        return
    shown = table("service", "events to publish")
    for service in SERVICES:
        shown.add_row(cell(service), cell(events.get(service, 0)))
    say([shown, f"Realm {name}: relays that run have begun anew, the others will when their service starts."])


async def _republish(url: str, realm: str) -> dict[str, int]:
    async with administration(url, realm) as connection, connection.transaction():
        return await progress.republish(connection)
