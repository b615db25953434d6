"""The state file: a stale one never makes us stop somebody else's process."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli.stack import state
from cli.stack.errors import StackError
from cli.stack.state import ProcessState, StackState


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
