"""`trueup up`, `status` and `down` on a stack of stand-ins: what is printed, and the exit codes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from cli.stack import commands, operations
from common.topics import SERVICES
from typer.testing import CliRunner


@pytest.fixture(scope="module")
def folder(session_folder: Path, stand_ins: dict[str, str]) -> Iterator[Path]:
    place = session_folder / "commands"
    operations.up(place, environment=stand_ins)
    yield place
    operations.down(place)


@pytest.fixture
def app() -> typer.Typer:
    application = typer.Typer()
    commands.register(application)
    return application


def test_status_as_json_names_every_address(app: typer.Typer, folder: Path) -> None:
    result = CliRunner().invoke(app, ["status", "--data", str(folder), "--json"])
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert list(found["services"]) == list(SERVICES)
    assert all(part["ready"] and part["url"].startswith("http://127.0.0.1:") for part in found["services"].values())
    assert found["services"]["planner"]["lag"] == {"state": 3}
    assert found["database"]["address"]
    assert found["broker"]["address"]
    assert "password" not in result.stdout.replace("passwords_file", "").replace("passwords.json", "")


def test_status_for_people_shows_every_part(app: typer.Typer, folder: Path) -> None:
    result = CliRunner().invoke(app, ["status", "--data", str(folder)], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    assert all(name in result.stdout for name in (*SERVICES, "embedded broker", "postgresql"))


def test_up_again_prints_the_same_stack(app: typer.Typer, folder: Path) -> None:
    result = CliRunner().invoke(app, ["up", "--data", str(folder), "--json"])
    assert result.exit_code == 0
    assert json.loads(result.stdout)["ready"] is True


def test_another_realm_in_the_same_folder_is_refused(app: typer.Typer, folder: Path) -> None:
    result = CliRunner().invoke(app, ["up", "--data", str(folder), "--realm", "other"])
    assert result.exit_code == commands.EXIT_REFUSED
    assert "stack_differs" in result.stderr
    assert "trueup down" in result.stderr


def test_status_of_nothing_says_so(app: typer.Typer, session_folder: Path) -> None:
    result = CliRunner().invoke(app, ["status", "--data", str(session_folder / "nothing"), "--json"])
    assert result.exit_code == commands.EXIT_NOT_READY
    assert json.loads(result.stdout)["running"] is False


def test_down_of_nothing_is_fine(app: typer.Typer, session_folder: Path) -> None:
    result = CliRunner().invoke(app, ["down", "--data", str(session_folder / "nothing")])
    assert result.exit_code == 0
    assert "Nothing is running" in result.stdout
