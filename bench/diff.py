"""`trueup diff` as people run it: a file of 100,000 entities, five expectations, as a process of its own.

Reference, in the same run and as a process, too: the bare work, reading the same CSV file with the standard library
and evaluating the same five conditions with the bare CEL runtime. `python -m bench.diff 1000000 3000` measures once,
with so many entities of which so many miss a rule.
"""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from cel_expr_python import cel

ENTITIES = 100_000
WRONG = 3_000
ASOF = "2023-07-03"
TRUEUP = Path(sys.executable).with_name("trueup")
RULES = (
    "state == 'open' || state == 'answered'",
    "amount < 9900.0",
    "received > today - days(400)",
    "!disputed || owner != 'nobody'",
    "reminders <= 4",
)
PAGE = """\
apiVersion: trueup/v1alpha1
kind: EntityType
metadata: {name: thing}
spec:
  about: A thing.
  source: bench
  key: id
  attributes:
    owner:     {from: owner}
    state:     {from: state, read: [open, answered, lost]}
    disputed:  {from: disputed, read: {"Y": true, "N": false}}
    received:  {from: received, read: "yyyy-MM-dd"}
    amount:    {from: amount, read: decimal}
    reminders: {from: reminders, read: number}
---
apiVersion: trueup/v1alpha1
kind: DesiredState
metadata: {name: things}
spec:
  statement: Things are right.
  basis: Bench
  owner: nobody
  effective: 2023-01-01
  timezone: Europe/Amsterdam
  selector: {entity: thing}
  done: state == 'answered'
  severity: {high: amount > 5000.0, medium: otherwise}
  expectations:
EXPECTATIONS
  verification: {proof: done, soak: 1 day, within: 9 days}
  remediation: {autonomy: L1}
---
apiVersion: trueup/v1alpha1
kind: ApprovalPolicy
metadata: {name: things}
spec:
  covers: things
  confirmGap: {owner: 1}
  approvePlan: [{when: "true", roles: {owner: 1}}]
  releaseStep: {owner: 1}
  apart: [author, confirmer, approver, releaser, implementer]
  expires: 5 days
"""


def measure() -> list[dict[str, Any]]:
    """The figures in the form of `bench.json`."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        page, rows = written(folder, ENTITIES, WRONG)
        ours_s, ours_mb = run([str(TRUEUP), "diff", str(page), "--state", f"thing={rows}", "--at", ASOF], 2)
        bare_s, bare_mb = run([sys.executable, "-m", "bench.diff", "bare", str(rows)], 0)
    return [
        _figure("diff_100k_s", ours_s, bare_s, "s"),
        _figure("diff_100k_mb", ours_mb, bare_mb, "MB"),
    ]


def _figure(name: str, value: float, reference: float, unit: str) -> dict[str, Any]:
    return {
        "name": name,
        "value": round(value, 2),
        "unit": unit,
        "reference_name": "bare CSV and CEL loop, a process",
        "reference": round(reference, 2),
        "ratio": round(value / reference, 2),
    }


def written(folder: Path, entities: int, wrong: int) -> tuple[Path, Path]:
    """The declarations and the rows, of which so many miss a rule; of one in 5,003 the date can't be read."""
    rules = "\n".join(
        f'    - {{name: rule-{at}, expect: "{rule}", says: "Rule {at} of {{owner}}."}}'
        for at, rule in enumerate(RULES)
    )
    page, rows = folder / "things.yaml", folder / "things.csv"
    page.write_text(PAGE.replace("EXPECTATIONS", rules), "utf-8")
    first = date(2023, 7, 1)
    days = [str(first - timedelta(days=back)) for back in range(397)]
    with rows.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "owner", "state", "disputed", "received", "amount", "reminders"])
        for at in range(entities):
            state = "lost" if at % (entities // wrong) == 0 else ("open", "answered")[at % 2]
            amount, received = f"{(at * 7) % 9_900}.{at % 100:02}", "N/A" if at % 5_003 == 5 else days[at % 397]
            writer.writerow([f"T-{at}", f"o{at % 50}", state, "YN"[at % 2], received, amount, at % 5])
    return page, rows


def run(command: Sequence[str], code: int) -> tuple[float, float]:
    """Seconds and peak resident megabytes of one process, that must end with this code."""
    begun = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)  # noqa: S603 - the project's own programs
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == code, (command, child.returncode)
    return time.perf_counter() - begun, usage.ru_maxrss / 1024


def bare(rows: Path) -> int:
    """How many entities the bare runtime finds to miss a rule."""
    kinds = {"owner": "STRING", "state": "STRING", "disputed": "BOOL", "received": "TIMESTAMP", "amount": "DOUBLE"}
    scope = {name: getattr(cel.Type, kind) for name, kind in kinds.items()}
    env = cel.NewEnv(variables={**scope, "reminders": cel.Type.INT, "today": cel.Type.TIMESTAMP})
    programs = [env.compile(rule.replace("days(400)", "duration('9600h')")) for rule in RULES]
    today = datetime.fromisoformat(f"{ASOF}T00:00:00+00:00")
    found = 0
    with rows.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            data: dict[str, Any] = {"owner": row["owner"], "state": row["state"], "disputed": row["disputed"] == "Y"}
            data |= {"amount": float(row["amount"]), "reminders": int(row["reminders"]), "today": today}
            if row["received"] != "N/A":
                data["received"] = datetime.fromisoformat(row["received"]).replace(tzinfo=UTC)
            activation = env.Activation(data)
            found += not all([program.eval(activation).value() is True for program in programs])
    return found


def once(entities: int, wrong: int) -> None:
    """Measure one run, and print it."""
    with tempfile.TemporaryDirectory() as name:
        page, rows = written(Path(name), entities, wrong)
        seconds, megabytes = run([str(TRUEUP), "diff", str(page), "--state", f"thing={rows}", "--at", ASOF], 2)
    sys.stdout.write(f"{entities:,} entities, {wrong:,} wrong: {seconds:.1f} s, {megabytes:.0f} MB\n")


if __name__ == "__main__":
    if sys.argv[1:2] == ["bare"]:
        bare(Path(sys.argv[2]))
    elif sys.argv[1:]:
        once(int(sys.argv[1]), int(sys.argv[2]))
    else:
        sys.stdout.write(f"{measure()}\n")
