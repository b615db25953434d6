"""The formats that rows are read from, by the ending of a file's name. A new one is a module and a line here.

A format's module has `rows(source, told)`, which yields each row with the place it stands at and tells beside them
what it left out. One whose columns a header names also has `header(source)`: that is looked at before any row.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import cast

from common.errors import Refused

from cli.imports.mappings import Mapping
from cli.imports.source import Place, Row, Source, Told

_MOST_COLUMNS = 12


@dataclass(frozen=True, slots=True)
class Format:
    """One format. `module` is imported when a file of it is read."""

    name: str
    suffixes: tuple[str, ...]
    module: str
    headed: bool = False

    def rows(self, source: Source, told: Told) -> Iterator[tuple[Place, Row]]:
        read = importlib.import_module(self.module).rows
        return cast(Callable[[Source, Told], Iterator[tuple[Place, Row]]], read)(source, told)

    def header(self, source: Source) -> list[str]:
        """The columns that the header names; of a format without a header none."""
        if not self.headed:
            return []
        found: list[str] = importlib.import_module(self.module).header(source)
        return found


FORMATS = (
    Format("CSV", (".csv",), "cli.imports.csv_rows", headed=True),
    Format("JSONL", (".jsonl", ".ndjson"), "cli.imports.jsonl_rows"),
    Format("XLSX", (".xlsx", ".xlsm", ".xls"), "cli.imports.workbook_rows", headed=True),
    Format("OSCAL", (".json",), "cli.imports.oscal_rows"),
)
SAYS = ", ".join(item.name for item in FORMATS)


def format_of(source: Source) -> Format:
    """The format that the file's name says. Raises `Refused` (`unknown_format`)."""
    for item in FORMATS:
        if source.suffix in item.suffixes and not (source.packed and item.name == "XLSX"):
            return item
    endings = ", ".join(suffix for item in FORMATS for suffix in item.suffixes[:1])
    told = f"{source.name} is of no format that is read here ({SAYS})."
    raise Refused("unknown_format", told, f"Name it {endings}; text may be packed: .csv.gz.")


def rows_of(source: Source, told: Told, mapping: Mapping | None = None) -> Iterator[tuple[Place, Row]]:
    """The rows of a file, each with its place; columns named as `mapping` has them. What is no row is told.

    Raises `Refused` when the file can't be read at all, or its header is not the one that the mapping was kept for.
    """
    chosen = format_of(source)
    if mapping is not None and chosen.headed:
        mapping.check(source.name, chosen.header(source))
    for place, row in chosen.rows(source, told):
        yield place, row if mapping is None else mapping.renamed(row)


def check_key(source: Source, key: str, entity_type: str, mapping: Mapping | None = None) -> None:
    """Raise `Refused` (`no_key_column`) when neither the header nor, in a format without one, any row has the column
    `key`. A file without rows and without a header has nothing against it."""
    chosen = format_of(source)
    columns: dict[str, None] = {}
    if chosen.headed:
        heads: Iterator[Row] = iter([dict.fromkeys(chosen.header(source))])
        if mapping is not None:
            mapping.check(source.name, chosen.header(source))
    else:
        heads = (row for _, row in chosen.rows(source, Told()))
    for row in heads:
        names = row if mapping is None else mapping.renamed(row)
        if key in names:
            return
        columns |= dict.fromkeys(names)
    if columns:
        shown = ", ".join([*columns][:_MOST_COLUMNS]) + (", ..." if len(columns) > _MOST_COLUMNS else "")
        told = f"{source.name} has no column {key!r}, the key of {entity_type}; it has: {shown}."
        raise Refused("no_key_column", told, f"Give a file with the column {key}, or map one: --map COLUMN={key}")
