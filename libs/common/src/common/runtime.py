"""Running one service: its pool, its place on the bus, its tasks and its HTTP API, in one event loop.

`services/X/main.py` names the service and composes its parts; everything that all services need is here.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import asyncpg
import uvicorn
from fastapi import APIRouter, FastAPI
from fastapi.responses import JSONResponse

from common.waiting import until_set

try:
    import uvloop
except ImportError:  # not made for this platform
    uvloop = None  # type: ignore[assignment]

from common import api_page, failpoints, logs, schemas
from common.bus import Address, Bus, Consumer, Listener, RawConsumer
from common.bus.errors import is_transient, reason_of
from common.bus.listening import Listening
from common.clock import apart, wall_now
from common.errors import Permanent
from common.ledger import CLOCK_OFF, Ledger
from common.ledger.progress import progress
from common.projections import Projection
from common.settings import Settings

POOL_MIN, POOL_MAX = 2, 8
STOP_TIMEOUT_S = 10.0
_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 10.0
_SETTLED_S = 0.5
_GC_THRESHOLDS = 50_000, 20, 20
_log = logging.getLogger(__name__)

Task = Callable[[asyncio.Event], Awaitable[None]]
"""A background task. It returns soon after the event is set; if it ends or fails before that it is begun again."""


@dataclass(slots=True)
class Runtime:
    """What a service's parts are made of. `pool` is logged in as the service's role, its schema first."""

    service: str
    settings: Settings
    pool: Any
    ledger: Ledger
    stop: asyncio.Event
    bus: Bus | None = None
    failing: dict[str, str] = field(default_factory=dict)

    @property
    def realm(self) -> str:
        """The realm this service belongs to."""
        return self.settings.realm


@dataclass(slots=True, kw_only=True)
class Parts:
    """What is particular to one service. `setup` is given the app before it serves (middleware, error handlers).

    `gather_s`: how long at most messages gather after a batch (`bus.pauses`). What comes after a silence is handled
    at once; of a stream a service that nobody waits for within the blink of an eye makes fewer and larger
    transactions, and leaves the machine to those before it in the loop.

    `notes`: what an operator should know although the service is ready; /status gives them.
    """

    consumers: Sequence[Consumer] = ()
    listeners: Sequence[Listener] = ()
    raw: RawConsumer | None = None
    tasks: dict[str, Task] = field(default_factory=dict)
    routers: Sequence[APIRouter] = ()
    setup: Callable[[FastAPI], None] | None = None
    close: Callable[[], Awaitable[None]] | None = None
    gather_s: float = 0.0
    notes: Callable[[], Awaitable[list[str]]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service: its name (folder, package, role, consumer group) and how it is composed.

    `compose` runs once the pool is open and the schemas of the ledger and of the service are at the version that
    this code was built for. `settings` reads the environment. `projection` is what `trueup ledger rebuild` rebuilds.
    """

    name: str
    compose: Callable[[Runtime], Awaitable[Parts]]
    settings: Callable[[], Settings] = Settings
    projection: Callable[[Ledger], Projection] | None = None
    title: str = ""
    description: str = ""


def run(service: Service) -> None:
    """Run `service` until SIGTERM or SIGINT. Returns after a graceful stop; exits with 2, having said why, on bad
    settings and on what trying again can't help (`Permanent`, as from a schema of another version)."""
    try:
        settings = service.settings()
        failpoints.arm(settings.failpoints)
    except ValueError as error:
        raise SystemExit(f"{service.name}: the environment is not right: {error}") from error
    password = settings.kafka_password.get_secret_value() if settings.kafka_password else ""
    url = settings.database_url.get_secret_value()
    logs.configure(service.name, settings.realm, settings.log_level, (password, url, *_password_in(url)))
    # A batch is thousands of objects that live as long as it does, without cycles: looking for some at every 700th,
    # and among all that was imported, took a tenth of the time and stalled one batch in five for 60 ms.
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        try:
            runner.run(serve(service, settings))
        except Permanent as error:
            _log.critical("%s can't run: %s", service.name, error)
            raise SystemExit(2) from error


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """What makes the loop that services run in; None for asyncio's own."""
    return uvloop.new_event_loop if uvloop is not None else None


def _password_in(url: str) -> tuple[str, ...]:
    credentials, separator, _ = url.rpartition("@")
    return (credentials.rpartition(":")[2],) if separator else ()


