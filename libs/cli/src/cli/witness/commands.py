"""`trueup witness init` and `trueup witness run`. Exit codes: 0 done, 2 refused."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, NoReturn

import typer
import uvicorn
from common.errors import Refused

from cli.refusals import refusal
from cli.stack.state import STACKS
from cli.witness import files
from cli.witness.app import application
from cli.witness.heads import Heads

EXIT_REFUSED = 2
DEFAULT_PORT = 7381
STOP_TIMEOUT_S = 10

app = typer.Typer(
    name="witness",
    add_completion=False,
    no_args_is_help=True,
    help="Cosign the checkpoints of a log, on another machine than the log's.",
)
Folder = Annotated[Path, typer.Option("--data", help="Folder for the witness's key, its logs and what it saw.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output, one line, refusals too.")]
Port = Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")]
_FOLDER = STACKS / "witness"


@app.command("init")
def init(
    name: Annotated[str, typer.Option(help="The witness's name, like example.org/witness; cosignatures carry it.")],
    folder: Folder = _FOLDER,
    url: Annotated[str, typer.Option(help="Where logs reach it.")] = f"http://127.0.0.1:{DEFAULT_PORT}",
    as_json: Json = False,
) -> None:
    """Make the witness's key, once, and print what a log's policy needs. Repeatable."""
    try:
        key = files.make(folder, name)
    except Refused as error:
        _refuse(error, as_json)
    short = "".join(char if char.isalnum() else "-" for char in name)
    public = key.verifier.encode()
    policy = f"witness {short} {public} {url}"
    if as_json:
        _tell({"name": name, "key": public, "policy": policy, "url": url, "logs": str(folder / files.LOGS)})
        return
    typer.echo(f"key:    {public}")
    typer.echo(f"policy: {policy}")
    typer.echo(f"Add the keys of the logs to {folder / files.LOGS}, then: trueup witness run --data {folder}")


@app.command("run")
def run(
    folder: Folder = _FOLDER,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Port = DEFAULT_PORT,
    as_json: Json = False,
) -> None:
    """Cosign until SIGTERM or Ctrl-C. What is being answered then is finished."""
    try:
        key, logs = files.read_key(folder), files.read_logs(folder)
    except Refused as error:
        _refuse(error, as_json)
    heads = Heads(folder / files.HEADS)
    try:
        served = application(key, logs, heads, lambda: int(time.time()))
        config = uvicorn.Config(
            served,
            host=host,
            port=port,
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=STOP_TIMEOUT_S,
        )
        asyncio.run(_serve(_Server(config, partial(_say_listening, key.name, key.verifier.encode(), logs, as_json))))
    except SystemExit:
        _refuse(Refused("port_in_use", f"{host}:{port} can't be listened on", "Choose another: --port"), as_json)
    finally:
        heads.close()


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers, which end the process by the signal again. Tells `listening` where it
    listens once it does."""

    def __init__(self, config: uvicorn.Config, listening: Callable[[str], None]) -> None:
        super().__init__(config)
        self._listening = listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._listening(f"http://{self.config.host}:{self.config.port}")

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _say_listening(name: str, public: str, logs: Iterable[str], as_json: bool, reached: str) -> None:
    if as_json:
        _tell({"name": name, "key": public, "listens": reached, "logs": sorted(logs)})
    else:
        typer.echo(f"{public} listens on {reached}, for {', '.join(sorted(logs)) or 'no log'}")


async def _serve(server: _Server) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, setattr, server, "should_exit", True)
    await server.serve()


def _tell(body: Mapping[str, object]) -> None:
    """At once: whoever started a witness that runs waits for this line."""
    sys.stdout.write(json.dumps(body) + "\n")
    sys.stdout.flush()


def _refuse(error: Refused, as_json: bool) -> NoReturn:
    if as_json:
        _tell(refusal(error))
    else:
        typer.echo(f"{error.reason_code}: {error.message}\n{error.what_to_do}", err=True)
    raise typer.Exit(EXIT_REFUSED)
