"""The two families of errors, and the refusal a person meets.

A `Permanent` error will fail again however often it is tried: the message goes to the dead letters with the
reason. A `Transient` error may pass: it is retried, a bounded number of times. A `Refused` is an answer, not a
failure: somebody asked for something that may not be done.
"""

from __future__ import annotations


class TrueupError(Exception):
    """Base of all errors of the product. `reason_code` is stable; `message` says what happened and why."""

    def __init__(self, reason_code: str, message: str) -> None:
        super().__init__(f"{reason_code}: {message}")
        self.reason_code = reason_code
        self.message = message


class Permanent(TrueupError):
    """Trying again cannot help."""


class Transient(TrueupError):
    """Trying again may help (a connection, a lock, a broker that is away)."""


class Refused(TrueupError):
    """What was asked may not be done. `what_to_do` tells the person how to go on."""

    def __init__(self, reason_code: str, message: str, what_to_do: str = "") -> None:
        super().__init__(reason_code, message)
        self.what_to_do = what_to_do
