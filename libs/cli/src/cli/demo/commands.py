"""`trueup demo`: scenarios on real data; the first one is the whole loop, ending with an attestation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import typer
from common.errors import Refused

from cli.demo import on_findings
from cli.demo.screen import Screen
from cli.demo.stage import Telling
from cli.stack.commands import BrokerChoice
from cli.stack.errors import StackError

FOLDER = Path(".trueup") / "demo"
EXIT_REFUSED = 2
SCENARIOS: Mapping[str, Callable[[Telling], None]] = {"findings": on_findings.tell}
"""Who tells each scenario. The first one is told where none is named."""
FIRST = next(iter(SCENARIOS))


def demo(
    scenario: Annotated[str, typer.Argument(help=f"Which scenario: {', '.join(SCENARIOS)}.")] = FIRST,
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything running, and say where to look.")] = False,
    broker: Annotated[BrokerChoice, typer.Option(help="Embedded, or Apache Kafka.")] = BrokerChoice.embedded,
    folder: Annotated[Path, typer.Option("--data", help="Folder for the demo's data and logs.")] = FOLDER,
) -> None:
    """Run the whole loop on real data: declare, observe, diff, confirm, plan, approve, execute, verify, attest."""
    try:
        _teller(scenario)(Telling(Screen(), folder, keep, broker.value))
    except (Refused, StackError) as error:
        typer.secho(f"{error.reason_code}: {error.message}", err=True, fg="red")
        typer.echo(error.what_to_do, err=True)
        raise typer.Exit(EXIT_REFUSED) from error


def _teller(scenario: str) -> Callable[[Telling], None]:
    if scenario not in SCENARIOS:
        known = ", ".join(SCENARIOS)
        raise Refused("unknown_scenario", f"there is no scenario {scenario!r}", f"This version has: {known}.")
    return SCENARIOS[scenario]
