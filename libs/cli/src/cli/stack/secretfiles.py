"""Generated passwords, kept beside the data they protect, readable by the owner only."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path


def new_password() -> str:
    """192 bits, safe in URLs, properties files and SQL literals."""
    return secrets.token_urlsafe(24)


def write_private(path: Path, text: str) -> None:
    """Write atomically with mode 0600; the text is never readable by others, not even for a moment."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as output:
        output.write(text)
    temporary.replace(path)


class Passwords:
    """A file of named passwords; a name asked for the first time gets a new one, which is stored at once."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self, name: str) -> str:
        stored = self.all()
        if name not in stored:
            stored = {**stored, name: new_password()}
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_private(self._path, json.dumps(stored, indent=1))
        return stored[name]

    def all(self) -> Mapping[str, str]:
        if not self._path.exists():
            return {}
        loaded: dict[str, str] = json.loads(self._path.read_text("utf-8"))
        return loaded
