"""What the approver is told by its environment, beside what every service is told."""

from __future__ import annotations

from pathlib import Path

from common.settings import SigningSettings


class ApproverSettings(SigningSettings):
    """`clock` and `timezone` count when the realm is created, at the first start, and never again.

    `clock` is `wall` or `replay:<instant>`. `directory` and `issuer_key` must be set.
    """

    issuer_key: Path | None = None
    clock: str = "wall"
    timezone: str = "UTC"
