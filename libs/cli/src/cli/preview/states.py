"""Rows of entities from files, each with the place it stands at in its file."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from common.declarations.models import EntityType
from common.declarations.problems import did_you_mean
from common.declarations.reading import Reader
from common.errors import Refused

from cli.imports import mappings, waiting
from cli.imports.formats import check_key, rows_of
from cli.imports.source import Place, Source, Told
from cli.imports.unread import Unread


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
    not known. The last row of a key counts. `unread` has what the files' readers could make nothing of."""

    entity_type: str
    files: list[str] = field(default_factory=list)
    rows: dict[str, StateRow] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    unread: Unread = field(default_factory=Unread)


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
            state.faults.append(f"{source.name}:{place}: the row has no {reader.key_column}, the key")
            continue
        if key in state.rows:
            at = state.rows[key].line
            state.faults.append(f"{source.name}:{place}: {key} again; this row counts, not line {at}")
        state.rows[key] = StateRow(key, row, source.name, place)
    state.unread.take(source.name, told, spec)
    check_key(source, reader.key_column, state.entity_type, mapping)


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
