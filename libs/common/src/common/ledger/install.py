"""Setting up one realm's database, and bringing it up to date. Needs an administrator, and may be run again."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import orjson

from common.errors import Refused
from common.events import SIGNED
from common.ledger import hardening
from common.schemas import Migration, pending
from common.topics import SERVICES, TOPICS, rights

READER = "reader"
_REALM = re.compile(r"[a-z][a-z0-9_]{0,30}")
_SETTINGS = {
    # One open transaction that holds the head blocks every writer: nobody may hold it for long.
    "lock_timeout": "5s",
    "statement_timeout": "60s",
    "idle_in_transaction_session_timeout": "30s",
    # A plan that was kept while the tables were empty scans them whole when they have grown.
    "plan_cache_mode": "force_custom_plan",
}
_NO_SETTINGS: Mapping[str, str] = {}
_PROGRESS = {"positions": "position", "relays": "position", "published": "position", "work": "pending"}
"""Tables of the ledger's that services write, and the column that they may change."""
_SCRAM_ITERATIONS = 4096


def role_name(realm: str, service: str) -> str:
    """The login role of `service` in `realm`. Roles belong to the whole server, so the realm is in the name."""
    return f"{realm}_{service}"


async def install(admin_dsn: str, realm: str, passwords: Mapping[str, str]) -> tuple[Migration, ...]:
    """Make the database that `admin_dsn` names the database of `realm`.

    `passwords` has a password for each of the six services and for `reader`. Creates or updates: the roles
    `<realm>_owner` (nobody can log in as it), `<realm>_<service>` and `<realm>_reader`; the schema `ledger`; one
    schema per service that only it can use. All schemas are migrated to their newest version; returns the files that
    ran. All in one transaction; running it again changes nothing but the passwords. The server sees SCRAM verifiers,
    never the passwords. Raises ValueError for a realm name that is not `[a-z][a-z0-9_]*` or for a missing password,
    what `common.schemas.pending` raises, and what asyncpg raises when the administrator may not do it.
    """
    _check_name(realm)
    missing = [name for name in (*SERVICES, READER) if not passwords.get(name)]
    if missing:
        raise ValueError(f"no password for {', '.join(missing)}")
    async with _administration(admin_dsn) as connection:
        await _create_roles(connection, realm, passwords)
        await _create_schemas(connection, realm)
        return await _migrate(connection, realm)


async def migrate(admin_dsn: str, realm: str, *, dry: bool = False) -> tuple[Migration, ...]:
    """Migrate the schemas of a realm that is installed to their newest version; returns the files that ran.

    As `install`, without roles and passwords. `dry`: nothing runs; returns what would. Raises `Refused`
    (`realm_missing`) when the database that `admin_dsn` names is not the realm's, and what `install` raises.
    """
    _check_name(realm)
    async with _administration(admin_dsn) as connection:
        await _expect_realm(connection, realm)
        return await (pending(connection) if dry else _migrate(connection, realm))


@asynccontextmanager
async def _administration(admin_dsn: str) -> AsyncIterator[Any]:
    """One transaction; administrators take turns."""
    connection = await asyncpg.connect(admin_dsn)
    try:
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock(hashtext('trueup install'))")
            yield connection
    finally:
        await connection.close()


async def _migrate(connection: Any, realm: str) -> tuple[Migration, ...]:
    ran: tuple[Migration, ...] = ()
    if await pending(connection):
        from common.ledger import migrating  # noqa: PLC0415 - services have this package without Alembic

        roles = {service: role_name(realm, service) for service in SERVICES}
        ran = await migrating.run(connection, role_name(realm, "owner"), roles)
    await _fill_ledger(connection, realm)
    await connection.execute("RESET ROLE")
    await hardening.close(connection)
    return ran


async def left_open(admin_dsn: str) -> list[str]:
    """What a superuser would have to take away from everybody in this database; empty when one has installed it."""
    connection = await asyncpg.connect(admin_dsn)
    try:
        return await hardening.left_open(connection)
    finally:
        await connection.close()


def _check_name(realm: str) -> None:
    if not _REALM.fullmatch(realm):
        raise ValueError(f"{realm!r} can't name a realm; use small letters, digits and _, at most 31 characters")


