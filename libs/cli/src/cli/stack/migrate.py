"""`trueup migrate`: bring the schemas of a realm that exists to the versions that this release needs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from cli.refusals import refusal
from cli.stack import realm as realms
from cli.stack import state
from cli.stack.commands import Running, the_running_one
from cli.stack.errors import StackError
from cli.stack.prepare import GivenServer
from cli.stack.stack import Stack

EXIT_REFUSED = 2
EXIT_PENDING = 3


def migrate(
    realm: Annotated[str, typer.Option(envvar="TRUEUP_REALM", help="Name of the realm.")] = "",
    database: Annotated[
        str,
        typer.Option(
            envvar="TRUEUP_ADMIN_DATABASE_URL", show_envvar=True, help="The server, with an administrator's login."
        ),
    ] = "",
    folder: Running = None,
    check: Annotated[
        bool, typer.Option("--check", help="Run nothing; exit with 3 when something would run.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")] = False,
) -> None:
    """Run the migrations that a realm lacks, all or nothing. Stop its services first, and start them afterwards.

    Give the administrator's address in TRUEUP_ADMIN_DATABASE_URL: others can read a command line. `trueup up`,
    `trueup demo` and the prepare job migrate by themselves. A stack of `trueup up` needs neither address nor name.
    """
    try:
        server, realm = _given(database, realm) if database else _stack(folder, realm)
        found = realms.migrate_database(server, realm, dry=check)
    except StackError as error:
        _refuse(error, as_json)
    titles = [migration.title for migration in found]
    if as_json:
        typer.echo(json.dumps({"realm": realm, "pending" if check else "ran": titles}))
    else:
        said = "would run" if check else "has run"
        typer.echo("\n".join(f"{title} {said}" for title in titles) or f"Realm {realm}: all schemas are up to date.")
    if check and titles:
        raise typer.Exit(EXIT_PENDING)


def _given(database: str, realm: str) -> tuple[realms.DatabaseServer, str]:
    if not realm:
        raise StackError("realm_not_given", "Nobody said which realm of that server.", "Say which: --realm NAME")
    return GivenServer(database), realm


def _stack(folder: Path | None, realm: str) -> tuple[realms.DatabaseServer, str]:
    """The server and the realm of the stack that runs here."""
    where = folder or the_running_one()
    if folder is None and state.read(where) is None:
        what = "Set TRUEUP_ADMIN_DATABASE_URL, or start a stack: trueup up"
        raise StackError("database_not_given", "No stack runs here, and nobody said which database server.", what)
    stack = Stack.attach(where)
    if realm not in ("", stack.realm):
        what = "Leave --realm out, or name the other realm's server: TRUEUP_ADMIN_DATABASE_URL"
        raise StackError("stack_differs", f"The stack in {where} holds realm {stack.realm}, not {realm}.", what)
    return stack.postgres, stack.realm


def _refuse(error: StackError, as_json: bool) -> NoReturn:
    if as_json:
        typer.echo(json.dumps(refusal(error)))
    else:
        typer.echo(f"{error.reason_code}: {error.message}\n{error.what_to_do}", err=True)
    raise typer.Exit(EXIT_REFUSED)
