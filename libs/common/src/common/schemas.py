"""The schemas of a realm's database, in numbered SQL files, and whether a database is where this code expects it.

`ledger` is in `common/ledger/migrations`, a service's schema in `migrations` of its package: `NNNN_<name>.sql`, from
0001, without a gap. An administrator runs them, forward only (`common.ledger.install`); a service only looks.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import asyncpg

from common.errors import Permanent, Refused
from common.topics import SERVICES

LEDGER = "ledger"
SCHEMAS = (LEDGER, *SERVICES)
"""In the order in which they are migrated."""
VERSIONS_TABLE = "schema_versions"
RECORDS_TABLE = "migrations"
_FILE = re.compile(r"([0-9]{4})_([a-z0-9_]+)\.sql")


@dataclass(frozen=True, slots=True)
class Migration:
    """One file. `number` is the version its schema has afterwards."""

    schema: str
    number: int
    name: str
    sql: str

    @property
    def revision(self) -> str:
        """Its name among the files of all schemas."""
        return f"{self.schema}_{self.number:04}"

    @property
    def title(self) -> str:
        """Schema and file, for people."""
        return f"{self.schema}/{self.number:04}_{self.name}.sql"

    @property
    def digest(self) -> str:
        """SHA-256 of the file, in hexadecimal digits."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


@cache
def migrations(schema: str) -> tuple[Migration, ...]:
    """The files of `schema`, ascending. Raises `Permanent`: `migrations_missing` when the package that has them is
    not installed here, `migrations_malformed` when they are not numbered from 0001 without a gap."""
    try:
        folder = resources.files(f"common.{LEDGER}" if schema == LEDGER else schema) / "migrations"
        names = sorted(file.name for file in folder.iterdir() if file.name.endswith(".sql"))
    except (ModuleNotFoundError, FileNotFoundError) as error:
        raise Permanent(
            "migrations_missing",
            f"the SQL files of the schema {schema} are not here; install the package {schema} beside this one",
        ) from error
    found = [(_FILE.fullmatch(name), folder / name) for name in names]
    if not found or [int(match[1]) if match else 0 for match, _ in found] != list(range(1, len(found) + 1)):
        raise Permanent(
            "migrations_malformed",
            f"the files of the schema {schema} must be named 0001_name.sql, 0002_name.sql and so on, "
            f"in small letters and without a gap; there are {', '.join(names) or 'none'}",
        )
    return tuple(Migration(schema, int(m[1]), m[2], file.read_text("utf-8")) for m, file in found if m)


async def check(connection: Any, service: str) -> None:
    """Whether the ledger and the service's schema are at the version this code was built for: one query.

    Raises `Permanent`: `schema_outdated` when the database is behind, `schema_newer` when it is ahead.
    """
    try:
        rows = await connection.fetch(f"SELECT version_num FROM {LEDGER}.{VERSIONS_TABLE}")  # noqa: S608
    except asyncpg.UndefinedTableError:  # nobody has installed this realm, or before there were versions
        rows = []
    there = {schema: int(number) for schema, _, number in (row[0].rpartition("_") for row in rows)}
    for schema in (LEDGER, service):
        built, found = migrations(schema)[-1].number, there.get(schema, 0)
        said = f"the schema {schema} is at version {found}, and this {service} was built for version {built}"
        if found < built:
            raise Permanent(
                "schema_outdated",
                f"{said}; let an administrator run `trueup migrate`, or the prepare job, and start it again",
            )
        if found > built:
            raise Permanent("schema_newer", f"{said}; run the {service} of the release that migrated the database")


async def pending(connection: Any) -> tuple[Migration, ...]:
    """The files that have not run yet in this database, in the order in which they would.

    Raises `Refused`: `migration_edited` when a file that ran reads otherwise now, `schema_newer` when one ran that
    this release doesn't have; and what `migrations` raises.
    """
    known = {(m.schema, m.number): m for schema in SCHEMAS for m in migrations(schema)}
    if await connection.fetchval("SELECT to_regclass($1)", f"{LEDGER}.{RECORDS_TABLE}") is None:
        return tuple(known.values())
    for schema, number, name, digest in await connection.fetch(
        f"SELECT schema, number, name, digest FROM {LEDGER}.{RECORDS_TABLE} ORDER BY schema, number"  # noqa: S608
    ):
        file = known.pop((schema, number), None)
        if file is None:
            raise Refused(
                "schema_newer",
                f"{schema}/{number:04}_{name}.sql has run in this database, and this release does not have it.",
                "Migrations go forward only: use the release that ran it, or a newer one.",
            )
        if file.digest != digest:
            raise Refused(
                "migration_edited",
                f"{file.title} has run in this database with the digest {digest}, and has {file.digest} now.",
                "Put the file back as it was released; a change belongs in a new file with the next number.",
            )
    return tuple(known.values())
