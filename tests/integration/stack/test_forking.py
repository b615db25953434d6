"""Services as forks of one Python: each a process of its own, and none left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from cli.stack import forking
from cli.stack.errors import StackError
from cli.stack.forking import Forks

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="services are forks on Linux only")

PROGRAM = """
import json, os, sys, time
print(json.dumps({"environment": dict(os.environ), "argv": sys.argv[1:], "cwd": os.getcwd(), "name": __name__,
    "session": os.getsid(0), "called": open("/proc/self/comm").read().strip(), "input": sys.stdin.read(),
    "shared": "common.runtime" in sys.modules, "services": [n for n in ("observer", "differ") if n in sys.modules]}))
sys.stdout.flush()
if "STAYS" in os.environ:
    time.sleep(600)
raise SystemExit("that was all")
"""
SUPERVISOR = """
import sys, time
from pathlib import Path
from cli.stack.forking import Forks
folder = Path(sys.argv[2])
forks = Forks(folder / "log", detached=sys.argv[1] == "detached")
print(forks.start("sleeper", "program", {"STAYS": "1"}, folder / "sleeper").pid, flush=True)
time.sleep(600)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a program lies that can be forked: a Python finds what is where it was started."""
    (tmp_path / "program.py").write_text(PROGRAM)
    return tmp_path


@pytest.fixture
def forks(folder: Path) -> Iterator[Forks]:
    running = Forks(folder / "log", detached=False)
    yield running
    running.close()


def eventually(holds: Callable[[], bool]) -> bool:
    for _ in range(500):
        if holds():
            return True
        time.sleep(0.02)
    return False


def told(log: Path) -> dict[str, object]:
    assert eventually(lambda: log.exists() and "\n" in log.read_text())
    said: dict[str, object] = json.loads(log.read_text().splitlines()[0])
    return said


def test_a_fork_is_a_program_of_its_own(forks: Forks, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUEUP_REALM", "another")
    child = forks.start("differ", "program", {"TRUEUP_CLOCK": "wall", "STAYS": "1"}, folder / "logs" / "differ.log")
    said = told(child.log)
    environment = said["environment"]
    assert isinstance(environment, dict)
    assert environment["TRUEUP_CLOCK"] == "wall"
    assert environment["PATH"] == os.environ["PATH"]
    assert "TRUEUP_REALM" not in environment, "what configures another Trueup is nobody's inheritance"
    assert said["argv"] == []
    assert said["cwd"] == str(folder / "logs")
    assert said["name"] == "__main__"
    assert said["session"] == child.pid, "a Ctrl-C at the terminal is its supervisor's alone"
    assert said["called"] == "differ"
    assert said["input"] == ""
    assert said["shared"] is True
    assert said["services"] == []


def test_forks_end_and_are_ended_one_by_one(forks: Forks, folder: Path) -> None:
    short, long = (
        forks.start(name, "program", environment, folder / f"{name}.log")
        for name, environment in (("short", {}), ("long", {"STAYS": "1"}))
    )
    assert short.wait_gone(10)
    assert not psutil.pid_exists(short.pid), "nothing of it is left for its supervisor to clear away"
    assert short.log_tail().endswith("that was all")
    assert told(long.log)
    assert long.alive()
    long.stop([(signal.SIGTERM, 10.0)])
    assert not long.alive()
    assert forks.start("again", "program", {"STAYS": "1"}, folder / "again.log").alive()


def test_what_it_is_that_does_not_start_is_in_the_log(forks: Forks, folder: Path) -> None:
    child = forks.start("nowhere", "no.such.module", {}, folder / "nowhere.log")
    assert child.wait_gone(10)
    assert "ModuleNotFoundError" in child.log_tail()


@pytest.mark.parametrize("detached", [False, True])
def test_forks_end_when_they_are_closed_unless_they_are_detached(folder: Path, detached: bool) -> None:
    forks = Forks(folder / "log", detached=detached)
    child = forks.start("sleeper", "program", {"STAYS": "1"}, folder / "sleeper")
    told(child.log)
    forks.close()
    forks.close()
    if detached:
        assert child.alive()
        child.stop([])
    else:
        assert eventually(lambda: not child.alive())


@pytest.mark.parametrize("kind", ["tied", "detached"])
def test_forks_die_with_a_killed_supervisor_unless_they_are_detached(folder: Path, kind: str) -> None:
    supervisor = subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, kind, str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert supervisor.stdout is not None
    fork = psutil.Process(int(supervisor.stdout.readline()))
    told(folder / "sleeper")
    python = fork.parent()
    supervisor.kill()
    supervisor.wait()
    assert eventually(lambda: python is None or not python.is_running()), "it ends with its input"
    if kind == "tied":
        assert eventually(lambda: not fork.is_running())
    else:
        assert fork.is_running()
        fork.kill()


def test_a_python_that_has_ended_says_so(folder: Path) -> None:
    forks = Forks(folder / "log", detached=False)
    child = forks.start("sleeper", "program", {"STAYS": "1"}, folder / "sleeper")
    python = psutil.Process(child.pid).parent()
    assert python is not None
    python.kill()
    with pytest.raises(StackError) as refusal:
        forks.start("another", "program", {}, folder / "another")
    assert refusal.value.reason_code == "services_not_started"
    assert eventually(lambda: not child.alive()), "what is tied to it died, too"
    forks.close()


def test_who_configures_python_gets_one_of_their_own() -> None:
    assert forking.possible({"TRUEUP_FAILPOINTS": "after.fetch=2"})
    assert not forking.possible({"PYTHONPATH": "/somewhere"})
