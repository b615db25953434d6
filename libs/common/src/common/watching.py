"""Files that a service is told of and that may change while it runs: who there is, which keys count."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import ValidationError

from common.errors import Permanent, TrueupError

T = TypeVar("T")
_log = logging.getLogger(__name__)


class Watched(Generic[T]):
    """What `read` makes of the file, as the file is now.

    Each question asks the file system and reads only what has changed. A changed file that can't be used leaves the
    former content standing, and is logged once. Raises `Permanent` or pydantic's ValidationError when it can't be
    used from the beginning; `missing` is the reason code of a file that isn't there, `what` its name in messages.
    """

    def __init__(self, path: Path, read: Callable[[Path], T], what: str, missing: str) -> None:
        self._path = path
        self._read = read
        self._what = what
        self._missing = missing
        self._stamp = self._look()
        self._content = read(path)

    def __call__(self) -> T:
        """The content."""
        try:
            stamp = self._look()
            if stamp != self._stamp:
                self._stamp = stamp
                self._content = self._read(self._path)
        except (TrueupError, ValidationError) as error:
            _log.error("%s can't be used, the former one stands: %s", self._what, error)
        return self._content

    def _look(self) -> tuple[int, int, int]:
        try:
            status = self._path.stat()
        except OSError as error:
            raise Permanent(self._missing, f"{self._what} can't be read: {error}") from error
        return status.st_mtime_ns, status.st_size, status.st_ino
