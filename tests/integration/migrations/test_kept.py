"""From every earlier schema to today's: kept databases, restored, migrated, and compared with a fresh one."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from cli.stack.postgres import Postgres
from cli.stack.realm import migrate_database, prepare_database
from common.schemas import SCHEMAS, migrations
from support.kept import all_kept, one_event_each, restored
from support.structure import structure

from .conftest import MakeRealm, administrator

TABLES = "SELECT table_schema || '.' || table_name FROM information_schema.tables WHERE table_schema = ANY ($1)"
VERSION = re.compile(r"INSERT INTO ledger\.schema_versions VALUES \('([a-z]+)_([0-9]{4})'\);")
REFILLED = {"ledger.services", "ledger.rights", "ledger.topics"}  # what the code says, not what was kept


@pytest.mark.parametrize("kept", all_kept(), ids=lambda path: path.stem)
async def test_a_kept_database_becomes_what_a_fresh_one_is(
    kept: Path, make_realm: MakeRealm, postgres: Postgres
) -> None:
    old, fresh = make_realm(), make_realm()
    await restored(postgres, old.name, kept)
    async with administrator(old) as connection:
        tables = {row[0] for row in await connection.fetch(TABLES, list(SCHEMAS))} - REFILLED
        before = {table: await connection.fetch(f"SELECT * FROM {table}") for table in sorted(tables)}
    assert before["ledger.events"], "a kept database has rows to lose"

    await asyncio.to_thread(prepare_database, postgres, old.name, old.passwords)
    await asyncio.to_thread(prepare_database, postgres, fresh.name, fresh.passwords)

    async with administrator(old) as connection, administrator(fresh) as other:
        assert await structure(connection, old.name) == await structure(other, fresh.name)
        events = await connection.fetch("SELECT event FROM ledger.events ORDER BY position")
        assert [row["event"] for row in events] == [row["event"] for row in before["ledger.events"]]
        for table, rows in before.items():
            kept_count = await connection.fetchval(f"SELECT count(*) FROM {table}")
            assert kept_count >= len(rows), f"{table} has lost rows"
    await one_event_each(old)
    assert await asyncio.to_thread(migrate_database, postgres, old.name) == ()


def test_every_version_but_the_newest_is_kept() -> None:
    there = {(schema, 0) for schema in SCHEMAS}  # before there were versions
    for kept in all_kept():
        there |= {(schema, int(number)) for schema, number in VERSION.findall(kept.read_text("utf-8"))}
    left_behind = {(schema, file.number - 1) for schema in SCHEMAS for file in migrations(schema)}
    assert left_behind <= there, "keep the database before you add a migration: CONTRIBUTING.md says how"


async def test_the_comparison_sees_what_differs(make_realm: MakeRealm, postgres: Postgres) -> None:
    """Each change alone makes the structures differ; or the test above would prove nothing."""
    realm = make_realm()
    await asyncio.to_thread(prepare_database, postgres, realm.name, realm.passwords)
    async with administrator(realm) as connection:
        whole = await structure(connection, realm.name)
        for change in (
            "ALTER TABLE differ.cases ADD COLUMN more text",
            "ALTER TABLE differ.cases ALTER COLUMN gap DROP NOT NULL",
            "ALTER TABLE differ.cases ALTER COLUMN gap SET DEFAULT ''",
            "DROP INDEX differ.timers_by_instant",
            "ALTER TABLE differ.clock DROP CONSTRAINT clock_only_one",
            "DROP POLICY own_streams ON ledger.events",
            "ALTER TABLE ledger.events NO FORCE ROW LEVEL SECURITY",
            "ALTER TABLE ledger.events ENABLE TRIGGER append_only",
            "ALTER FUNCTION ledger.append RESET jit",
            f"GRANT SELECT ON differ.cases TO {realm.name}_planner",
            f"GRANT EXECUTE ON FUNCTION ledger.place TO {realm.name}_planner",
            "ALTER TABLE differ.cases OWNER TO postgres",
        ):
            transaction = connection.transaction()
            await transaction.start()
            await connection.execute(change)
            assert await structure(connection, realm.name) != whole, change
            await transaction.rollback()
        assert await structure(connection, realm.name) == whole
