"""Services started as forks of one Python that has imported what all of them share (`fork.py`)."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psutil

from cli.stack import children
from cli.stack.children import Child
from cli.stack.errors import StackError


def possible(environment: Mapping[str, str]) -> bool:
    """Whether services with these variables can be forks: not where the variables are for Python itself, which has
    started by then, and only on Linux, where a fork needs no care of what was loaded before."""
    return sys.platform == "linux" and not any(name.startswith("PYTHON") for name in environment)


class Forks:
    """A Python, started and importing. Unless `detached` its forks die with it, and it dies with its supervisor."""

    def __init__(self, log: Path, *, detached: bool) -> None:
        self._die_with = None if detached else signal.SIGKILL
        self._child = children.spawn(
            "services",
            [sys.executable, "-m", "cli.stack.fork"],
            log=log,
            cwd=log.parent,
            environment={**children.base_environment(), "PYTHONUNBUFFERED": "1"},
            die_with=self._die_with,
            talking=True,
        )

    def start(self, name: str, module: str, environment: Mapping[str, str], log: Path) -> Child:
        """A fork that runs `module` as a program; it is not ready yet."""
        log.parent.mkdir(parents=True, exist_ok=True)
        request = {
            "name": name,
            "module": module,
            "environment": {**children.base_environment(), **environment},
            "log": str(log),
            "cwd": str(log.parent),
            "die_with": self._die_with,
        }
        return _found(name, self._ask(json.dumps(request)), log)

    def close(self) -> None:
        """End it, and with it what is tied to it. May be called again."""
        popen = self._child.popen
        assert popen is not None and popen.stdin is not None and popen.stdout is not None
        with suppress(BrokenPipeError):  # what it did not read before it died
            popen.stdin.close()
        popen.stdout.close()
        self._child.stop([(signal.SIGTERM, 1.0)])

    def _ask(self, request: str) -> int:
        popen = self._child.popen
        assert popen is not None and popen.stdin is not None and popen.stdout is not None
        try:
            popen.stdin.write(request.encode() + b"\n")
            popen.stdin.flush()
            answer = popen.stdout.readline()
        except BrokenPipeError:
            answer = b""
        if not answer:
            raise StackError(
                "services_not_started",
                f"The process that services are started from has ended. Its last words:\n{self._child.log_tail()}\n",
                f"The whole log is {self._child.log}.",
            )
        return int(answer)


def _found(name: str, pid: int, log: Path) -> Child:
    try:
        return Child(name, pid, psutil.Process(pid).create_time(), log)
    except psutil.NoSuchProcess:  # it has ended already, and its log says why
        return Child(name, pid, 0.0, log)
