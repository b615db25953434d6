"""No process is left behind, whatever happens to the one that started it; and none is ended that isn't ours."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from cli.stack import children
from cli.stack.children import Child
from cli.stack.errors import StackError

SUPERVISOR = """
import signal, sys, threading, time
from pathlib import Path
from cli.stack import children
sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
die_with = None if sys.argv[1] == "detached" else signal.SIGKILL
started = []
def start():
    child = children.spawn("sleeper", sleep, log=Path(sys.argv[2]) / "log", cwd=Path("/"),
                           environment=children.base_environment(), die_with=die_with)
    started.append(child.pid)
thread = threading.Thread(target=start)
thread.start()
thread.join()
print(started[0], flush=True)
time.sleep(600)
"""


def eventually(holds: Callable[[], bool]) -> bool:
    for _ in range(500):
        if holds():
            return True
        time.sleep(0.02)
    return False


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def supervise(kind: str, folder: Path) -> tuple[subprocess.Popen[str], int]:
    supervisor = subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, kind, str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert supervisor.stdout is not None
    return supervisor, int(supervisor.stdout.readline())


def sleeper(folder: Path, command: str = "import time; time.sleep(600)") -> Child:
    return children.spawn(
        "sleeper",
        [sys.executable, "-c", command],
        log=folder / "log",
        cwd=folder,
        environment=children.base_environment(),
        die_with=signal.SIGKILL,
    )


def test_a_child_dies_with_a_killed_supervisor_but_not_with_the_thread_that_asked_for_it(tmp_path: Path) -> None:
    supervisor, pid = supervise("tied", tmp_path)
    assert not gone(pid), "the asking thread is over, the child is not"
    supervisor.kill()
    supervisor.wait()
    assert eventually(lambda: gone(pid))


def test_a_detached_child_outlives_its_supervisor(tmp_path: Path) -> None:
    supervisor, pid = supervise("detached", tmp_path)
    child = Child("sleeper", pid, psutil.Process(pid).create_time(), tmp_path / "log")
    supervisor.kill()
    supervisor.wait()
    assert child.alive()
    child.stop([])
    assert gone(pid)


def test_a_child_has_a_session_of_its_own(tmp_path: Path) -> None:
    child = sleeper(tmp_path)
    try:
        fields = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()
        assert int(fields[3]) == child.pid, "Ctrl-C at the terminal must not reach it"
    finally:
        child.stop([])


def test_a_process_that_ignores_the_polite_signal_is_killed(tmp_path: Path) -> None:
    child = sleeper(
        tmp_path, "import signal, time; signal.signal(15, signal.SIG_IGN); print('on', flush=True); time.sleep(600)"
    )
    assert eventually(lambda: "on" in child.log_tail())
    child.stop([(signal.SIGTERM, 0.2)])
    assert not child.alive()


def test_a_reused_pid_is_left_alone(tmp_path: Path) -> None:
    child = sleeper(tmp_path)
    try:
        stranger = Child("sleeper", child.pid, child.started_s - 3600, child.log)
        assert not stranger.alive()
        stranger.stop([(signal.SIGTERM, 0.1)])
        assert child.alive()
    finally:
        child.stop([])


def test_a_child_that_ends_while_starting_is_reported_with_its_last_words(tmp_path: Path) -> None:
    child = sleeper(tmp_path, "raise SystemExit('no such file: x')")
    with pytest.raises(StackError) as refusal:
        children.wait_until(child, lambda: False, 30.0)
    assert refusal.value.reason_code == "sleeper_ended"
    assert "no such file: x" in refusal.value.message


def test_children_inherit_no_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TRUEUP_DATABASE_URL", "PGHOST", "PYTHONPATH"):
        monkeypatch.setenv(name, "somewhere else")
        assert name not in children.base_environment()
