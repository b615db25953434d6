"""Values of personal data as events carry them: sealed under a key of the subject they are about. Pure.

AES-SIV (RFC 5297) is deterministic, so that the same value of the same subject always has the same bytes: a message
that comes again is a duplicate, and two facts are compared as they are stored, without a key. Who was the subject,
and which column it is, are authenticated with it: a sealed value can't be moved to another entity or column. Without
the key it can't be read, nor made.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from common.canonical import canonical
from common.errors import Permanent

Subject: TypeAlias = tuple[str, str]
"""Whom or what the data is about: (entity type, key)."""


@dataclass(frozen=True, slots=True)
class SubjectKey:
    """The key of one subject; `secret` is None once it is destroyed, and stays None."""

    secret: bytes | None = field(repr=False)


Keys: TypeAlias = Mapping[Subject, SubjectKey]
"""The keys of some subjects; one that never had a key is left out."""

MARK = "trueup-sealed:"
"""No upstream value may begin with this: the observer refuses it."""
ERASED = f"{MARK}erased"
"""Stands for a value that was reported after the subject's key had been destroyed. Nothing can open it."""
SHOWN = "(sensitive)"
"""What a sentence says in place of a sealed value."""
KEY_BYTES = 64

_VERSION = f"{MARK}1:"
_BLOCK = 32


def seal(value: Any, key: bytes, subject: Subject, column: str) -> str:
    """`value` (JSON within the ledger's profile) as it is stored: `trueup-sealed:1:<column>:<ciphertext>`, both in
    URL-safe base64. Texts are padded, so that the length says little."""
    plain = canonical(value)
    padded = plain + b" " * (-len(plain) % _BLOCK)
    return f"{_VERSION}{_text(column.encode())}:{_text(AESSIV(key).encrypt(padded, _bound(subject, column)))}"


def unseal(sealed: str, key: bytes, subject: Subject) -> Any:
    """The value that `seal` was given. Raises `Permanent` (`sealed_unreadable`) for anything that it did not make
    with this key for this subject."""
    column = column_of(sealed)
    try:
        encoded = sealed.rpartition(":")[2]
        plain = AESSIV(key).decrypt(base64.urlsafe_b64decode(encoded), _bound(subject, column))
    except (InvalidTag, ValueError, binascii.Error) as error:
        raise Permanent(
            "sealed_unreadable", f"a sealed value of {'/'.join(subject)} can't be opened with its key"
        ) from error
    return json.loads(plain)


def is_sealed(value: object) -> bool:
    """Whether `value` is (or passes itself off as) a sealed value."""
    return isinstance(value, str) and value.startswith(MARK)


def column_of(sealed: str) -> str:
    """The column that a sealed value says it is of. Raises `Permanent` (`sealed_unreadable`)."""
    parts = sealed.removeprefix(_VERSION).split(":")
    try:
        if not sealed.startswith(_VERSION) or len(parts) != 2:
            raise ValueError("not of a known version")  # noqa: TRY301 - told below with the other ways to fail
        return base64.urlsafe_b64decode(parts[0]).decode()
    except (ValueError, binascii.Error) as error:
        raise Permanent("sealed_unreadable", f"this is no sealed value: {sealed[:40]}") from error


def _bound(subject: Subject, column: str) -> list[bytes]:
    return [part.encode() for part in (*subject, column)]


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode()
