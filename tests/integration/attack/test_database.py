"""A service that was taken over, with its own login to the database: what it tries, and doesn't get."""

from __future__ import annotations

import asyncpg
import pytest
from cli.stack.realm import Realm
from common.ledger import progress, role_name
from common.ledger.progress import Move
from common.topics import SERVICES, TOPICS
from support.ledger_oracles import PAST_APPEND, the_table_checks
from support.ledgers import connected

pytestmark = pytest.mark.integration
REFUSED = asyncpg.InsufficientPrivilegeError

BEYOND = [
    "CREATE TEMP TABLE mine (x int)",
    "CREATE SCHEMA mine",
    "CREATE EXTENSION dblink",
    "SELECT pg_read_file('/etc/hostname')",
    "SELECT lo_import('/etc/hostname')",
    "COPY ledger.events TO '/dev/null'",
    "COPY ledger.events TO PROGRAM 'true'",
    "SELECT rolpassword FROM pg_authid",
    "ALTER ROLE {planner} SUPERUSER",
    "ALTER ROLE {approver} PASSWORD 'mine'",
    "GRANT {approver} TO {planner}",
    "SELECT set_config('role', '{approver}', false)",
    "SELECT set_config('session_authorization', '{approver}', false)",
    "SET session_replication_role = replica",
    "SET row_security = off; SELECT count(*) FROM ledger.positions",
    "SELECT ledger.said('{{}}')",
    "CREATE OR REPLACE FUNCTION ledger.session_service() RETURNS text LANGUAGE sql AS 'SELECT NULL'",
    "ALTER FUNCTION ledger.append OWNER TO {planner}",
    "SELECT * FROM ledger.head FOR UPDATE",
    "CREATE INDEX ON ledger.events (event)",
    "CREATE RULE mine AS ON INSERT TO ledger.work DO INSTEAD NOTHING",
    "DROP SCHEMA ledger CASCADE",
    "DELETE FROM ledger.published",
    "TRUNCATE ledger.positions",
    "SELECT pg_create_logical_replication_slot('mine', 'pgoutput')",
]


@pytest.mark.parametrize("statement", BEYOND)
async def test_a_service_gets_nothing_beyond_its_own(database: Realm, statement: str) -> None:
    names = {service: role_name(database.name, service) for service in SERVICES}
    async with connected(database, "planner", size=1) as pool:
        with pytest.raises(REFUSED):
            await pool.execute(statement.format(**names))


async def test_a_function_of_its_own_does_not_shadow_the_ledgers(database: Realm) -> None:
    """`ledger.append` asks who is asking by a search path of its own."""
    async with connected(database, "planner", size=1) as pool:
        await pool.execute(
            "CREATE OR REPLACE FUNCTION planner.session_service() RETURNS text LANGUAGE sql AS $$SELECT 'approver'$$"
        )
        await pool.execute("SET search_path = planner, ledger")
        assert await pool.fetchval("SELECT ledger.session_service()") == "planner"
        with pytest.raises(REFUSED):
            await pool.execute("INSERT INTO ledger.work (service, pending) VALUES ('approver', 1)")
        await pool.execute("DROP FUNCTION planner.session_service()")


async def test_nobody_says_what_another_service_has_published(database: Realm) -> None:
    """Whoever could, would stop its relay for good: the row would be theirs."""
    approvals = next(topic for topic in TOPICS if topic.name == "approvals")
    async with connected(database, "planner", size=1) as pool:
        for partition in (0, approvals.partitions - 1):
            with pytest.raises(REFUSED):
                await pool.execute(
                    "INSERT INTO ledger.published (service, topic, partition, position) "
                    "VALUES ('planner', $1, $2, 9)",
                    approvals.name,
                    partition,
                )
    async with connected(database, "approver", size=1) as pool, pool.acquire() as connection:
        async with connection.transaction():
            await progress.set_relayed(connection, "approver", Move(None, 5), {("approvals", 0): 5})
        assert (await progress.published(connection))["approvals", 0] == 5


@pytest.mark.parametrize(("source", "stream", "type_", "allowed"), PAST_APPEND)
async def test_the_table_refuses_what_an_append_that_forgot_to_check_would_write(
    database: Realm, source: str, stream: str, type_: str, allowed: bool
) -> None:
    """The second line: row-level security binds the owner's own function to the rights of whoever is logged in."""
    await the_table_checks(database, source, stream, type_, allowed)
