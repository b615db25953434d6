"""`trueup targets`: the databases that `sql` actions of a realm on this machine act on. The executor notices changes.

Addresses hold passwords: the file is its owner's alone, and nothing here prints one.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import asyncpg
import typer
from common.errors import Refused

from cli.people.screen import Json, answering, cell, print_json, say, table
from cli.stack import cluster
from cli.stack.commands import Running, the_running_one
from cli.stack.development import TARGETS
from cli.stack.secretfiles import write_private

CONNECT_S = 5.0
app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Where sql actions of a realm on this machine act: list, add, remove.",
)
System = Annotated[str, typer.Argument(help="The System, as the ActionType names it.")]


@app.command(name="list")
def list_(folder: Running = None, as_json: Json = False) -> None:
    """The systems that have an address."""
    with answering(as_json):
        known = read(_path(folder))
    shown = {system: _shown(address) for system, address in sorted(known.items())}
    if as_json:
        print_json(shown)
        return
    page = table("system", "database")
    for system, address in shown.items():
        page.add_row(cell(system), cell(address))
    say([page, f"{len(shown)} targets."])


@app.command()
def add(
    system: System,
    url: Annotated[
        str,
        typer.Option(
            "--url",
            help="postgresql://LOGIN:PASSWORD@HOST:PORT/DATABASE, of a login that may do its actions and no more.",
            envvar="TRUEUP_TARGET_URL",
        ),
    ],
    folder: Running = None,
    as_json: Json = False,
) -> None:
    """Say where a system is. It is looked at first: the database must answer, and have the table of receipts."""
    with answering(as_json):
        path = _path(folder)
        known = read(path)
        cluster.run(_look(system, url))
        write(path, {**known, system: url})
    if as_json:
        print_json({"system": system, "database": _shown(url)})
        return
    say([f"Actions on {system} go to {_shown(url)}."])


@app.command()
def remove(system: System, folder: Running = None, as_json: Json = False) -> None:
    """Forget a system's address: its actions halt from now on."""
    with answering(as_json):
        path = _path(folder)
        known = read(path)
        if system not in known:
            raise Refused("target_unknown", f"{system} has no address", f"Known: {', '.join(known) or 'none'}.")
        write(path, {name: address for name, address in known.items() if name != system})
    if as_json:
        print_json({"system": system})
        return
    say([f"{system} has no address any more."])


def read(path: Path) -> dict[str, str]:
    """The addresses by system. Raises `Refused` (`targets_unreadable`)."""
    try:
        return dict(json.loads(path.read_text("utf-8"))) if path.exists() else {}
    except ValueError as error:
        raise Refused("targets_unreadable", f"{path} can't be read", "Repair it, or start from {}.") from error


def write(path: Path, targets: dict[str, str]) -> None:
    write_private(path, json.dumps(targets, indent=1) + "\n")


def _path(folder: Path | None) -> Path:
    config = (folder or the_running_one()) / "config"
    if not config.is_dir():
        raise Refused("stack_not_running", f"there is no realm in {config.parent}", "Start one: trueup up")
    return config / TARGETS


def _shown(address: str) -> str:
    """The address without login and password."""
    parts = urlsplit(address)
    return f"{parts.netloc.rpartition('@')[2]}{parts.path}"


async def _look(system: str, url: str) -> None:
    try:
        connection: Any = await asyncpg.connect(url, timeout=CONNECT_S)
        try:
            found = await connection.fetchval("SELECT to_regclass('trueup_receipts') IS NOT NULL")
        finally:
            await connection.close()
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        told = type(error).__name__ if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
        hint = "Check --url: postgresql://LOGIN:PASSWORD@HOST:PORT/DATABASE"
        raise Refused("target_unreachable", f"{system} was not reached: {told}", hint) from error
    if not found:
        raise Refused(
            "target_without_receipts",
            f"the database of {system} has no table trueup_receipts, or the login may not see it",
            "Its owner creates it as examples/findings/ticketing.sql does.",
        )
