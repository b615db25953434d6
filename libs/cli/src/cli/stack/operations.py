"""`up`, `down` and `status` as functions that return what they found, for the command line and other programs."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
from common.topics import SERVICES
from pydantic import BaseModel, ConfigDict

from cli.stack import development, services, state
from cli.stack.errors import StackError
from cli.stack.realm import database_name
from cli.stack.stack import BrokerKind, Stack, silent
from cli.stack.state import StackState


class ServerStatus(BaseModel):
    """PostgreSQL or the broker. `address` is host:port."""

    model_config = ConfigDict(frozen=True)

    kind: str
    address: str
    alive: bool
    pid: int | None = None
    log: Path | None = None


class DatabaseStatus(ServerStatus):
    """`name` is the realm's database; logins are `<realm>_<service>` with the passwords of the passwords file."""

    name: str


class ServiceStatus(BaseModel):
    """`lag`: messages that are published and not handled, by topic; None while the service does not answer.
    `problems`: why it is not ready, in its own words."""

    model_config = ConfigDict(frozen=True)

    url: str
    alive: bool
    ready: bool
    lag: dict[str, int] | None
    problems: list[str] = []
    pid: int
    log: Path


class StackStatus(BaseModel):
    """What runs in `folder`. `ready` means that every part is there and every service says it is ready."""

    model_config = ConfigDict(frozen=True)

    folder: Path
    running: bool
    ready: bool
    realm: str | None = None
    clock: str | None = None
    passwords_file: Path | None = None
    database: DatabaseStatus | None = None
    broker: ServerStatus | None = None
    services: dict[str, ServiceStatus] = {}


def up(
    folder: Path,
    *,
    realm: str = "demo",
    broker: BrokerKind = "embedded",
    clock: str = "wall",
    timezone: str = "UTC",
    environment: Mapping[str, str] | None = None,
    tell: Callable[[str], None] = silent,
) -> StackStatus:
    """Start what is not running yet and leave it running. Repeatable: a healthy stack is left alone.

    A stack of another realm or broker kind in the same folder is refused (`stack_differs`).
    """
    known = state.read(folder)
    if known is not None and state.running(known):
        _refuse_other(known, realm, broker)
        stack = Stack.attach(folder, tell, environment)
        if stack.servers_alive:
            stack.start_services([name for name in SERVICES if not stack.service_alive(name)])
            return status(folder)
        tell("PostgreSQL or the broker has ended; the rest is stopped, then everything is started")
        stack.stop()
    stack = Stack(
        folder,
        realm=realm,
        broker=broker,
        clock=clock,
        timezone=timezone,
        environment=environment,
        detached=True,
        tell=tell,
    )
    development.provide(stack.config, realm, tell)
    stack.start()
    return status(folder)


def down(folder: Path, *, tell: Callable[[str], None] = silent) -> StackStatus:
    """Stop what runs in the folder, whoever started it; data and logs stay. Repeatable."""
    known = state.read(folder)
    if known is None:
        return status(folder)
    supervisor = None if known.detached else known.supervisor.living()
    if supervisor is not None:
        tell(f"Asking the program that started it (process {supervisor.pid}) to stop everything")
        supervisor.stop([(signal.SIGTERM, 60.0)])
    for process in state.running(known):
        tell(f"Stopping {process.name} (process {process.pid})")
    if state.read(folder) is not None:
        Stack.attach(folder).stop()
    return status(folder)


def status(folder: Path) -> StackStatus:
    """What runs there now, asked of the processes and services themselves."""
    known = state.read(folder)
    if known is None:
        return StackStatus(folder=folder.resolve(), running=False, ready=False)
    found = {name: _service(process) for name, process in known.services.items()}
    database = _database(known)
    broker = ServerStatus(
        kind=known.broker_kind,
        address=known.broker_address,
        alive=known.broker is None or known.broker.living() is not None,
        pid=known.broker.pid if known.broker else None,
        log=known.broker.log if known.broker else None,
    )
    return StackStatus(
        folder=folder.resolve(),
        running=bool(state.running(known)),
        ready=bool(found) and all(part.ready for part in found.values()) and database.alive and broker.alive,
        realm=known.realm,
        clock=known.clock,
        passwords_file=folder.resolve() / "passwords.json",
        database=database,
        broker=broker,
        services=found,
    )


def _refuse_other(known: StackState, name: str, broker: BrokerKind) -> None:
    if (known.realm, known.broker_kind) != (name, broker):
        raise StackError(
            "stack_differs",
            f"Realm {known.realm} on the {known.broker_kind} broker is running there, not {name} on {broker}.",
            "End it with `trueup down`, or give the new one a data folder of its own.",
        )


def _database(known: StackState) -> DatabaseStatus:
    process = known.database
    return DatabaseStatus(
        kind="postgresql",
        name=database_name(known.realm),
        address=known.database_address,
        alive=process is None or process.living() is not None,
        pid=process.pid if process else None,
        log=process.log if process else None,
    )


def _service(process: state.ProcessState) -> ServiceStatus:
    address = services.url(process.port)
    alive = process.living() is not None
    answer = _ask(address) if alive else None
    return ServiceStatus(
        url=address,
        alive=alive,
        ready=alive and services.is_ready(address),
        lag=None if answer is None else {str(topic): int(count) for topic, count in answer.get("lag", {}).items()},
        problems=[] if answer is None else [str(problem) for problem in answer.get("problems", [])],
        pid=process.pid,
        log=process.log,
    )


def _ask(address: str) -> dict[str, Any] | None:
    """The service's own `GET /status`; None when it has no answer."""
    try:
        with httpx.Client(trust_env=False, timeout=services.REQUEST_TIMEOUT_S) as client:
            response = client.get(f"{address}/status")
    except httpx.TransportError:
        return None
    if response.status_code != httpx.codes.OK:
        return None
    answer: dict[str, Any] = response.json()
    return answer
