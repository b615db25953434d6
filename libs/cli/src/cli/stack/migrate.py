"""`trueup migrate`: bring the schemas of a realm that exists to the versions that this release needs."""

from __future__ import annotations

import json
from typing import Annotated, NoReturn

import typer

from cli.stack import realm as realms
from cli.stack.errors import StackError
from cli.stack.prepare import GivenServer

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
    check: Annotated[
        bool, typer.Option("--check", help="Run nothing; exit with 3 when something would run.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")] = False,
) -> None:
    """Run the migrations that a realm lacks, all or nothing. Stop its services first, and start them afterwards.

    Give the administrator's address in TRUEUP_ADMIN_DATABASE_URL: others can read a command line. `trueup up`,
    `trueup demo` and the prepare job migrate by themselves.
    """
    try:
        found = realms.migrate_database(GivenServer(_given(database)), realm, dry=check)
    except StackError as error:
        _refuse(error)
    titles = [migration.title for migration in found]
    if as_json:
        typer.echo(json.dumps({"realm": realm, "pending" if check else "ran": titles}))
    else:
        said = "would run" if check else "has run"
        typer.echo("\n".join(f"{title} {said}" for title in titles) or f"Realm {realm}: all schemas are up to date.")
    if check and titles:
        raise typer.Exit(EXIT_PENDING)


def _given(database: str) -> str:
    if not database:
        raise StackError("database_not_given", "Nobody said which database server.", "Set TRUEUP_ADMIN_DATABASE_URL.")
    return database


def _refuse(error: StackError) -> NoReturn:
    typer.echo(f"{error.reason_code}: {error.message}\n{error.what_to_do}", err=True)
    raise typer.Exit(EXIT_REFUSED)
