"""The directory's file, read again when it changes."""

from __future__ import annotations

import logging
from pathlib import Path

from common.directory import Directory
from common.errors import Permanent, TrueupError
from pydantic import ValidationError

_log = logging.getLogger(__name__)


class DirectoryFile:
    """The people of `realm`, as the file has them now. A changed file that can't be used leaves the former standing.

    Raises `Permanent` when the file can't be used from the beginning.
    """

    def __init__(self, path: Path, realm: str) -> None:
        self._path = path
        self._realm = realm
        self._stamp = self._look()
        self._directory = self._read()

    def __call__(self) -> Directory:
        """Who there is. Asks the file system each time, and reads only what has changed."""
        try:
            stamp = self._look()
            if stamp != self._stamp:
                self._stamp = stamp
                self._directory = self._read()
        except (TrueupError, ValidationError) as error:
            _log.error("the directory's file can't be used, the former one stands: %s", error)
        return self._directory

    def _look(self) -> tuple[int, int, int]:
        try:
            status = self._path.stat()
        except OSError as error:
            raise Permanent("directory_missing", f"the directory can't be read: {error}") from error
        return status.st_mtime_ns, status.st_size, status.st_ino

    def _read(self) -> Directory:
        directory = Directory.read(self._path)
        if directory.realm != self._realm:
            raise Permanent("wrong_realm", f"{self._path} is of realm {directory.realm}, not {self._realm}")
        return directory