async def serve(service: Service, settings: Settings) -> None:
    """Run `service` in this loop until it is told to stop."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with _pool(service.name, settings, stop) as pool:
        if pool is None:
            return
        runtime = Runtime(service.name, settings, pool, Ledger(pool), stop)
        await _until_it_works(service.name, stop, lambda: schemas.check(pool, service.name))
        parts = await service.compose(runtime)
        runtime.bus = Bus(
            _address(service.name, settings),
            pool,
            settings.database_url.get_secret_value(),
            parts.consumers,
            parts.raw,
            parts.gather_s,
        )
        _log.info("%s %s starts in realm %s", service.name, _version(service.name), settings.realm)
        await _run_parts(runtime, parts, application(service, runtime, parts))
        if parts.close is not None:
            await parts.close()
    _log.info("%s has stopped", service.name)


def _address(service: str, settings: Settings) -> Address:
    return Address(
        realm=settings.realm,
        service=service,
        brokers=settings.brokers,
        user=settings.kafka_user,
        password=settings.kafka_password.get_secret_value() if settings.kafka_password else None,
    )


def _version(service: str) -> str:
    try:
        return version(service)
    except PackageNotFoundError:
        return "unknown"


# The database


@contextlib.asynccontextmanager
async def _pool(service: str, settings: Settings, stop: asyncio.Event) -> AsyncIterator[Any]:
    """The service's pool; None when it was told to stop before the database answered."""

    async def open_pool() -> Any:
        return await asyncpg.create_pool(
            settings.database_url.get_secret_value(),
            min_size=POOL_MIN,
            max_size=POOL_MAX,
            command_timeout=60,
            reset=no_leftovers,
            server_settings={"application_name": service},
        )

    pool = await _until_it_works(service, stop, open_pool)
    try:
        yield pool
    finally:
        if pool is not None:
            try:
                async with asyncio.timeout(STOP_TIMEOUT_S):
                    await pool.close()
            except TimeoutError:
                _log.warning("%s: connections were still in use and are cut", service)
                pool.terminate()


async def no_leftovers(connection: Any) -> None:
    """Nothing a pooled connection does outlives its transaction (settings, locks and listening have connections of
    their own or end with it), so there is nothing to ask the server to reset; a transaction left open ends here."""
    if connection.is_in_transaction():
        await connection.reset()


async def _until_it_works(name: str, stop: asyncio.Event, attempt: Callable[[], Awaitable[Any]]) -> Any:
    """What `attempt` returns, as soon as the database lets it; None when the service is to stop before."""
    pause = _FIRST_PAUSE_S
    while not stop.is_set():
        try:
            return await attempt()
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            if isinstance(error, asyncpg.InvalidAuthorizationSpecificationError) or not is_transient(error):
                raise
            _log.error("%s: the database does not answer, trying again in %.1f s: %s", name, pause, error)
        await until_set(stop, most_s=pause)
        pause = min(2 * pause, _LONGEST_PAUSE_S)
    return None


# The parts, side by side


async def _run_parts(runtime: Runtime, parts: Parts, app: FastAPI) -> None:
    assert runtime.bus is not None
    settings, stop = runtime.settings, runtime.stop
    server = _Server(
        uvicorn.Config(
            app, host=settings.http_host, port=settings.http_port, log_config=None, access_log=False,
            timeout_graceful_shutdown=int(STOP_TIMEOUT_S),
        )
    )  # fmt: skip
    cancelled = [asyncio.create_task(runtime.bus.run())]
    tasks = parts.tasks | {f"listening to {one.topic}": _listening(runtime, parts, one) for one in parts.listeners}
    told = [asyncio.create_task(_supervise(runtime, name, task)) for name, task in tasks.items()]
    web = asyncio.create_task(_serve_http(server, stop))
    await stop.wait()
    _log.info("%s is stopping", runtime.service)
    server.should_exit = True
    await _end(told)
    for task in cancelled:
        task.cancel()
    await asyncio.gather(*cancelled, return_exceptions=True)
    await _end([web])


