"""Kept databases: what earlier versions left behind, as SQL, to be migrated by today's code.

    PYTHONPATH=tests .venv/bin/python -m support.kept 0002_some_name

writes `tests/integration/migrations/kept/0002_some_name.sql` from a fresh realm of this code with a few events in
it. Do so before adding a migration to a schema whose present version no kept database is at; never write one again.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import asyncpg
from cli.stack.postgres import Postgres, programs_folder
from cli.stack.realm import Realm, database_name, prepare_database
from cli.stack.secretfiles import Passwords
from common.ledger import NewEvent, append, role_name
from common.topics import SERVICES

from support.ledgers import STREAM, an_event

FOLDER = Path(__file__).parents[1] / "integration" / "migrations" / "kept"
_NOT_SQL = re.compile(r"^(--|-- (Name|Data for Name|PostgreSQL|Dumped)\b.*|\\.*)\n", re.M)
"""pg_dump's comments, and psql's own commands. What functions hold stays as it is."""


def all_kept() -> list[Path]:
    """The kept databases, oldest first."""
    return sorted(FOLDER.glob("*.sql"))


def dumped(url: str, realm: str) -> str:
    """The database at `url` as SQL; roles are named `{realm}_<service>`."""
    program = [str(programs_folder() / "pg_dump"), "--inserts", "--no-comments", url]
    text = subprocess.run(program, check=True, capture_output=True, text=True).stdout
    text = re.sub(r"\n{2,}", "\n\n", _NOT_SQL.sub("", text))
    return text.strip().replace(f"{realm}_", "{realm}_") + "\n"


async def restored(server: Postgres, realm: str, kept: Path) -> None:
    """Make the realm's database as it was kept. Its roles can't log in yet: installing makes them so."""
    server_wide: Any = await asyncpg.connect(server.admin_url)
    try:
        for service in ("owner", *SERVICES, "reader"):
            await server_wide.execute(f"CREATE ROLE {role_name(realm, service)}")
        await server_wide.execute(f'CREATE DATABASE "{database_name(realm)}"')
    finally:
        await server_wide.close()
    connection: Any = await asyncpg.connect(server.url(database_name(realm)))
    try:
        await connection.execute(kept.read_text("utf-8").replace("{realm}_", f"{realm}_"))
    finally:
        await connection.close()


async def one_event_each(realm: Realm) -> None:
    """Every service appends one event."""
    for service in STREAM:
        connection: Any = await asyncpg.connect(realm.url(service))
        try:
            async with connection.transaction():
                await append(connection, [[NewEvent(an_event(service))]])
        finally:
            await connection.close()


def keep(name: str) -> Path:
    """Write down what a fresh realm of this code is. Raises FileExistsError rather than change a kept one."""
    target = FOLDER / f"{name}.sql"
    with tempfile.TemporaryDirectory(prefix="trueup-kept-") as folder:
        Path(folder).chmod(0o755)
        with Postgres(Path(folder) / "postgres") as server:
            realm = Realm("kept", server, Passwords(Path(folder) / "kept.json"))
            prepare_database(server, realm.name, realm.passwords)
            asyncio.run(one_event_each(realm))
            with target.open("x", encoding="utf-8") as output:
                output.write(dumped(realm.admin_url, realm.name))
    return target


if __name__ == "__main__":
    print(keep(sys.argv[1]))
