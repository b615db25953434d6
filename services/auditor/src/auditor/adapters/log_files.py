"""The log's private key and its policy, from files."""

from __future__ import annotations

from pathlib import Path

from common.errors import Permanent
from transparency.errors import TransparencyError
from transparency.notes import SigningKey
from transparency.policies import Policy

MAX_BYTES = 1_000_000
FOREIGN_BITS = 0o037
"""Others may do nothing with the key; its group may read it, because Kubernetes hands secrets over that way."""


def read_log_key(path: Path) -> SigningKey:
    """The key that signs checkpoints; the log's origin is its name.

    Raises `Permanent`: `log_key_missing`, `log_key_exposed` when others may read the file, `log_key_invalid`.
    """
    raw = _read(path, "log_key_missing", "the log's private key")
    mode = path.stat().st_mode & 0o777
    if mode & FOREIGN_BITS:
        raise Permanent("log_key_exposed", f"{path} has mode {mode:04o}, so others may read it; make it 0600")
    try:
        return SigningKey.parse(raw.decode("utf-8").strip())
    except (TransparencyError, UnicodeDecodeError) as error:
        raise Permanent("log_key_invalid", f"{path} holds no signed-note private key: {error}") from error


def read_policy(path: Path, key: SigningKey) -> Policy:
    """Who must cosign. Raises `Permanent`: `log_policy_missing`, `log_policy_invalid`, and `log_policy_foreign` when
    none of its logs is ours: nobody could accept what we publish."""
    raw = _read(path, "log_policy_missing", "the log's policy")
    try:
        policy = Policy.parse(raw)
    except TransparencyError as error:
        raise Permanent("log_policy_invalid", f"{path}: {error.message}") from error
    if not any(log.key == key.verifier for log in policy.logs):
        raise Permanent(
            "log_policy_foreign", f"{path} does not name this log; it needs the line: log {key.verifier.encode()}"
        )
    return policy


def _read(path: Path, code: str, what: str) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES)
    except OSError as error:
        raise Permanent(code, f"{what} can't be read: {error}") from error
