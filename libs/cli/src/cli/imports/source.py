"""What a reader of files is given, what it tells beside the rows, and how a file is opened within bounds."""

from __future__ import annotations

import gzip
import io
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

from common.errors import Refused

LARGEST_FILE_BYTES = 512 * 1024 * 1024
"""Of a file, and of what is in it once it is unpacked."""
LARGEST_ROW_BYTES = 1024 * 1024
MOST_PATHS = 200
_READ_BYTES = 1024 * 1024

Place: TypeAlias = int | str
"""Where a row stands in its file: a line, `Findings!12` in a workbook, `findings[3]` in a document."""
Row: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Source:
    """One file. `part` is the sheet of a workbook, or the list of a document, that the rows are in; `header` the line
    that names the columns, where a format has one."""

    path: Path
    part: str = ""
    header: int = 1

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def suffix(self) -> str:
        """The format's, in small letters: `.csv` of `a.CSV` and of `a.csv.gz`."""
        name = self.path.with_suffix("") if self.packed else self.path
        return name.suffix.lower()

    @property
    def packed(self) -> bool:
        return self.path.suffix.lower() == ".gz"


@dataclass(slots=True)
class Told:
    """What a reader found beside rows. `faults`: what was left out, a line each. `empty`: cells that hold something
    which is no value, so that nothing of them is in the row (place, column, what it is). `strange`: paths in a
    document that were not understood, and how often."""

    faults: list[str] = field(default_factory=list)
    empty: list[tuple[Place, str, str]] = field(default_factory=list)
    strange: Counter[str] = field(default_factory=Counter)

    def not_understood(self, path: str) -> None:
        """Count `path`; beyond the first `MOST_PATHS` different ones they are counted together."""
        self.strange[path if path in self.strange or len(self.strange) < MOST_PATHS else "(others)"] += 1


class Bounded(io.RawIOBase):
    """Reads `inner` up to `most` bytes and refuses what is longer, however small it was packed."""

    def __init__(self, inner: BinaryIO, most: int, name: str) -> None:
        super().__init__()
        self._inner, self._left, self._most, self._name = inner, most, most, name

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._inner.read(len(buffer))
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            told = f"{self._name} can't be unpacked: {error}."
            raise Refused("bad_gzip", told, "Pack it again, or give it unpacked.") from error
        self._left -= len(data)
        if self._left < 0:
            raise Refused("too_large", f"{self._name} holds more than {self._most} bytes.", "Split it.")
        buffer[: len(data)] = data
        return len(data)


@contextmanager
def opened(source: Source) -> Iterator[BinaryIO]:
    """The file's bytes, unpacked. Raises `Refused` (`too_large`, `bad_gzip`, `no_such_file`), also while it is
    read."""
    try:
        size = source.path.stat().st_size
        file = source.path.open("rb")
    except OSError as error:
        raise Refused("no_such_file", f"{source.path} can't be read: {error.strerror}", "Check the path.") from error
    with file:
        if size > LARGEST_FILE_BYTES:
            raise Refused("too_large", f"{source.name} is larger than {LARGEST_FILE_BYTES} bytes.", "Split it.")
        inner: BinaryIO = gzip.GzipFile(fileobj=file) if source.packed else file  # type: ignore[assignment]
        yield io.BufferedReader(Bounded(inner, LARGEST_FILE_BYTES, source.name), _READ_BYTES)


@contextmanager
def opened_text(source: Source) -> Iterator[io.TextIOWrapper]:
    """The file as UTF-8 text, a byte-order mark left out, ends of lines as they are. Raises `Refused` as `opened`,
    and `not_utf8`, also while it is read."""
    with opened(source) as file, io.TextIOWrapper(file, "utf-8-sig", newline="") as text:
        try:
            yield text
        except UnicodeDecodeError as error:
            told = f"{source.name} is not UTF-8 text (byte {_first_bad(source)})."
            raise Refused("not_utf8", told, "Save it as UTF-8.") from error


def _first_bad(source: Source) -> int:
    """Where the first byte stands that is no UTF-8: the decoder counts from the piece it had."""
    at, rest = 0, b""
    with opened(source) as file:
        while piece := file.read(_READ_BYTES):
            piece = rest + piece
            try:
                piece.decode("utf-8")
                rest = b""
            except UnicodeDecodeError as error:
                if error.reason != "unexpected end of data":
                    return at + error.start
                rest = piece[error.start :]
            at += len(piece) - len(rest)
    return at
