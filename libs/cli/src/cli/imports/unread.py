"""What of the given rows can't be read: it is Unknown, never a guess, and it is listed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from common.declarations.models import EntityType
from common.declarations.reading import Reader
from common.declarations.values import Unknown

from cli.imports.source import Place, Row, Told

KEPT = 1_000
SHOWN = 10
_LONGEST_TEXT = 200


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell that can't be read. `text` is what it holds, empty for a sensitive column."""

    file: str
    place: Place
    column: str
    attribute: str
    text: str
    reason: str

    def line(self) -> str:
        """`findings.csv:7: ends_on: ends "N/A" is not one date written as MMMM d, yyyy`."""
        return f"{self.file}:{self.place}: {self.attribute or self.column}: {self.reason}"


@dataclass(slots=True)
class Unread:
    """All of them counted by attribute, the first `KEPT` kept. `strange`: paths of documents that nothing was
    made of."""

    count: int = 0
    by_attribute: Counter[str] = field(default_factory=Counter)
    cells: list[Cell] = field(default_factory=list)
    strange: Counter[str] = field(default_factory=Counter)

    def add(self, cell: Cell) -> None:
        self.count += 1
        self.by_attribute[cell.attribute or cell.column] += 1
        if len(self.cells) < KEPT:
            self.cells.append(cell)

    def join(self, other: Unread) -> None:
        """Add all that `other` has."""
        self.count += other.count
        self.by_attribute.update(other.by_attribute)
        self.cells += other.cells[: KEPT - len(self.cells)]
        self.strange.update(other.strange)

    def look(self, file: str, place: Place, row: Row, reader: Reader, spec: EntityType) -> None:
        """Add what `reader` can't read of the row."""
        for cell in unreadable(file, place, row, reader, spec):
            self.add(cell)

    def take(self, file: str, told: Told, spec: EntityType | None) -> None:
        """Add what the reader of the file told of cells without a value, and of paths."""
        named = {item.column: name for name, item in spec.attributes.items()} if spec is not None else {}
        for place, column, why in told.empty:
            self.add(Cell(file, place, column, named.get(column, ""), "", f"{column} is {why}"))
        self.strange.update(told.strange)

    def as_json(self) -> dict[str, Any]:
        """Counts first; then each, at most `KEPT`."""
        return {
            "count": self.count,
            "by_attribute": dict(self.by_attribute.most_common()),
            "cells": [asdict(cell) for cell in self.cells],
            "not_understood": dict(self.strange.most_common()),
        }

    def lines(self, every: bool = False) -> list[str]:
        """For a page: what it comes to, then the first ones, or `every` one that is kept."""
        found: list[str] = []
        most = KEPT if every else SHOWN
        if self.count:
            parts = ", ".join(f"{name} {count:,}" for name, count in self.by_attribute.most_common(SHOWN))
            found.append(f"Could not read {self.count:,} {'cell' if self.count == 1 else 'cells'} ({parts}). "
                         "They are Unknown:")  # fmt: skip
            found += [f"  {cell.line()}" for cell in self.cells[:most]]
            found += [f"  and {self.count - most:,} more: --json lists {KEPT:,}"] if self.count > most else []
        if self.strange:
            total = sum(self.strange.values())
            parts = ", ".join(f"{path} {count}" for path, count in self.strange.most_common(SHOWN))
            more = f", and {len(self.strange) - SHOWN} more: --json" if len(self.strange) > SHOWN else ""
            found.append(
                f"Not understood, and left out: {total:,} {'field' if total == 1 else 'fields'} ({parts}{more})"
            )
        return found


def unreadable(file: str, place: Place, row: Row, reader: Reader, spec: EntityType) -> Iterator[Cell]:
    """The cells of the row that hold something which its declaration can't read."""
    hidden = spec.sensitive_columns
    for name, slot in reader.read(row).values.items():
        if isinstance(slot, Unknown) and slot.kind == "unreadable":
            column = spec.attributes[name].column
            text = "" if column in hidden else str(row.get(column))[:_LONGEST_TEXT]
            yield Cell(file, place, column, name, text, slot.reason)
