"""A realm of a benchmark's own: a database with roles and an empty ledger, on a server that is gone afterwards."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cli.stack.postgres import Postgres
from cli.stack.realm import Realm, prepare_database
from cli.stack.secretfiles import Passwords


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
