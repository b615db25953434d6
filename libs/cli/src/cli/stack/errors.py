"""What a person is told when a part can't be started."""

from __future__ import annotations

from common.errors import Refused


class StackError(Refused):
    """A part of the stack can't be started or stopped.

    `reason_code` is stable and meant for programs; `message` says what happened and why; `what_to_do` is the
    next step for a person. As text it is all three, because it often ends up in a log or a test report.
    """

    def __init__(self, reason_code: str, message: str, what_to_do: str) -> None:
        super().__init__(reason_code, message, what_to_do)

    def __str__(self) -> str:
        return f"{self.message} {self.what_to_do} [{self.reason_code}]"
