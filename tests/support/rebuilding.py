"""A realm at rest, and a projection rebuilt in it."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import asyncpg
from cli.stack.realm import Realm
from common import projections
from common.ledger import progress
from common.ledger.progress import Move
from common.projections import Rebuilt
from common.runtime import Service
from common.topics import SERVICES


async def at_rest(realm: Realm) -> None:
    """Say of every service that all it wrote is on the bus; without a bus nobody has anything to handle."""
    for service in SERVICES:
        connection: Any = await asyncpg.connect(realm.url(service))
        head = await connection.fetchval("SELECT position FROM ledger.head")
        old = await progress.relayed(connection, service)
        if old != head:
            async with connection.transaction():
                await progress.set_relayed(connection, service, Move(old, head), {})
        await connection.close()


async def rebuilt(realm: Realm, service: Service, *, swap: bool = True) -> Rebuilt:
    assert service.projection is not None
    await at_rest(realm)
    return await projections.rebuild(realm.url(service.name), service.projection, lambda at, head: None, swap=swap)


def changed(report: Rebuilt) -> dict[str, int]:
    """How many rows differed, of the tables of which any did."""
    return {name: count for name, count in report.counts.items() if count}


async def table(pool: Any, name: str) -> list[dict[str, Any]]:
    """All rows, in a stable order."""
    return sorted((dict(row) for row in await pool.fetch(f"SELECT * FROM {name}")), key=repr)


async def indexes(pool: Any, name: str) -> list[str]:
    """The definitions of its indexes, names and all."""
    rows = await pool.fetch(
        "SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = $1::text::regclass", name
    )
    return sorted(row[0] for row in rows)


_KILLED = """
import asyncio, importlib, sys
from common import failpoints, projections
url, service, failpoint = sys.argv[1:]
failpoints.arm(failpoint + "=1")
projection = importlib.import_module(service + ".main").SERVICE.projection
asyncio.run(projections.rebuild(url, projection, lambda *_: None))
"""


async def killed(realm: Realm, service: Service, failpoint: str) -> None:
    """A rebuild in a process of its own that dies by SIGKILL at `failpoint`."""
    await at_rest(realm)
    command = [sys.executable, "-c", _KILLED, realm.url(service.name), service.name, failpoint]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()


async def altered_and_healed(
    realm: Realm, pool: Any, service: Service, alterations: Sequence[tuple[str, str]]
) -> None:
    """The rebuilt tables are the live ones; each alteration (table, statement) is found, named, and undone by the
    swap; and a rebuild that is killed on the way, which is done to the first of them, changes nothing."""
    assert service.projection is not None
    names = [table.name for table in service.projection(None).tables]  # type: ignore[arg-type]  # none is asked for

    async def live() -> dict[str, list[dict[str, Any]]]:
        return {name: await table(pool, f"{service.name}.{name}") for name in names}

    report = await rebuilt(realm, service)
    assert report.differences == []
    right = await live()
    for number, (of, statement) in enumerate(alterations):
        assert right[of], f"{of} is empty: nothing is shown"
        await pool.execute(statement)
        wrong = await live()
        assert wrong != right, statement
        assert [item.table for item in (await rebuilt(realm, service, swap=False)).differences] == [of], statement
        assert await live() == wrong, "compared only"
        for failpoint in () if number else ("projections.folded", "projections.swapped"):
            await killed(realm, service, failpoint)
            assert await live() == wrong, failpoint
        assert changed(await rebuilt(realm, service)) == {of: 1}, statement
        assert await live() == right, statement
    left = await pool.fetchval(
        "SELECT count(*) FROM pg_tables WHERE schemaname = $1 AND tablename LIKE 'rebuilt%'", service.name
    )
    assert left == 0
