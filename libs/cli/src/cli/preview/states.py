"""Rows of entities from CSV and JSONL files, each with the line it stands on."""

import csv
import io
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from common.canonical import parse_strict
from common.declarations.computing import Happened
from common.declarations.problems import did_you_mean
from common.declarations.reading import Reader
from common.errors import Permanent, Refused

LARGEST_FILE_BYTES = 512 * 1024 * 1024
LARGEST_ROW_BYTES = 1024 * 1024
_MOST_COLUMNS = 12
csv.field_size_limit(LARGEST_ROW_BYTES)


@dataclass(frozen=True, slots=True)
class StateRow:
    """One row as given: `line` is where it begins in its file."""

    key: str
    row: dict[str, Any]
    file: str
    line: int


@dataclass(slots=True)
class State:
    """All rows of one entity type. `faults` says which lines were left out, and why: what they would have shown is
    not known. The last row of a key counts; of a log all `cases` with their events, and no row has cells yet."""

    entity_type: str
    files: list[str] = field(default_factory=list)
    rows: dict[str, StateRow] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    cases: dict[str, list[Happened]] = field(default_factory=dict)


def parse_options(options: Sequence[str], known: Sequence[str]) -> list[tuple[str, Path]]:
    """`type=FILE` options as pairs. Raises Refused for no type, an unknown one, or a file that is not there."""
    pairs = []
    for option in options:
        name, equals, path = option.partition("=")
        if not equals:
            told = f"--state {option} does not say which entity type the rows are."
            raise Refused("state_without_type", told, f"Write: --state {known[0] if known else 'TYPE'}={option}")
        if name not in known:
            raise Refused("unknown_entity_type", f"There is no entity type {name!r}.", did_you_mean(name, known))
        if not Path(path).is_file():
            raise Refused("no_such_file", f"There is no file {path}.", "Check the path.")
        pairs.append((name, Path(path)))
    return pairs


def read(state: State, path: Path, reader: Reader) -> None:
    """Add the rows of one file. Raises Refused when the file cannot be read at all, or no row of it has the key."""
    state.files.append(path.name)
    for line, row in rows_of(path, state.faults):
        key = reader.key(row)
        if key is None:
            state.faults.append(f"{path.name}:{line}: the row has no {reader.key_column}, the key")
            continue
        if key in state.rows:
            state.faults.append(f"{path.name}:{line}: {key} again; this row counts, not line {state.rows[key].line}")
        state.rows[key] = StateRow(key, row, path.name, line)
    check_key(path, reader.key_column, state.entity_type)


def check_key(path: Path, key: str, entity_type: str) -> None:
    """Raise Refused (`no_key_column`) when neither the header of a CSV file nor any row of a JSONL file has the
    column `key`. The file is one that `rows_of` can read; a JSONL file without rows has nothing against it.
    """
    columns: dict[str, None] = {}
    for names in _header(path) if path.suffix.lower() == ".csv" else (row for _, row in rows_of(path, [])):
        if key in names:
            return
        columns |= dict.fromkeys(names)
    if columns:
        shown = ", ".join([*columns][:_MOST_COLUMNS]) + (", ..." if len(columns) > _MOST_COLUMNS else "")
        told = f"{path.name} has no column {key!r}, the key of {entity_type}; it has: {shown}."
        raise Refused("no_key_column", told, f"Give a file with the column {key}.")


def _header(path: Path) -> Iterator[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        yield from itertools.islice(csv.reader(file, strict=True), 1)


def rows_of(path: Path, faults: list[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows of a CSV or JSONL file, each with the line it begins on; lines that are no row are told in `faults`.

    Raises Refused when the file cannot be read at all.
    """
    if path.stat().st_size > LARGEST_FILE_BYTES:
        raise Refused("too_large", f"{path.name} is larger than {LARGEST_FILE_BYTES} bytes.", "Split it.")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        told = f"{path.name} is not UTF-8 text (byte {error.start})."
        raise Refused("not_utf8", told, "Save it as UTF-8.") from error
    if path.suffix.lower() in (".jsonl", ".ndjson"):
        yield from _jsonl(path.name, text, faults)
    elif path.suffix.lower() == ".csv":
        yield from _csv(path.name, text, faults)
    else:
        raise Refused("unknown_format", f"{path.name} is neither CSV nor JSONL.", "Name it .csv or .jsonl.")


def _csv(name: str, text: str, faults: list[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(lines, [])
        if not header or len(set(header)) != len(header):
            raise Refused("bad_header", f"The first line of {name} does not name each column once.", "Repair it.")
        begins = lines.line_num + 1
        for cells in lines:
            if len(cells) == len(header):
                yield begins, dict(zip(header, cells, strict=True))
            elif cells:
                faults.append(f"{name}:{begins}: {len(cells)} cells where the header names {len(header)}")
            begins = lines.line_num + 1
    except csv.Error as error:
        told = f"{name}:{lines.line_num}: this is not CSV: {error}."
        raise Refused("bad_csv", told, "Check the quotes.") from error


def _jsonl(name: str, text: str, faults: list[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            value = parse_strict(line.encode(), LARGEST_ROW_BYTES)
        except Permanent as error:
            faults.append(f"{name}:{number}: {error.message}")
            continue
        if isinstance(value, dict):
            yield number, {key: _plain(item) for key, item in value.items()}
        else:
            faults.append(f"{name}:{number}: this is not an object")


def _plain(value: Any) -> Any:
    return repr(value) if isinstance(value, float) else value
