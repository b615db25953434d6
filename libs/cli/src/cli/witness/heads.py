"""What a witness remembers: the largest tree of each log that it cosigned, in one SQLite file.

Looking up, deciding and storing are one transaction that holds SQLite's only write lock, so two requests at once
never continue from the same head. It is on the disk before the answer is given; `synchronous = EXTRA` syncs the folder
too.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

from transparency.witnessing import Answer, Head

LOCK_TIMEOUT_S = 10.0
_TABLE = """
    CREATE TABLE IF NOT EXISTS heads (
        origin TEXT NOT NULL PRIMARY KEY,
        size   INTEGER NOT NULL CHECK (size >= 0),
        root   BLOB NOT NULL CHECK (length(root) = 32)
    ) STRICT
"""
_KEEP = """
    INSERT INTO heads (origin, size, root) VALUES (?, ?, ?)
    ON CONFLICT (origin) DO UPDATE SET size = excluded.size, root = excluded.root WHERE excluded.size >= heads.size
"""


class Heads:
    """The heads in the file `path`, which is made when it is missing. For several threads."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._file = sqlite3.connect(path, timeout=LOCK_TIMEOUT_S, isolation_level=None, check_same_thread=False)
        self._file.execute("PRAGMA journal_mode = DELETE")
        self._file.execute("PRAGMA synchronous = EXTRA")
        self._file.execute(_TABLE)

    def answer(self, origin: str, decide: Callable[[Head], Answer]) -> Answer:
        """What `decide` answers, given the head of this log; a new head that it names is durable on return."""
        with self._lock:
            self._file.execute("BEGIN IMMEDIATE")
            try:
                answer = decide(self._head(origin))
                if answer.head is not None:
                    kept = self._file.execute(_KEEP, (origin, answer.head.size, answer.head.root))
                    assert kept.rowcount == 1, "a head never shrinks"
                self._file.execute("COMMIT")
            except BaseException:
                if self._file.in_transaction:
                    self._file.execute("ROLLBACK")
                raise
            return answer

    def all(self) -> dict[str, Head]:
        """The head of every log that was cosigned."""
        with self._lock:
            rows = self._file.execute("SELECT origin, size, root FROM heads ORDER BY origin").fetchall()
        return {origin: Head(size, root) for origin, size, root in rows}

    def _head(self, origin: str) -> Head:
        row = self._file.execute("SELECT size, root FROM heads WHERE origin = ?", (origin,)).fetchone()
        return Head() if row is None else Head(*row)

    def close(self) -> None:
        with self._lock:
            self._file.close()