async def _expect_realm(connection: Any, realm: str) -> None:
    owner = await connection.fetchval(
        "SELECT pg_get_userbyid(nspowner) FROM pg_catalog.pg_namespace WHERE nspname = 'ledger'"
    )
    if owner != role_name(realm, "owner"):
        database = await connection.fetchval("SELECT current_database()")
        raise Refused(
            "realm_missing",
            f"The database {database} does not hold the realm {realm}.",
            "Name the realm's own database and the realm; `trueup up` or the prepare job creates what is missing.",
        )


async def _create_roles(connection: Any, realm: str, passwords: Mapping[str, str]) -> None:
    await _create_role(connection, role_name(realm, "owner"), "NOLOGIN")
    for service in (*SERVICES, READER):
        role = role_name(realm, service)
        settings = _SETTINGS | ({"default_transaction_read_only": "on"} if service == READER else {})
        await _create_role(connection, role, f"LOGIN PASSWORD '{scram_verifier(passwords[service])}'", settings)


async def _create_role(connection: Any, role: str, options: str, settings: Mapping[str, str] = _NO_SETTINGS) -> None:
    known = await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role)
    verb = "ALTER" if known else "CREATE"
    statements = [
        f"{verb} ROLE {role} NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS NOINHERIT {options}",
        *(f"ALTER ROLE {role} SET {name} = '{value}'" for name, value in settings.items()),
    ]
    await connection.execute("; ".join(statements))
    if not await connection.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = current_user"):
        # An administrator who is no superuser may only create things for roles it belongs to.
        await connection.execute(f"GRANT {role} TO CURRENT_USER")


async def _create_schemas(connection: Any, realm: str) -> None:
    database = await connection.fetchval("SELECT quote_ident(current_database())")
    everybody = ", ".join(role_name(realm, service) for service in (*SERVICES, READER))
    statements = [
        f"REVOKE ALL ON DATABASE {database} FROM PUBLIC",
        "REVOKE ALL ON SCHEMA public FROM PUBLIC",
        f"CREATE SCHEMA IF NOT EXISTS ledger AUTHORIZATION {role_name(realm, 'owner')}",
        f"GRANT CONNECT ON DATABASE {database} TO {everybody}",
    ]
    for service in SERVICES:
        role = role_name(realm, service)
        statements.append(f"CREATE SCHEMA IF NOT EXISTS {service} AUTHORIZATION {role}")
        statements.append(f"ALTER ROLE {role} SET search_path = {service}")
    await connection.execute("; ".join(statements))


def _rights(service: str) -> tuple[str, str]:
    """As JSON: {type: category} of all that it may append, and the types of them that it signs."""
    own = {type_: category for who, category, type_ in rights() if who == service}
    return orjson.dumps(own).decode(), orjson.dumps(sorted(SIGNED & own.keys())).decode()


async def _fill_ledger(connection: Any, realm: str) -> None:
    """Who is which service and may do what, as the code says."""
    await connection.execute(f"SET LOCAL ROLE {role_name(realm, 'owner')}")
    await connection.execute("DELETE FROM ledger.services")
    await connection.executemany(
        "INSERT INTO ledger.services (role, service, rights, signed) VALUES ($1, $2, $3, $4)",
        [(role_name(realm, service), service, *_rights(service)) for service in SERVICES],
    )
    await connection.execute("DELETE FROM ledger.topics")
    await connection.executemany(
        "INSERT INTO ledger.topics (topic, service) VALUES ($1, $2)",
        [(topic.name, topic.producer) for topic in TOPICS if topic.producer is not None],
    )
    services = ", ".join(role_name(realm, service) for service in SERVICES)
    everybody = f"{services}, {role_name(realm, READER)}"
    grants = [
        f"GRANT USAGE ON SCHEMA ledger TO {everybody}",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA ledger TO {everybody}",
        f"GRANT EXECUTE ON FUNCTION ledger.append, ledger.append_one, ledger.session_service TO {services}",
        # Of one column only: who may update a table may also lock all of it, for as long as it likes.
        *(
            f"REVOKE UPDATE ON ledger.{table} FROM {services}; "
            f"GRANT INSERT, UPDATE ({column}) ON ledger.{table} TO {services}"
            for table, column in _PROGRESS.items()
        ),
    ]
    await connection.execute("; ".join(grants))


def scram_verifier(password: str) -> str:
    """What PostgreSQL stores for `password` (RFC 5802, SHA-256), with a fresh salt."""
    salt = os.urandom(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _SCRAM_ITERATIONS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    text = [base64.b64encode(part).decode() for part in (salt, stored, server)]
    return f"SCRAM-SHA-256${_SCRAM_ITERATIONS}:{text[0]}${text[1]}:{text[2]}"
