"""The embedded PostgreSQL: passwords always, durable, as root and not, below private folders."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest
from cli.stack import ports
from cli.stack.errors import StackError
from cli.stack.postgres import Postgres

SCRIPT = """
import sys
from pathlib import Path
from cli.stack.postgres import Postgres
import psutil
with Postgres(Path(sys.argv[1])) as server:
    print("served as", psutil.Process(server.child.pid).username())
"""


@pytest.fixture
def private_folder() -> Iterator[Path]:
    """A folder below one that nobody else may enter, like a clone in /root."""
    private = Path(tempfile.mkdtemp(prefix="trueup-private-"))
    assert private.stat().st_mode & 0o777 == 0o700
    yield private / "clone"
    shutil.rmtree(private, ignore_errors=True)


async def test_every_connection_needs_the_password(postgres: Postgres) -> None:
    connection = await asyncpg.connect(postgres.admin_url)
    try:
        methods = await connection.fetch("SELECT DISTINCT auth_method FROM pg_hba_file_rules")
        assert {row["auth_method"] for row in methods} == {"scram-sha-256", "reject"}
        secret = await connection.fetchval("SELECT rolpassword FROM pg_authid WHERE rolname = 'postgres'")
        assert secret.startswith("SCRAM-SHA-256$")
    finally:
        await connection.close()
    for wrong in (postgres.url("postgres", password=""), postgres.url("postgres", password="guess")):
        with pytest.raises((asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError)):
            await asyncpg.connect(wrong)


async def test_it_is_version_18_durable_and_on_loopback_only(postgres: Postgres) -> None:
    connection = await asyncpg.connect(postgres.admin_url)
    try:
        assert int(await connection.fetchval("SHOW server_version_num")) >= 180000
        for name, value in {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}.items():
            assert await connection.fetchval(f"SHOW {name}") == value
    finally:
        await connection.close()
    assert postgres.child is not None
    listening = psutil.Process(postgres.child.pid).net_connections("inet")
    assert {entry.laddr.ip for entry in listening if entry.status == psutil.CONN_LISTEN} == {ports.HOST}


async def test_what_was_committed_survives_a_killed_server(session_folder: Path) -> None:
    server = Postgres(session_folder / "killed")
    try:
        server.start()
        connection = await asyncpg.connect(server.admin_url)
        await connection.execute("CREATE TABLE kept AS SELECT 1 AS n")
        server.kill()
        server.start()
        again = await asyncpg.connect(server.admin_url)
        assert await again.fetchval("SELECT n FROM kept") == 1
        await again.close()
    finally:
        server.stop()


def test_a_port_in_use_is_named(session_folder: Path) -> None:
    with socket.socket() as other:
        other.bind((ports.HOST, 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(StackError) as refusal:
            Postgres(session_folder / "port", port=port).start()
    assert refusal.value.reason_code == "port_in_use"
    assert str(port) in refusal.value.message
    assert "PostgreSQL" in refusal.value.message


def test_a_second_server_on_the_same_data_is_refused(postgres: Postgres) -> None:
    with pytest.raises(StackError) as refusal:
        Postgres(postgres.folder).start()
    assert refusal.value.reason_code == "postgres_already_running"


def test_a_pid_file_whose_pid_is_another_programs_does_not_block_the_start(session_folder: Path) -> None:
    folder = session_folder / "stale"
    with Postgres(folder) as server:
        lines = (server.data / "postmaster.pid").read_text().splitlines()
    (server.data / "postmaster.pid").write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    with Postgres(folder) as again:
        assert again.child is not None


def test_it_runs_below_a_folder_that_others_cannot_enter(private_folder: Path) -> None:
    with Postgres(private_folder / "data") as server:
        assert server.child is not None
        assert psutil.Process(server.child.pid).uids().effective != 0
    assert private_folder.parent.stat().st_mode & 0o777 == 0o700, "the user's folders stay closed"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give up capabilities it has")
def test_without_the_capability_it_says_what_to_do(private_folder: Path) -> None:
    without = "-dac_read_search,-dac_override"
    command = ["setpriv", f"--bounding-set={without}", f"--inh-caps={without}"]
    command += [sys.executable, "-c", SCRIPT, str(private_folder)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "postgres_user_cannot_reach_data" in ended.stderr
    assert "Run as an ordinary user" in ended.stderr


def _others_may_run_this_python() -> bool:
    program = Path(sys.executable).resolve()
    return all(parent.stat().st_mode & 0o001 for parent in program.parents)


@pytest.mark.skipif(os.geteuid() != 0, reason="not root, so every other test here shows it")
@pytest.mark.skipif(not _others_may_run_this_python(), reason="this Python lies in a folder closed to others")
def test_an_ordinary_user_stays_that_user(session_folder: Path) -> None:
    folder = session_folder / "ordinary"
    folder.mkdir()
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(folder)],
        user=nobody.pw_uid,
        group=nobody.pw_gid,
        extra_groups=[],
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.stdout == "served as nobody\n", ended.stderr
