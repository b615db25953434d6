"""The directory's file, read again when it changes."""

from __future__ import annotations

from pathlib import Path

from common.directory import Directory
from common.errors import Permanent


class DirectoryFile:
    """The people of `realm`. A changed file that can't be read, or is another realm's, leaves the former standing
    and is reported by `changed`."""

    def __init__(self, path: Path, realm: str) -> None:
        self._path = path
        self._realm = realm
        self._stamp = self._look()
        self._directory = self._read()

    def __call__(self) -> Directory:
        return self._directory

    def changed(self) -> bool:
        """Read the file again if it is not the one that was read; whether it was. Raises `Permanent` or pydantic's
        ValidationError, once for each bad file."""
        stamp = self._look()
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        self._directory = self._read()
        return True

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
