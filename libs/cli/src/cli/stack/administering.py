"""What an administrator does to a realm that exists: where it is, and what is said when it can't be done."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import asyncpg
import typer
from common.errors import Refused
from common.ledger import role_name

from cli.stack.commands import the_running_one
from cli.stack.realm import check_name, database_name, database_url
from cli.stack.stack import Stack

RealmName = Annotated[
    str, typer.Option("--realm", envvar="TRUEUP_REALM", help="Name of the realm, where --database is given.")
]
Administrator = Annotated[
    str,
    typer.Option(
        "--database",
        envvar="TRUEUP_ADMIN_DATABASE_URL",
        show_envvar=True,
        help="The server, with an administrator's login, for a realm that is no stack on this machine.",
    ),
]


def realm_url(folder: Path | None, realm: str, server: str) -> tuple[str, str]:
    """(the realm, the administrator's address of its database): on the given server, else of the stack that runs."""
    if server:
        return realm, database_url(server, database_name(check_name(realm)))
    stack = Stack.attach(folder or the_running_one())
    return stack.realm, stack.database_admin_url


@asynccontextmanager
async def administration(url: str, realm: str) -> AsyncIterator[Any]:
    """A connection to the realm's database. Raises `Refused`: `database_unreachable`, `database_refused`,
    `realm_missing`."""
    try:
        connection: Any = await asyncpg.connect(url, server_settings={"application_name": "trueup"})
    except (OSError, asyncpg.PostgresError) as error:
        what = "Start it, or check address and password: --database, or --data of a stack that runs."
        raise Refused("database_unreachable", f"The database does not answer: {error}", what) from error
    try:
        owner = await connection.fetchval(
            "SELECT pg_get_userbyid(nspowner) FROM pg_catalog.pg_namespace WHERE nspname = 'ledger'"
        )
        if owner != role_name(realm, "owner"):
            what = "Name the realm's own database and the realm."
            raise Refused("realm_missing", f"That database does not hold the realm {realm}.", what)
        yield connection
    except asyncpg.PostgresError as error:
        said = f"The database refused ({type(error).__name__}): {error}. All of it is undone."
        raise Refused(
            "database_refused", said, "Check what its log says, and that the login is an administrator's."
        ) from error
    finally:
        await connection.close()
