"""README's commands, as they stand there, close the loop: from a fresh folder to an attestation that is verified."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.loop
ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 60.0
AT_ONCE = ("up", "apply", "activate", "observe")


def commands() -> list[list[str]]:
    """The words of each `trueup` command in the section, in order."""
    section = (ROOT / "README.md").read_text("utf-8").split("## Do it by hand")[1]
    (block,) = re.findall(r"```\n(source .*?)```", section, re.DOTALL)
    return [line.split()[1:] for line in block.splitlines() if line.startswith("trueup ")]


@pytest.fixture
def folder(session_folder: Path) -> Iterator[Path]:
    place = session_folder / "by-hand"
    place.mkdir()
    (place / "examples").symlink_to(ROOT / "examples")
    yield place
    run(place, ["down"])


def run(place: Path, words: list[str]) -> subprocess.CompletedProcess[str]:
    own = {**os.environ, "HOME": str(place)}
    own = {name: value for name, value in own.items() if name not in ("TRUEUP_CONFIG_HOME", "XDG_CONFIG_HOME")}
    return subprocess.run(
        [sys.executable, "-m", "cli.main", *words], cwd=place, env=own, capture_output=True, text=True, check=False
    )


def done(place: Path, words: list[str]) -> str:
    """What the command printed; one that came too early is given again, as a person would."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        ended = run(place, words)
        if ended.returncode == 0:
            return ended.stdout
        late = words[0] in AT_ONCE or time.monotonic() > deadline
        assert not late, f"trueup {' '.join(words)}: {ended.stdout}{ended.stderr}"
        time.sleep(0.2)


def test_readmes_commands_lead_to_a_verified_attestation(folder: Path) -> None:
    proposal, said = "", ""
    for words in commands():
        if words[:2] == ["audit", "show"]:
            attested(folder)
        told = done(folder, [proposal if word == "ID" else word for word in words])
        if words[0] == "apply":
            (proposal, *_) = re.findall(r"p-[0-9a-f]+", told)
        said += told
    assert "VERIFIED: case money-findings-closed/2022-090/1" in said
    assert not (folder / ".config").exists(), "everything of the realm is in its own folder"

    other = run(folder, ["up", "--clock", "wall"])
    assert other.returncode == 2 and "stack_differs" in other.stderr, "its clock was fixed when it was created"
    assert "Nothing is running" in run(folder, ["status"]).stdout


def attested(place: Path) -> None:
    """Wait until the case is; the clock has moved far enough."""
    deadline = time.monotonic() + PATIENCE_S
    while "attested" not in (shown := done(place, ["cases", "--all", "--json"])):
        assert time.monotonic() < deadline, shown[-2000:]
        time.sleep(0.2)
