"""Everything of one realm, running: PostgreSQL, a broker, the realm on both, and the six services.

    with Stack(folder, realm="demo") as stack:
        httpx.get(f"{stack.urls['auditor']}/v1/cases")

Blocking; `async with` does the same on a thread. Whatever was started is stopped at the end, in order, also
after an error, Ctrl-C, SIGTERM or a closed terminal, and by the kernel if this process is killed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Literal, Self

from common.clock import wall_now
from common.topics import SERVICES

from cli.stack import forking, ports, realm, service_keys, services, state
from cli.stack.broker import Broker
from cli.stack.children import Child
from cli.stack.cluster import Credentials
from cli.stack.errors import StackError
from cli.stack.forking import Forks
from cli.stack.kafka import Kafka
from cli.stack.permissions import USERS
from cli.stack.postgres import Postgres
from cli.stack.secretfiles import Passwords
from cli.stack.signals import orderly_exit
from cli.stack.state import ProcessState, StackState

BrokerKind = Literal["embedded", "kafka"]
REPOSITORY = Path(__file__).resolve().parents[5]
KAFKA_PROJECT = REPOSITORY / "deploy" / "kafka"


AnyBroker = Broker | Kafka


def _checked(name: str) -> str:
    return realm.check_name(name)


def silent(_message: str) -> None:
    """Progress for those who don't show any."""


def make_broker(kind: BrokerKind, folder: Path, *, port: int | None = None, detached: bool = False) -> AnyBroker:
    """A broker of that kind over `folder`, not started."""
    if kind == "kafka":
        return Kafka(folder / "kafka", KAFKA_PROJECT, USERS, port=port, detached=detached)
    return Broker(folder / "broker", port=port, detached=detached)


