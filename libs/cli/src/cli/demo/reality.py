"""The reality of the findings scenario: the published rows, and what is made up to happen to them later."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

Row = dict[str, str]


class Reality:
    """Two systems that others run: the audit tracker's findings and Internal Audit's retests.

    The findings start as published. Whatever changes after that is simulated, and marked so when reported.
    """

    def __init__(self, audit: Path) -> None:
        with audit.open(newline="", encoding="utf-8") as file:
            self.findings: dict[str, Row] = {row["reference"]: dict(row) for row in csv.DictReader(file)}
        self.retests: dict[str, Row] = {}
        self.touched: set[str] = set()

    def complete(self, references: Iterable[str]) -> None:
        """Management reports these fixes complete (simulated)."""
        for reference in references:
            self.findings[reference]["corrective_action_status"] = "Corrective action complete"
            self.touched.add(reference)

    def retest(self, references: Iterable[str], on: str) -> None:
        """Internal Audit retests these controls and they pass (simulated)."""
        for reference in references:
            key = f"RT-{reference}-{on}"
            self.retests[key] = {
                "id": key,
                "finding": reference,
                "result": "passed",
                "team": "internal-audit",
                "tested_on": on,
                "samples": "25",
            }
