"""`trueup up`, `trueup down`, `trueup status`: registered by `cli.main` with `register(app)`."""

from __future__ import annotations

import json
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from common.errors import Refused
from rich.console import Console
from rich.table import Table

from cli.refusals import refusal
from cli.stack import operations, state
from cli.stack.errors import StackError
from cli.stack.operations import StackStatus
from cli.stack.signals import orderly_exit

DEFAULT_FOLDER = state.STACKS / "main"
EXIT_REFUSED = 2
EXIT_NOT_READY = 3


class BrokerChoice(StrEnum):
    """Which broker carries the messages."""

    embedded = "embedded"
    kafka = "kafka"


Folder = Annotated[Path, typer.Option("--data", help="Folder for data, logs and generated passwords.")]
Running = Annotated[
    Path | None,
    typer.Option("--data", help="Folder of the stack. Not needed where one stack runs: up, or demo --keep."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]

_screen = Console()
_notes = Console(stderr=True)


def register(app: typer.Typer) -> None:
    """Add the three commands to the application."""
    app.command()(up)
    app.command()(down)
    app.command()(status)


def up(
    folder: Folder = DEFAULT_FOLDER,
    realm: Annotated[str, typer.Option(help="Name of the realm.")] = "demo",
    broker: Annotated[BrokerChoice, typer.Option(help="Embedded, or Apache Kafka.")] = BrokerChoice.embedded,
    clock: Annotated[
        str | None, typer.Option(help="A new realm's: `wall` (as without it), or `replay:2023-07-03T00:00:00Z`.")
    ] = None,
    timezone: Annotated[
        str | None, typer.Option(help="A new realm's zone of dates that name none; UTC without it.")
    ] = None,
    example: Annotated[
        str | None,
        typer.Option(help="Bring people, feeds and target of an example along: findings, vendors, onboarding, git."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Start PostgreSQL, a broker and the six services, and leave them running. Exit code 3 if not all get ready."""
    with orderly_exit():
        try:
            found, following = _up(folder, realm, broker, clock, timezone, example)
        except Refused as error:
            _refuse(error, as_json)
        except (KeyboardInterrupt, SystemExit):
            _say_interrupted(folder)
            raise
    _show(found, as_json)
    if not found.ready:
        raise typer.Exit(EXIT_NOT_READY)
    if following:
        _say(following)


def _up(
    folder: Path, realm: str, broker: BrokerChoice, clock: str | None, timezone: str | None, example: str | None
) -> tuple[StackStatus, str]:
    """What runs, and what to do next: nothing, where there are people already."""
    start = partial(
        operations.up, folder, realm=realm, broker=broker.value, clock=clock, timezone=timezone, tell=_say
    )
    if example is not None:
        from cli.demo.example import named  # noqa: PLC0415 - only this option needs it, and it needs this module

        wanted = named(example)
        found = start(fresh=wanted.time, equip=wanted.equip)
        return found, f"{len(wanted.people)} people: trueup people list. Next: {wanted.next}"
    found = start()
    nobody = not json.loads((folder / "config" / "directory.json").read_bytes()).get("people")
    return (
        found,
        "Nobody is in the realm's directory yet. Next: trueup people add ID --name NAME --role ROLE" * nobody,
    )


def _say(line: str) -> None:
    _notes.print(line, markup=False, highlight=False, soft_wrap=True)


def _say_interrupted(folder: Path) -> None:
    known = state.read(folder)
    left = state.running(known) if known is not None else []
    if left:
        _say(f"Interrupted. Still running: {', '.join(part.name for part in left)}. "
             f"End it: trueup down --data {folder}. Go on: the same command again.")  # fmt: skip
    else:
        _say("Interrupted. Nothing is left running.")


def down(folder: Running = None, as_json: Json = False) -> None:
    """Stop everything that runs in the data folder; data and logs stay."""
    try:
        found = operations.down(
            folder or the_running_one(),
            tell=_say,
        )
    except StackError as error:
        _refuse(error, as_json)
    _show(found, as_json)


def status(folder: Running = None, as_json: Json = False) -> None:
    """Show what runs: addresses, readiness and lag. Exit code 3 when not everything is ready."""
    try:
        found = operations.status(folder or the_running_one())
    except StackError as error:
        _refuse(error, as_json)
    _show(found, as_json)
    if not found.ready:
        raise typer.Exit(EXIT_NOT_READY)


def the_running_one() -> Path:
    """The folder of the only stack that runs below .trueup; the default folder when none does.

    Raises `StackError` (`several_stacks`) when it can't be told which one is meant.
    """
    running = [folder for folder in state.kept() if operations.status(folder).running]
    if len(running) > 1:
        names = ", ".join(str(folder) for folder in running)
        raise StackError("several_stacks", f"Several stacks run here: {names}.", "Say which one: --data FOLDER")
    return running[0] if running else DEFAULT_FOLDER


def _refuse(error: Refused, as_json: bool) -> NoReturn:
    if as_json:
        typer.echo(json.dumps(refusal(error), indent=1))
        raise typer.Exit(EXIT_REFUSED)
    _notes.print(f"[bold red]{error.reason_code}[/]: ", end="")
    _notes.print(error.message, markup=False, highlight=False, soft_wrap=True)
    _notes.print(error.what_to_do, markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(EXIT_REFUSED)


def _show(found: StackStatus, as_json: bool) -> None:
    if as_json:
        typer.echo(found.model_dump_json(indent=1))
        return
    if not found.running or found.database is None or found.broker is None:
        _screen.print(f"Nothing is running in {found.folder}.", highlight=False)
        return
    _screen.print(f"Realm {found.realm}, clock {found.clock}, data in {found.folder}", highlight=False)
    table = Table("part", "state", "lag", "address", box=None)
    for name, service in found.services.items():
        lag = "?" if service.lag is None else str(sum(service.lag.values()))
        table.add_row(name, _word(service.alive, service.ready), lag, service.url)
    table.add_row(f"{found.broker.kind} broker", _word(found.broker.alive), "", found.broker.address)
    database = f"{found.database.address}/{found.database.name}"
    table.add_row("postgresql", _word(found.database.alive), "", database)
    _screen.print(table)
    alive = {name: service.alive for name, service in found.services.items()}
    alive |= {"the broker": found.broker.alive, "postgresql": found.database.alive}
    if ended := [name for name, lives in alive.items() if not lives]:
        start = state.again(found.folder, found.realm or "", found.broker.kind)
        told = f"Ended: {', '.join(ended)}. Start what has ended: {start}"
        _screen.print(told, style="red", markup=False, highlight=False, soft_wrap=True)
    for name, service in found.services.items():
        for problem in service.problems:
            _screen.print(f"{name}: {problem}", style="red", markup=False, highlight=False, soft_wrap=True)
        for note in service.notes:
            _screen.print(f"{name}: {note}", markup=False, highlight=False, soft_wrap=True)


def _word(alive: bool, ready: bool = True) -> str:
    if not alive:
        return "[red]ended[/]"
    return "[green]ready[/]" if ready else "[yellow]starting[/]"
