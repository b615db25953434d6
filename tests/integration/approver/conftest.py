"""A running approver for each test."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from approver import main as approver_main
from approver.settings import ApproverSettings
from cli.stack.realm import Realm, drop_database, prepare_database
from cli.stack.secretfiles import Passwords
from common.clock import wall_now
from common.ledger import Ledger
from common.runtime import Runtime, application
from pydantic import SecretStr
from support import service_keys
from support.office import Office, Served, with_roles, write_directory
from support.walk import Walk, at, directory, real_row

KEEPER = "k.weber"


@contextmanager
def fresh_realm(postgres: Any, folder: Path) -> Iterator[Realm]:
    name = f"t{secrets.token_hex(6)}"
    passwords = Passwords(folder / f"{name}.json")
    prepare_database(postgres, name, passwords)
    yield Realm(name, postgres, passwords)
    drop_database(postgres, name)


@asynccontextmanager
async def opened_office(
    realm: Realm, folder: Path, clock: str = "replay:2023-07-03T00:00:00Z"
) -> AsyncIterator[Office]:
    write_directory(folder / "directory.json", with_roles(directory(realm.name), KEEPER, "clock-keeper"))
    (folder / "issuer.key").write_text(secrets.token_urlsafe(48))
    settings = ApproverSettings(
        realm=realm.name,
        database_url=SecretStr(realm.url("approver")),
        brokers="127.0.0.1:1",
        directory=folder / "directory.json",
        issuer_key=folder / "issuer.key",
        **service_keys.write(folder, "approver", realm.name),
        clock=clock,
        timezone="America/New_York",
    )
    async with asyncpg.create_pool(realm.url("approver"), min_size=1, max_size=4) as pool:
        runtime = Runtime("approver", settings, pool, Ledger(pool), asyncio.Event())
        parts = await approver_main.compose(runtime)
        async with Served(application(approver_main.SERVICE, runtime, parts)) as url:
            made = Office(realm, folder, parts, url, pool)
            made.walk = Walk(row=dict(real_row("2022-090")), realm=realm.name, asof=at("2023-07-03 00:00"))
            await made.sync()
            yield made
            for client in made.clients.values():
                client.close()
            runtime.stop.set()


@pytest.fixture
async def office(postgres: Any, session_folder: Path, tmp_path: Path) -> AsyncIterator[Office]:
    """A realm of the test's own."""
    with fresh_realm(postgres, session_folder) as realm:
        async with opened_office(realm, tmp_path) as made:
            yield made


@pytest.fixture(scope="module")
async def reception(
    postgres: Any, session_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Office]:
    """A realm for all tests of a module that record nothing."""
    with fresh_realm(postgres, session_folder) as realm:
        async with opened_office(realm, tmp_path_factory.mktemp("reception")) as made:
            yield made


@pytest.fixture
async def wall_office(postgres: Any, session_folder: Path, tmp_path: Path) -> AsyncIterator[Office]:
    """A realm on the wall clock."""
    with fresh_realm(postgres, session_folder) as realm:
        async with opened_office(realm, tmp_path, "wall") as made:
            made.walk.asof = wall_now()
            yield made
