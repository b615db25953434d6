"""What can go wrong: the text is not the format, it does not prove what it should, or the tree can't answer."""

from __future__ import annotations


class TransparencyError(Exception):
    """Base of all errors of the package. `reason_code` is stable; `message` says what happened and why."""

    def __init__(self, reason_code: str, message: str) -> None:
        super().__init__(f"{reason_code}: {message}")
        self.reason_code = reason_code
        self.message = message


class Malformed(TransparencyError):
    """The bytes are not what the format allows, or more than is accepted."""


class Unverified(TransparencyError):
    """Well-formed, but it does not prove what it should: a signature, a hash or a quorum is wrong or absent."""


class Unanswerable(TransparencyError):
    """The question is beyond the tree, or a tile that the answer needs is not there."""
