"""Rows of one sheet of a workbook (.xlsx), streamed: openpyxl, within the bounds of `workbook_guard`."""

from __future__ import annotations

import itertools
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, time, timedelta
from typing import Any
from xml.etree.ElementTree import ParseError

import openpyxl
from common.errors import Refused
from defusedxml.common import DefusedXmlException
from openpyxl.utils import get_column_letter, range_boundaries

from cli.imports import workbook_guard
from cli.imports.source import LARGEST_ROW_BYTES, Place, Row, Source, Told
from cli.imports.workbook_cells import LONGEST_CELL, moment_text, number_text

MOST_COLUMNS = 256
MOST_ROWS = 1_048_576
LATEST_HEADER = 1_000
_BROKEN = (
    ParseError, DefusedXmlException, zipfile.BadZipFile, KeyError, ValueError, TypeError, IndexError, AttributeError,
    EOFError, OverflowError, zlib.error,
)  # fmt: skip
"""What openpyxl raises for a file that is not what it says it is."""


def header(source: Source) -> list[str]:
    """The columns, as the sheet's header row names them."""
    with _sheet(source) as (sheet, _):
        return _names(source, sheet)


def rows(source: Source, told: Told) -> Iterator[tuple[Place, Row]]:
    """The rows below the header, each with its sheet and number; a row without any value is none. Cells are text as
    the sheet shows it, of formulas the value that was stored with them."""
    with _sheet(source) as (sheet, formulas):
        names = _names(source, sheet)
        title = sheet.title
        below = _bounded(source, sheet, source.header + 1)
        beside = _bounded(source, formulas, source.header + 1) if formulas is not None else itertools.repeat(())
        for number, (cells, sources) in enumerate(zip(below, beside, strict=False), source.header + 1):
            place = f"{title}!{number}"
            row = _row(names, cells, sources, place, told)
            outside = next((cell for cell in cells[len(names) :] if cell.value is not None), None)
            if outside is not None:
                told.faults.append(
                    f"{source.name}:{place}: a value in {outside.coordinate}, which the header names not"
                )
            elif any(value is not None for value in row.values()):
                if sum(len(str(value)) for value in row.values()) > LARGEST_ROW_BYTES // 4:
                    told.faults.append(
                        f"{source.name}:{place}: the row has more than {LARGEST_ROW_BYTES // 4} characters"
                    )
                else:
                    yield place, row


def sheets(source: Source) -> list[str]:
    """The names of the sheets with cells, hidden ones left out."""
    workbook_guard.check(source.path)
    book = _load(source, data_only=True)
    try:
        return [sheet.title for sheet in book.worksheets if sheet.sheet_state == "visible"]
    finally:
        book.close()


def _row(names: Sequence[str], cells: Sequence[Any], sources: Sequence[Any], place: Place, told: Told) -> Row:
    row: Row = {}
    for index, name in enumerate(names):
        cell = cells[index] if index < len(cells) else None
        if cell is None or cell.value is None:
            row[name] = None
            if index < len(sources) and sources[index].data_type == "f":
                told.empty.append((place, name, "a formula without a stored value; open the file, calculate, save"))
        elif cell.data_type == "e":
            row[name] = None
            told.empty.append((place, name, f"{cell.value}, an error of the sheet"))
        else:
            row[name] = _text(cell)
            if len(row[name]) > LONGEST_CELL:
                row[name] = None
                told.empty.append((place, name, f"more than {LONGEST_CELL} characters"))
    return row


def _text(cell: Any) -> str:
    value = cell.value
    if isinstance(value, date | time | timedelta):
        return moment_text(value, cell.number_format or "General")
    if isinstance(value, int | float):
        return number_text(value, cell.number_format or "General")
    return str(value)


@contextmanager
def _sheet(source: Source) -> Iterator[tuple[Any, Any]]:
    """The sheet that was asked for, and the same sheet with formulas where it has any. Raises `Refused`."""
    workbook_guard.check(source.path)
    books = [_load(source, data_only=True)]
    try:
        sheet = _chosen(source, books[0])
        part = sheet._worksheet_path.lstrip("/")  # openpyxl says nowhere else which part a sheet is
        merged, formulas = workbook_guard.look(source.path, part)
        _refuse_merged(source, sheet.title, merged)
        beside = None
        if formulas:
            books.append(_load(source, data_only=False))
            beside = books[1][sheet.title]
        yield sheet, beside
    except _BROKEN as error:
        raise _broken(source, error) from error
    finally:
        for book in books:
            book.close()


def _load(source: Source, *, data_only: bool) -> Any:
    try:
        return openpyxl.load_workbook(source.path, read_only=True, data_only=data_only, keep_links=False)
    except _BROKEN as error:
        raise _broken(source, error) from error


def _broken(source: Source, error: Exception) -> Refused:
    told = f"{source.name} is no workbook that can be read: {type(error).__name__}: {str(error)[:200]}."
    return Refused("bad_workbook", told, "Save it as .xlsx again, or as CSV.")


def _chosen(source: Source, book: Any) -> Any:
    visible = [sheet.title for sheet in book.worksheets if sheet.sheet_state == "visible"]
    if source.part:
        if source.part not in (sheet.title for sheet in book.worksheets):
            told = f"{source.name} has no sheet {source.part!r}; it has: {', '.join(visible)}."
            raise Refused("no_such_part", told, "Name one of them.")
        return book[source.part]
    if len(visible) != 1:
        told = f"{source.name} has {len(visible)} sheets: {', '.join(visible)}."
        raise Refused("part_missing", told, f"Say which one: {source.path}#{visible[0] if visible else 'SHEET'}")
    return book[visible[0]]


def _refuse_merged(source: Source, title: str, merged: Sequence[str]) -> None:
    for item in merged:
        _, first, _, last = range_boundaries(item)
        if first <= source.header <= last:
            raise Refused(
                "merged_header",
                f"{source.name}: the cells {item} of the header row of {title} are merged: it can't be told which "
                "column the name is of.",
                "Unmerge them and name each column once, or say which row is the header: --header-row N",
            )


def _names(source: Source, sheet: Any) -> list[str]:
    sheet.reset_dimensions()  # what the file says of its size may be wrong
    first = next(_bounded(source, sheet, source.header, source.header), ())
    names = [" ".join(str(cell.value).split()) if cell.value is not None else "" for cell in first]
    while names and not names[-1]:
        names.pop()
    if not names:
        told = f"{source.name}: row {source.header} of {sheet.title} is empty and can't be the header."
        raise Refused("bad_header", told, "Say which row names the columns: --header-row N")
    for index, name in enumerate(names):
        where = f"{get_column_letter(index + 1)}{source.header} of {sheet.title}"
        if not name:
            raise Refused("bad_header", f"{source.name}: {where} names no column.", "Give every column a name.")
        if name in names[:index]:
            raise Refused("bad_header", f"{source.name}: {where} names {name!r} again.", "Name each column once.")
    return names


def _bounded(source: Source, sheet: Any, first: int, last: int = MOST_ROWS) -> Iterator[Sequence[Any]]:
    for cells in sheet.iter_rows(min_row=first, max_row=last):
        if len(cells) > MOST_COLUMNS and any(cell.value is not None for cell in cells[MOST_COLUMNS:]):
            told = f"{source.name}: {sheet.title} has a value right of column {MOST_COLUMNS}."
            raise Refused("too_large", told, "Leave out the columns that are not needed.")
        yield cells[:MOST_COLUMNS]
