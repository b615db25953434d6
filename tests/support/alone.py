"""An environment with the package transparency, its own dependencies and nothing else, as an examiner would have."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NOWHERE = "http://127.0.0.1:9"
"""A proxy that nobody serves: whoever asked the network would fail."""


@dataclass(frozen=True)
class Alone:
    python: Path

    @classmethod
    def make(cls, folder: Path) -> Alone:
        """From the versions of uv.lock, which uv has in its cache since `make setup`: nothing is downloaded."""
        uv = Path(sys.executable).with_name("uv")
        program = str(uv) if uv.exists() else str(shutil.which("uv"))
        environment = {**os.environ, "UV_PROJECT_ENVIRONMENT": str(folder), "UV_OFFLINE": "1"}
        environment.pop("VIRTUAL_ENV", None)
        subprocess.run(
            [program, "sync", "--frozen", "--no-dev", "--package", "transparency", "--python", sys.executable],
            cwd=ROOT,
            env=environment,
            check=True,
            capture_output=True,
            timeout=120,
        )
        return cls(folder / "bin" / "python")

    def run(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        """`python -m transparency`, isolated and without a way to the network."""
        return subprocess.run(
            [str(self.python), "-I", "-m", "transparency", *map(str, arguments)],
            env={"PATH": "/nonexistent", "https_proxy": NOWHERE, "http_proxy": NOWHERE},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
