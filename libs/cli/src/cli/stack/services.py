"""The six services as processes: what each is told, how it is started, and whether it is ready."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import httpx
from common.service_keys import SIGNERS

from cli import web
from cli.stack import children, ports, service_keys
from cli.stack.children import Child
from cli.stack.errors import StackError
from cli.stack.forking import Forks

READY_TIMEOUT_S = 60.0
STOP_PATIENCE_S = 15.0
REQUEST_TIMEOUT_S = 2.0

# Files in the stack's `config` folder, and who is told where they are. They are given only when they exist.
CONFIG_FILES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "TRUEUP_DIRECTORY": (
        "directory.json",
        ("observer", "differ", "planner", "approver", "executor", "auditor"),
    ),
    "TRUEUP_FEEDS": ("feeds.json", ("observer",)),
    "TRUEUP_POLLS": ("polls.json", ("observer",)),
    "TRUEUP_SIGNING_KEY": ("signing-{service}.key", SIGNERS),
    "TRUEUP_SERVICE_KEYS": (service_keys.TRUST_FILE, SIGNERS),
    "TRUEUP_ISSUER_KEY": ("issuer.key", ("approver", "auditor")),
    "TRUEUP_LOG_KEY": ("log.key", ("auditor",)),
    "TRUEUP_LOG_POLICY": ("log.policy", ("auditor",)),
    "TRUEUP_TARGETS": ("targets.json", ("executor",)),
}
SUBJECT_KEYS = "subject-keys.sqlite"
"""The keys of personal data, beside the configuration. The observer makes the file with the first key."""


def config_environment(service: str, config: Path) -> dict[str, str]:
    """The variables that name this service's configuration files, and the file of subject keys."""
    named = {
        variable: config / name.format(service=service)
        for variable, (name, services) in CONFIG_FILES.items()
        if service in services
    }
    given = {variable: str(path) for variable, path in named.items() if path.exists()}
    return {"TRUEUP_SUBJECT_KEYS": str(config / SUBJECT_KEYS), **given}


def start(
    service: str, environment: Mapping[str, str], log: Path, *, detached: bool, forks: Forks | None = None
) -> Child:
    """Start the process; it is not ready yet. With `forks` it is one of them."""
    module, given = f"{service}.main", {"PYTHONUNBUFFERED": "1", **environment}
    if forks is not None:
        return forks.start(service, module, given, log)
    return children.spawn(
        service,
        [sys.executable, "-m", module],
        log=log,
        cwd=log.parent,
        environment={**children.base_environment(), **given},
        die_with=None if detached else signal.SIGKILL,
    )


def url(port: int) -> str:
    return f"http://{ports.HOST}:{port}"


def is_ready(address: str) -> bool:
    """Whether `GET /readyz` says 200. A service that does not answer is not ready."""
    try:
        with web.client(trust_env=False, timeout=REQUEST_TIMEOUT_S) as http:
            return http.get(f"{address}/readyz").status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def wait_ready(
    started: Mapping[str, tuple[Child, str]],
    tell: Callable[[str], None],
    timeout_s: float = READY_TIMEOUT_S,
) -> None:
    """Return when all (name -> process, address) are ready, telling of each; raise when one ends or time does."""
    deadline = time.monotonic() + timeout_s
    waiting = dict(started)
    while waiting:
        for name, (child, address) in list(waiting.items()):
            if is_ready(address):
                tell(f"{name} is ready at {address}")
                del waiting[name]
            elif not child.alive() or time.monotonic() > deadline:
                raise _not_ready(name, child, timeout_s)
        time.sleep(0.05)


def _not_ready(name: str, child: Child, timeout_s: float) -> StackError:
    ended = not child.alive()
    what = "ended while starting" if ended else f"is not ready after {timeout_s:.0f} s"
    return StackError(
        "service_ended" if ended else "service_not_ready",
        f"The {name} {what}. Its last words:\n{child.log_tail()}\n",
        f"The whole log is {child.log}.",
    )


def stop_all(running: Sequence[Child]) -> None:
    """Ask all at once to finish what they are doing, then wait; whoever takes too long is killed."""
    for child in running:
        child.send(signal.SIGTERM)
    for child in running:
        child.stop([(signal.SIGTERM, STOP_PATIENCE_S)])
