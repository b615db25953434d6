"""`trueup ledger fsck`: read the whole ledger and say what in it can't be.

Exit codes: 0 sound, 1 something does not hold, 2 it could not be checked. `trueup ledger rebuild` is in `rebuilding`.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer
from common.errors import TrueupError
from common.ledger import READER
from common.ledger.checking import Finding, Trust
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from cli.audit.commands import EXIT_COULD_NOT, EXIT_FAILED, Trusted, TrustedKeys, trusted_directory, trusted_keys
from cli.ledger.erasing import erase, erasures
from cli.ledger.fsck import LISTED, Report, fsck
from cli.ledger.rebuilding import rebuild_command
from cli.people.screen import Json, cell, clean, console, print_json, table
from cli.refusals import refusal
from cli.stack.commands import Running, the_running_one
from cli.stack.stack import Stack

app = typer.Typer(
    name="ledger",
    add_completion=False,
    no_args_is_help=True,
    help="Check the ledger and what was made of it; erase personal data.",
)
app.command("rebuild")(rebuild_command)
app.command("erase")(erase)
app.command("erasures")(erasures)
Reader = Annotated[
    str,
    typer.Option(
        "--database", envvar="TRUEUP_READER_DATABASE_URL", show_envvar=True, help="The realm's database, for reader."
    ),
]


@app.command("fsck")
def fsck_command(
    folder: Running = None,
    database: Reader = "",
    directory: Trusted = None,
    service_keys: TrustedKeys = None,
    as_json: Json = False,
) -> None:
    """Read every event and check positions, head, copied columns, bytes, versions, ids, types, causes, signatures.

    Reads only, as `reader`; services may run. Signatures are checked where --directory and --service-keys say whose.
    Exit code 0: sound. 1: something does not hold. 2: it could not be checked.
    """
    try:
        trust = Trust(trusted_directory(directory), trusted_keys(service_keys))
        report = _checked(database or _reader_url(folder), trust, as_json)
    except TrueupError as error:
        _could_not(error, as_json)
        raise typer.Exit(EXIT_COULD_NOT) from error
    if as_json:
        print_json(_json(report, trust))
    else:
        _print(report, trust)
    if not report.sound:
        raise typer.Exit(EXIT_FAILED)


def _reader_url(folder: Path | None) -> str:
    return Stack.attach(folder or the_running_one()).database_url(READER)


def _checked(url: str, trust: Trust, silent: bool) -> Report:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=silent) as progress:
        task = progress.add_task("events", total=None)
        return asyncio.run(fsck(url, trust, lambda done, total: progress.update(task, completed=done, total=total)))


def _could_not(error: TrueupError, as_json: bool) -> None:
    told = refusal(error)
    if as_json:
        print_json({"sound": None, **told})
        return
    sys.stderr.write(f"Not checked: {clean(error.message)} ({error.reason_code})\n{clean(told['what_to_do'])}\n")


def _json(report: Report, trust: Trust) -> dict[str, object]:
    return {
        "sound": report.sound,
        "events": report.events,
        "signatures_checked": {"people": trust.directory is not None, "services": trust.service_keys is not None},
        "counts": dict(sorted(report.counts.items())),
        "findings": [_finding(finding) for finding in report.findings],
    }


def _finding(finding: Finding) -> dict[str, object]:
    return {"position": finding.position, "reason_code": finding.reason_code, "what": finding.what}


def _print(report: Report, trust: Trust) -> None:
    screen = console()
    if report.findings:
        rows = table("reason", "position", "what")
        for finding in report.findings:
            at = "-" if finding.position is None else str(finding.position)
            rows.add_row(cell(finding.reason_code, "red"), cell(at), cell(finding.what))
        screen.print(rows)
    total = report.counts.total()
    if total > len(report.findings):
        screen.print(Text(f"... and {total - LISTED} more."))
    if report.sound:
        screen.print(Text(f"SOUND: {report.events} events, and nothing to say against them.", "bold green"))
    else:
        screen.print(Text(f"NOT SOUND: {total} findings in {report.events} events.", "bold red"))
    lacking = [
        *(["people's signatures (--directory FILE)"] if trust.directory is None else []),
        *(["services' signatures (--service-keys FILE)"] if trust.service_keys is None else []),
    ]
    if lacking:
        screen.print(Text(f"Not checked: {'; '.join(lacking)}.", "yellow"))
