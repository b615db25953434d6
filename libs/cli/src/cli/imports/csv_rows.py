"""Rows of a CSV file: the first line names the columns, each other is a row."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator
from typing import TextIO

from common.errors import Refused

from cli.imports.source import LARGEST_ROW_BYTES, Place, Row, Source, Told, opened_text

csv.field_size_limit(LARGEST_ROW_BYTES)


def header(source: Source) -> list[str]:
    """The columns. Raises `Refused` (`bad_header`, `bad_csv`, `too_large`)."""
    with opened_text(source) as text:
        found = next(itertools.islice(_records(source, text), source.header - 1, None), (0, []))[1]
    if not found or len(set(found)) != len(found):
        raise Refused("bad_header", f"The first line of {source.name} does not name each column once.", "Repair it.")
    return found


def rows(source: Source, told: Told) -> Iterator[tuple[Place, Row]]:
    """The rows, each with the line it begins on."""
    names = header(source)
    with opened_text(source) as text:
        for begins, cells in itertools.islice(_records(source, text), source.header, None):
            if len(cells) == len(names):
                yield begins, dict(zip(names, cells, strict=True))
            elif cells:
                told.faults.append(f"{source.name}:{begins}: {len(cells)} cells where the header names {len(names)}")


def _records(source: Source, text: TextIO) -> Iterator[tuple[int, list[str]]]:
    """The cells of each row, with the line it begins on. No more than one row is held, and no row that is too long:
    a line may have no end, and a row, in quotes, may have any number of lines."""
    left = LARGEST_ROW_BYTES

    def bounded() -> Iterator[str]:
        nonlocal left
        while line := text.readline(left + 1):
            left -= len(line)
            if left < 0:
                told = f"{source.name}:{begins}: a row has more than {LARGEST_ROW_BYTES} characters."
                raise Refused("too_large", told, "Look for a quote that is never closed, or a line without an end.")
            yield line

    lines, begins = csv.reader(bounded(), strict=True), 1
    try:
        for cells in lines:
            yield begins, cells
            left, begins = LARGEST_ROW_BYTES, lines.line_num + 1
    except csv.Error as error:
        raise Refused(
            "bad_csv", f"{source.name}:{lines.line_num}: this is not CSV: {error}.", "Check the quotes."
        ) from error
