"""A target system of its own for an example or a demo: a small database beside the realm's, and one narrow login.

In earnest a target is somebody else's database, named with `trueup targets add`.
"""

from __future__ import annotations

import asyncpg

from cli.stack import cluster
from cli.stack.postgres import Postgres
from cli.stack.realm import database_url
from cli.stack.secretfiles import new_password


def database_name(realm: str) -> str:
    return f"{realm}_ticketing"


def provide(postgres: Postgres, realm: str, ddl: str) -> str:
    """Create the database where it is missing, run `ddl` there, and answer the address of the executor's login.

    Repeatable; the login gets a new password each time. It may do what `ddl` grants to `trueup_requests`, no more.
    """
    return cluster.run(_provide(postgres.admin_url, realm, ddl))


async def _provide(admin_url: str, realm: str, ddl: str) -> str:
    name, role, password = database_name(realm), f"{realm}_ticketing_executor", new_password()
    admin = await asyncpg.connect(admin_url)
    try:
        if not await admin.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
            await admin.execute(f'CREATE DATABASE "{name}"')
        if not await admin.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role):
            await admin.execute(f'CREATE ROLE "{role}" LOGIN')
        await admin.execute(f"ALTER ROLE \"{role}\" PASSWORD '{password}'")
    finally:
        await admin.close()
    target = await asyncpg.connect(database_url(admin_url, name))
    try:
        await target.execute(ddl)
        await target.execute(f'GRANT trueup_requests TO "{role}"')
    finally:
        await target.close()
    return database_url(admin_url, name, role, password)
