"""What a script reads: every command answers in JSON, refusals with their reason code."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from cli.main import COMMANDS, app, load
from cli.stack import operations
from cli.stack.errors import StackError
from typer.testing import CliRunner

PLAIN = {"demo", "new", "schema"}
"""A show, and two that print a document as it is (docs/exit-codes.md says so)."""


def commands(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    if not hasattr(command, "list_commands"):
        yield path, command
        return
    context = click.Context(command, info_name=path)
    for name in command.list_commands(context):
        yield from commands(command.get_command(context, name), f"{path} {name}")


def test_every_command_answers_in_json() -> None:
    found = {path: command for name in COMMANDS for path, command in commands(load(name), name)}
    assert len(found) > 40
    without = {path for path, command in found.items() if not any("--json" in item.opts for item in command.params)}
    assert without == PLAIN


def run(*arguments: str) -> tuple[int, Any]:
    result = CliRunner().invoke(app, [*arguments, "--json"])
    return result.exit_code, json.loads(result.stdout)


def test_a_witness_says_what_a_policy_needs(tmp_path: Path) -> None:
    init = ("witness", "init", "--name", "example.org/w1", "--url", "https://w1.example.org", "--data", str(tmp_path))
    code, told = run(*init)
    assert (code, told["name"], told["url"]) == (0, "example.org/w1", "https://w1.example.org")
    assert told["policy"] == f"witness example-org-w1 {told['key']} https://w1.example.org"
    assert Path(told["logs"]).is_file()
    assert run(*init) == (0, told), "asked again it says the same"
    code, refused = run("witness", "init", "--name", "example.org/other", "--data", str(tmp_path))
    assert (code, refused["error"]) == (2, "witness_named")


def test_a_witness_that_can_not_run_says_why(tmp_path: Path) -> None:
    code, refused = run("witness", "run", "--data", str(tmp_path))
    assert (code, refused["error"], bool(refused["what_to_do"])) == (2, "witness_missing", True)
    assert run("witness", "init", "--name", "example.org/w1", "--data", str(tmp_path))[0] == 0
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = CliRunner().invoke(app, ["witness", "run", "--data", str(tmp_path), "--port", port, "--json"])
    refusal = json.loads(result.stdout)  # and not that it listens
    assert (result.exit_code, refusal["error"]) == (2, "port_in_use")


@pytest.mark.parametrize("command", ["up", "status", "down"])
def test_what_a_stack_refuses_is_told_in_json(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise StackError("port_taken", "The port 5 is taken.", "Choose another.")

    monkeypatch.setattr(operations, command, refuse)
    code, refused = run(command, "--data", str(tmp_path))
    assert (code, refused["error"], refused["what_to_do"]) == (2, "port_taken", "Choose another.")


def test_a_migration_that_is_refused_is_told_in_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRUEUP_ADMIN_DATABASE_URL", raising=False)
    code, refused = run("migrate", "--data", str(tmp_path))
    assert code == 2
    assert refused["error"] and refused["message"] and refused["what_to_do"]
