"""A running auditor for each test."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from auditor import main as auditor_main
from auditor.adapters.records import LedgerRecords
from auditor.adapters.tables import AttestationTable
from auditor.settings import AuditorSettings
from auditor.workers.issuing import Issuer
from cli.stack.development import provide_log
from cli.stack.realm import Realm, drop_database, prepare_database
from cli.stack.secretfiles import Passwords
from common.clock import wall_now
from common.directory import WatchedDirectory
from common.http_auth import Tokens
from common.jobs import JobQueue
from common.ledger import Ledger
from common.runtime import Runtime, application
from common.service_keys import WatchedServiceKeys
from pydantic import SecretStr
from support import service_keys
from support.audit_room import AuditRoom
from support.office import Served, write_directory
from support.walk import Walk, directory


@pytest.fixture
def fresh(postgres: Any, session_folder: Path) -> Iterator[Realm]:
    """A realm of the test's own."""
    name = f"t{secrets.token_hex(6)}"
    passwords = Passwords(session_folder / f"{name}.json")
    prepare_database(postgres, name, passwords)
    yield Realm(name, postgres, passwords)
    drop_database(postgres, name)


async def enter(stack: AsyncExitStack, realm: Realm, folder: Path) -> AuditRoom:
    """Start an auditor over the realm's database. Entering again is a restart: only the database is kept."""
    write_directory(folder / "directory.json", directory(realm.name))
    secret = secrets.token_bytes(48).hex().encode()
    (folder / "issuer.key").write_bytes(secret)
    provide_log(folder, realm.name)
    settings = AuditorSettings(
        realm=realm.name,
        database_url=SecretStr(realm.url("auditor")),
        brokers="127.0.0.1:1",
        directory=folder / "directory.json",
        issuer_key=folder / "issuer.key",
        **service_keys.write(folder, "auditor", realm.name),
        log_key=folder / "log.key",
        log_policy=folder / "log.policy",
    )
    pool = await stack.enter_async_context(asyncpg.create_pool(realm.url("auditor"), min_size=1, max_size=4))
    runtime = Runtime("auditor", settings, pool, Ledger(pool), asyncio.Event())
    parts = await auditor_main.compose(runtime)
    url = await stack.enter_async_context(Served(application(auditor_main.SERVICE, runtime, parts)))
    issuer = Issuer(
        pool=pool,
        realm=realm.name,
        records=LedgerRecords(runtime.ledger, lambda: service_keys.key("auditor")),
        attestations=AttestationTable(),
        queue=JobQueue("auditor"),
        directory=WatchedDirectory(folder / "directory.json", realm.name),
        service_keys=WatchedServiceKeys(folder / "service-keys.json", realm.name),
        wall=wall_now,
    )
    token, _ = Tokens(secret, realm.name).issue("r.osei", wall_now())
    room = AuditRoom(realm, parts, issuer, pool, url, token, walk=Walk(realm=realm.name))
    stack.push_async_callback(room.leave)
    return room


@pytest.fixture
async def room(fresh: Realm, tmp_path: Path) -> AsyncIterator[AuditRoom]:
    async with AsyncExitStack() as stack:
        yield await enter(stack, fresh, tmp_path)
