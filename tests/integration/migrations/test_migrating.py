"""Migrating a realm: forward only, all or nothing, each schema by its own role, and services that look before they
start."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from cli.main import app
from cli.stack.errors import StackError
from cli.stack.postgres import Postgres
from cli.stack.realm import Realm, migrate_database, prepare_database
from common.errors import Permanent
from common.schemas import SCHEMAS, check
from common.topics import SERVICES
from typer.testing import CliRunner

from .conftest import Files, MakeRealm, administrator

OWNERS = "SELECT tablename, tableowner FROM pg_tables WHERE tablename LIKE 'more%'"


@pytest.fixture
async def installed(make_realm: MakeRealm, postgres: Postgres) -> Realm:
    realm = make_realm()
    ran = await asyncio.to_thread(prepare_database, postgres, realm.name, realm.passwords)
    assert [migration.schema for migration in ran if migration.number == 1] == list(SCHEMAS)
    return realm


@pytest.fixture
async def admin(installed: Realm) -> AsyncIterator[Any]:
    async with administrator(installed) as connection:
        yield connection


async def migrated(realm: Realm, *, dry: bool = False) -> list[str]:
    """Migrate, and the titles of what ran."""
    ran = await asyncio.to_thread(migrate_database, realm.server, realm.name, dry=dry)
    return [migration.title for migration in ran]


async def refused(realm: Realm) -> StackError:
    with pytest.raises(StackError) as caught:
        await migrated(realm)
    assert caught.value.what_to_do
    return caught.value


async def versions(connection: Any) -> set[str]:
    return {row[0] for row in await connection.fetch("SELECT version_num FROM ledger.schema_versions")}


async def starts(realm: Realm, service: str) -> None:
    """What a service asks before it starts, as its own role."""
    connection = await asyncpg.connect(realm.url(service))
    try:
        await check(connection, service)
    finally:
        await connection.close()


async def test_a_second_time_nothing_runs(installed: Realm) -> None:
    ran = await asyncio.to_thread(prepare_database, installed.server, installed.name, installed.passwords)
    assert ran == ()
    assert await migrated(installed) == []
    for service in SERVICES:
        await starts(installed, service)


async def test_what_is_new_runs_once_the_ledger_first_each_as_its_own_role(
    installed: Realm, admin: Any, files: Files
) -> None:
    new = [
        files.add("differ", "CREATE TABLE differ.more_differ (n int);"),
        files.add("differ", "INSERT INTO differ.more_differ VALUES (1), (2);", "rows"),
    ]
    new.insert(0, files.add("ledger", "CREATE TABLE ledger.more_ledger (n int); -- two\nSELECT 1;"))
    titles = [file.title for file in new]

    assert await migrated(installed, dry=True) == titles
    assert await admin.fetch(OWNERS) == []
    assert await migrated(installed) == titles
    assert await migrated(installed) == []

    owners = dict(await admin.fetch(OWNERS))
    assert owners == {"more_differ": f"{installed.name}_differ", "more_ledger": f"{installed.name}_owner"}
    assert await admin.fetchval("SELECT count(*) FROM differ.more_differ") == 2
    assert {new[0].revision, new[2].revision} <= await versions(admin)
    recorded = await admin.fetch("SELECT schema, number, digest FROM ledger.migrations")
    assert {(file.schema, file.number, file.digest) for file in new} <= {tuple(row) for row in recorded}
    await starts(installed, "differ")


async def test_administrators_take_turns(installed: Realm, admin: Any, files: Files) -> None:
    file = files.add("planner", "CREATE TABLE planner.more_planner (n int);")
    ran = await asyncio.gather(*(migrated(installed) for _ in range(3)))
    assert sorted(ran) == [[], [], [file.title]]


async def test_all_or_nothing(installed: Realm, admin: Any, files: Files) -> None:
    before = await versions(admin)
    files.add("ledger", "CREATE TABLE ledger.more_ledger (n int);")
    files.add("auditor", "CREATE TABLE auditor.more_auditor (n int); SELECT 1 / 0;")
    error = await refused(installed)
    assert error.reason_code == "migration_failed"
    assert "division by zero" in error.message
    assert await admin.fetch(OWNERS) == []
    assert await versions(admin) == before
    assert await admin.fetchval("SELECT count(*) FROM ledger.migrations") == len(before)


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE ledger.more (n int);",
        "UPDATE ledger.head SET position = -1;",
        "DROP TABLE planner.cases;",
        "UPDATE ledger.migrations SET digest = 'mine';",
        "UPDATE ledger.schema_versions SET version_num = 'differ_0009';",
        "CREATE ROLE more;",
        "CREATE TABLE more (n int);",
    ],
)
async def test_a_services_file_can_do_what_the_service_can_and_no_more(
    installed: Realm, files: Files, sql: str
) -> None:
    files.add("differ", sql)
    assert (await refused(installed)).reason_code == "migration_failed"
    files.back()
    assert await migrated(installed) == []


async def test_an_edited_file_is_noticed_before_anything_runs(installed: Realm, admin: Any, files: Files) -> None:
    files.edit("ledger", 1, files.real["ledger"][0].sql + "-- a harmless remark\n")
    files.add("planner", "CREATE TABLE planner.more_planner (n int);")
    error = await refused(installed)
    assert error.reason_code == "migration_edited"
    assert files.now["ledger"][0].digest in error.message
    assert await admin.fetch(OWNERS) == []


async def test_an_older_release_neither_migrates_nor_starts(installed: Realm, files: Files) -> None:
    file = files.add("executor", "CREATE TABLE executor.more_executor (n int);")
    await migrated(installed)
    files.back()
    error = await refused(installed)
    assert (error.reason_code, file.title in error.message) == ("schema_newer", True)
    with pytest.raises(Permanent) as caught:
        await starts(installed, "executor")
    assert caught.value.reason_code == "schema_newer"
    await starts(installed, "planner")


@pytest.mark.parametrize(("schema", "late"), [("executor", {"executor"}), ("ledger", set(SERVICES))])
async def test_a_service_does_not_start_on_a_schema_that_is_behind(
    installed: Realm, files: Files, schema: str, late: set[str]
) -> None:
    files.add(schema, f"CREATE TABLE {schema}.more (n int);")
    waiting = set()
    for service in SERVICES:
        try:
            await starts(installed, service)
        except Permanent as error:
            assert error.reason_code == "schema_outdated"
            assert "trueup migrate" in error.message
            waiting.add(service)
    assert waiting == late
    await migrated(installed)
    for service in SERVICES:
        await starts(installed, service)


async def test_before_there_were_versions_is_behind(installed: Realm, admin: Any) -> None:
    await admin.execute("DROP TABLE ledger.schema_versions")
    with pytest.raises(Permanent) as caught:
        await starts(installed, "observer")
    assert caught.value.reason_code == "schema_outdated"


async def test_the_process_says_so_and_ends(installed: Realm, admin: Any) -> None:
    await admin.execute("DELETE FROM ledger.schema_versions WHERE version_num LIKE 'observer%'")
    environment = {
        "TRUEUP_REALM": installed.name,
        "TRUEUP_DATABASE_URL": installed.url("observer"),
        "TRUEUP_BROKERS": "127.0.0.1:1",
    }
    ended = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-m", "observer.main"], env=environment, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode == 2
    said = ended.stdout + ended.stderr
    assert "schema_outdated" in said
    assert "trueup migrate" in said
    assert "Traceback" not in said


async def test_no_service_can_write_the_versions(installed: Realm) -> None:
    for service in SERVICES:
        connection = await asyncpg.connect(installed.url(service))
        try:
            for table in ("ledger.schema_versions", "ledger.migrations"):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.execute(f"DELETE FROM {table}")
        finally:
            await connection.close()


async def test_the_command(installed: Realm, postgres: Postgres, files: Files) -> None:
    def trueup(*arguments: str, realm: str = installed.name) -> tuple[int, str]:
        environment = {"TRUEUP_ADMIN_DATABASE_URL": postgres.admin_url, "TRUEUP_REALM": realm}
        done = CliRunner().invoke(app, ["migrate", *arguments], env=environment)
        return done.exit_code, done.output

    def run(*arguments: str, **more: str) -> Any:
        return asyncio.to_thread(trueup, *arguments, **more)

    file = files.add("planner", "CREATE TABLE planner.more_planner (n int);")
    assert await run("--check", "--json") == (3, f'{{"realm": "{installed.name}", "pending": ["{file.title}"]}}\n')
    assert await run() == (0, f"{file.title} has run\n")
    assert await run("--check") == (0, f"Realm {installed.name}: all schemas are up to date.\n")
    code, said = await run(realm="nobodys_realm")
    assert (code, said.partition(":")[0]) == (2, "realm_missing")


async def test_another_realms_database_is_refused(installed: Realm, make_realm: MakeRealm, admin: Any) -> None:
    """One that has the name of this realm's database, and belongs to another realm."""
    await admin.execute(f"ALTER SCHEMA ledger OWNER TO {installed.name}_reader")
    assert (await refused(installed)).reason_code == "realm_missing"
