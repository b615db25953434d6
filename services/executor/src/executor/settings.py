"""What the executor is told by its environment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from common.canonical import parse_strict
from common.errors import Permanent
from common.settings import SigningSettings
from common.watching import Watched
from pydantic import BaseModel, ConfigDict, Field, ValidationError

MAX_BYTES = 1024 * 1024


class ExecutorSettings(SigningSettings):
    """`targets`: path of a JSON file, `{system: dsn}`. `workers`: cases that are looked at side by side.

    `lease_s`: after so many seconds without a sign of life a worker's case goes to another one.
    """

    targets: Path | None = None
    workers: int = Field(default=4, ge=1, le=32)
    lease_s: float = Field(default=5.0, gt=0.2, le=600)


class _TargetsFile(BaseModel):
    model_config = ConfigDict(strict=True)

    targets: dict[str, str]


def watched_targets(path: Path | None) -> Callable[[], Mapping[str, str]]:
    """The target databases by system name, as the file has them now; none without a file.

    Raises `Permanent` (`targets_malformed`) when it can't be used from the beginning.
    """
    if path is None:
        return dict
    return Watched(path, read_targets, "the file of targets", "targets_malformed")


def read_targets(path: Path) -> dict[str, str]:
    """The target databases by system name. Raises `Permanent` (`targets_malformed`)."""
    try:
        return _TargetsFile(targets=parse_strict(path.read_bytes(), MAX_BYTES)).targets
    except (OSError, ValidationError, Permanent) as error:
        reason = type(error).__name__ if isinstance(error, ValidationError) else error  # dsns are secret
        raise Permanent("targets_malformed", f"TRUEUP_TARGETS: {path} is not {{system: dsn}}: {reason}") from error
