"""One Python that has imported what all services share, and becomes a service for each line it reads.

What six services import is nearly the same, and takes each of them most of a second: here it is imported once. Run as
a program (`forking.py` is the other side): each line of its input is a request, answered with the new process's id.
It ends with its input. A request's services are its children, so what dies with it is said to the kernel, as by
`launch.py`.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import signal
import sys
from typing import Any

from cli.stack import launch

# What most services import, the rest each imports itself: none runs with another's code in its memory.
SHARED = (
    "common.runtime",
    "common.approvals",
    "common.cases",
    "common.declarations.catalogue",
    "common.entities.projection",
    "common.facts",
    "common.http_api",
    "common.jobs",
    "common.objectives.scope",
    "common.service_keys",
    "common.standings",
    "common.subject_keys",
    "common.timers",
    "common.watching",
)


def main() -> None:
    """Serve until the end of the input. Returns in a child, too, when its service has ended."""
    for name in SHARED:
        importlib.import_module(name)
    gc.freeze()  # what a collection marks in a child is a copy of its own
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # who has ended is gone, also for the supervisor, which looks
    parent = os.getpid()
    while line := sys.stdin.buffer.readline():
        pid = os.fork()
        if pid == 0:
            become(json.loads(line), parent)
            return
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()


def become(request: dict[str, Any], parent: int) -> None:
    """Run the module that `request` names as the program, with what else it asks for. Returns when that ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    launch.be_called(request["name"])
    os.chdir(request["cwd"])
    _redirect(request["log"])
    os.environ.clear()
    os.environ.update(request["environment"])
    if request["die_with"] is not None:
        launch.die_with(request["die_with"], parent)
    sys.argv[1:] = []
    runpy.run_module(request["module"], run_name="__main__", alter_sys=True)


def _redirect(log: str) -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    for source, target in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    os.close(nothing)
    os.close(output)


if __name__ == "__main__":
    main()
