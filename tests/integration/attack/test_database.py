"""A service that was taken over, with its own login to the database: what it tries, and doesn't get."""

from __future__ import annotations

import asyncpg
import pytest
from cli.stack.realm import Realm, database_url
from common import schemas
from common.errors import Refused
from common.ledger import Ledger, NewEvent, migrating, progress, role_name
from common.ledger.install import READER, left_open, migrate
from common.ledger.progress import Move
from common.schemas import Migration, migrations
from common.topics import SERVICES, TOPICS
from support.ledger_oracles import PAST_APPEND, the_table_checks
from support.ledgers import an_event, connected

pytestmark = pytest.mark.integration
REFUSED = asyncpg.InsufficientPrivilegeError

BEYOND = [
    "SELECT lo_create(0)",
    "SELECT lo_creat(-1)",
    "SELECT lo_from_bytea(0, 'hidden')",
    "SELECT lo_put(1, 0, 'hidden')",
    "SELECT lo_unlink(1)",
    "SELECT lo_open(1, 131072)",
    "SELECT lowrite(0, 'hidden')",
    "SELECT pg_logical_emit_message(false, 'mine', 'hidden')",
    "CREATE TEMP TABLE mine (x int)",
    "CREATE SCHEMA mine",
    "CREATE EXTENSION dblink SCHEMA ledger",
    "SELECT pg_read_file('/etc/hostname')",
    "SELECT pg_ls_dir('.')",
    "CREATE TABLE public.mine (x int)",
    "CREATE TABLE ledger.mine (x int)",
    "CREATE PUBLICATION mine FOR TABLE ledger.events",
    "SELECT lo_import('/etc/hostname')",
    "COPY ledger.events TO '/dev/null'",
    "COPY ledger.events TO PROGRAM 'true'",
    "SELECT rolpassword FROM pg_authid",
    "ALTER ROLE {me} SUPERUSER",
    "ALTER ROLE {other} PASSWORD 'mine'",
    "GRANT {other} TO {me}",
    "SELECT set_config('role', '{other}', false)",
    "SELECT set_config('session_authorization', '{other}', false)",
    "SET session_replication_role = replica",
    "SET row_security = off; SELECT count(*) FROM ledger.positions",
    "SELECT ledger.said('{{}}')",
    "CREATE OR REPLACE FUNCTION ledger.session_service() RETURNS text LANGUAGE sql AS 'SELECT NULL'",
    "ALTER FUNCTION ledger.append OWNER TO {me}",
    "SELECT * FROM ledger.head FOR UPDATE",
    "CREATE INDEX ON ledger.events (event)",
    "CREATE RULE mine AS ON INSERT TO ledger.work DO INSTEAD NOTHING",
    "DROP SCHEMA ledger CASCADE",
    "DELETE FROM ledger.published",
    "TRUNCATE ledger.positions",
    "SELECT pg_create_logical_replication_slot('mine', 'pgoutput')",
]


@pytest.mark.parametrize("role", [*SERVICES, READER])
async def test_no_login_gets_anything_beyond_its_own(database: Realm, role: str) -> None:
    """`reader` is read-only by a default, which who logs in as it can switch off."""
    other = "approver" if role != "approver" else "planner"
    names = {"me": role_name(database.name, role), "other": role_name(database.name, other)}
    async with connected(database, role, size=1) as pool, pool.acquire() as connection:
        await connection.execute("SET default_transaction_read_only = off")
        for statement in BEYOND:
            with pytest.raises(REFUSED):
                await connection.execute(statement.format(**names))
                pytest.fail(f"{role} may: {statement}")


@pytest.mark.parametrize("role", [*SERVICES, READER])
async def test_no_login_stops_others_with_a_table_lock(database: Realm, role: str) -> None:
    """Appending and noting progress take ROW EXCLUSIVE: whoever may not take more than that conflicts with nobody."""
    tables = ("events", "head", "services", "topics", "positions", "relays", "published", "work")
    async with connected(database, role, size=1) as pool, pool.acquire() as connection:
        for table in tables:
            for mode in ("SHARE", "SHARE ROW EXCLUSIVE", "EXCLUSIVE", "ACCESS EXCLUSIVE"):
                with pytest.raises(REFUSED):
                    async with connection.transaction(readonly=False):
                        await connection.execute(f"LOCK TABLE ledger.{table} IN {mode} MODE")
                        pytest.fail(f"{role} may lock {table}: {mode}")


