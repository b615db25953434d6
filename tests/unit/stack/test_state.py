"""The state file: a stale one never makes us stop somebody else's process."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli.stack import state
from cli.stack.errors import StackError
from cli.stack.state import ProcessState, StackState
from common.errors import Refused


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
