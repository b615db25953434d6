"""`trueup polls`: which tables of source databases the observer of a realm on this machine polls. It notices changes.

Addresses hold passwords: the file is its owner's alone, and nothing here prints one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import asyncpg
import typer
from common import polls
from common.errors import Permanent, Refused
from common.polls import Feed

from cli.observe.feeds import NAME
from cli.people import doubts
from cli.people.screen import Json, answering, cell, print_json, say, table
from cli.stack import cluster
from cli.stack.commands import Running, the_running_one
from cli.stack.development import POLLS
from cli.stack.secretfiles import write_private

CONNECT_S = 5.0
Feeds: TypeAlias = Mapping[str, Feed]
app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Which tables of source databases a realm on this machine polls: list, add, remove.",
)
FeedName = Annotated[str, typer.Argument(metavar="FEED", help="The feed, as the EntityType's source names it.")]


@app.command(name="list")
def list_(folder: Running = None, as_json: Json = False) -> None:
    """The tables that are polled."""
    with answering(as_json):
        known = read(_path(folder))
    shown = [_shown(feed, item, one) for feed, item in sorted(known.items()) for one in item.tables]
    if as_json:
        print_json(shown)
        return
    page = table("feed", "type", "table", "cursor", "database", first=16)
    for one in shown:
        page.add_row(*(cell(one[name]) for name in ("feed", "entity_type", "table", "cursor", "database")))
    say([page, f"Polled: {len(shown)}. How far each is: trueup status"])


@app.command()
def add(  # noqa: PLR0913, PLR0917 - a command has as many parameters as options
    feed: FeedName,
    entity_type: Annotated[str, typer.Option("--type", help="The entity type that the rows are of.")],
    from_table: Annotated[str, typer.Option("--table", help="SCHEMA.TABLE, or a TABLE of the schema public.")],
    cursor: Annotated[
        str, typer.Option("--cursor", help="The column that grows with every change of a row: a moment or a number.")
    ],
    tie: Annotated[str, typer.Option("--tie", help="The column that tells rows with one cursor apart: the key.")],
    url: Annotated[
        str,
        typer.Option(
            "--url",
            help="postgresql://LOGIN:PASSWORD@HOST:PORT/DATABASE, of a login that may read it and no more. "
            "Not needed for a further table of a feed.",
            envvar="TRUEUP_POLL_URL",
        ),
    ] = "",
    moment: Annotated[
        str, typer.Option("--moment", help="The column that says since when a row is so, if not the cursor.")
    ] = "",
    zone: Annotated[str, typer.Option("--zone", help="The time zone of moments that have none.")] = "",
    columns: Annotated[
        list[str] | None, typer.Option("--column", help="Read this column, and no others but such.")
    ] = None,
    every: Annotated[float, typer.Option("--every", help="Seconds between two looks.")] = polls.EVERY_S,
    overlap: Annotated[
        float, typer.Option("--overlap", help="Read again for late commits: seconds, or numbers.")
    ] = polls.OVERLAP,
    whole_every: Annotated[
        float, typer.Option("--whole-every", help="Seconds between reports of all rows, which tell what is gone.")
    ] = 0.0,
    schema_version: Annotated[
        int, typer.Option("--schema-version", help="A higher one accepts the table as it is now.")
    ] = 1,
    folder: Running = None,
    as_json: Json = False,
) -> None:
    """Poll a table for a feed. It is looked at first: it must be there, and fit. One that is polled is replaced."""
    said = {
        "entity_type": entity_type, "table": from_table, "cursor": cursor, "tie": tie, "moment": moment,
        "zone": zone, "columns": columns or [], "every_s": every, "overlap": overlap,
        "whole_every_s": whole_every, "schema_version": schema_version,
    }  # fmt: skip
    with answering(as_json):
        path = _path(folder)
        feeds = _with(read(path), feed, url, said)
        added = next(one for one in feeds[feed].tables if one.entity_type == entity_type)
        cluster.run(_look(feeds[feed].dsn, added.poll(feed)))
        write(path, feeds)
        doubt = doubts.of_feed(path.parent.parent, feed)
    shown = _shown(feed, feeds[feed], added)
    if as_json:
        print_json({**shown, "doubt": doubt})
        return
    say([f"{shown['table']} in {shown['database']} is polled for {feed}: {entity_type}. Look: trueup status"])
    say([doubt] if doubt else [])


@app.command()
def remove(
    feed: FeedName,
    entity_type: Annotated[str, typer.Option("--type", help="Only the table for this entity type.")] = "",
    folder: Running = None,
    as_json: Json = False,
) -> None:
    """Poll a feed's table, or none of its tables, no longer. What was observed stays; so does how far it was read."""
    with answering(as_json):
        path = _path(folder)
        known = read(path)
        gone = [
            one.entity_type
            for one in (known[feed].tables if feed in known else ())
            if entity_type in {"", one.entity_type}
        ]
        if not gone:
            told = f"{feed} is not polled{f' for {entity_type}' if entity_type else ''}"
            raise Refused("poll_unknown", told, f"Polled: {', '.join(_names(known)) or 'nothing'}.")
        left = [one for one in known[feed].tables if one.entity_type not in gone]
        others = {name: item for name, item in known.items() if name != feed}
        write(path, {**others, feed: known[feed].model_copy(update={"tables": left})} if left else others)
    if as_json:
        print_json({"feed": feed, "entity_types": gone})
        return
    say([f"{feed} is polled no longer for {', '.join(gone)}."])


