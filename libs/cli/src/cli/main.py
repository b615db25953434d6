"""The command `trueup`. Each command's module is imported only when that command runs, so that all start fast."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup


@dataclass(frozen=True, slots=True)
class Entry:
    """One command: what it is for, and the function or sub-application `name` of `module` that does it."""

    module: str
    name: str
    says: str
    panel: str


RUN, OFFLINE, LOOK, DECIDE, CHECK = "Run it", "Declare", "Look", "Decide, signed by you", "Check"

COMMANDS: dict[str, Entry] = {
    "demo": Entry(
        "cli.demo.commands", "demo", "The whole loop on real data, ending with a verified attestation.", RUN
    ),
    "up": Entry("cli.stack.commands", "up", "Start PostgreSQL, a broker and the six services.", RUN),
    "down": Entry("cli.stack.commands", "down", "Stop everything that runs in the data folder.", RUN),
    "migrate": Entry("cli.stack.migrate", "migrate", "Bring a realm's schemas to this release's versions.", RUN),
    "bus": Entry("cli.bus.commands", "app", "Publish again what a broker has lost.", RUN),
    "status": Entry("cli.stack.commands", "status", "What runs: addresses, readiness and lag.", RUN),
    "witness": Entry("cli.witness.commands", "app", "Cosign a log's checkpoints, on another machine than its.", RUN),
    "people": Entry(
        "cli.people.entering", "app", "The directory of a realm on this machine: list, add, remove.", RUN
    ),
    "keys": Entry("cli.stack.keys", "app", "The services' own keys: list, rotate.", RUN),
    "clock": Entry("cli.people.clock", "app", "The realm's clock: look at it, or move a replay clock.", RUN),
    "validate": Entry("cli.preview.commands", "validate", "Check declarations, with file and line.", OFFLINE),
    "diff": Entry("cli.preview.commands", "diff", "Preview what declarations would find. Writes nothing.", OFFLINE),
    "test": Entry("cli.authoring.testing", "test", "Do declarations find what their tests expect?", OFFLINE),
    "explain": Entry("cli.authoring.commands", "explain", "What a kind, or a field of it, means.", OFFLINE),
    "new": Entry("cli.authoring.commands", "new", "A document, or a whole scenario, to begin with.", OFFLINE),
    "schema": Entry("cli.authoring.commands", "json_schema", "JSON Schema of declarations, for editors.", OFFLINE),
    "apply": Entry("cli.people.declaring", "apply", "Propose the declarations in a file.", OFFLINE),
    "proposals": Entry("cli.people.lists", "proposals", "What was proposed, and whether it counts.", OFFLINE),
    "activate": Entry("cli.people.declaring", "activate", "Bring somebody else's proposal into force.", OFFLINE),
    "feeds": Entry("cli.observe.feeds", "app", "Which systems may report to a realm on this machine.", RUN),
    "polls": Entry("cli.observe.polls", "app", "Tables of databases that a realm on this machine polls.", RUN),
    "targets": Entry("cli.stack.targets", "app", "Where sql actions of a realm on this machine act.", RUN),
    "observe": Entry(
        "cli.observe.commands", "observe", "Report the rows of a file (CSV, JSONL, XLSX, OSCAL).", OFFLINE
    ),
    "login": Entry("cli.people.signing_in", "login", "Sign in with your own key.", LOOK),
    "whoami": Entry("cli.people.signing_in", "whoami", "Who is signed in here, with which roles.", LOOK),
    "gaps": Entry("cli.people.lists", "gaps", "Gaps that nobody has confirmed yet.", LOOK),
    "cases": Entry("cli.people.lists", "cases", "Where each case stands and for whom it waits.", LOOK),
    "plans": Entry("cli.people.lists", "plans", "Plans: risk, who must still decide, by when.", LOOK),
    "tasks": Entry("cli.people.lists", "tasks", "Work by hand that waits for somebody.", LOOK),
    "show": Entry("cli.people.showing", "show", "One case, or one proposal, whole.", LOOK),
    "report": Entry("cli.audit.report", "report", "Where every objective stands, and what moved.", LOOK),
    "confirm": Entry("cli.people.deciding", "confirm", "Gate 1: the gap is real.", DECIDE),
    "dispute": Entry("cli.people.deciding", "dispute", "Gate 1: the gap is not real.", DECIDE),
    "approve": Entry("cli.people.deciding", "approve", "Gate 2: exactly this plan may be carried out.", DECIDE),
    "refuse": Entry("cli.people.deciding", "refuse", "Gate 2: this plan shall not be carried out.", DECIDE),
    "return": Entry("cli.people.deciding", "send_back", "Send a plan back to be drafted again.", DECIDE),
    "resume": Entry("cli.people.deciding", "resume", "Let a suspended case go on.", DECIDE),
    "release": Entry("cli.people.deciding", "release", "At Level 2: this step may run now.", DECIDE),
    "outcome": Entry("cli.people.deciding", "outcome", "Say how work by hand went.", DECIDE),
    "ledger": Entry(
        "cli.ledger.commands",
        "app",
        "Check the whole ledger; rebuild what is made of it; erase personal data.",
        CHECK,
    ),
    "audit": Entry("cli.audit.commands", "app", "Verify an attestation, or show a case's records.", CHECK),
}


class LazyGroup(TyperGroup):
    """Knows its commands by name and a line each; the real one is imported when it is called."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - typer's signature
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - typer's signature
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        return TyperCommand(name=cmd_name, help=entry.says, rich_help_panel=entry.panel)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name = args[0]
        if name in COMMANDS:
            return name, load(name), args[1:]
        if not name.startswith("-"):
            near = get_close_matches(name, COMMANDS, n=1)
            ctx.fail(f"There is no command {name}." + (f" Did you mean {near[0]}?" if near else ""))
        return super().resolve_command(ctx, args)


@cache
def load(name: str) -> Any:
    """The real command of this name."""
    entry = COMMANDS[name]
    found: typer.Typer | Callable[..., None] = getattr(importlib.import_module(entry.module), entry.name)
    if isinstance(found, typer.Typer):
        command = typer.main.get_command(found)
    else:
        alone = typer.Typer(add_completion=False)
        alone.command(name)(found)
        command = typer.main.get_command(alone)
    command.name = name
    return command


app = typer.Typer(
    cls=LazyGroup,
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Supervised reconciliation: people declare what good is, an agent drafts the fix, people decide, and an "
    "examiner can check all of it.",
    epilog="Exit codes: 0 done; others differ, see docs/exit-codes.md. Every listing has --json.",
)


def _tell_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # noqa: PLC0415 - slow to import; only this option needs it

        typer.echo(f"trueup {version('cli')}")
        raise typer.Exit


@app.callback()
def _root(
    _version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Say which version this is.")
    ] = False,
) -> None:
    """Holds the options that all commands share."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `trueup`."""
    app(list(arguments) if arguments is not None else sys.argv[1:])


if __name__ == "__main__":
    main()
