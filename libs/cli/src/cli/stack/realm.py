"""One realm's place on the servers: its database with a role per service, its topics and who may use them."""

from __future__ import annotations

import re
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg
from common.errors import Permanent, Refused
from common.ledger.install import READER, install, left_open, migrate, role_name
from common.schemas import Migration
from common.topics import SERVICES

from cli.stack import cluster, permissions
from cli.stack.cluster import Credentials
from cli.stack.errors import StackError
from cli.stack.secretfiles import Passwords

REALM_NAME = re.compile(r"[a-z][a-z0-9_]{0,30}")
ROLES = (*SERVICES, READER)


class DatabaseServer(Protocol):
    """A PostgreSQL that lets us create databases and roles."""

    @property
    def admin_url(self) -> str: ...


class Bus(Protocol):
    """A running broker of either kind."""

    @property
    def address(self) -> str: ...

    def credentials(self, user: str) -> Credentials | None:
        """How the user logs in; None when the broker knows no users."""
        ...


@dataclass(frozen=True, slots=True)
class Realm:
    """A realm that exists on a server and, where it has one, a broker: how to reach its parts."""

    name: str
    server: DatabaseServer
    passwords: Passwords
    bus: Bus | None = None

    @property
    def admin_url(self) -> str:
        """The superuser's address of the realm's database."""
        return database_url(self.server.admin_url, database_name(self.name))

    def url(self, role: str) -> str:
        """The realm's database for the role of a service, or `reader`."""
        return role_url(self.server, self.name, role, self.passwords)


def check_name(realm: str) -> str:
    """The name, or a `realm_name` refusal: it becomes part of database, role and topic names."""
    if not REALM_NAME.fullmatch(realm):
        raise StackError(
            "realm_name",
            f"{realm!r} can't name a realm: it becomes part of database, role and topic names.",
            "Use small letters, digits and _, starting with a letter, at most 31 characters.",
        )
    return realm


def database_name(realm: str) -> str:
    return f"trueup_{realm}"


def database_url(server_url: str, database: str, role: str | None = None, password: str = "") -> str:
    """The server's address with another database and, where given, another login."""
    parts = urlsplit(server_url)
    location = parts.netloc
    if role is not None:
        host = location.rpartition("@")[2]
        location = f"{quote(role)}:{quote(password, safe='')}@{host}"
    return urlunsplit((parts.scheme, location, f"/{database}", parts.query, ""))


def prepare_database(server: DatabaseServer, realm: str, passwords: Passwords) -> tuple[Migration, ...]:
    """Create the realm's database where it is missing, install roles and passwords, migrate its schemas. Repeatable;
    returns the migrations that ran."""
    check_name(realm)
    cluster.run(_create_database(server.admin_url, database_name(realm)))
    secrets: Mapping[str, str] = {role: passwords(role) for role in ROLES}
    return _migrated(install(database_url(server.admin_url, database_name(realm)), realm, secrets))


def migrate_database(server: DatabaseServer, realm: str, *, dry: bool = False) -> tuple[Migration, ...]:
    """Migrate the schemas of a realm that is there; returns the migrations that ran, or, if `dry`, would run."""
    check_name(realm)
    return _migrated(migrate(database_url(server.admin_url, database_name(realm)), realm, dry=dry))


def still_open(server: DatabaseServer, realm: str) -> list[str]:
    """PostgreSQL's functions that only a superuser can take away from the realm's roles, and none has."""
    return cluster.run(left_open(database_url(server.admin_url, database_name(realm))))


def _migrated(work: Coroutine[Any, Any, tuple[Migration, ...]]) -> tuple[Migration, ...]:
    """What came of it, every failure with what to do about it."""
    try:
        return cluster.run(work)
    except Refused as error:
        raise StackError(error.reason_code, error.message, error.what_to_do) from error
    except Permanent as error:
        raise StackError(error.reason_code, f"{error.message}.", "Repair this installation of Trueup.") from error
    except asyncpg.InvalidCatalogNameError as error:
        raise StackError(
            "realm_missing", f"{error}.", "Check the realm's name; `trueup up` or the prepare job creates a realm."
        ) from error
    except asyncpg.PostgresError as error:
        raise StackError(
            "migration_failed",
            f"The database refused ({type(error).__name__}): {error}. All of it is undone.",
            "Check that the address is an administrator's, and what its log says; then run it again.",
        ) from error
    except OSError as error:
        raise StackError(
            "database_unreachable",
            f"The database server does not answer: {error}.",
            "Start it, or check the address.",
        ) from error


def drop_database(server: DatabaseServer, realm: str) -> None:
    """Remove the realm's database, whoever is connected. Its roles stay; they own nothing any more."""
    cluster.run(_drop_database(server.admin_url, database_name(check_name(realm))))


def role_url(server: DatabaseServer, realm: str, role: str, passwords: Passwords) -> str:
    """How a service, or `reader`, reaches the realm's database."""
    login = role_name(realm, role)
    return database_url(server.admin_url, database_name(realm), login, passwords(role))


def prepare_bus(bus: Bus, realm: str) -> None:
    """Create the realm's topics and, where the broker knows users, its access rules. Repeatable."""
    check_name(realm)
    admin = bus.credentials("admin")
    cluster.create_topics(bus.address, admin, permissions.partitions(realm))
    if admin is not None:
        cluster.allow(bus.address, admin, permissions.of_realm(realm), permissions.prefix(realm))


async def _create_database(admin_url: str, name: str) -> None:
    connection: Any = await asyncpg.connect(admin_url)
    try:
        if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
            await connection.execute(f'CREATE DATABASE "{name}"')
    finally:
        await connection.close()


async def _drop_database(admin_url: str, name: str) -> None:
    connection: Any = await asyncpg.connect(admin_url)
    try:
        await connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    finally:
        await connection.close()
