"""`trueup up` as a person meets it: what it says and with which code, whatever comes of the start."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli.demo import example
from cli.demo.scene import EXAMPLES
from cli.main import app
from cli.observe import feeds
from cli.people import doubts
from cli.stack import operations, state, ticketing
from cli.stack.commands import EXIT_NOT_READY
from cli.stack.operations import StackStatus
from cli.stack.state import ProcessState, StackState
from common.declarations.loader import load
from common.directory import Directory
from support import terminal

Start = Callable[..., StackStatus]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "directory.json").write_text('{"realm": "demo", "people": [], "agents": []}')
    return tmp_path


def up(monkeypatch: pytest.MonkeyPatch, folder: Path, start: Start, *more: str) -> Any:
    monkeypatch.setattr(operations, "up", start)
    return terminal.run(app, "up", "--data", str(folder), *more, env={"COLUMNS": "200"})


def found(folder: Path, ready: bool) -> Start:
    return lambda *_, **__: StackStatus(folder=folder, running=True, ready=ready)


def test_what_did_not_get_ready_is_not_called_a_success(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    assert up(monkeypatch, folder, found(folder, False)).exit_code == EXIT_NOT_READY
    assert up(monkeypatch, folder, found(folder, True)).exit_code == 0


def test_the_last_line_is_the_next_step(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    result = up(monkeypatch, folder, found(folder, True))
    assert "trueup people add" in result.stderr.splitlines()[-1]
    person = {"id": "a.b", "name": "A", "roles": [], "key": "k"}
    (folder / "config" / "directory.json").write_text(json.dumps({"realm": "demo", "people": [person]}))
    assert "people add" not in up(monkeypatch, folder, found(folder, True)).stderr
    result = up(monkeypatch, folder, found(folder, True), "--example", "findings")
    assert "trueup apply examples/findings/findings.yaml" in result.stderr.splitlines()[-1]


def test_an_example_that_there_is_not_starts_nothing(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    def never(*_: Any, **__: Any) -> StackStatus:
        raise AssertionError("started")

    result = up(monkeypatch, folder, never, "--example", "nope")
    assert result.exit_code == 2 and "unknown_example" in result.stderr


@pytest.mark.parametrize("left", [True, False])
def test_who_interrupts_is_told_what_still_runs(monkeypatch: pytest.MonkeyPatch, folder: Path, left: bool) -> None:
    mine = ProcessState.current()

    def interrupted(*_: Any, **__: Any) -> StackStatus:
        process = mine if left else mine.model_copy(update={"started_s": mine.started_s - 60})
        state.write(
            folder,
            StackState(
                realm="demo", clock="wall", timezone="UTC", broker_kind="embedded", broker_address="h:1",
                database_address="h:2", supervisor=mine, detached=True, services={"observer": process},
            ),
        )  # fmt: skip
        raise KeyboardInterrupt

    result = up(monkeypatch, folder, interrupted)
    assert result.exit_code == 130
    words = f"trueup down --data {folder}" if left else "Nothing is left running"
    assert words in result.stderr.replace("\n", " ")


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.iterdir() if path.is_dir()))
def test_every_example_can_be_played(monkeypatch: pytest.MonkeyPatch, folder: Path, name: str) -> None:
    """Who and what its declarations name is there: roles, feeds, and the system that statements act on."""
    monkeypatch.delenv("TRUEUP_CONFIG_HOME", raising=False)
    monkeypatch.setattr(ticketing, "provide", lambda *_: "postgresql://x")
    (file,) = [path for path in (EXAMPLES / name).glob("*.yaml") if ".test." not in path.name]
    specs = [(item.kind, item.spec) for item in load(file.read_text("utf-8"), file.name).documents]
    wanted = example.named(name)
    stack: Any = Fake(folder)
    wanted.equip(stack)
    directory = Directory.read(folder / "config" / "directory.json")
    held = {role for person in directory.people.values() for role in person.roles}
    held |= {role.partition("/")[0] for role in held}
    assert held >= doubts.roles(specs) | {"declaration-author", "declaration-approver"}
    sources = {spec["source"] for kind, spec in specs if kind == "EntityType"}
    assert set(wanted.feeds) == sources
    acted_on = {spec["system"] for kind, spec in specs if kind == "ActionType" and "sql" in spec}
    path = folder / "config" / "targets.json"
    assert set(json.loads(path.read_text()) if path.exists() else {}) == acted_on
    author = next(person for person in directory.people.values() if f"--person {person.id} " in wanted.next)
    assert "declaration-author" in author.roles and str(file.relative_to(EXAMPLES.parent)) in wanted.next
    assert ("clock-keeper" in held) is wanted.time[0].startswith("replay:")
    assert f" {name}" in terminal.run(app, "up", "--help", env={"COLUMNS": "300"}).stdout


class Fake:
    """The parts of a stack that an example asks for."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.config, self.realm, self.postgres = folder, folder / "config", "demo", None


def test_an_example_brings_whom_and_what_its_declarations_ask_for(
    monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    monkeypatch.delenv("TRUEUP_CONFIG_HOME", raising=False)
    made: list[str] = []

    def provide(_postgres: Any, realm: str, _ddl: str) -> str:
        made.append(realm)
        return "postgresql://x"

    monkeypatch.setattr(ticketing, "provide", provide)
    wanted = example.named("findings")
    stack: Any = Fake(folder)
    wanted.equip(stack)
    directory = Directory.read(folder / "config" / "directory.json")
    held = {role for person in directory.people.values() for role in person.roles}
    assert held >= {"declaration-author", "declaration-approver", "compliance-lead", "risk", "clock-keeper"}
    assert all(person.simulated for person in directory.people.values())
    assert all((folder / "people" / f"{person}.key").exists() for person in directory.people)
    assert all(feeds.has_token(folder, feed) for feed in ("audit-tracker", "control-testing"))
    assert json.loads((folder / "config" / "targets.json").read_text()) == {"ticketing": "postgresql://x"}

    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    wanted.equip(stack)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before, "repeatable"
    assert made == ["demo"]
