"""Imports each service, the command and `transparency` in an environment with its own dependencies and no others.

    .venv/bin/python scripts/isolated.py [MEMBER...]

The shared development environment would hide an import that a member does not declare, and its image would then
not start. Environments are made in a temporary folder from uv.lock (`make setup` has filled uv's cache: no
downloads) and removed again. Exits 1 naming the members that fail.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from bootstrap import ROOT, SetupError, configured_index, obtain_uv, run_uv

SERVICES = ("observer", "differ", "planner", "approver", "executor", "auditor")
MEMBERS = (*SERVICES, "cli", "transparency")
ENTRANCES = {"transparency": ("proofs", "witnessing", "entries")}
"""What is imported where there is no `main`: modules that between them import all others."""
ABSENT = {service: ["alembic", "sqlalchemy"] for service in SERVICES}
"""What must not be there. Only an administrator's step changes a schema."""
ABSENT["executor"].append("litellm")  # a model library beside the hands that act would be a model that can act


def main(members: list[str]) -> int:
    index = configured_index()
    uv = obtain_uv(index)
    failed = [member for member in members or MEMBERS if not imports_alone(member, uv, index)]
    if failed:
        say(f"what {' and '.join(failed)} import must be declared in pyproject.toml, or not be imported")
    return 1 if failed else 0


def say(text: str) -> None:
    print(f"isolated: {text}", flush=True)


def imports_alone(member: str, uv: Path, index: str | None) -> bool:
    """Whether the member imports where only the member's own dependencies are; says so."""
    with tempfile.TemporaryDirectory(prefix="trueup-isolated-") as folder:
        python = Path(folder) / "venv" / "bin" / "python"
        listed = Path(folder) / "requirements.txt"
        run_uv(uv, "venv", "--no-config", "--python", sys.executable, str(python.parents[1]))
        export = ("export", "--frozen", "--quiet", "--no-dev", "--package", member, "-o", str(listed))
        run_uv(uv, *export, "--no-hashes")
        lines = listed.read_text("utf-8").splitlines()
        own = [line.removeprefix("-e ") for line in lines if line.startswith("-e ")]
        run_uv(uv, *export, "--no-emit-workspace")
        source = ("--python", str(python), *(("--default-index", index) if index else ()))
        run_uv(uv, "pip", "sync", "--require-hashes", *source, str(listed))
        editable = [part for path in own for part in ("--editable", path)]
        run_uv(uv, "pip", "install", "--no-deps", *source, *editable)
        return _run(python, member)


def _run(python: Path, member: str) -> bool:
    absent = ABSENT.get(member, [])
    program = "; ".join(f"import {member}.{module}" for module in ENTRANCES.get(member, ("main",)))
    program += "; import importlib.util as u"
    program += f"; found = [name for name in {absent!r} if u.find_spec(name)]; assert not found, found"
    done = subprocess.run([python, "-I", "-c", program], cwd=ROOT, check=False)  # noqa: S603
    lacks = f", and there is no {' and no '.join(absent)}" if absent else ""
    say(f"{member} imports with only its own dependencies{lacks}" if done.returncode == 0 else f"{member} FAILED")
    return done.returncode == 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except SetupError as error:
        sys.exit(f"isolated: {error}")
