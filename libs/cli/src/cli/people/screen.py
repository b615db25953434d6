"""How commands answer: pages for people, JSON for programs, errors that say what to do, and exit codes.

Exit codes of all commands in `cli.people`: 0 done, 1 it could not be tried (not signed in, service away, bad input),
2 refused: the service gave a reason code and nothing was recorded.
"""

from __future__ import annotations

import json
import os
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from common.errors import Refused
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.client import Away, Client
from cli.people import sessions
from cli.refusals import refusal

EXIT_COULD_NOT = 1
EXIT_REFUSED = 2
_COULD_NOT = frozenset(
    {
        "not_signed_in",
        "unreachable",
        "not_the_approver",
        "key_missing",
        "key_not_private",
        "key_malformed",
        "key_exists",
        "which_url",
        "service_ended",
        "which_case",
        "which_step",
        "malformed_request",
        "stage_unknown",
        "no_such_file",
        "which_file",
        "not_a_repository",
        "no_such_branch",
    }
)
PAGE_WIDTH = 112

As = Annotated[str | None, typer.Option("--as", metavar="PERSON", help="Act as this person, who is signed in here.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]


@contextmanager
def answering(as_json: bool) -> Iterator[None]:
    """Turn a `Refused` into words (or JSON) and the right exit code."""
    try:
        yield
    except Refused as refused:
        if as_json:
            print_json(refusal(refused))
        else:
            _say_refusal(refused)
        could_not = isinstance(refused, Away) or refused.reason_code in _COULD_NOT
        code = EXIT_COULD_NOT if could_not else EXIT_REFUSED
        raise typer.Exit(code) from refused


@contextmanager
def acting(person: str | None, as_json: bool) -> Iterator[Client]:
    """The signed-in person's client, with `answering` around it."""
    with answering(as_json), sessions.connect(person) as client:
        yield client


def _say_refusal(refused: Refused) -> None:
    told = Text.assemble((f"{refused.reason_code}: ", "bold red"), clean(refused.message))
    if refused.what_to_do:
        told.append(f"\n{clean(refused.what_to_do)}", "cyan")
    Console(stderr=True, highlight=False, soft_wrap=True).print(told)


def print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def console() -> Console:
    """The screen: as wide as the terminal, or COLUMNS, says (at most a page and a half); else of a fixed width."""
    told = sys.stdout.isatty() or "COLUMNS" in os.environ
    width = min(Console(highlight=False).width, PAGE_WIDTH + 28) if told else PAGE_WIDTH
    return Console(highlight=False, width=width)


def clean(text: object) -> str:
    """Text that others wrote, safe to print: control characters, which could drive a terminal, are shown as `�`."""
    return "".join(
        char if char == "\n" or unicodedata.category(char)[0] != "C" else "\N{REPLACEMENT CHARACTER}"
        for char in str(text)
    )


def cell(text: object, style: str = "") -> Text:
    return Text(clean(text), style)


def table(*headings: str, first: int = 36) -> Table:
    """A table whose first column is what one types into the next command: it is never cut short. `first` is at least
    as wide as the longest of these."""
    made = Table(*headings, box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    made.columns[0].no_wrap, made.columns[0].overflow = True, "ignore"
    made.columns[0].min_width = first
    return made


def one_line_each(made: Table, **shares: int) -> Table:
    """The table with one line a row: the columns with these headings share what the others leave, and are cut (…)."""
    made.expand = True
    for column in made.columns:
        column.no_wrap = True
        if share := shares.get(str(column.header)):
            column.ratio, column.overflow = share, "ellipsis"
    return made


def say(lines: Sequence[Text | Table | str]) -> None:
    screen = console()
    for item in lines:
        screen.print(Text(item) if isinstance(item, str) else item)


SEVERITY_STYLE = {"urgent": "bold red", "high": "red", "medium": "yellow", "low": "green"}
