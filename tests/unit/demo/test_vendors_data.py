"""The vendors scenario's data: published as it was, simulated the same each time, and 60 % covered at the start."""

from __future__ import annotations

import csv
import hashlib
import importlib.util
from datetime import date
from pathlib import Path

from cli.demo.bank import Bank

VENDORS = Path(__file__).resolve().parents[3] / "examples" / "vendors"
PUBLISHED = {
    "kev-2025-04-04.csv": (1_314, "5fed6d17ad3a04007e2af36665a3f4a6fac6935de5e6c3b3899eb614a060be36"),
    "kev-2025-08-25.csv": (1_404, "ef3f88c69bfca7f86c448c64577b2ed81b498dd5d109c13a0c1797450fb1dfbb"),
}


def test_the_published_lists_are_whole_and_unchanged() -> None:
    for name, (rows, digest) in PUBLISHED.items():
        data = (VENDORS / name).read_bytes()
        assert hashlib.sha256(data).hexdigest() == digest
        found = list(csv.DictReader(data.decode("utf-8").splitlines(keepends=True)))
        assert len(found) == rows
        assert sum(row["dueDate"] < row["dateAdded"] for row in found) == 15


def test_what_is_simulated_is_what_the_script_writes(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("simulate", VENDORS / "simulate.py")
    assert spec is not None and spec.loader is not None
    simulate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(simulate)
    simulate.write(tmp_path)
    for name in ("vendors.csv", "assessments.csv"):
        assert (tmp_path / name).read_bytes() == (VENDORS / "simulated" / name).read_bytes()


def test_the_second_list_brings_what_the_first_did_not_have() -> None:
    bank = Bank(VENDORS)
    assert bank.publish("kev-2025-04-04.csv") == 1_314
    assert bank.publish("kev-2025-08-25.csv") == 90


def test_signing_adds_an_assessment_and_keeps_those_before() -> None:
    bank = Bank(VENDORS)
    before = dict(bank.assessments)
    bank.sign(["V-001", "V-002"], date(2025, 4, 9), date(2025, 4, 15))
    assert before.items() <= bank.assessments.items()
    new = {row["vendor_id"]: row["signed_on"] for key, row in bank.assessments.items() if key not in before}
    assert new == {"V-001": "2025-04-15", "V-002": "2025-04-14"}
    bank.tier(["V-001"], "high")
    assert bank.vendors["V-001"]["tier"] == "high"
    assert bank.vendors["V-002"]["tier"] == "critical"