def read(path: Path) -> dict[str, Feed]:
    """What is polled, by feed. Raises `Refused` (`polls_malformed`)."""
    try:
        return polls.read(path) if path.exists() else {}
    except Permanent as error:
        raise Refused(error.reason_code, error.message, "Repair it, or start from {}.") from error


def write(path: Path, feeds: Feeds) -> None:
    content = {
        feed: {"dsn": item.dsn, "tables": [one.model_dump(exclude_defaults=True) for one in item.tables]}
        for feed, item in feeds.items()
    }
    write_private(path, json.dumps(content, indent=1) + "\n")


def _with(known: Feeds, feed: str, url: str, said: Mapping[str, Any]) -> dict[str, Feed]:
    """What is polled with this table, too: all that the observer will ask of the file holds of it."""
    if not NAME.fullmatch(feed):
        raise Refused("feed_malformed", f"{feed!r} can't name a feed", "Small letters, digits and hyphens.")
    former = known.get(feed)
    if not url and former is None:
        raise Refused("option_missing", f"where the database of {feed} is was not said", "Add --url.")
    tables = [one.model_dump() for one in (former.tables if former else ())]
    tables = [one for one in tables if one["entity_type"] != said["entity_type"]]
    content: dict[str, Any] = {name: item.model_dump() for name, item in known.items()}
    content[feed] = {"dsn": url or (former.dsn if former else ""), "tables": [*tables, said]}
    try:
        return polls.checked(content, "the table")
    except Permanent as error:
        raise Refused("poll_malformed", error.message, "Correct that option.") from error


async def _look(url: str, poll: polls.Poll) -> None:
    """Whether the database answers, and the table is there and can be polled so."""
    settings = {"default_transaction_read_only": "on", "application_name": "trueup polls"}
    try:
        connection: Any = await asyncpg.connect(
            url, timeout=CONNECT_S, command_timeout=CONNECT_S, server_settings=settings
        )
        try:
            types = dict(await connection.fetch(polls.COLUMN_TYPES, polls.quoted(*poll.table)))
            polls.definition(poll, types)
            await connection.execute(f"SELECT FROM {polls.quoted(*poll.table)} LIMIT 0")
        finally:
            await connection.close(timeout=CONNECT_S)
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
        told = f"the database of {poll.feed} was not reached: {type(error).__name__}"
        told += f" {state}" if (state := getattr(error, "sqlstate", None)) else ""
        hint = "Check --url (postgresql://LOGIN:PASSWORD@HOST:PORT/DATABASE) and that the login may read the table."
        raise Refused("source_unreachable", told, hint) from error


def _shown(feed: str, item: Feed, one: polls.Table) -> dict[str, Any]:
    return {"feed": feed, "database": item.address, **one.model_dump(exclude_defaults=True)}


def _names(known: Feeds) -> list[str]:
    return [f"{feed} ({one.entity_type})" for feed, item in sorted(known.items()) for one in item.tables]


def _path(folder: Path | None) -> Path:
    config = (folder or the_running_one()) / "config"
    if not config.is_dir():
        raise Refused("stack_not_running", f"there is no realm in {config.parent}", "Start one: trueup up")
    return config / POLLS
