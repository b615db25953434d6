"""Clocks of processes that are off, and are set right while they run."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

HOUR_S = 3600.0


@dataclass(frozen=True)
class Skew:
    """How far off the clock is of the processes that are started with `environment`. It is a file, which is read
    each time the clock is."""

    file: Path

    def set(self, seconds: float) -> Skew:
        fresh = self.file.with_suffix(".new")
        fresh.write_text(str(seconds))
        fresh.replace(self.file)
        return self

    @property
    def environment(self) -> dict[str, str]:
        tests = Path(__file__).resolve().parents[1]
        path = [str(tests / "support" / "skewed"), str(tests), os.environ.get("PYTHONPATH", "")]
        return {"PYTHONPATH": os.pathsep.join(filter(None, path)), "TRUEUP_TEST_SKEW": str(self.file)}
