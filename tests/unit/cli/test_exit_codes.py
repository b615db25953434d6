"""The page of exit codes names every command, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

from cli.audit import commands as audit
from cli.demo import on_findings as demo
from cli.main import COMMANDS
from cli.observe import commands as observe
from cli.people import screen
from cli.stack import commands as stack

PAGE = Path(__file__).resolve().parents[3] / "docs" / "exit-codes.md"


def rows() -> dict[str, list[str]]:
    """What each command's codes 0 to 3 mean, by command as typed."""
    found = {}
    for line in PAGE.read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        for command in re.findall(r"`([a-z ]+)`", cells[0]) if line.startswith("| `") else ():
            assert command not in found, command
            found[command] = cells[1:]
    return found


def test_every_command_is_on_the_page() -> None:
    assert {command.split()[0] for command in rows()} == set(COMMANDS)


def test_what_the_code_calls_them_is_what_the_page_says() -> None:
    told = rows()
    named = [
        ("audit verify", audit.EXIT_FAILED, "does not hold"),
        ("audit verify", audit.EXIT_COULD_NOT, "could not be checked"),
        ("observe", observe.EXIT_LEFT_OUT, "refused or left out"),
        ("observe", observe.EXIT_COULD_NOT, "could not be done"),
        ("approve", screen.EXIT_COULD_NOT, "could not be tried"),
        ("approve", screen.EXIT_REFUSED, "refused"),
        ("status", stack.EXIT_NOT_READY, "not ready"),
        ("demo", demo.EXIT_FAILED, "does not verify"),
    ]
    for command, code, words in named:
        assert words in told[command][code], (command, code)