async def test_no_login_gets_into_the_servers_other_databases(database: Realm) -> None:
    """Every login could make temporary tables and large objects there, and wait for an administrator."""
    for role in (*SERVICES, READER):
        for other in ("postgres", "template1"):
            with pytest.raises((REFUSED, asyncpg.InvalidAuthorizationSpecificationError)):
                await asyncpg.connect(database_url(database.url(role), other))


async def test_what_only_a_superuser_can_take_away_is_told(database: Realm) -> None:
    assert await left_open(database.admin_url) == []
    admin = await asyncpg.connect(database.admin_url)
    try:
        await admin.execute("GRANT EXECUTE ON FUNCTION lo_create(oid) TO PUBLIC")
        assert await left_open(database.admin_url) == ["lo_create(oid)"]
        await migrate(database.admin_url, database.name)
        assert await left_open(database.admin_url) == []
    finally:
        await admin.close()


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
    async with connected(database, "approver", size=2) as pool, pool.acquire() as connection:
        await Ledger(pool).append([[NewEvent(an_event("approver")) for _ in range(6)]])
        async with connection.transaction():
            await progress.set_relayed(connection, "approver", Move(None, 5), {("approvals", 0): 5})
        assert (await progress.published(connection))["approvals", 0] == 5


@pytest.mark.parametrize(("source", "stream", "type_", "allowed"), PAST_APPEND)
async def test_the_table_refuses_what_an_append_that_forgot_to_check_would_write(
    database: Realm, source: str, stream: str, type_: str, allowed: bool
) -> None:
    """The second line: row-level security binds the owner's own function to the rights of whoever is logged in."""
    await the_table_checks(database, source, stream, type_, allowed)


PLANTED = {
    "trigger": """
        CREATE FUNCTION planner.mine() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RESET ROLE; EXECUTE 'ALTER ROLE {me} SUPERUSER'; RETURN NEW; END $$;
        CREATE TRIGGER mine BEFORE INSERT ON planner.trap FOR EACH ROW EXECUTE FUNCTION planner.mine()""",
    "default": """
        CREATE FUNCTION planner.mine() RETURNS int LANGUAGE plpgsql AS $$
        BEGIN RESET ROLE; EXECUTE 'ALTER ROLE {me} SUPERUSER'; RETURN 1; END $$;
        ALTER TABLE planner.trap ALTER COLUMN x SET DEFAULT planner.mine()""",
}


@pytest.mark.parametrize("trap", PLANTED)
async def test_what_a_service_has_planted_in_its_schema_does_not_run_as_the_administrator(
    database: Realm, trap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A migration acts as the service, but in an administrator's session, to which what it calls can go back."""
    me = role_name(database.name, "planner")
    coming = Migration("planner", len(migrations("planner")) + 1, "later", "INSERT INTO planner.trap DEFAULT VALUES")
    admin = await asyncpg.connect(database.admin_url)
    try:
        async with connected(database, "planner", size=1) as pool:
            await pool.execute("CREATE TABLE planner.trap (x int)")
            await pool.execute(PLANTED[trap].format(me=me))
        known = migrations("planner")

        def with_another(schema: str) -> tuple[Migration, ...]:
            return (*known, coming) if schema == "planner" else migrations(schema)

        for module in (schemas, migrating):
            monkeypatch.setattr(module, "migrations", with_another)
        with pytest.raises(Refused, match="planted_code"):
            await migrate(database.admin_url, database.name)
        assert await admin.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = $1", me) is False
    finally:
        await admin.execute(f"ALTER ROLE {me} NOSUPERUSER")
        await admin.execute("DROP TABLE IF EXISTS planner.trap; DROP FUNCTION IF EXISTS planner.mine()")
        await admin.close()
