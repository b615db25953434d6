"""`trueup demo vendors`, told whole by the real services: what it promises on screen is what happens."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.loop

TRUEUP = Path(sys.executable).with_name("trueup")
PROMISED = (
    "15 entries of the list are due before they were added: set aside",
    "13 cases opened, 2 of them urgent",
    "one of them is for all vendors together",
    "coverage: on track; 60 % of 30 (3 unknown)",
    "10 plans approved by the lead [*], 2 urgent ones by the senior analyst",
    "coverage: met; 100 % of 30",
    "4 cases opened by the clock alone: due soon, and none of them late",
    "the population shrank from 30 to 27",
    "90 vulnerabilities became known as exploited since April",
    "5 plans approved by the lead [*], 6 urgent ones by the senior analyst",
    "27 cases closed and attested so far",
    "lead-time: met",
    "checks, none failed",
)


@pytest.mark.timeout(600)
def test_the_vendors_scenario_keeps_its_promises(tmp_path: Path) -> None:
    words = [str(TRUEUP), "demo", "vendors", "--data", str(tmp_path / "demo")]
    told = subprocess.run(words, capture_output=True, text=True, timeout=580, check=False)
    assert told.returncode == 0, told.stdout[-3_000:] + told.stderr[-3_000:]
    at = 0
    for promised in PROMISED:  # in this order
        found = told.stdout.find(promised, at)
        assert found >= 0, f"{promised!r} is not told after {told.stdout[:at][-300:]!r}"
        at = found
