"""Bringing the schemas of a realm to their newest version, with Alembic, for administrators.

Services don't have Alembic (`common[migrate]`), so this module is imported only when something is to be run. The
files are plain SQL: Alembic orders them, runs those that are missing and keeps `ledger.schema_versions`;
`ledger.migrations` says besides which bytes ran, when, and by whom.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from types import ModuleType
from typing import Any

from alembic.runtime.migration import MigrationContext, MigrationInfo, MigrationStep
from alembic.script import Script, ScriptDirectory
from alembic.script.revision import RevisionMap
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import StaticPool

from common.errors import Refused
from common.schemas import LEDGER, RECORDS_TABLE, SCHEMAS, VERSIONS_TABLE, Migration, migrations

_RECORDS = f"""
CREATE TABLE IF NOT EXISTS {LEDGER}.{RECORDS_TABLE} (
    schema     text COLLATE "C" NOT NULL,
    number     int NOT NULL,
    name       text NOT NULL,
    digest     text NOT NULL,                                  -- SHA-256 of the file that ran
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    applied_by name NOT NULL DEFAULT session_user,
    CONSTRAINT migrations_all PRIMARY KEY (schema, number)
)"""


_PLANTED = """
SELECT p.oid::regprocedure::text FROM pg_catalog.pg_proc p
WHERE pg_get_userbyid(p.proowner) = ANY ($1::text[]) ORDER BY 1"""


async def _expect_no_code(connection: Any, services: Collection[str]) -> None:
    """A file acts as its service, but in an administrator's session: a function of the service's own that a statement
    of the file calls (a trigger, a default, an index) could go back to the administrator. No file makes functions."""
    found = [row[0] for row in await connection.fetch(_PLANTED, list(services))]
    if found:
        raise Refused(
            "planted_code",
            f"Services' logins have made functions that no release has: {', '.join(found)}. Nothing has run.",
            "Find out who made them and why; drop them (DROP FUNCTION ... CASCADE) before you migrate.",
        )


async def run(connection: Any, owner: str, roles: dict[str, str]) -> tuple[Migration, ...]:
    """Run the files that this database lacks, in the caller's transaction on this asyncpg connection; return them.

    `owner` runs the files of `ledger` and keeps the books; `roles[service]` runs those of its own schema, so that no
    file can do more than its role may. The session's own role is back afterwards. Raises what asyncpg raises for a
    statement that fails, and `Refused` (`planted_code`) when a service has functions of its own.
    """

    await _expect_no_code(connection, roles.values())

    async def given() -> Any:
        return connection

    # Never disposed of: that would close what is the caller's.
    engine = create_async_engine("postgresql+asyncpg://", async_creator=given, poolclass=StaticPool)
    try:
        async with engine.begin() as over:  # a savepoint, since there is a transaction
            return tuple(await over.run_sync(_run, {LEDGER: owner, **roles}))
    except DBAPIError as error:
        raise (error.orig and error.orig.__cause__) or error from None


def _run(connection: Connection, roles: dict[str, str]) -> list[Migration]:
    _execute(connection, f"SET LOCAL ROLE {roles[LEDGER]}; {_RECORDS}")
    files = {migration.revision: migration for schema in SCHEMAS for migration in migrations(schema)}
    scripts = _scripts(connection, files, roles)
    ran: list[Migration] = []

    def steps(heads: Any, _: MigrationContext) -> list[MigrationStep]:
        # One schema after the other. Alembic's own documentation of `fn` makes the steps with this method.
        return [step for schema in SCHEMAS for step in scripts._upgrade_revs(f"{schema}@head", heads)]

    def record(*, step: MigrationInfo, **_: Any) -> None:
        ran.append(files[str(step.up_revision_id)])

    options = {
        "fn": steps,
        "on_version_apply": (record,),
        "version_table": VERSIONS_TABLE,
        "version_table_schema": LEDGER,
    }
    MigrationContext.configure(connection, opts=options).run_migrations()
    connection.execute(
        text(f"INSERT INTO {LEDGER}.{RECORDS_TABLE} (schema, number, name, digest) VALUES (:s, :n, :m, :d)"),  # noqa: S608
        [{"s": file.schema, "n": file.number, "m": file.name, "d": file.digest} for file in ran],
    )
    _execute(connection, "RESET ROLE")
    return ran


def _scripts(connection: Connection, files: dict[str, Migration], roles: dict[str, str]) -> ScriptDirectory:
    """The files as what Alembic makes of Python modules: a line of revisions for each schema."""
    directory = ScriptDirectory(Path(__file__).parent)
    directory.revision_map = RevisionMap(lambda: [_script(connection, file, roles) for file in files.values()])
    return directory


def _script(connection: Connection, file: Migration, roles: dict[str, str]) -> Script:
    def upgrade() -> None:
        _execute(connection, f"SET LOCAL ROLE {roles[file.schema]}")
        _execute(connection, file.sql)
        _execute(connection, f"SET LOCAL ROLE {roles[LEDGER]}")

    module = ModuleType(file.revision, file.title)
    vars(module).update(
        upgrade=upgrade,
        down_revision=None if file.number == 1 else f"{file.schema}_{file.number - 1:04}",
        branch_labels=file.schema if file.number == 1 else None,
    )
    return Script(module, file.revision, file.title)


def _execute(connection: Connection, sql: str) -> None:
    """Any number of statements at once, which only the driver itself can do."""
    connection.connection.dbapi_connection.run_async(lambda driver: driver.execute(sql))  # type: ignore[union-attr]