class Stack:
    """One realm over `folder` (data, logs, passwords, state).

    `broker`: the kind to start, or a running broker to share; likewise `postgres` may be a running server.
    What is shared is not stopped. `clock` is `wall` or `replay:<RFC 3339 instant>`. `http_ports` fixes ports of
    services; others get free ones and keep them. `environment` is added to every service's. `tell` gets
    progress, one line at a time. `detached` leaves everything running until `stop` or `trueup down`. `prepare` is
    called when the servers run and the services don't yet: the place to create what they are configured with.

    Files that services are configured with (people, feeds, targets) are looked for in `config`, which exists
    from the construction on, so that callers can write there before `start`.
    """

    def __init__(  # noqa: PLR0913 - a realm has this many dimensions; all but the folder have defaults
        self,
        folder: Path,
        *,
        realm: str = "demo",
        broker: BrokerKind | AnyBroker = "embedded",
        postgres: Postgres | None = None,
        clock: str = "wall",
        timezone: str = "UTC",
        http_ports: Mapping[str, int] | None = None,
        environment: Mapping[str, str] | None = None,
        run: Sequence[str] = SERVICES,
        detached: bool = False,
        tell: Callable[[str], None] = silent,
        prepare: Callable[[Self], None] | None = None,
    ) -> None:
        self.folder = folder.resolve()
        self.realm = _checked(realm)
        self.config = self.folder / "config"
        state.make(self.config)
        self.postgres = postgres or Postgres(self.folder / "postgres", detached=detached)
        owns_broker = isinstance(broker, str)
        self.broker = make_broker(broker, self.folder, detached=detached) if isinstance(broker, str) else broker
        self.passwords = Passwords(self.folder / "passwords.json")
        self._owned = (postgres is None, owns_broker)
        self._clock = clock
        self._timezone = timezone
        self._asked_ports = dict(http_ports or {})
        self._ports: dict[str, int] = {}
        self._environment = dict(environment or {})
        self._run = tuple(run)
        self._detached = detached
        self._tell = tell
        self._prepare = prepare
        self._running: dict[str, Child] = {}
        self._forks: Forks | None = None
        self._exit = ExitStack()

    @classmethod
    def attach(
        cls, folder: Path, tell: Callable[[str], None] = silent, environment: Mapping[str, str] | None = None
    ) -> Self:
        """The stack that runs detached in `folder`, started by another program. What has died is not in it.

        `environment` is for the services that are started from here on.

        Raises `stack_not_running` when nothing was started there.
        """
        known = state.read(folder.resolve())
        if known is None:
            raise StackError("stack_not_running", f"No stack runs in {folder}.", "Start one with `trueup up`.")
        stack = cls(
            folder,
            realm=known.realm,
            broker=known.broker_kind,
            clock=known.clock,
            timezone=known.timezone,
            environment=environment,
            detached=True,
            tell=tell,
        )
        if known.database is not None:
            stack.postgres.port = known.database.port
            stack.postgres.child = known.database.living()
        if known.broker is not None:
            stack.broker.port = known.broker.port
            stack.broker.child = known.broker.living()
        for name, process in known.services.items():
            stack._ports[name] = process.port
            child = process.living()
            if child is not None:
                stack._running[name] = child
        return stack

    # -- addresses

    @property
    def database_admin_url(self) -> str:
        """The superuser's address of the realm's database."""
        return realm.database_url(self.postgres.admin_url, realm.database_name(self.realm))

    def database_url(self, role: str) -> str:
        """The address for a service's role, or `reader`."""
        return realm.role_url(self.postgres, self.realm, role, self.passwords)

    @property
    def servers_alive(self) -> bool:
        """Whether PostgreSQL and the broker run, as far as they are this stack's own."""
        owned = zip((self.postgres.child, self.broker.child), self._owned, strict=True)
        return all(child is not None and child.alive() for child, ours in owned if ours)

    @property
    def brokers(self) -> str:
        return self.broker.address

    def kafka_credentials(self, user: str) -> Credentials | None:
        """How a service or `upstream` logs in to the broker; None on the embedded one."""
        return self.broker.credentials(user)

    @property
    def urls(self) -> dict[str, str]:
        """HTTP address of each service that has been started, in loop order."""
        return {name: services.url(self._ports[name]) for name in SERVICES if name in self._ports}

    def log(self, service: str) -> Path:
        return self.folder / "logs" / f"{service}.log"

    def service_env(self, service: str) -> dict[str, str]:
        """The variables of the contract for this service; a port is chosen at the first call and then kept."""
        if service not in self._ports:
            asked = self._asked_ports.get(service)
            file = self.folder / "ports.json"
            self._ports[service] = ports.claim(asked, f"the {service}") if asked else ports.kept(file, service)
        login = self.kafka_credentials(service)
        return {
            "TRUEUP_REALM": self.realm,
            "TRUEUP_CLOCK": self._clock,
            "TRUEUP_TIMEZONE": self._timezone,
            "TRUEUP_DATABASE_URL": self.database_url(service),
            "TRUEUP_BROKERS": self.brokers,
            **({"TRUEUP_KAFKA_USER": login.user, "TRUEUP_KAFKA_PASSWORD": login.password} if login else {}),
            "TRUEUP_HTTP_HOST": ports.HOST,
            "TRUEUP_HTTP_PORT": str(self._ports[service]),
            **services.config_environment(service, self.config),
            **self._environment,
        }

    # -- life

    def start(self) -> Self:
        """Return when every service is ready. After an error nothing is left running."""
        with state.exclusive(self.folder):
            self._refuse_second_start()
            try:
                if len(self._run) > 1 and forking.possible(self._environment):
                    self._forks = Forks(self.log("services"), detached=self._detached)  # imports meanwhile
                self.start_servers()
                if self._prepare is not None:
                    self._prepare(self)
                self.start_services(self._run)
                if self._detached:
                    self._end_forks()
            except BaseException:
                self._tell("Stopping what was started")
                self._stop()
                raise
        return self

    @property
    def time(self) -> tuple[str, str]:
        """Clock and time zone, as the services are told them."""
        return self._clock, self._timezone

    def keep_time(self, clock: str, timezone: str) -> None:
        """Tell services that are started from here on of this clock and time zone: those that the realm has."""
        self._clock, self._timezone = clock, timezone

    def start_servers(self) -> None:
        """PostgreSQL, the broker, and the realm on both."""
        owns_postgres, owns_broker = self._owned
        if owns_postgres and self.postgres.child is None:
            self.postgres.start()
            self._tell(f"PostgreSQL is ready on {ports.HOST}:{self.postgres.port}")
            self._save()
        if owns_broker and self.broker.child is None:
            if isinstance(self.broker, Kafka):
                self._tell("Starting Apache Kafka (the first time, its 54 MB are fetched)")
            self.broker.start()
            self._tell(f"The {self.broker.kind} broker is ready on {self.broker.address}")
            self._save()
        realm.prepare_database(self.postgres, self.realm, self.passwords)
        realm.prepare_bus(self.broker, self.realm)
        service_keys.provide(self.config, self.realm, wall_now())
        self._tell(f"Realm {self.realm}: database and topics are there")

    def start_services(self, names: Sequence[str]) -> None:
        """Start these at once and return when all are ready."""
        for name in names:
            self._launch(name)
        waiting = {name: (self._running[name], self.urls[name]) for name in names}
        services.wait_ready(waiting, self._tell)

    def start_service(self, name: str, failpoints: str | None = None, *, wait: bool = True) -> None:
        """Start one (again), on the port it had. With `wait=False` it may die at a failpoint at once."""
        self._launch(name, failpoints)
        if wait:
            services.wait_ready({name: (self._running[name], self.urls[name])}, self._tell)

    def kill_service(self, name: str) -> None:
        """SIGKILL, and return when it is gone."""
        self._child(name).stop([])
        del self._running[name]
        self._save()

    def stop_service(self, name: str) -> None:
        """SIGTERM, and return when it has finished; killed after a while."""
        services.stop_all([self._child(name)])
        del self._running[name]
        self._save()

    def service_alive(self, name: str) -> bool:
        return name in self._running and self._running[name].alive()

    def wait_service_gone(self, name: str, timeout_s: float = 60.0) -> bool:
        """Whether the service ended by itself (at a failpoint, say) within the time."""
        gone = self._child(name).wait_gone(timeout_s)
        if gone:
            del self._running[name]
            self._save()
        return gone

    def restart_broker(self) -> None:
        """Stop and start the broker on its port. The embedded one forgets everything; topics are made again."""
        self.broker.restart()
        self._save()
        realm.prepare_bus(self.broker, self.realm)

    def check(self) -> None:
        """Raise a `service_ended` error when something that should run has ended by itself."""
        for child in self._children():
            if not child.alive():
                raise StackError(
                    "service_ended",
                    f"The {child.name} ended by itself. Its last words:\n{child.log_tail()}\n",
                    f"The whole log is {child.log}.",
                )

    def stop(self) -> None:
        """Services first, then the broker, then PostgreSQL. May be called again."""
        with state.exclusive(self.folder):
            self._stop()

    def __enter__(self) -> Self:
        self._exit.enter_context(orderly_exit())
        try:
            return self.start()
        except BaseException:
            self._exit.close()
            raise

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with self._exit:
            if not self._detached:
                if kind is not None and not issubclass(kind, Exception):
                    self._tell("Interrupted: stopping what was started")
                self.stop()

    async def __aenter__(self) -> Self:
        self._exit.enter_context(orderly_exit())
        starting = asyncio.ensure_future(asyncio.to_thread(self.start))
        try:
            return await asyncio.shield(starting)
        except BaseException:
            # a thread can't be cancelled: let it finish, so that what it started is known and can be stopped
            await asyncio.gather(starting, return_exceptions=True)
            await asyncio.to_thread(self.stop)
            self._exit.close()
            raise

    async def __aexit__(self, *_: object) -> None:
        with self._exit:
            if not self._detached:
                await asyncio.to_thread(self.stop)

    # -- inside

    def _launch(self, name: str, failpoints: str | None = None) -> None:
        if self.service_alive(name):
            raise StackError("service_running", f"The {name} is already running.", "Stop or kill it first.")
        environment = self.service_env(name)
        if failpoints:
            environment["TRUEUP_FAILPOINTS"] = failpoints
        log, detached = self.log(name), self._detached
        self._running[name] = services.start(name, environment, log, detached=detached, forks=self._forks)
        self._save()

    def _child(self, name: str) -> Child:
        if name not in self._running:
            raise StackError("service_not_running", f"The {name} is not running.", "Start it first.")
        return self._running[name]

    def _children(self) -> list[Child]:
        servers = [self.postgres.child, self.broker.child]
        owned = [child for child, ours in zip(servers, self._owned, strict=True) if ours and child is not None]
        return [*self._running.values(), *owned]

    def _refuse_second_start(self) -> None:
        known = state.read(self.folder)
        if known is not None and state.running(known):
            names = ", ".join(f"{process.name} ({process.pid})" for process in state.running(known))
            raise StackError(
                "stack_running",
                f"A stack is already running in {self.folder}: {names}.",
                "Use it (`trueup status`), or end it with `trueup down`.",
            )

    def _stop(self) -> None:
        owns_postgres, owns_broker = self._owned
        services.stop_all(list(self._running.values()))
        self._running.clear()
        self._end_forks()
        if owns_broker:
            self.broker.stop()
        if owns_postgres:
            self.postgres.stop()
        state.clear(self.folder)

    def _end_forks(self) -> None:
        if self._forks is not None:
            self._forks.close()
            self._forks = None

    def _save(self) -> None:
        owns_postgres, owns_broker = self._owned
        database, broker = self.postgres.child, self.broker.child
        saved = StackState(
            realm=self.realm,
            clock=self._clock,
            timezone=self._timezone,
            broker_kind=self.broker.kind,
            broker_address=self.broker.address,
            database_address=f"{ports.HOST}:{self.postgres.port}",
            supervisor=ProcessState.current(),
            detached=self._detached,
            database=ProcessState.of(database, self.postgres.port) if owns_postgres and database else None,
            broker=ProcessState.of(broker, self.broker.port) if owns_broker and broker else None,
            services={name: ProcessState.of(child, self._ports[name]) for name, child in self._running.items()},
        )
        state.write(self.folder, saved)
