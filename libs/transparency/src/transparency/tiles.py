"""C2SP tlog-tiles: a tree stored as tiles of up to 256 hashes, which grow at the right edge only.

A tile of level L holds the roots of consecutive perfect subtrees of height 8·L; full tiles never change. A tile is
named by level, index and width, and so is its path below a log's address. `grow` makes the tiles that new leaves
add; `TiledTree` proves from tiles alone, for any size up to that of the tree.

Tiles are not authenticated here: who takes a proof verifies it against a signed checkpoint.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, Protocol, cast

from transparency.errors import Malformed, Unanswerable
from transparency.merkle import (
    HASH_BYTES,
    MAX_SIZE,
    Range,
    consistency_ranges,
    inclusion_ranges,
    parents,
    peaks,
)

HEIGHT = 8
WIDTH = 1 << HEIGHT
MAX_LEVEL = 63
MAX_CACHED_TILES = 256
MAX_REMEMBERED_TILES = 256

BundleKind = Literal["entries", "entries32"]

_NUMBER = r"(?:x\d{3}/){0,6}\d{3}"
_PARTIAL = r"(?:\.p/([1-9]\d{0,2}))?"
_TILE = re.compile(rf"tile/(0|[1-9]\d?)/({_NUMBER}){_PARTIAL}", re.ASCII)
_BUNDLE = re.compile(rf"tile/(entries|entries32)/({_NUMBER}){_PARTIAL}", re.ASCII)


@dataclass(frozen=True, order=True)
class Tile:
    """`width` consecutive hashes of a level, from `index` · 256 on. Raises `Malformed` for what can't be one."""

    level: int
    index: int
    width: int = WIDTH

    def __post_init__(self) -> None:
        if not (0 <= self.level <= MAX_LEVEL and 0 <= self.index <= MAX_SIZE and 1 <= self.width <= WIDTH):
            raise Malformed("tile_invalid", f"there is no tile {self.level}/{self.index} of width {self.width}")

    @property
    def path(self) -> str:
        return f"tile/{self.level}/{_number(self.index)}{_suffix(self.width)}"

    @property
    def bytes_long(self) -> int:
        return self.width * HASH_BYTES


@dataclass(frozen=True)
class Bundle:
    """The records of leaves from `index` · 256 on, under `tile/entries` or `tile/entries32` (see `entries`)."""

    kind: BundleKind
    index: int
    width: int = WIDTH

    def __post_init__(self) -> None:
        if not (0 <= self.index <= MAX_SIZE and 1 <= self.width <= WIDTH):
            raise Malformed("tile_invalid", f"there is no bundle {self.index} of width {self.width}")

    @property
    def path(self) -> str:
        return f"tile/{self.kind}/{_number(self.index)}{_suffix(self.width)}"


def parse_path(path: str) -> Tile | Bundle:
    """What a path below the log's address names. Raises `Malformed` unless it is written the one allowed way."""
    if found := _TILE.fullmatch(path):
        level, number, width = found.groups()
        named: Tile | Bundle = Tile(int(level), _parse_number(number), int(width or WIDTH))
    elif found := _BUNDLE.fullmatch(path):
        kind, number, width = found.groups()
        named = Bundle(cast(BundleKind, kind), _parse_number(number), int(width or WIDTH))
    else:
        raise Malformed("tile_path_invalid", "the path names no tile")
    if named.path != path:  # a number with leading groups of zeroes, or a full tile called partial
        raise Malformed("tile_path_invalid", "the path is not the one way to name this tile")
    return named


class TileReader(Protocol):
    """Where tiles come from."""

    def read_tile(self, tile: Tile) -> bytes:
        """The bytes of this tile, or of a wider one at the same place. Raises `Unanswerable` when there is none."""
        ...


@dataclass(frozen=True)
class Tiles:
    """A `TileReader` over tiles in memory."""

    held: Mapping[Tile, bytes]

    def read_tile(self, tile: Tile) -> bytes:
        found = self.held.get(tile) or self.held.get(Tile(tile.level, tile.index))
        if found is None:
            raise Unanswerable("tile_missing", f"{tile.path} is not there")
        return found


