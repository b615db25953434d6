"""Each guard of the ledger taken out, one at a time, in a database of the test's own: the test that watches it fails.

A guard that could be lost without any test noticing would be lost one day.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import asyncpg
import pytest
from cli.stack.postgres import Postgres
from cli.stack.realm import Realm, drop_database, prepare_database
from cli.stack.secretfiles import Passwords
from common.errors import TrueupError
from common.ledger import Appended, Ledger, NewEvent, role_name
from support.ledger_oracles import (
    TAKEN,
    a_retry_is_adopted,
    nothing_is_skipped,
    of_many_one_wins,
    taking_is_refused,
    the_table_checks,
)
from support.ledgers import an_event, connected, name

pytestmark = pytest.mark.integration
Oracle = Callable[[Realm], Awaitable[None]]


@pytest.fixture
def own(postgres: Postgres, session_folder: Path) -> Iterator[Realm]:
    """A realm of the test's own, which it may break."""
    realm_name = f"t{name()[:10]}"
    passwords = Passwords(session_folder / f"{realm_name}.json")
    prepare_database(postgres, realm_name, passwords)
    yield Realm(realm_name, postgres, passwords)
    drop_database(postgres, realm_name)


@dataclass(frozen=True)
class Mutation:
    """`statements` are run as the ledger's owner. `pattern` is replaced in every function of the schema that has it,
    as PostgreSQL writes the function down; so is `also`, where the same guard stands in other words."""

    oracle: Oracle
    statements: str = ""
    pattern: str = ""
    instead: str = ""
    also: tuple[str, str] = ("", "")

    async def make(self, realm: Realm) -> None:
        admin = await asyncpg.connect(realm.admin_url)
        try:
            await admin.execute(f"SET ROLE {role_name(realm.name, 'owner')}")
            if self.statements:
                await admin.execute(self.statements)
            for pattern, instead in filter(all, ((self.pattern, self.instead), self.also)):
                found = await _replace(admin, pattern, instead)
                assert found, f"no function of the ledger has {pattern!r}: mutate it anew"
        finally:
            await admin.close()


async def _replace(admin: asyncpg.Connection, pattern: str, instead: str) -> int:
    functions = await admin.fetch(
        "SELECT pg_get_functiondef(oid) AS text FROM pg_proc WHERE pronamespace = 'ledger'::regnamespace"
    )
    changed = 0
    for row in functions:
        text, count = re.subn(pattern, instead, row["text"])
        if count:
            await admin.execute(text)
            changed += 1
    return changed


STREAM = r"split_part\((?P<stream>[\w.]+), '/'::text, 1\) = \((?P<rights>[\w.]+) ->> (?P<type>[\w.]+)\)"
PLANNERS = partial(taking_is_refused, event=TAKEN["the approver's type"])
MUTATIONS = {
    "positions without the lock": Mutation(
        nothing_is_skipped,
        "CREATE SEQUENCE ledger.naive",
        r"(?<!\()UPDATE ledger\.head\b[^;]*\bRETURNING\b[^;]*\bINTO\b[^;]*\btop;",
        "top := nextval('ledger.naive') * 10000;",
        (
            r"\(UPDATE ledger\.head\b[^;]*?\bRETURNING h\.position\)",
            "(SELECT nextval('ledger.naive') * 10000 AS position)",
        ),
    ),
    "versions that nobody compares": Mutation(
        of_many_one_wins,
        "ALTER TABLE ledger.events DROP CONSTRAINT events_stream_version",
        r"(?<=')version_conflict: ",
        "nothing: ",
    ),
    "no SELECT policy": Mutation(a_retry_is_adopted, "DROP POLICY everybody_reads ON ledger.events"),
    "append without the type's check": Mutation(
        PLANNERS,
        "",
        STREAM,
        r"EXISTS (SELECT FROM jsonb_each_text(\g<rights>) r WHERE r.value = split_part(\g<stream>, '/', 1))",
    ),
    "append without the stream's check": Mutation(
        partial(taking_is_refused, event=TAKEN["the approver's stream"]), "", STREAM, r"\g<rights> ? \g<type>"
    ),
    "append without the source's check": Mutation(
        partial(taking_is_refused, event=TAKEN["the approver's name"]),
        "",
        r"\((?:n\.)?source = (?:\w+\.)?service\)",
        "true",
    ),
    "a table that checks neither": Mutation(
        partial(
            the_table_checks, source="planner", stream="approval/x/y/1", type_="trueup.plan.drafted.v1", allowed=False
        ),
        "ALTER POLICY own_streams ON ledger.events WITH CHECK (true)",
    ),
    "a table that anybody's rows may enter": Mutation(
        partial(
            the_table_checks, source="planner", stream="plan/x/y/1", type_="trueup.ticket.opened.v1", allowed=False
        ),
        "ALTER TABLE ledger.events NO FORCE ROW LEVEL SECURITY",
    ),
}


@pytest.mark.parametrize("mutation", MUTATIONS.values(), ids=MUTATIONS)
async def test_without_it_a_test_fails(own: Realm, mutation: Mutation) -> None:
    await mutation.oracle(own)
    await mutation.make(own)
    await it_still_appends(own)
    with pytest.raises((AssertionError, asyncpg.PostgresError, TrueupError, pytest.fail.Exception)):
        await mutation.oracle(own)


async def it_still_appends(realm: Realm) -> None:
    """The mutant isn't merely broken."""
    for service in ("observer", "planner"):
        async with connected(realm, service, size=1) as pool:
            (answer,) = await Ledger(pool).append([[NewEvent(an_event(service))]])
            assert isinstance(answer, Appended)
