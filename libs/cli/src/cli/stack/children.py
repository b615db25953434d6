"""Processes that the stack starts: recognised again by pid and start time, stopped with patience, then force.

Each child has a session of its own, so that a Ctrl-C at the terminal reaches only the supervisor, which then
stops them in order. Unless detached, a child also gets a signal from the kernel when its supervisor dies.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import psutil

from cli.stack.errors import StackError

# The kernel ties a child to the *thread* that started it. All are started by one thread that lives as long
# as this process, so that a stack may be started from a short-lived worker thread.
_starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="stack-starter")

# psutil derives start times from the boot time, which clock corrections move a little.
START_TIME_TOLERANCE_S = 2.0


@dataclass(frozen=True, slots=True)
class Account:
    """The user a child runs as when the supervisor is root. `capability`: a Linux capability it keeps."""

    uid: int
    gid: int
    capability: int | None = None


@dataclass(frozen=True, slots=True)
class Child:
    """One process. Equal pid and start time mean the same process, also from another program's state file."""

    name: str
    pid: int
    started_s: float
    log: Path
    popen: subprocess.Popen[bytes] | None = None

    def alive(self) -> bool:
        if self.popen is not None:
            return self.popen.poll() is None
        try:
            process = psutil.Process(self.pid)
            if abs(process.create_time() - self.started_s) > START_TIME_TOLERANCE_S:
                return False
            return process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    def wait_gone(self, timeout_s: float) -> bool:
        """Whether it ended within the time."""
        deadline = time.monotonic() + timeout_s
        while self.alive():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True

    def send(self, number: signal.Signals) -> None:
        """Send a signal, only if the pid is still this process."""
        if self.alive():
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                return
            except PermissionError as denied:
                raise StackError(
                    "not_your_process",
                    f"{self.name} (process {self.pid}) belongs to another user.",
                    "Run the same command as the user who started it.",
                ) from denied

    def stop(self, steps: Sequence[tuple[signal.Signals, float]]) -> None:
        """Send each signal in turn and give it its seconds; SIGKILL ends the list whatever it says."""
        for number, patience_s in (*steps, (signal.SIGKILL, 10.0)):
            self.send(number)
            if self.wait_gone(patience_s):
                return
        raise StackError(
            "process_wont_end",
            f"{self.name} (process {self.pid}) is still there after SIGKILL.",
            "It hangs in the kernel, usually on a disk; look at `dmesg`.",
        )

    def log_tail(self, lines: int = 15) -> str:
        """The last lines it wrote, for error messages."""
        try:
            return "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-lines:])
        except OSError:
            return ""


def spawn(  # noqa: PLR0913 - what a process is made of, all but the name and the command by keyword
    name: str,
    command: Sequence[str],
    *,
    log: Path,
    cwd: Path,
    environment: Mapping[str, str],
    die_with: signal.Signals | None,
    account: Account | None = None,
    talking: bool = False,
) -> Child:
    """Start a program whose output is appended to `log`. `die_with=None` leaves it running after us. With `talking`
    its input and output are pipes, and only its errors go to `log`."""
    launcher = [sys.executable, "-I", "-S", str(Path(__file__).with_name("launch.py"))]
    if die_with is not None:
        launcher += [f"--die-with={die_with.value}", f"--parent={os.getpid()}"]
    if account is not None:
        launcher += [f"--uid={account.uid}", f"--gid={account.gid}"]
        if account.capability is not None:
            launcher.append(f"--capability={account.capability}")
    popen = _starter.submit(_popen, [*launcher, "--", *command], log, cwd, environment, talking).result()
    return Child(name, popen.pid, psutil.Process(popen.pid).create_time(), log, popen)


def _popen(
    command: Sequence[str], log: Path, cwd: Path, environment: Mapping[str, str], talking: bool
) -> subprocess.Popen[bytes]:
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE if talking else subprocess.DEVNULL,
            stdout=subprocess.PIPE if talking else output,
            stderr=output,
            cwd=cwd,
            env=dict(environment),
            start_new_session=True,
        )


def wait_until(child: Child, ready: Callable[[], bool], timeout_s: float) -> None:
    """Return when `ready()` holds; raise with the log's tail when the process ends or the time is over."""
    deadline = time.monotonic() + timeout_s
    while not ready():
        ended = not child.alive()
        if ended or time.monotonic() > deadline:
            what = "ended while starting" if ended else f"is not ready after {timeout_s:.0f} s"
            raise StackError(
                f"{child.name}_{'ended' if ended else 'not_ready'}",
                f"{child.name} {what}. Its last words:\n{child.log_tail()}\n",
                f"The whole log is {child.log}.",
            )
        time.sleep(0.02)


def base_environment() -> dict[str, str]:
    """What every child inherits: nothing that configures Trueup or another PostgreSQL or Python by accident."""
    unwanted = ("TRUEUP_", "PG", "PYTHON", "VIRTUAL_ENV")
    return {key: value for key, value in os.environ.items() if not key.startswith(unwanted)}
