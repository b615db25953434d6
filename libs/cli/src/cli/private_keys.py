"""A person's private key: a file that nobody else can read, on their own machine."""

from __future__ import annotations

import os
from difflib import get_close_matches
from pathlib import Path

from common.errors import Refused
from common.signing import new_key, public_of


def read_key(path: Path) -> str:
    """The private key in `path` (base64, one line). Raises `Refused` (`key_missing`, `key_not_private`)."""
    try:
        mode = path.stat().st_mode
        key = path.read_text("ascii").strip()
    except FileNotFoundError as error:
        raise _no_key(path) from error
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(
            "key_missing",
            f"your private key can't be read from {path}: {error}",
            "Name its file: trueup login --person YOU --key FILE. Or make one, whose public half is then entered in "
            "the directory: trueup login --person YOU --new-key",
        ) from error
    if mode & 0o077:
        raise Refused("key_not_private", f"others can read your private key {path}", f"Run: chmod 600 {path}")
    try:
        public_of(key)
    except ValueError as error:
        raise Refused("key_malformed", f"{path} holds no private key", "Point --key at your own key file.") from error
    return key


def _no_key(path: Path) -> Refused:
    """There is no such file: a mistyped person, or one who has no key here yet."""
    others = sorted(other.stem for other in path.parent.glob(f"*{path.suffix}"))
    near = get_close_matches(path.stem, others, n=1)
    message = f"there is no private key of {path.stem} at {path}"
    if near:
        return Refused("key_missing", message, f"Did you mean {near[0]}?")
    hint = f"trueup login --person {path.stem} --new-key, and have its public key entered in the directory."
    return Refused("key_missing", message, f"Is that your id in the directory? Make a key: {hint}")


def write_key(path: Path) -> str:
    """Make a new private key in `path` (0600) and answer its public key. An existing file is never replaced."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise Refused(
            "key_exists", f"{path} exists already", "Remove it yourself if you mean to replace it."
        ) from error
    key = new_key()
    with os.fdopen(descriptor, "w", encoding="ascii") as output:
        output.write(key + "\n")
    return public_of(key)
