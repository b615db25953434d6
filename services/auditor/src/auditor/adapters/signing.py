"""The auditor's own key, from a file: with it, and nowhere else, statements of bundles are signed."""

from __future__ import annotations

import base64
from pathlib import Path

from common.errors import Permanent
from transparency.bundles import Signing

NAME = "auditor"
KEY_BYTES = 32
FOREIGN_BITS = 0o037


def read_signing_key(path: Path) -> Signing:
    """The key in `path`: the base64 of 32 raw bytes, which only the auditor may read.

    Raises `Permanent`: `signing_key_missing`, `signing_key_exposed`, `signing_key_malformed`.
    """
    try:
        mode, text = path.stat().st_mode & 0o777, path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Permanent("signing_key_missing", f"the auditor's key can't be read: {error}") from error
    if mode & FOREIGN_BITS:
        raise Permanent("signing_key_exposed", f"{path} has mode {mode:04o}, so others may read it; make it 0600")
    try:
        secret = base64.b64decode(text, validate=True)
    except ValueError:
        secret = b""
    if len(secret) != KEY_BYTES:
        raise Permanent("signing_key_malformed", f"{path} is not the base64 of {KEY_BYTES} bytes")
    return Signing(NAME, secret)
