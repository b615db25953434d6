"""The keys of personal data: one per subject, in a file of their own, outside the ledger and its database.

Whoever reads the ledger can't read what is sealed in it; whoever has this file and the ledger can read all of it.
Erasing is destroying a key. The observer alone writes; services that decide by sensitive attributes read.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from common.errors import Permanent, Transient
from common.sealing import KEY_BYTES, Keys, Subject, SubjectKey

T = TypeVar("T")
_BUSY_S = 10.0
_PART = 500
_TABLE = (
    "CREATE TABLE IF NOT EXISTS subject_keys ("
    "entity_type TEXT NOT NULL, key TEXT NOT NULL, secret BLOB, erased_by TEXT, "
    "PRIMARY KEY (entity_type, key), CHECK ((secret IS NULL) = (erased_by IS NOT NULL))) WITHOUT ROWID"
)
_SECRETS = "CREATE TABLE IF NOT EXISTS realm_secrets (name TEXT PRIMARY KEY, secret BLOB NOT NULL) WITHOUT ROWID"
_PSEUDONYMS = "pseudonyms"


class SubjectKeys(Protocol):
    """Reading keys."""

    async def read(self, subjects: Iterable[Subject]) -> Keys:
        """The keys of these subjects, as of now; those that never had one are left out. Raises `Transient`."""
        ...

    async def pseudonym_secret(self) -> bytes | None:
        """The realm's secret for `common.pseudonyms`; None before the first sensitive key. Raises `Transient`."""
        ...


class SubjectKeyStore(SubjectKeys, Protocol):
    """Making and destroying them: the observer's part."""

    async def ensure(self, subjects: Iterable[Subject]) -> Keys:
        """The key of each; made, durably, where there was none. One that was destroyed is not made again."""
        ...

    async def ensure_pseudonym_secret(self) -> bytes:
        """The realm's secret; made, durably, where there was none. It never changes."""
        ...

    async def destroy(self, subject: Subject, erasure: str) -> None:
        """Destroy the subject's key, durably, or see to it that it never gets one. `erasure` is the id of the event
        that approved it. Doing so again changes nothing."""
        ...


class SubjectKeyFile:
    """`SubjectKeyStore` over one SQLite file, which is made when the first key is (0600). Reading takes no right to
    write.

    Each call opens the file anew: a file that was put back from a backup is seen at once. Raises `Transient`
    (`subject_keys_unavailable`) while the file can't be used, `Permanent` (`subject_keys_not_private`) when others
    may read it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    async def read(self, subjects: Iterable[Subject]) -> Keys:
        wanted = list(dict.fromkeys(subjects))
        if not wanted or not self._path.exists():
            return {}
        return await asyncio.to_thread(
            self._with_file, self._readable(), lambda connection: _read(connection, wanted)
        )

    async def pseudonym_secret(self) -> bytes | None:
        if not self._path.exists():
            return None
        return await asyncio.to_thread(self._with_file, self._readable(), _read_secret)

    async def ensure_pseudonym_secret(self) -> bytes:
        return await asyncio.to_thread(self._with_file, self._writable(), _ensure_secret)

    async def ensure(self, subjects: Iterable[Subject]) -> Keys:
        wanted = list(dict.fromkeys(subjects))
        if not wanted:
            return {}
        return await asyncio.to_thread(
            self._with_file, self._writable(), lambda connection: _ensure(connection, wanted)
        )

    async def destroy(self, subject: Subject, erasure: str) -> None:
        await asyncio.to_thread(
            self._with_file, self._writable(), lambda connection: _destroy(connection, subject, erasure)
        )

    def _readable(self) -> str:
        return f"{self._path.absolute().as_uri()}?mode=ro"

    def _writable(self) -> str:
        return f"{self._path.absolute().as_uri()}?mode=rw"

    def _with_file(self, uri: str, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            self._make_private(uri)
            with contextlib.closing(
                sqlite3.connect(uri, uri=True, timeout=_BUSY_S, isolation_level=None)
            ) as connection:
                connection.execute("PRAGMA synchronous = EXTRA")  # also the folder, so that a new key is never lost
                connection.execute("PRAGMA secure_delete = ON")  # a destroyed key is overwritten, not only unlinked
                return work(connection)
        except (sqlite3.Error, OSError) as error:
            raise Transient(
                "subject_keys_unavailable", f"the subject keys in {self._path} can't be used: {error}"
            ) from error

    def _make_private(self, uri: str) -> None:
        if uri == self._writable():
            with contextlib.suppress(FileExistsError):
                os.close(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        if self._path.stat().st_mode & 0o007:  # its group may be that of the services' volume
            raise Permanent(
                "subject_keys_not_private",
                f"everybody can read the subject keys in {self._path}; run: chmod 600 {self._path}",
            )


def _has(connection: sqlite3.Connection, table: str) -> bool:
    return bool(connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", [table]).fetchone())


def _read_secret(connection: sqlite3.Connection) -> bytes | None:
    if not _has(connection, "realm_secrets"):
        return None
    row = connection.execute("SELECT secret FROM realm_secrets WHERE name = ?", [_PSEUDONYMS]).fetchone()
    return bytes(row[0]) if row else None


def _ensure_secret(connection: sqlite3.Connection) -> bytes:
    if (known := _read_secret(connection)) is not None:
        return known
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(_SECRETS)
    connection.execute(
        "INSERT INTO realm_secrets (name, secret) VALUES (?, ?) ON CONFLICT DO NOTHING",
        (_PSEUDONYMS, secrets.token_bytes(KEY_BYTES)),
    )
    connection.execute("COMMIT")
    made = _read_secret(connection)
    assert made is not None
    return made


def _read(connection: sqlite3.Connection, subjects: Sequence[Subject]) -> Keys:
    if not _has(connection, "subject_keys"):
        return {}
    found: dict[Subject, SubjectKey] = {}
    for start in range(0, len(subjects), _PART):
        part = subjects[start : start + _PART]
        marks = ", ".join(["(?, ?)"] * len(part))
        rows = connection.execute(
            f"SELECT entity_type, key, secret FROM subject_keys WHERE (entity_type, key) IN (VALUES {marks})",  # noqa: S608 - question marks
            [text for subject in part for text in subject],
        )
        found |= {(row[0], row[1]): SubjectKey(row[2]) for row in rows}
    return found


def _ensure(connection: sqlite3.Connection, subjects: Sequence[Subject]) -> Keys:
    known = _read(connection, subjects)
    missing = [subject for subject in subjects if subject not in known]
    if not missing:
        return known
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(_TABLE)
    connection.executemany(
        "INSERT INTO subject_keys (entity_type, key, secret) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        [(*subject, secrets.token_bytes(KEY_BYTES)) for subject in missing],
    )
    connection.execute("COMMIT")
    return {**known, **_read(connection, missing)}


def _destroy(connection: sqlite3.Connection, subject: Subject, erasure: str) -> None:
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(_TABLE)
    connection.execute(
        "INSERT INTO subject_keys (entity_type, key, erased_by) VALUES (?, ?, ?) "
        "ON CONFLICT DO UPDATE SET secret = NULL, erased_by = excluded.erased_by WHERE secret IS NOT NULL",
        (*subject, erasure),
    )
    connection.execute("COMMIT")


def subject_keys(path: Path | None) -> SubjectKeyFile | None:
    """The keys at TRUEUP_SUBJECT_KEYS; None where it is not set: then what is sealed stays closed."""
    return None if path is None else SubjectKeyFile(path)
