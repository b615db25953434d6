from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cli.stack.postgres import Postgres
from cli.stack.realm import Realm, drop_database, prepare_database
from cli.stack.secretfiles import Passwords
from support.differ_realm import DifferRealm


@pytest.fixture
async def replay(postgres: Postgres, session_folder: Path) -> AsyncIterator[DifferRealm]:
    """A realm of the test's own with a replay clock."""
    async for realm in _realm(postgres, session_folder, "replay"):
        yield realm


@pytest.fixture
async def walled(postgres: Postgres, session_folder: Path) -> AsyncIterator[DifferRealm]:
    """A realm of the test's own that lives by the wall clock."""
    async for realm in _realm(postgres, session_folder, "wall"):
        yield realm


async def _realm(postgres: Postgres, folder: Path, clock: str) -> AsyncIterator[DifferRealm]:
    name = f"t{secrets.token_hex(6)}"
    passwords = Passwords(folder / f"{name}.json")
    prepare_database(postgres, name, passwords)
    async with DifferRealm(Realm(name, postgres, passwords), clock) as realm:
        yield realm
    drop_database(postgres, name)
