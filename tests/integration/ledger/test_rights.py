"""What the database refuses, whatever a service's code does."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest
from cli.stack.realm import Realm
from common.events import Event
from common.ledger import Appended, AppendRefused, Ledger, NewEvent, install, role_name
from common.ledger.install import READER
from common.topics import SERVICES
from support.ledger_oracles import TAKEN, taking_is_refused
from support.ledgers import STREAM, an_event, connected

pytestmark = pytest.mark.integration
REFUSED = asyncpg.InsufficientPrivilegeError


@pytest.mark.parametrize("service", SERVICES)
async def test_every_service_may_append_its_own(database: Realm, service: str) -> None:
    async with connected(database, service) as pool:
        [answer] = await Ledger(pool).append([[NewEvent(an_event(service))]])
    assert isinstance(answer, Appended)


@pytest.mark.parametrize("event", TAKEN.values(), ids=TAKEN.keys())
async def test_a_planner_cannot_take_what_is_anothers(database: Realm, event: Event) -> None:
    await taking_is_refused(database, event)


async def test_a_planner_cannot_take_the_approvers_id(database: Realm) -> None:
    """Not to occupy it, and not to be told that it is a duplicate."""
    async with connected(database, "approver") as pool:
        event = an_event("approver")
        await Ledger(pool).append([[NewEvent(event)]])
    async with connected(database, "planner") as pool:
        [answer] = await Ledger(pool).append([[NewEvent(event)]])
    assert isinstance(answer, AppendRefused) and answer.reason_code == "forbidden_stream"


async def test_what_a_reader_sees_last_is_what_was_checked(database: Realm) -> None:
    """JSON with a key twice: the rights are checked on the value that parsers return."""
    raw = an_event("planner").encode().decode()
    forged = raw[:-1] + ',"type":"trueup.approval.given.v1"}'
    async with connected(database, "planner") as pool:
        row = await pool.fetchrow("SELECT * FROM ledger.append($1::text[], $2::int[])", [forged], [1])
    assert row["reason"] == "forbidden_stream"
    assert Event.decode(forged).type == "trueup.approval.given.v1"


CHANGES = {
    "insert": "INSERT INTO ledger.events SELECT position + 1000000, event, source, 'x', 'plan/x', 1, type, case_id, "
    "recorded_at FROM ledger.events WHERE source = 'planner'",
    "update": "UPDATE ledger.events SET event = replace(event, 'planner', 'plonner')",
    "delete": "DELETE FROM ledger.events",
    "truncate": "TRUNCATE ledger.events",
    "head": "UPDATE ledger.head SET position = 0",
    "rights": """UPDATE ledger.services SET rights = rights || '{"trueup.approval.given.v1": "approval"}'""",
    "signed": "UPDATE ledger.services SET signed = '[]'",
    "roles": "UPDATE ledger.services SET service = 'approver' WHERE service = 'planner'",
    "trigger": "ALTER TABLE ledger.events DISABLE TRIGGER append_only",
    "policy": "ALTER TABLE ledger.events DISABLE ROW LEVEL SECURITY",
    "inside": "SELECT ledger.place('{}', 'planner', '{}', '[]', '', '', 0, now())",
}


@pytest.mark.parametrize("service", ["planner", READER])
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
async def test_nobody_changes_the_ledger(database: Realm, change: str, service: str) -> None:
    async with connected(database, "planner") as pool:
        await Ledger(pool).append([[NewEvent(an_event("planner"))]])
        before = await _everything(pool)
    async with connected(database, service) as pool:
        with pytest.raises((REFUSED, asyncpg.ReadOnlySQLTransactionError)):
            await pool.execute(change)
        assert await _everything(pool) == before


@pytest.mark.parametrize("role", ["the owner", "the administrator", "a replica"])
@pytest.mark.parametrize("change", ["insert", "update", "delete", "truncate"])
async def test_even_who_has_the_privilege_meets_a_trigger_or_a_policy(
    database: Realm, change: str, role: str
) -> None:
    async with connected(database, "planner") as pool:
        await Ledger(pool).append([[NewEvent(an_event("planner"))]])
    admin = await asyncpg.connect(database.admin_url)
    try:
        before = await _everything(admin)
        if role == "the owner":
            await admin.execute(f"SET ROLE {role_name(database.name, 'owner')}")
        elif role == "a replica":
            await admin.execute("SET session_replication_role = replica")
        with pytest.raises(REFUSED):
            await admin.execute(CHANGES[change])
        await admin.execute("RESET ROLE")
        assert await _everything(admin) == before
    finally:
        await admin.close()


async def test_a_service_cannot_use_anothers_tables_or_become_another(database: Realm) -> None:
    async with connected(database, "approver") as pool:
        await pool.execute("CREATE TABLE IF NOT EXISTS secret (x int)")
    async with connected(database, "planner") as pool:
        for forbidden in (
            "SELECT * FROM approver.secret",
            "CREATE TABLE approver.mine (x int)",
            "CREATE TABLE public.mine (x int)",
            "CREATE TABLE ledger.mine (x int)",
            f"SET ROLE {role_name(database.name, 'approver')}",
            f"SET SESSION AUTHORIZATION {role_name(database.name, 'approver')}",
        ):
            with pytest.raises(REFUSED):
                await pool.execute(forbidden)


@pytest.mark.parametrize("table", ["positions", "relays", "published", "work"])
async def test_a_service_writes_only_its_own_progress(database: Realm, table: str) -> None:
    rows = {
        "positions": "(service, topic, partition, position) VALUES ('{}', 'clock', 0, 5)",
        "relays": "(service, position) VALUES ('{}', 5)",
        "published": "(service, topic, partition, position) VALUES ('{}', 'gaps', 3, 5)",
        "work": "(service, pending) VALUES ('{}', 5)",
    }
    async with connected(database, "differ") as pool:
        await pool.execute(f"INSERT INTO ledger.{table} {rows[table].format('differ')}")
    async with connected(database, "planner") as pool:
        with pytest.raises(REFUSED):
            await pool.execute(f"INSERT INTO ledger.{table} {rows[table].format('differ')}")
        column = "pending" if table == "work" else "position"
        assert await pool.execute(f"UPDATE ledger.{table} SET {column} = 9 WHERE service = 'differ'") == "UPDATE 0"
        with pytest.raises(REFUSED):
            await pool.execute(f"DELETE FROM ledger.{table}")


@pytest.mark.parametrize("role", [*SERVICES, READER])
async def test_passwords_are_needed(database: Realm, role: str) -> None:
    url = database.url(role)
    password = database.passwords(role)
    connection = await asyncpg.connect(url)
    await connection.close()
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(url.replace(password, "wrong" + password))


async def test_nobody_holds_the_ledger_for_long(database: Realm) -> None:
    async with connected(database, "planner") as pool:
        for setting in ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout"):
            assert await pool.fetchval(f"SHOW {setting}") not in ("0", "0ms")


async def test_installing_again_changes_no_event_and_replaces_the_passwords(database: Realm) -> None:
    async with connected(database, "planner") as pool:
        await Ledger(pool).append([[NewEvent(an_event("planner"))]])
        before = await _everything(pool)
    changed = {role: f"other-{role}" for role in (*SERVICES, READER)}
    await install(database.admin_url, database.name, changed)
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(database.url("planner"))
    await install(database.admin_url, database.name, {role: database.passwords(role) for role in changed})
    async with connected(database, "planner") as pool:
        assert await _everything(pool) == before
        [answer] = await Ledger(pool).append([[NewEvent(an_event("planner"))]])
        assert isinstance(answer, Appended)


@pytest.mark.parametrize(("realm", "what"), [("Demo", "can't name a realm"), ("a; drop", "can't name a realm")])
async def test_a_name_that_is_no_name_is_refused(database: Realm, realm: str, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        await install(database.admin_url, realm, {})


async def _everything(connection: Any) -> Any:
    return await connection.fetch("SELECT e.*, h.position FROM ledger.events e, ledger.head h ORDER BY e.position")


def test_every_service_is_covered() -> None:
    assert set(STREAM) == set(SERVICES)
