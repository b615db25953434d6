"""What a demo prints: one line a step, as it happens."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from auditor.core.verification import Check
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cli.audit.page import checks_table
from cli.people.screen import console

SIMULATED = "[*]"


class Screen:
    """Prints steps with the seconds since the start. Colour only on a terminal."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._console = Console(highlight=False, soft_wrap=True, quiet=quiet, width=console().width)
        self._begun = time.monotonic()
        self._step = ""

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._begun

    def title(self, text: str, *under: str) -> None:
        self._console.print(f"[bold]{escape(text)}[/bold]")
        for line in under:
            self._console.print(escape(line))
        self._console.print()

    def step(self, name: str, text: str) -> None:
        """A step of the loop: its name only when it changes."""
        shown = name if name != self._step else ""
        self._step = name
        self._console.print(f"{self.seconds:6.1f} s  [bold cyan]{escape(f'{shown:<9}')}[/bold cyan] {escape(text)}")

    def checks(self, checks: Sequence[Check]) -> None:
        """The checks of an attestation."""
        self._console.print(checks_table(checks), soft_wrap=False)

    def date(self, text: str) -> None:
        self._console.print()
        self._console.rule(f"[bold]{escape(text)}[/bold]", align="left", style="dim")

    def table(self, title: str, rows: Sequence[tuple[str, str, str]]) -> None:
        self._console.print()
        table = Table(title=title, title_justify="left", show_header=False, box=None, padding=(0, 2, 0, 0))
        table.add_column(justify="right", style="bold")
        table.add_column()
        table.add_column(style="dim")
        for row in rows:
            table.add_row(*(escape(cell) for cell in row))
        self._console.print(table, soft_wrap=False)

    def text(self, text: str) -> None:
        self._console.print()
        sys.stdout.flush()
        self._console.print(escape(text))
