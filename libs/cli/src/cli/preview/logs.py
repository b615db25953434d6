"""Event logs as files: XES, or CSV and JSONL with a row for each event. Rows of cases, with their times."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from common.clock import parse_instant
from common.declarations.computing import Happened, computations
from common.declarations.models import EntityType
from common.entities.rows import NO_SEQUENCE

from cli.imports.formats import check_key, rows_of
from cli.imports.source import Place, Source, Told
from cli.preview import xes
from cli.preview.states import State, StateRow

Read = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Logged:
    """One event of a log as a row of its entity type. `nth` counts those of one case at one time, from 0."""

    key: str
    at: datetime
    nth: int
    row: dict[str, Any]
    line: Place

    @property
    def sequence(self) -> int | None:
        """What keeps events of one time in the file's order."""
        return self.nth or None


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns with the case, with what happened, and with the time."""

    key: str
    activity: str
    at: str


def columns_of(spec: EntityType) -> Columns:
    """Those of an entity type whose source is a log."""
    assert spec.events is not None, "only where rows are events"
    return Columns(spec.key, spec.events.activity, spec.events.at)


def events_of(path: Path, columns: Columns, faults: list[str], read: Read = lambda _: None) -> Iterator[Logged]:
    """The events of a file, in its order; of XES with one trace in memory at a time. What can't be placed (no case,
    no activity, no time with a zone) is told in `faults`; `read` is told how many bytes were read.

    Raises Refused when the file cannot be read at all, also after some events.
    """
    seen: dict[tuple[str, datetime], int] = {}
    for key, row, line in _rows(path, columns, faults, read, seen):
        try:
            at = parse_instant(str(row.get(columns.at, "")))
        except ValueError:
            told = f"{columns.at} {str(row.get(columns.at, ''))[:40]!r} is not a time with its zone"
            faults.append(f"{path.name}:{line}: {told}")
            continue
        nth = seen[key, at] = seen.get((key, at), -1) + 1
        yield Logged(key, at, nth, row, line)


def _rows(
    path: Path,
    columns: Columns,
    faults: list[str],
    read: Callable[[int], None],
    seen: dict[tuple[str, datetime], int],
) -> Iterator[tuple[str, dict[str, Any], Place]]:
    if xes.is_xes(path):
        for trace in xes.traces(path, faults, read):
            seen.clear()  # a case is one trace
            for event in trace:
                placed = {columns.key: event.case, columns.activity: event.activity, columns.at: event.time}
                yield event.case, {**event.cells, **placed}, event.line
        return
    source, told = Source(path), Told(faults=faults)
    check_key(source, columns.key, "the case")
    for line, row in rows_of(source, told):
        key, what = row.get(columns.key), row.get(columns.activity)
        if not isinstance(key, str | int) or not str(key).strip() or what in (None, ""):
            faults.append(
                f"{path.name}:{line}: this event can't be placed: no {columns.key}, or no {columns.activity}"
            )
            continue
        yield str(key).strip(), row, line
    read(path.stat().st_size)


def read_log(state: State, path: Path, spec: EntityType) -> None:
    """Add the events of one file to the cases of `state`, as far as the declaration reads them. An activity that is
    asked for and happens nowhere is told as a fault: it may be misspelt. Raises Refused."""
    columns = columns_of(spec)
    wanted = {columns.key, columns.activity, *(item.column for item in spec.attributes.values())}
    plain: dict[str, dict[str, Any]] = {}
    happened: set[str] = set()
    state.files.append(path.name)
    for event in events_of(path, columns, state.faults):
        what = str(event.row[columns.activity])
        happened.add(what)
        row = {name: cell for name, cell in event.row.items() if name in wanted and name != columns.key}
        row = plain.setdefault(what, row) if len(row) == 1 else {**row, columns.key: event.key}
        state.rows.setdefault(event.key, StateRow(event.key, {}, path.name, event.line))
        place = f"{path.name}:{event.line}"
        sequence = NO_SEQUENCE if event.sequence is None else event.sequence
        state.cases.setdefault(event.key, []).append(Happened(event.at, sequence, place, row))
    for name, item in computations(spec.computed).items():
        missing = [what for what in item.activities if what not in happened]
        state.faults += [f"{path.name}: nothing in it is called {what!r}, which {name} asks for" for what in missing]
