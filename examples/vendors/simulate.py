"""Writes simulated/vendors.csv and simulated/assessments.csv: a made-up bank's vendor master and assessment history.

No vendor, person or assessment in them is real. Nothing is random: running it again gives the same bytes.

    python examples/vendors/simulate.py
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

FOLDER = Path(__file__).parent / "simulated"
OWNERS = ("payments", "lending", "markets", "operations")
FIRST = ("Northgate", "Harbour", "Silverline", "Oakfield", "Brightwater", "Stonebridge", "Lakeside", "Fairmont",
         "Redhill", "Kingsway", "Eastbrook", "Summit", "Meridian", "Clearview", "Ashdown")  # fmt: skip
SECOND = ("Hosting", "Payroll", "Archive", "Messaging")
LATE = {"Microsoft": "2024-08-14", "Cisco": "2024-07-02", "Oracle": "2024-09-05"}
"""Assessed too long ago: whose products they run, and when the assessment was signed."""
CURRENT = ("Microsoft", "Citrix", "SAP", "Fortinet", "CrushFTP", "Commvault", "Google", "Apple", "Cisco", "N-able")
"""Assessed shortly before the story begins: whose products they run."""


def critical() -> Iterator[tuple[str, date | None]]:
    """The 30 critical vendors: whose products each runs, and when its last assessment was signed."""
    yield from ((maker, date.fromisoformat(day)) for maker, day in LATE.items())
    yield from (("none", date(2024, 6, 10) + timedelta(days=9 * number)) for number in range(6))
    yield from (("none", None), ("none", None), ("VMware", None))  # never assessed
    yield from (("none", date(2024, 11, 18) + timedelta(days=number)) for number in range(4))  # due in May
    yield from ((maker, date(2025, 3, 24) + timedelta(days=number % 9)) for number, maker in enumerate(CURRENT))
    yield from (("none", date(2025, 3, 24) + timedelta(days=number)) for number in range(4))


def vendors() -> Iterator[dict[str, str]]:
    """60 vendors: 30 critical ones, 2 that were critical, 28 others."""
    known = [*critical()]
    for number in range(60):
        tier = "critical" if number < 32 else "high" if number < 44 else "routine"
        yield {
            "id": f"V-{number + 1:03}",
            "name": f"{FIRST[number % 15]} {SECOND[number // 15]}",
            "tier": tier,
            "status": "ended" if number in (30, 31) else "active",
            "relationship_owner": OWNERS[number % 4],
            "runs_products_of": known[number][0] if number < len(known) else "none",
        }


def assessments() -> Iterator[dict[str, str]]:
    """The last assessment of each critical vendor that has one, and the one half a year before."""
    for number, (_, signed) in enumerate(critical()):
        for back in (1, 0) if signed else ():
            assert signed is not None
            day = signed - timedelta(days=178 * back)
            took = 21 + (number * 7) % 25  # days from the request to the signature
            yield {
                "id": f"A-{number + 1:03}-{day:%Y%m}",
                "vendor_id": f"V-{number + 1:03}",
                "requested_on": str(day - timedelta(days=took)),
                "signed_on": str(day),
                "signed_by": f"analyst-{number % 3 + 1}",
            }


def write(folder: Path = FOLDER) -> None:
    """Both files."""
    for name, rows in (("vendors.csv", [*vendors()]), ("assessments.csv", [*assessments()])):
        with (folder / name).open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, [*rows[0]], lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    write()
