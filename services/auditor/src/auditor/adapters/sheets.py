"""The tables of a page as one workbook (XlsxWriter). Every cell is text: nothing in it is a formula or a link."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import xlsxwriter

from auditor.core.pages import Page

_LONGEST_CELL = 32_767
_CREATED = datetime(1980, 1, 1, tzinfo=UTC)


def xlsx(page: Page) -> bytes:
    """The file, with the same bytes each time."""
    held = io.BytesIO()
    with xlsxwriter.Workbook(held, {"in_memory": True}) as book:
        book.set_properties({"title": page.title[:255], "created": _CREATED.replace(tzinfo=None)})
        bold, wrapped = book.add_format({"bold": True}), book.add_format({"text_wrap": True, "valign": "top"})
        for table in page.tables:
            sheet = book.add_worksheet(table.name)
            sheet.freeze_panes(1, 0)
            for column, name in enumerate(table.columns):
                sheet.write_string(0, column, name, bold)
                sheet.set_column(column, column, 60 if column == table.wide else 22)
            for number, row in enumerate(table.rows, start=1):
                for column, cell in enumerate(row):
                    sheet.write_string(number, column, cell[:_LONGEST_CELL], wrapped)
    return held.getvalue()
