"""The reality of the vendors scenario: two systems of a made-up bank, and CISA's list as it was published."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path

Row = dict[str, str]


class Bank:
    """The vendor master, the assessments and the list of exploited vulnerabilities, as each system holds them now."""

    def __init__(self, examples: Path) -> None:
        self._examples = examples
        self.vendors = _rows(examples / "simulated" / "vendors.csv", "id")
        self.assessments = _rows(examples / "simulated" / "assessments.csv", "id")
        self.exploits: dict[str, Row] = {}

    def publish(self, file: str) -> int:
        """CISA's list is now as in this file. Answers how many entries are new."""
        before = self.exploits
        self.exploits = _rows(self._examples / file, "cveID")
        return len(self.exploits.keys() - before.keys())

    def sign(self, vendors: Iterable[str], asked: date, on: date) -> None:
        """Analysts sign an assessment of each, asked for on one day; a few on each of the days up to `on`."""
        for number, vendor in enumerate(vendors):
            day = on - timedelta(days=number % 4)
            key = f"A-{vendor.removeprefix('V-')}-{day:%Y%m%d}"
            self.assessments[key] = {
                "id": key,
                "vendor_id": vendor,
                "requested_on": str(asked),
                "signed_on": str(day),
                "signed_by": f"analyst-{number % 3 + 1}",
            }

    def tier(self, vendors: Iterable[str], tier: str) -> None:
        """Somebody changes how critical these vendors are considered."""
        for vendor in vendors:
            self.vendors[vendor] = {**self.vendors[vendor], "tier": tier}


def _rows(path: Path, key: str) -> dict[str, Row]:
    with path.open(newline="", encoding="utf-8") as file:
        return {row[key]: dict(row) for row in csv.DictReader(file)}
