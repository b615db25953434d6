"""The state file: a stale one never makes us stop somebody else's process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cli.main import app
from cli.stack import operations, state
from cli.stack import realm as realms
from cli.stack.errors import StackError
from cli.stack.operations import DatabaseStatus, ServerStatus, ServiceStatus, StackStatus
from cli.stack.state import ProcessState, StackState
from common.errors import Refused
from support import terminal


def some_state(**processes: ProcessState) -> StackState:
    return StackState(
        realm="r",
        clock="wall",
        timezone="UTC",
        broker_kind="embedded",
        broker_address="h:1",
        database_address="h:2",
        supervisor=ProcessState.current(),
        detached=True,
        services=processes,
    )


def test_what_is_written_is_read(tmp_path: Path) -> None:
    written = some_state(observer=ProcessState.current())
    state.write(tmp_path, written)
    assert state.read(tmp_path) == written
    state.clear(tmp_path)
    assert state.read(tmp_path) is None


def test_a_pid_with_another_start_time_is_not_ours() -> None:
    mine = ProcessState.current()
    reused = mine.model_copy(update={"started_s": mine.started_s - 60})
    assert mine.living() is not None
    assert reused.living() is None
    assert state.running(some_state(observer=mine, differ=reused)) == [mine]


def test_the_one_stack_that_runs_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    mine = ProcessState.current()
    folders = [tmp_path / state.STACKS / name for name in ("main", "demo", "ended")]
    for folder in folders:
        folder.mkdir(parents=True)
    state.write(folders[2], some_state(auditor=mine.model_copy(update={"started_s": mine.started_s - 60})))
    with pytest.raises(Refused, match="no stack runs here, so it is not clear which auditor is meant") as refusal:
        state.find_url("auditor")
    assert refusal.value.reason_code == "which_url"

    state.write(folders[0], some_state(auditor=mine.model_copy(update={"port": 4711})))
    assert state.find_url("auditor") == "http://127.0.0.1:4711"
    with pytest.raises(Refused, match="no stack"):
        state.find_url("observer")

    state.write(folders[1], some_state(auditor=mine))
    with pytest.raises(Refused, match=r"several stacks run here \(\.trueup/demo, \.trueup/main\)"):
        state.find_url("auditor")


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / state.FILE).write_text("{}")
    with pytest.raises(StackError) as refusal:
        state.read(tmp_path)
    assert refusal.value.reason_code == "stack_state_unreadable"


def test_two_programs_cannot_start_the_same_stack_at_once(tmp_path: Path) -> None:
    with state.exclusive(tmp_path), pytest.raises(StackError) as refusal, state.exclusive(tmp_path):
        pass
    assert refusal.value.reason_code == "stack_busy"
    with state.exclusive(tmp_path):
        pass  # free again


def test_a_service_that_has_ended_is_not_a_stack_that_does_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    mine = ProcessState.current()
    gone = mine.model_copy(update={"started_s": mine.started_s - 60})
    for name, command in (("main", "trueup up --realm r"), ("other", "trueup up --data .trueup/other --realm r")):
        folder = tmp_path / state.STACKS / name
        folder.mkdir(parents=True)
        state.write(folder, some_state(auditor=mine, approver=gone))
        with pytest.raises(Refused, match=f"the approver of the stack in .trueup/{name} has ended") as refusal:
            state.find_url("approver")
        assert refusal.value.reason_code == "service_ended"
        assert f"Start it again: {command}." in refusal.value.what_to_do
        state.clear(folder)


def test_status_says_how_to_start_what_has_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def part(alive: bool) -> ServiceStatus:
        return ServiceStatus(url="http://h:1", alive=alive, ready=alive, lag={}, pid=1, log=tmp_path / "log")

    found = StackStatus(
        folder=tmp_path,
        running=True,
        ready=False,
        realm="demo",
        clock="wall",
        database=DatabaseStatus(kind="postgresql", name="n", address="h:2", pid=1, alive=True, log=tmp_path),
        broker=ServerStatus(kind="embedded", address="h:3", pid=1, alive=True, log=tmp_path),
        services={"approver": part(False), "auditor": part(True)},
    )
    monkeypatch.setattr(operations, "status", lambda _folder: found)
    result = terminal.run(app, "status", "--data", str(tmp_path), env={"COLUMNS": "200"})
    assert result.exit_code == 3
    assert f"Ended: approver. Start what has ended: trueup up --data {tmp_path}" in result.output.replace("\n", "")


def migrating(*arguments: str) -> str:
    given = {"TRUEUP_ADMIN_DATABASE_URL": "", "TRUEUP_REALM": ""}
    result = terminal.run(app, "migrate", "--check", *arguments, env=given)
    assert result.exit_code == 2
    return result.stderr


def test_migrate_needs_no_address_where_a_stack_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    told = migrating("--database", "postgresql://x:y@127.0.0.1:1/z")
    assert told.startswith("realm_not_given") and "--realm NAME" in told
    assert migrating().startswith("database_not_given")
    assert migrating("--data", str(tmp_path / "nowhere")).startswith("stack_not_running")

    folder = tmp_path / state.STACKS / "main"
    folder.mkdir(parents=True)
    database = ProcessState.current().model_copy(update={"port": 1, "name": "postgresql"})
    state.write(folder, some_state().model_copy(update={"database": database}))
    assert migrating("--realm", "other").startswith("stack_differs")
    asked = []

    def migrate(server: Any, realm: str, *, dry: bool) -> tuple[()]:
        asked.append((server.admin_url.rpartition("@")[2].partition("/")[0], realm, dry))
        return ()

    monkeypatch.setattr(realms, "migrate_database", migrate)
    result = terminal.run(app, "migrate", "--check", env={"TRUEUP_ADMIN_DATABASE_URL": "", "TRUEUP_REALM": ""})
    assert result.exit_code == 0, result.output
    assert asked == [("127.0.0.1:1", "r", True)]
