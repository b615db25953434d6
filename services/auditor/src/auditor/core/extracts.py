"""Tables for spreadsheets, as CSV (RFC 4180, UTF-8 with a byte order mark, which Excel needs to read it as UTF-8)."""

from __future__ import annotations

import csv
import io

from auditor.core.pages import Page, Table

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def extracts(page: Page) -> dict[str, bytes]:
    """The CSV files by name."""
    return {f"extracts/{table.name}.csv": _csv(table) for table in page.tables}


def _csv(table: Table) -> bytes:
    held = io.StringIO(newline="")
    writer = csv.writer(held, lineterminator="\r\n")
    writer.writerow(table.columns)
    writer.writerows([harmless(cell) for cell in row] for row in table.rows)
    return b"\xef\xbb\xbf" + held.getvalue().encode()


def harmless(cell: str) -> str:
    """`cell`, with an apostrophe before what a spreadsheet would take for a formula."""
    return f"'{cell}" if cell.lstrip(" ").startswith(_FORMULA) or cell.startswith(_FORMULA) else cell
