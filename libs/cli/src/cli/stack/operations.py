"""`up`, `down` and `status` as functions that return what they found, for the command line and other programs."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
from common.topics import SERVICES
from pydantic import BaseModel, ConfigDict

from cli import web
from cli.stack import clocks, development, services, state
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

    `problems`: why it is not ready. `notes`: what an operator should know although it is.
    """

    model_config = ConfigDict(frozen=True)

    url: str
    alive: bool
    ready: bool
    lag: dict[str, int] | None
    pid: int
    log: Path
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


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

    @property
    def whole(self) -> bool:
        """Whether every process is there, ready or not."""
        parts = (self.database, self.broker, *self.services.values())
        return self.running and all(part is not None and part.alive for part in parts)


def up(  # noqa: PLR0913 - a realm has this many dimensions; all but the folder have defaults
    folder: Path,
    *,
    realm: str = "demo",
    broker: BrokerKind = "embedded",
    clock: str | None = None,
    timezone: str | None = None,
    environment: Mapping[str, str] | None = None,
    tell: Callable[[str], None] = silent,
    fresh: tuple[str, str] = (clocks.WALL, clocks.ZONE),
    equip: Callable[[Stack], None] | None = None,
) -> StackStatus:
    """Start what is not running yet and leave it running. Repeatable: a healthy stack is left alone.

    Returns when everything is ready, or after a minute; see `ready`. `fresh`: clock and time zone of a realm that is
    created now, where none are asked for. `equip` is called when the servers run.

    Another realm, broker kind, clock or time zone than the folder has is refused (`stack_differs`), and what can't be
    a clock, a time zone or a folder before anything starts.
    """
    clock, timezone = clocks.checked(clock, timezone)
    known = state.read(folder)
    if known is not None and state.running(known):
        _refuse_other(known, realm, broker)
        clocks.refuse_other(clock, timezone, realm, (known.clock, known.timezone))
        stack = Stack.attach(folder, tell, environment)
        if stack.servers_alive:
            if equip is not None:
                equip(stack)
            stack.start_services([name for name in SERVICES if not stack.service_alive(name)])
            return _settled(folder, tell)
        tell("PostgreSQL or the broker has ended; the rest is stopped, then everything is started")
        stack.stop()

    def prepare(made: Stack) -> None:
        has = clocks.of_realm(made.database_admin_url)
        if has is not None:
            clocks.refuse_other(clock, timezone, realm, has)
            made.keep_time(*has)
        if equip is not None:
            equip(made)

    stack = Stack(
        folder,
        realm=realm,
        broker=broker,
        clock=clock or fresh[0],
        timezone=timezone or fresh[1],
        environment=environment,
        detached=True,
        tell=tell,
        prepare=prepare,
    )
    development.provide(stack.config, realm)
    stack.start()
    return _settled(folder, tell)


def _settled(folder: Path, tell: Callable[[str], None]) -> StackStatus:
    """What runs, once all of it is ready, something has ended, or a minute is over: a service that was ready may
    lose its footing again while others start."""
    deadline = time.monotonic() + services.READY_TIMEOUT_S
    found = status(folder)
    if not found.ready:
        tell(f"Waiting for {', '.join(name for name, part in found.services.items() if not part.ready)}")
    while not found.ready and found.whole and time.monotonic() < deadline:
        time.sleep(0.2)
        found = status(folder)
    return found


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
        pid=process.pid,
        log=process.log,
        problems=() if answer is None else tuple(map(str, answer.get("problems", ()))),
        notes=() if answer is None else tuple(map(str, answer.get("notes", ()))),
    )


def _ask(address: str) -> dict[str, Any] | None:
    """The service's own `GET /status`; None when it has no answer."""
    try:
        with web.client(trust_env=False, timeout=services.REQUEST_TIMEOUT_S) as http:
            response = http.get(f"{address}/status")
    except httpx.TransportError:
        return None
    if response.status_code != httpx.codes.OK:
        return None
    answer: dict[str, Any] = response.json()
    return answer
