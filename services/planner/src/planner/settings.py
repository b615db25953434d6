"""What the planner is told by its environment."""

from __future__ import annotations

from common.settings import SigningSettings
from pydantic import Field


class PlannerSettings(SigningSettings):
    """`workers`: drafts that are made side by side. `lease_s`: after so many seconds without a sign of life a
    worker's case goes to another one."""

    workers: int = Field(default=2, ge=1, le=32)
    lease_s: float = Field(default=5.0, gt=0.2, le=600)
