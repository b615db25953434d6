"""Sealing: what the ledger's rows must be before they are signed, and the tree that they grow into.

The columns of a row are copies, taken from the event's bytes so that the database can look things up and check
rights. Whoever changes a column, and not the bytes, would show people another ledger than the one that is signed. So
every copy is compared with the bytes, and one that differs stops sealing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from json import JSONDecoder
from typing import Any, NamedTuple

import orjson
from common.errors import Permanent
from common.events.copies import differing
from transparency.checkpoints import Checkpoint
from transparency.errors import TransparencyError
from transparency.merkle import EMPTY_ROOT, leaf_hashes, root_of
from transparency.tiles import Tile, TiledTree, Tiles, grow

LONGEST_SHOWN = 80


class Row(NamedTuple):
    """One row of the ledger, as the database has it."""

    position: int
    raw: bytes
    source: str
    id: str
    stream: str
    version: int
    type: str
    case_id: str | None


@dataclass(frozen=True, slots=True)
class Sealed:
    """What to store: the checkpoint, not signed yet, and the tiles that are new or wider than before."""

    checkpoint: Checkpoint
    tiles: Mapping[Tile, bytes]


def empty(origin: str) -> Checkpoint:
    """The head of a log without entries. It is never signed; the first checkpoint continues it."""
    return Checkpoint(origin, 0, EMPTY_ROOT)


def seal(former: Checkpoint, edge: Tiles, rows: Sequence[Row], versions: Mapping[str, int]) -> Sealed:
    """The log after these rows, at least one, which follow the `former` checkpoint.

    `edge` holds the partial tiles of the former tree; `versions` the last version before the rows of each stream
    that they are in. Raises `Permanent` as `check_rows` and `check_root` do.
    """
    check_rows(rows, former.size, versions)
    check_root(edge, former)
    made = grow(edge, former.size, leaf_hashes(row.raw for row in rows))
    size = former.size + len(rows)
    tree = TiledTree(Tiles({**edge.held, **made}), size)
    return Sealed(Checkpoint(former.origin, size, root_of(tree, size)), made)


def check_root(edge: Tiles, signed: Checkpoint) -> None:
    """Raise `Permanent` (`tiles_inconsistent`) unless these tiles give the root that was signed."""
    try:
        root = root_of(TiledTree(edge, signed.size), signed.size)
    except TransparencyError as error:
        raise Permanent("tiles_inconsistent", f"the stored tiles can't be read: {error.message}") from error
    if root != signed.root:
        raise Permanent(
            "tiles_inconsistent",
            f"the stored tiles give another root than the checkpoint of size {signed.size} that was signed",
        )


def check_leaves(held: bytes, raws: Sequence[bytes], first: int) -> None:
    """Raise `Permanent` (`sealed_event_changed`) unless these events, from position `first` on, hash to `held`."""
    for number, leaf in enumerate(leaf_hashes(raws)):
        if leaf != held[32 * number : 32 * number + 32]:
            raise Permanent(
                "sealed_event_changed",
                f"the event at position {first + number} is not the one that was sealed there",
            )
    if 32 * len(raws) != len(held):
        raise Permanent(
            "sealed_event_changed", f"of the events sealed from position {first} on some are not there any more"
        )


def check_rows(rows: Sequence[Row], size: int, versions: Mapping[str, int]) -> None:
    """Raise `Permanent` unless the rows stand at `size`, `size` + 1 and so on, and every column says what the bytes
    say. `row_missing`, `row_unreadable`, `row_disagrees` name the position and the writer.
    """
    reached = dict(versions)
    for expected, row in enumerate(rows, start=size):
        if row.position != expected:
            raise Permanent(
                "row_missing", f"the ledger has no row at position {expected}; the next is {row.position}"
            )
        for column, copy, said in differing(row, _attributes(row)):
            raise _disagrees(row, column, copy, f"the event's bytes say {_short(said)}")
        if row.version != reached.get(row.stream, 0) + 1:
            raise _disagrees(
                row, "version", row.version, f"{reached.get(row.stream, 0) + 1} comes next in its stream"
            )
        reached[row.stream] = row.version


def _attributes(row: Row) -> dict[str, Any]:
    try:
        found = orjson.loads(row.raw)
    except orjson.JSONDecodeError as error:
        found = _with_any_numbers(row, error)
    if not isinstance(found, dict):
        raise Permanent("row_unreadable", f"{_named(row)}: its bytes are not a JSON object")
    return found


def _with_any_numbers(row: Row, refused: orjson.JSONDecodeError) -> Any:
    """The same by a reader that leaves numbers alone: JSON, and so the database, knows no largest one."""
    try:
        return _ANY_NUMBERS.decode(row.raw.decode())
    except (ValueError, RecursionError):
        raise Permanent("row_unreadable", f"{_named(row)}: its bytes are not JSON: {refused}") from refused


def _refused(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


_ANY_NUMBERS = JSONDecoder(
    parse_float=str,
    parse_int=lambda text: int(text) if len(text) < LONGEST_SHOWN else text,
    parse_constant=_refused,
)


def _disagrees(row: Row, column: str, copy: object, instead: str) -> Permanent:
    return Permanent("row_disagrees", f"{_named(row)}: the column {column} says {_short(copy)}, and {instead}")


def _named(row: Row) -> str:
    return f"position {row.position}, written by {row.source[:LONGEST_SHOWN]}"


def _short(value: object) -> str:
    told = repr(value)
    return told if len(told) <= LONGEST_SHOWN else told[:LONGEST_SHOWN] + "…"
