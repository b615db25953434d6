"""`trueup ledger rebuild`: what services keep of the ledger, made again from it, compared, and swapped in.

The code that folds is each service's own, the same that its handlers run; it is loaded by name, and it works with the
service's own login. Exit codes: 0 done, 1 with --check when a row is not as the ledger says, 2 it could not be done.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from common.errors import Refused
from common.ledger import Ledger
from common.projections import Difference, Projection, Rebuilt, rebuild
from common.runtime import Service
from common.topics import SERVICES
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from cli.people.screen import Json, answering, cell, console, print_json, table
from cli.stack.commands import Running, the_running_one
from cli.stack.stack import Stack

EXIT_DIFFERENT = 1
REBUILT = tuple(service for service in SERVICES if service != "observer")
"""Whose projections are rebuilt where no service is named."""


def rebuild_command(
    service: Annotated[str, typer.Argument(metavar="[SERVICE]", help="One of them; else all but the observer.")] = "",
    check: Annotated[bool, typer.Option("--check", help="Compare only; exit with 1 when a row differs.")] = False,
    folder: Running = None,
    database: Annotated[
        str,
        typer.Option(
            "--database",
            envvar="TRUEUP_DATABASE_URL",
            show_envvar=True,
            help="The realm's database with the login of SERVICE, for a realm that is no stack on this machine.",
        ),
    ] = "",
    as_json: Json = False,
) -> None:
    """Fold the ledger anew beside the live tables, list each row that differs, and swap the new tables in.

    Services run meanwhile; the last part, in one transaction, makes the service wait, and begins only when it has
    handled all that is in the ledger. Broken off, it leaves the live tables as they were.
    """
    with answering(as_json):
        found = {
            name: _rebuilt(name, _url(folder, database, service, name), check, as_json) for name in _names(service)
        }
    if as_json:
        print_json({name: _json(report, swapped=not check) for name, report in found.items()})
    else:
        for name, report in found.items():
            _print(name, report, swapped=not check)
    if check and any(report.differences for report in found.values()):
        raise typer.Exit(EXIT_DIFFERENT)


def _names(service: str) -> tuple[str, ...]:
    if service and service not in SERVICES:
        raise Refused("service_unknown", f"There is no service {service}.", f"Name one of {', '.join(REBUILT)}.")
    return (service,) if service else REBUILT


def _url(folder: Path | None, database: str, service: str, name: str) -> str:
    if database and not service:
        raise Refused("which_service", "The login is one service's; it is not said whose.", "Name the service.")
    return database or Stack.attach(folder or the_running_one()).database_url(name)


def _projection(name: str) -> Callable[[Ledger], Projection]:
    try:
        service = importlib.import_module(f"{name}.main").SERVICE
    except ModuleNotFoundError as error:
        what = f"Install the package {name} beside this one, or run this in its image."
        raise Refused("service_not_installed", f"The code of the {name} is not here: {error}", what) from error
    if not isinstance(service, Service) or service.projection is None:
        raise Refused(
            "no_projection",
            f"The {name} keeps no copy of what the ledger says: refused messages and snapshots under way, its only "
            "tables, are nowhere else.",
            f"Restore those from a backup if need be. There is something to rebuild for {', '.join(REBUILT)}.",
        )
    return service.projection


def _rebuilt(name: str, url: str, check: bool, silent: bool) -> Rebuilt:
    projection = _projection(name)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=silent) as progress:
        task = progress.add_task(name, total=None)

        def tell(position: int, head: int) -> None:
            progress.update(task, completed=position + 1, total=head + 1)

        return asyncio.run(rebuild(url, projection, tell, swap=not check))


def _json(report: Rebuilt, swapped: bool) -> dict[str, object]:
    return {
        "position": report.position,
        "swapped": swapped,
        "rows": report.rows,
        "different": report.counts,
        "differences": [_difference(item) for item in report.differences],
    }


def _difference(item: Difference) -> dict[str, object]:
    return {"table": item.table, "key": list(item.key), "live": item.live, "rebuilt": item.rebuilt}


def _print(name: str, report: Rebuilt, swapped: bool) -> None:
    screen = console()
    if report.differences:
        rows = table("key", "table", "was", "is, by the ledger")
        for item in report.differences:
            key = " ".join(map(str, item.key))
            rows.add_row(
                cell(key), cell(item.table), cell(_side(item.live), "red"), cell(_side(item.rebuilt), "green")
            )
        screen.print(rows)
    total = sum(report.counts.values())
    if total > len(report.differences):
        screen.print(Text(f"... and {total - len(report.differences)} more."))
    said = f"{sum(report.rows.values())} rows from {report.position + 1} events, {total} not as they were"
    screen.print(Text(f"{name}: {said}; {'swapped in' if swapped else 'compared only'}."))


def _side(row: dict[str, object] | None) -> str:
    return "not there" if row is None else ", ".join(f"{name}={value}" for name, value in row.items())
