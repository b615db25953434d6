"""`python -m transparency FILE.zip --policy FILE`: check a bundle with nothing of Trueup but this package.

Exit code 0: verified. 1: something does not hold. 2: it could not be checked, or only against itself.
"""

from __future__ import annotations

import argparse
import gc
import sys
from pathlib import Path

from transparency.archives import MAX_BYTES
from transparency.verifying import COULD_NOT, FAILED, VERIFIED, Trust, Verdict, verify

_MARKS = {True: "ok", False: "FAILED", None: "not checked"}
_SAYS = {
    VERIFIED: "VERIFIED: everything that was checked holds.",
    FAILED: "NOT VERIFIED: do not rely on this bundle.",
    COULD_NOT: "NOT VERIFIED: it could not be checked, or only against itself; see what was not checked.",
}


def main(arguments: list[str]) -> int:
    """The exit code, after telling each check in plain words."""
    parser = argparse.ArgumentParser("python -m transparency", description="Check a bundle for an examiner, offline.")
    parser.add_argument("file", type=Path, help="the bundle")
    parser.add_argument("--policy", type=Path, help="the tlog-policy that you trust, which you got another way")
    parser.add_argument("--service-keys", type=Path, help="the list of service keys that you trust")
    given = parser.parse_args(arguments)
    try:
        trust = Trust(_read(given.policy), _read(given.service_keys))
        verdict = verify(_read(given.file) or b"", trust)
    except OSError as error:
        sys.stderr.write(f"Not checked: {error.filename} can't be read: {error.strerror}\n")
        return COULD_NOT
    sys.stdout.write(told(verdict))
    return verdict.exit_code


def told(verdict: Verdict) -> str:
    """One line a check, and the result."""
    lines = [f"{_MARKS[check.ok]:<12} {check.name.replace('_', ' '):<14} {check.detail}" for check in verdict.checks]
    shown = ["".join(char if char.isprintable() else " " for char in line) for line in lines]
    return "\n".join([*shown, "", _SAYS[verdict.exit_code], ""])


def _read(file: Path | None) -> bytes | None:
    if file is None:
        return None
    with file.open("rb") as stream:
        return stream.read(MAX_BYTES + 1)


if __name__ == "__main__":
    gc.disable()  # it runs once, within the bounds of a bundle: looking for garbage would cost a quarter of the time
    sys.exit(main(sys.argv[1:]))
