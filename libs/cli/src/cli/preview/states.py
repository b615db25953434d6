"""Rows of entities from files, each with the place it stands at in its file."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from common.declarations.computing import Happened
from common.declarations.models import EntityType
from common.declarations.problems import did_you_mean
from common.declarations.reading import Reader
from common.errors import Refused

from cli.imports import mappings, waiting
from cli.imports.formats import check_key, rows_of
from cli.imports.source import Place, Source, Told
from cli.imports.unread import Unread

_BITS = 1 << 27
"""Of the table that finds keys which come twice: 16 MiB, whatever the number of rows."""


@dataclass(frozen=True, slots=True)
class StateRow:
    """One row as given: `line` is where it begins in its file, in a workbook its sheet and number."""

    key: str
    row: dict[str, Any]
    file: str
    line: Place


@dataclass(slots=True)
class State:
    """All rows of one entity type. `faults` says which lines were left out, and why: what they would have shown is
    not known. The last row of a key counts. `unread` has what the files' readers could make nothing of. Of a log all
    `cases` with their events, and no row has cells yet.

    Rows are held, or read again whenever they are gone through (`streamed`): then `again` says which place counts of
    the keys that come more than once, and nothing else is held of any row.
    """

    entity_type: str
    files: list[str] = field(default_factory=list)
    rows: dict[str, StateRow] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    unread: Unread = field(default_factory=Unread)
    cases: dict[str, list[Happened]] = field(default_factory=dict)
    streamed: tuple[Source, mappings.Mapping | None] | None = None
    again: dict[str, Place] = field(default_factory=dict)

    def each(self, reader: Reader) -> Iterator[StateRow]:
        """The rows that count, in no particular order."""
        if self.streamed is None:
            yield from self.rows.values()
            return
        source, mapping = self.streamed
        for place, row in rows_of(source, Told(), mapping):
            key = reader.key(row)
            if key is not None and self.again.get(key, place) == place:
                yield StateRow(key, row, source.name, place)


def parse_options(options: Sequence[str], known: Sequence[str]) -> list[tuple[str, Source]]:
    """`type=FILE` options, or `type=FILE#PART`, as pairs. Raises Refused for no type, an unknown one, or a file that
    is not there."""
    pairs = []
    for option in options:
        name, equals, path = option.partition("=")
        if not equals:
            told = f"--state {option} does not say which entity type the rows are."
            raise Refused("state_without_type", told, f"Write: --state {known[0] if known else 'TYPE'}={option}")
        if name not in known:
            raise Refused("unknown_entity_type", f"There is no entity type {name!r}.", did_you_mean(name, known))
        pairs.append((name, source_of(path)))
    return pairs


def source_of(path: str) -> Source:
    """The file of `FILE` or `FILE#PART`. Raises Refused (`no_such_file`)."""
    file, _, part = path.rpartition("#")
    if Path(path).is_file():
        return Source(Path(path))
    if file and Path(file).is_file():
        return Source(Path(file), part)
    raise Refused("no_such_file", f"There is no file {path}.", "Check the path.")


def read(state: State, source: Source, reader: Reader, spec: EntityType | None = None) -> None:
    """Add the rows of one file, by the mapping that is kept beside it, if one is. Raises Refused when the file cannot
    be read at all, its header is not the mapping's, or no row of it has the key."""
    source, mapping = mapped(source, state.entity_type)
    state.files.append(source.name)
    told = Told(faults=state.faults)
    for place, row in waiting.counted(rows_of(source, told, mapping), source.name):
        key = reader.key(row)
        if key is None:
            state.faults.append(_no_key(source, place, reader))
            continue
        if key in state.rows:
            state.faults.append(_twice(source, place, key, state.rows[key].line))
        state.rows[key] = StateRow(key, row, source.name, place)
    state.unread.take(source.name, told, spec)
    check_key(source, reader.key_column, state.entity_type, mapping)


def stream(state: State, source: Source, reader: Reader, spec: EntityType | None = None) -> None:
    """Take one file, whose rows are read again when they are gone through. Memory does not grow with their number:
    a table of bits finds the keys that may come twice, and only of those the places are held. Raises as `read`."""
    source, mapping = mapped(source, state.entity_type)
    state.files.append(source.name)
    state.streamed = (source, mapping)
    told = Told(faults=state.faults)
    known, mask, doubtful = bytearray(_BITS // 8), _BITS - 1, set[str]()
    for place, row in waiting.counted(rows_of(source, told, mapping), source.name):
        key = reader.key(row)
        if key is None:
            state.faults.append(_no_key(source, place, reader))
            continue
        number = hash(key)
        one, two = number & mask, (number >> 32) & mask
        if known[one >> 3] & 1 << (one & 7) and known[two >> 3] & 1 << (two & 7):
            doubtful.add(key)  # seen before, or alike in both bits
        known[one >> 3] |= 1 << (one & 7)
        known[two >> 3] |= 1 << (two & 7)
    state.unread.take(source.name, told, spec)
    check_key(source, reader.key_column, state.entity_type, mapping)
    places: dict[str, Place] = {}
    for place, row in rows_of(source, Told(), mapping) if doubtful else ():
        key = reader.key(row)
        if key in doubtful and key is not None:
            if key in places:
                state.faults.append(_twice(source, place, key, places[key]))
                state.again[key] = place
            places[key] = place


def _no_key(source: Source, place: Place, reader: Reader) -> str:
    return f"{source.name}:{place}: the row has no {reader.key_column}, the key"


def _twice(source: Source, place: Place, key: str, before: Place) -> str:
    return f"{source.name}:{place}: {key} again; this row counts, not line {before}"


def mapped(source: Source, entity_type: str) -> tuple[Source, mappings.Mapping | None]:
    """The file with what the mapping that is kept beside it says of sheet and header; and that mapping."""
    path = mappings.path_for(source, entity_type)
    if not path.is_file():
        return source, None
    kept = mappings.read(path)
    if kept.entity_type != entity_type:
        told = f"{path} maps columns to {kept.entity_type}, not to {entity_type}."
        raise Refused("bad_mapping", told, "Name the file for its entity type.")
    return Source(source.path, source.part or kept.part, kept.header), kept
