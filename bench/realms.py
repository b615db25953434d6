"""A realm of a benchmark's own: a database with roles and an empty ledger, on a server that is gone afterwards."""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
from cli.stack.postgres import Postgres
from cli.stack.realm import Realm, prepare_database
from cli.stack.secretfiles import Passwords

SEGMENTS = 24
"""Of 16 MB each: more than a benchmark writes into the server's log."""
SYNCS = 300
GROUP_BYTES = 64 * 1024
"""What a group of 64 events writes into the server's log, about."""


@contextmanager
def fresh_folder() -> Iterator[Path]:
    """A folder that the user PostgreSQL runs as can enter."""
    folder = Path(tempfile.mkdtemp(prefix="trueup-bench-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def fresh_realm(folder: Path) -> Iterator[Realm]:
    """The realm `bench`; its server's files are in `folder`."""
    with Postgres(folder / "postgres") as server:
        passwords = Passwords(folder / "passwords.json")
        prepare_database(server, "bench", passwords)
        yield Realm("bench", server, passwords)


async def with_a_used_log(admin_url: str) -> None:
    """Leave the server as one that has been through a checkpoint, which uses the files of its log again.

    A new one makes each file when the one before is full, and whoever commits waits while 16 MB of zeroes are written
    and synced: one group in two hundred, ten times as long.
    """
    connection = await asyncpg.connect(admin_url)
    try:
        for _ in range(SEGMENTS):
            await connection.execute("SELECT pg_logical_emit_message(false, 'bench', 'one more file of the log')")
            await connection.execute("SELECT pg_switch_wal()")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()


def disk_sync_p99_ms(folder: Path) -> float:
    """The p99 of writing `GROUP_BYTES` into a file that is there already, and syncing them, in ms: the disk alone."""
    path, block = folder / "sync", os.urandom(GROUP_BYTES)
    path.write_bytes(bytes(SYNCS * GROUP_BYTES))
    taken = []
    with path.open("r+b", buffering=0) as file:
        os.fsync(file.fileno())
        for _ in range(SYNCS):
            began = time.perf_counter()
            file.write(block)
            os.fdatasync(file.fileno())
            taken.append(1_000 * (time.perf_counter() - began))
    path.unlink()
    return statistics.quantiles(taken, n=100)[98]
