"""What a person is told when a part can't be started."""

from __future__ import annotations


class StackError(Exception):
    """A part of the stack can't be started or stopped.

    `reason_code` is stable and meant for programs; `message` says what happened and why;
    `what_to_do` is the next step for a person.
    """

    def __init__(self, reason_code: str, message: str, what_to_do: str) -> None:
        super().__init__(f"{message} {what_to_do} [{reason_code}]")
        self.reason_code = reason_code
        self.message = message
        self.what_to_do = what_to_do
