"""What the auditor is told by its environment, beside what every service is told."""

from __future__ import annotations

from pathlib import Path

from common.settings import SigningSettings
from pydantic import Field


class AuditorSettings(SigningSettings):
    """`directory` and `issuer_key` must be set. `lease_s`: after so many seconds without a sign of life a worker's
    attestation goes to another one."""

    issuer_key: Path | None = None
    lease_s: float = Field(default=10.0, gt=0.2, le=600)
