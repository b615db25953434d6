"""Rows of a CSV file: the first line names the columns, each other is a row."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator

from common.errors import Refused

from cli.imports.source import LARGEST_ROW_BYTES, Place, Row, Source, Told, opened_text

csv.field_size_limit(LARGEST_ROW_BYTES)


def header(source: Source) -> list[str]:
    """The columns. Raises `Refused` (`bad_header`, `bad_csv`)."""
    with opened_text(source) as text:
        lines = csv.reader(text, strict=True)
        try:
            found = next(itertools.islice(lines, source.header - 1, None), [])
        except csv.Error as error:
            raise _bad(source, lines.line_num, error) from error
    if not found or len(set(found)) != len(found):
        raise Refused("bad_header", f"The first line of {source.name} does not name each column once.", "Repair it.")
    return found


def rows(source: Source, told: Told) -> Iterator[tuple[Place, Row]]:
    """The rows, each with the line it begins on."""
    names = header(source)
    with opened_text(source) as text:
        lines = csv.reader(text, strict=True)
        try:
            for _ in range(source.header):
                next(lines, None)
            begins = lines.line_num + 1
            for cells in lines:
                if len(cells) == len(names):
                    yield begins, dict(zip(names, cells, strict=True))
                elif cells:
                    told.faults.append(
                        f"{source.name}:{begins}: {len(cells)} cells where the header names {len(names)}"
                    )
                begins = lines.line_num + 1
        except csv.Error as error:
            raise _bad(source, lines.line_num, error) from error


def _bad(source: Source, line: int, error: csv.Error) -> Refused:
    return Refused("bad_csv", f"{source.name}:{line}: this is not CSV: {error}.", "Check the quotes.")
