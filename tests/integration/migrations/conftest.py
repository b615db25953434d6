"""Databases to migrate, each of a test's own."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

import asyncpg
import pytest
from cli.stack.postgres import Postgres
from cli.stack.realm import Realm, drop_database
from cli.stack.secretfiles import Passwords
from common import schemas

MakeRealm: TypeAlias = Callable[[], Realm]
Administrator: TypeAlias = Callable[[Realm], AbstractAsyncContextManager[Any]]


@pytest.fixture
def make_realm(postgres: Postgres, session_folder: Path) -> Iterator[MakeRealm]:
    """A realm with a name and passwords, and nothing yet on the server; dropped after the test."""
    with ExitStack() as stack:

        def make() -> Realm:
            name = f"t{secrets.token_hex(6)}"
            stack.callback(drop_database, postgres, name)
            return Realm(name, postgres, Passwords(session_folder / f"{name}.json"))

        yield make


@asynccontextmanager
async def administrator(realm: Realm) -> AsyncIterator[Any]:
    """A connection as superuser."""
    connection = await asyncpg.connect(realm.admin_url)
    try:
        yield connection
    finally:
        await connection.close()


class Files:
    """The files that this release seems to have: those that are, and what a test adds."""

    def __init__(self) -> None:
        self.real = {schema: schemas.migrations(schema) for schema in schemas.SCHEMAS}
        self.now = dict(self.real)

    def add(self, schema: str, sql: str, name: str = "more") -> schemas.Migration:
        """The next file of `schema`."""
        added = schemas.Migration(schema, len(self.now[schema]) + 1, name, sql)
        self.now[schema] = (*self.now[schema], added)
        return added

    def edit(self, schema: str, number: int, sql: str) -> None:
        """Another text for a file that is there."""
        files = list(self.now[schema])
        files[number - 1] = schemas.Migration(schema, number, files[number - 1].name, sql)
        self.now[schema] = tuple(files)

    def back(self) -> None:
        """Only what really is."""
        self.now = dict(self.real)


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> Files:
    from common.ledger import migrating  # noqa: PLC0415 - it brings Alembic along, which few tests need

    made = Files()
    for module in (schemas, migrating):
        monkeypatch.setattr(module, "migrations", lambda schema: made.now[schema])
    return made