def edge(size: int) -> list[Tile]:
    """The partial tiles of a tree of this size: at most one a level, the lowest first."""
    found = []
    level = 0
    while row := size >> HEIGHT * level:
        if row % WIDTH:
            found.append(Tile(level, row // WIDTH, row % WIDTH))
        level += 1
    return found


def grow(reader: TileReader, size: int, leaves: Sequence[bytes]) -> dict[Tile, bytes]:
    """The tiles to store, full and partial, when these leaf hashes are appended to a tree of `size` leaves.

    Reads the `edge` of the old tree and nothing else, and hashes each new node once. What is stored already stays
    as it is; partial tiles of the old edge may be deleted once the wider ones are stored.
    """
    if size + len(leaves) > MAX_SIZE:
        raise Malformed("size_out_of_range", "a tree has at most 2^63−1 leaves")
    made: dict[Tile, bytes] = {}
    row, level = list(leaves), 0
    while row:
        begun, known = divmod(size >> HEIGHT * level, WIDTH)
        held = _read(reader, Tile(level, begun, known)) if known else b""
        row = _split(held) + row
        for at in range(0, len(row), WIDTH):
            part = row[at : at + WIDTH]
            made[Tile(level, begun + at // WIDTH, len(part))] = b"".join(part)
        row = row[: len(row) - len(row) % WIDTH]
        for _ in range(HEIGHT):
            row = parents(row)
        level += 1
    return made


class TiledTree:
    """A tree of `size` leaves, known by its tiles; a `merkle.Subtrees`.

    Keeps the tiles it used last, some 50 KB each with the nodes between their hashes. For storage that must be
    awaited, fetch what `tiles_for_inclusion` or `tiles_for_consistency` name, and put them into `Tiles`.
    """

    def __init__(self, reader: TileReader, size: int) -> None:
        if not 0 <= size <= MAX_SIZE:
            raise Malformed("size_out_of_range", f"a tree size is between 0 and 2^63−1, not {size}")
        self._reader = reader
        self._size = size
        self._kept: dict[Tile, list[list[bytes]]] = {}

    @property
    def size(self) -> int:
        return self._size

    def subtree(self, height: int, index: int) -> bytes:
        rows = self._rows(tile_of(height, index, self._size))
        within = height % HEIGHT
        while len(rows) <= within:
            rows.append(parents(rows[-1]))
        return rows[within][index % (WIDTH >> within)]

    def _rows(self, tile: Tile) -> list[list[bytes]]:
        """The tile's hashes and, above them, those of the nodes that were needed so far."""
        rows = self._kept.pop(tile, None)
        if rows is None:
            held = _read(self._reader, tile)
            rows = _all_rows(held) if tile.level else [_split(held)]
        if len(self._kept) >= MAX_CACHED_TILES:
            del self._kept[next(iter(self._kept))]
        self._kept[tile] = rows
        return rows


def tile_of(height: int, index: int, size: int) -> Tile:
    """The tile of a tree of `size` leaves from which the root of this perfect subtree is computed."""
    level, within = divmod(height, HEIGHT)
    number = (index << within) // WIDTH
    width = min((size >> HEIGHT * level) - number * WIDTH, WIDTH)
    if width < ((index << within) % WIDTH) + (1 << within):
        raise Unanswerable("size_beyond_tree", f"the tree of {size} leaves does not hold subtree {height}/{index}")
    return Tile(level, number, width)


def tiles_for_root(part: int, size: int) -> list[Tile]:
    """The tiles of a tree of `size` leaves that give the root of its first `part`."""
    return _tiles([(0, part)], size)


def tiles_for_inclusion(index: int, part: int, size: int) -> list[Tile]:
    """The tiles of a tree of `size` leaves that prove leaf `index` in its first `part`."""
    return _tiles(inclusion_ranges(index, part), size)


def tiles_for_consistency(old: int, part: int, size: int) -> list[Tile]:
    """The tiles of a tree of `size` leaves that prove its first `old` the beginning of its first `part`."""
    return _tiles(consistency_ranges(old, part), size)


def _tiles(parts: Sequence[Range], size: int) -> list[Tile]:
    return sorted({tile_of(height, index, size) for part in parts for height, index in peaks(part)})


def _read(reader: TileReader, tile: Tile) -> bytes:
    held = reader.read_tile(tile)
    if not tile.bytes_long <= len(held) <= WIDTH * HASH_BYTES or len(held) % HASH_BYTES:
        raise Malformed("tile_length", f"{tile.path} came with {len(held)} bytes instead of {tile.bytes_long}")
    return held[: tile.bytes_long]


@lru_cache(MAX_REMEMBERED_TILES)
def _all_rows(held: bytes) -> list[list[bytes]]:
    """The hashes of a tile and the nodes above them, which nobody changes.

    A few tiles stand above many leaves and are asked for with every proof. They are remembered by what is in them, so
    that one content is never taken for another.
    """
    rows = [_split(held)]
    while len(rows) < HEIGHT:
        rows.append(parents(rows[-1]))
    return rows


def _split(held: bytes) -> list[bytes]:
    return [held[at : at + HASH_BYTES] for at in range(0, len(held), HASH_BYTES)]


def _number(index: int) -> str:
    written = f"{index % 1000:03d}"
    while index := index // 1000:
        written = f"x{index % 1000:03d}/{written}"
    return written


def _suffix(width: int) -> str:
    return "" if width == WIDTH else f".p/{width}"


def _parse_number(written: str) -> int:
    return int(written.replace("/", "").replace("x", ""))