def _listening(runtime: Runtime, parts: Parts, listener: Listener) -> Task:
    url = runtime.settings.database_url.get_secret_value()
    return Listening(runtime.service, runtime.pool, url, listener, parts.gather_s).run


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Give `tasks` time to end by themselves, then cancel them."""
    if not tasks:
        return
    _, late = await asyncio.wait(tasks, timeout=STOP_TIMEOUT_S)
    for task in late:
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, BaseException) and not isinstance(result, asyncio.CancelledError):
            _log.error("ended with an error while stopping", exc_info=result)


async def _supervise(runtime: Runtime, name: str, task: Task) -> None:
    """Keep a background task going; while it fails the service is not ready.

    A task that never returns counts as working again once it has run for a while.
    """
    pause = _FIRST_PAUSE_S
    loop = asyncio.get_running_loop()
    while not runtime.stop.is_set():
        began = loop.time()
        settled = loop.call_later(_SETTLED_S, runtime.failing.pop, name, None)
        try:
            await task(runtime.stop)
            runtime.failing.pop(name, None)
        except Exception as error:
            code, message = reason_of(error)
            runtime.failing[name] = f"{code}: {message}"
            _log.error(
                "the task %s failed, it is begun again in %.1f s: %s: %s", name, pause, code, message,
                exc_info=None if is_transient(error) else error,
            )  # fmt: skip
        finally:
            settled.cancel()
        if loop.time() - began > 2 * _LONGEST_PAUSE_S:
            pause = _FIRST_PAUSE_S
        await until_set(runtime.stop, most_s=pause)
        pause = min(2 * pause, _LONGEST_PAUSE_S)


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers: the service's stop them all."""

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        yield


async def _serve_http(server: _Server, stop: asyncio.Event) -> None:
    """Serve until told to stop. A port that is taken ends the service, with a message that says so."""
    config = server.config
    try:
        await server.serve()
    except SystemExit as error:
        _log.critical("no HTTP server on %s:%s: the port is in use or not allowed", config.host, config.port)
        raise SystemExit(3) from error
    finally:
        stop.set()


# What every service tells about itself


def application(service: Service, runtime: Runtime, parts: Parts) -> FastAPI:
    """The service's HTTP API with /healthz (alive), /readyz (503 until it can work) and /status."""
    app = FastAPI(title=service.title or f"Trueup {service.name}", description=service.description,
                  version=_version(service.name), docs_url=None, redoc_url=None)  # fmt: skip
    api_page.serve(app)
    if parts.setup is not None:
        parts.setup(app)

    @app.get("/healthz", tags=["operations"])
    async def healthz() -> dict[str, str]:
        """The process runs and answers."""
        return {"status": "alive"}

    @app.get("/readyz", tags=["operations"])
    async def readyz() -> JSONResponse:
        """Whether the service can do its work: the database answers, it is on the bus, no task is failing."""
        problems = await _problems(runtime)
        return JSONResponse({"ready": not problems, "problems": problems}, 503 if problems else 200)

    @app.get("/status", tags=["operations"])
    async def status() -> JSONResponse:
        """How far this service is: its lag by topic in ledger positions, events not yet published, pending work."""
        return JSONResponse(await _status(runtime, parts))

    for router in parts.routers:
        app.include_router(router)
    return app


async def _problems(runtime: Runtime) -> list[str]:
    problems = [f"{name}: {reason}" for name, reason in runtime.failing.items()]
    bus = runtime.bus
    if bus is not None and not bus.state.ready:
        problems.append(f"bus: {bus.state.problem}")
    try:
        async with asyncio.timeout(2):
            there = await runtime.pool.fetchval("SELECT clock_timestamp()")
        if off := apart(wall_now(), there):
            problems.append(f"clock: {CLOCK_OFF}: {off}")
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        problems.append(f"database: {type(error).__name__}: {error}")
    return problems


async def _status(runtime: Runtime, parts: Parts) -> dict[str, Any]:
    problems = await _problems(runtime)
    status: dict[str, Any] = {
        "service": runtime.service,
        "realm": runtime.realm,
        "version": _version(runtime.service),
        "ready": not problems,
        "problems": problems,
    }
    if any(problem.startswith("database:") for problem in problems):
        return status
    now = await progress(runtime.pool)
    return status | {
        "positions": {"head": now.head},
        "lag": now.lag.get(runtime.service, {}),
        "unrelayed": now.unrelayed.get(runtime.service, 0),
        "pending": now.pending.get(runtime.service, 0),
        "notes": await parts.notes() if parts.notes is not None else [],
    }


__all__ = ["Parts", "Runtime", "Service", "Task", "application", "run", "serve"]
