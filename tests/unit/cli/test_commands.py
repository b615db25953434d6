"""The command line as a whole: it starts fast, knows its commands, and answers in words and exit codes."""

from __future__ import annotations

import inspect
import subprocess
import sys
from importlib.metadata import version

import pytest
from cli import main
from cli.people.screen import clean
from cli.people.words import Citations, due, fingerprint, moment, people, value
from typer.testing import CliRunner

HEAVY = ("asyncpg", "fastapi", "faststream", "aiokafka", "httpx", "pydantic", "celpy", "ruamel", "cel_expr_python")


@pytest.mark.parametrize("name", main.COMMANDS)
def test_every_command_can_be_loaded_and_says_what_it_does(name: str) -> None:
    command = main.load(name)
    assert command.name == name
    assert command.help and inspect.cleandoc(command.help)[0].isupper()


def test_help_imports_none_of_the_commands() -> None:
    program = (
        "import sys\n"
        "from cli.main import app\n"
        "from typer.testing import CliRunner\n"
        "result = CliRunner().invoke(app, ['--help'])\n"
        "assert result.exit_code == 0 and 'approve' in result.output, result.output\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_version_is_told() -> None:
    result = CliRunner().invoke(main.app, ["--version"])
    assert (result.exit_code, result.output) == (0, f"trueup {version('cli')}\n")


@pytest.mark.parametrize("name", ["people", "feeds", "targets", "clock", "keys", "audit"])
def test_commands_of_commands_offer_nothing_but_help(name: str) -> None:
    assert "--install-completion" not in CliRunner().invoke(main.app, [name, "--help"]).output


def test_a_mistyped_command_is_told_what_was_meant() -> None:
    result = CliRunner().invoke(main.app, ["aprove", "2022-090"])
    assert result.exit_code == 2
    assert "Did you mean approve?" in " ".join(result.output.split())


def test_what_others_wrote_can_not_drive_a_terminal() -> None:
    assert clean("a\x1b[2Jb\x07\u202ec\nd\u200b") == "a\ufffd[2Jb\ufffd\ufffdc\nd\ufffd"
    assert clean("Zürich – 你好") == "Zürich – 你好"


def test_instants_are_read_in_the_realms_zone() -> None:
    assert moment("2023-07-05T14:12:00Z", "America/New_York") == "5 July 2023, 10:12 EDT"
    assert due("2023-07-11T20:00:00Z", "America/New_York") == "Tue 11 July 2023, 16:00 EDT"
    assert (moment(None), due(None)) == ("never", "no date")


@pytest.mark.parametrize(
    ("fact", "words"),
    [
        ({"value": True}, "yes"),
        ({"value": ["A", "B"]}, "A, B"),
        ({"value": 3}, "3"),
        ({"value": None, "unknown": "due is empty"}, "unknown (due is empty)"),
    ],
)
def test_facts_are_read_aloud(fact: dict[str, object], words: str) -> None:
    assert value(fact) == words


def test_events_are_cited_by_short_marks_in_order() -> None:
    cited = Citations()
    assert cited.mark(["b", "a", "b", None]) == "[E1, E2]"
    assert cited.mark(["a"]) == "[E2]" and cited.mark([]) == ""
    assert cited.index == [("E1", "b"), ("E2", "a")]


def test_digests_and_names_are_short() -> None:
    assert fingerprint("7f3a91c4" + "0" * 56) == "7f3a 91c4"
    assert people(["a", "b", "c", "d", "e"], {"a": "Ann"}) == "Ann, b, c, d and 1 more"
    assert people([], {}) == "nobody"
