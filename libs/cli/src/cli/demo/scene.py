"""The stage of a scenario: a realm with its simulated people, feeds and target systems, on a stack of its own."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from cli.demo import cast
from cli.demo.cast import Member
from cli.stack.postgres import Postgres
from cli.stack.stack import AnyBroker, BrokerKind, Stack, silent

EXAMPLES = Path(__file__).resolve().parents[5] / "examples"


@dataclass(frozen=True)
class Scene:
    """A stack to start, and what its simulated outside world needs."""

    stack: Stack
    keys: Mapping[str, Path]
    tokens: Mapping[str, str]

    def requests(self) -> int:
        """How many requests stand in the ticketing database."""
        return int(asyncio.run(_fetch(self.target_url, "SELECT count(*) FROM requests")))

    def counts(self) -> dict[str, int]:
        """Events in the ledger, by type."""
        return dict(asyncio.run(_counts(self.stack.database_url("reader"))))

    @property
    def target_url(self) -> str:
        return _database(self.stack.postgres.admin_url, _target_name(self.stack.realm))


def make(  # noqa: PLR0913 - a scene has this many dimensions, all named
    folder: Path,
    *,
    realm: str,
    people: Sequence[Member],
    feeds: Sequence[str],
    target: tuple[str, Path],
    starts: str,
    timezone: str,
    broker: BrokerKind | AnyBroker = "embedded",
    postgres: Postgres | None = None,
    detached: bool = False,
    tell: Callable[[str], None] = silent,
) -> Scene:
    """A scene over `folder`, not started. `target` is a system and the DDL of its demo database."""

    def prepare(stack: Stack) -> None:
        system, ddl = target
        asyncio.run(_create_target(stack, system, ddl.read_text()))

    stack = Stack(
        folder,
        realm=realm,
        broker=broker,
        postgres=postgres,
        clock=f"replay:{starts}",
        timezone=timezone,
        detached=detached,
        tell=tell,
        prepare=prepare,
    )
    keys = cast.enrol(people, realm, stack.config, stack.folder / "people")
    cast.secrets_of(stack.config, realm)
    return Scene(stack, keys, cast.feed_tokens(stack.config, feeds))


def _target_name(realm: str) -> str:
    return f"{realm}_ticketing"


def _database(url: str, name: str, user: str | None = None, password: str | None = None) -> str:
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    netloc = f"{user}:{password}@{host}" if user else parts.netloc
    return urlunsplit(parts._replace(netloc=netloc, path=f"/{name}"))


async def _create_target(stack: Stack, system: str, ddl: str) -> None:
    """The target system's own database, and the one login that the executor gets: it may do its action, no more."""
    name, role, password = _target_name(stack.realm), f"{stack.realm}_ticketing_executor", secrets.token_urlsafe(24)
    admin = await asyncpg.connect(stack.postgres.admin_url)
    try:
        if not await admin.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
            await admin.execute(f'CREATE DATABASE "{name}"')
        if not await admin.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role):
            await admin.execute(f'CREATE ROLE "{role}" LOGIN')
        await admin.execute(f"ALTER ROLE \"{role}\" PASSWORD '{password}'")
    finally:
        await admin.close()
    target = await asyncpg.connect(_database(stack.postgres.admin_url, name))
    try:
        await target.execute(ddl)
        await target.execute(f'GRANT trueup_requests TO "{role}"')
    finally:
        await target.close()
    url = _database(stack.postgres.admin_url, name, role, password)
    file = stack.config / "targets.json"
    file.touch(mode=0o600)
    file.write_text(json.dumps({system: url}) + "\n")


async def _fetch(url: str, query: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        return int(await connection.fetchval(query))
    finally:
        await connection.close()


async def _counts(url: str) -> list[tuple[str, int]]:
    connection = await asyncpg.connect(url)
    try:
        return [
            tuple(row) for row in await connection.fetch("SELECT type, count(*) FROM ledger.events GROUP BY type")
        ]
    finally:
        await connection.close()
