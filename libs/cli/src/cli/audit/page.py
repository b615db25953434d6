"""The checks of an attestation as a page: one row a check, nothing cut, whatever the width."""

from __future__ import annotations

from collections.abc import Sequence

from auditor.core.verification import Check
from rich.table import Table

from cli.people.screen import cell

_MARKS = {True: ("ok", "green"), False: ("FAILED", "bold red"), None: ("not checked", "yellow")}
_MARK_WIDTH = max(len(mark) for mark, _ in _MARKS.values())


def checks_table(checks: Sequence[Check]) -> Table:
    """A row for each check. What does not fit goes on in the next line: a digest is never cut short."""
    rows = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    rows.add_column(width=_MARK_WIDTH)
    rows.add_column(no_wrap=True)
    rows.add_column(overflow="fold")
    for check in checks:
        rows.add_row(cell(*_MARKS[check.ok]), cell(check.name.replace("_", " ")), cell(check.detail))
    return rows
