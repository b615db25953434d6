"""What `--json` says of a command that could not do what was asked: the same shape for every command."""

from __future__ import annotations

from common.errors import Refused, TrueupError


def refusal(error: TrueupError) -> dict[str, str]:
    """`error` is the stable reason code."""
    what_to_do = error.what_to_do if isinstance(error, Refused) else ""
    return {"error": error.reason_code, "message": error.message, "what_to_do": what_to_do}
