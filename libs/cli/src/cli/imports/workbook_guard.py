"""What a workbook must be before anything in it is read: a zip file within bounds, without macros, without entities.

The parts are read by openpyxl through defusedxml, which refuses document types and entities. A zip file's directory
says how large each part is unpacked, and no more than it says is ever unpacked.
"""

from __future__ import annotations

import itertools
import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from common.errors import Refused

MOST_PARTS = 2_000
LARGEST_SHEET_BYTES = 512 * 1024 * 1024
LARGEST_STRINGS_BYTES = 128 * 1024 * 1024
LARGEST_PART_BYTES = 8 * 1024 * 1024
_SHEETS, _STRINGS = "xl/worksheets/", "xl/sharedstrings.xml"
_NEVER_READ = ("xl/media/", "xl/drawings/", "xl/charts/", "xl/embeddings/", "xl/printersettings/", "xl/pivotcache/")
_OLD = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_READ_BYTES = 1024 * 1024
_OVERLAP = 200
_MERGED = re.compile(rb"<(?:\w+:)?mergeCell\s[^>]{0,100}?\bref\s*=\s*[\"']([A-Z]{1,3}\d{1,7}:[A-Z]{1,3}\d{1,7})")
_FORMULA = re.compile(rb"<(?:\w+:)?f[\s>/]")
_DOCTYPE = re.compile(rb"<!(?:DOCTYPE|ENTITY)")
_ROW_ENDS = re.compile(rb"</(?:\w+:)?row>|<(?:\w+:)?row\s[^<>]{0,500}/>")
LARGEST_ROW_BYTES = 8 * 1024 * 1024
"""Of the markup from the end of one row to that of the next: so much is in memory at once."""
MOST_ROWS = 1_048_576


def check(path: Path) -> None:
    """Raise `Refused` (`bad_workbook`, `old_workbook`, `macro_file`, `too_large`) unless the file may be read."""
    with path.open("rb") as file:
        begins = file.read(8)
    if begins == _OLD:
        told = f"{path.name} is in the format before .xlsx, or it is encrypted."
        raise Refused("old_workbook", told, "Save it as .xlsx, without a password.")
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
            _check_parts(path.name, parts)
            _check_texts(path.name, archive, parts)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError) as error:
        raise Refused("bad_workbook", f"{path.name} is no workbook: {error}.", "Save it as .xlsx again.") from error


def _check_parts(name: str, parts: list[zipfile.ZipInfo]) -> None:
    names = [part.filename.lower() for part in parts]
    if len(parts) > MOST_PARTS or len(set(names)) != len(names):
        told = f"{name} has {len(parts)} parts, more than {MOST_PARTS} or some of them twice."
        raise Refused("bad_workbook", told, "Save it as .xlsx again.")
    if any(part.endswith("vbaproject.bin") or part.startswith("xl/macrosheets/") for part in names):
        told = f"{name} holds macros. They would not be run, but a file with macros is no record."
        raise Refused("macro_file", told, "Save it as .xlsx, without macros.")
    if any(part.flag_bits & 0x1 for part in parts):
        raise Refused("old_workbook", f"{name} is encrypted.", "Save it without a password.")
    for part, lower in zip(parts, names, strict=True):
        most = _most(lower)
        if part.file_size > most:
            told = f"{part.filename} in {name} unpacks to {part.file_size} bytes; at most {most} are read."
            raise Refused("too_large", told, "Split the workbook, or save the sheet as CSV.")


def _check_texts(name: str, archive: zipfile.ZipFile, parts: list[zipfile.ZipInfo]) -> None:
    """Nobody needs a document type here: what declares one is refused unread. Sheets are looked at by `look`."""
    for part in parts:
        if part.file_size <= LARGEST_PART_BYTES and _DOCTYPE.search(archive.read(part)):
            told = f"{part.filename} in {name} declares a document type."
            raise Refused("bad_workbook", told, "Save it as .xlsx again.")


def _most(part: str) -> int:
    if part.startswith(_SHEETS) and not part.startswith(f"{_SHEETS}_rels/"):
        return LARGEST_SHEET_BYTES
    if part == _STRINGS:
        return LARGEST_STRINGS_BYTES
    return LARGEST_SHEET_BYTES if part.startswith(_NEVER_READ) else LARGEST_PART_BYTES


def look(path: Path, part: str) -> tuple[list[str], bool]:
    """The merged ranges of a sheet's part (at most 1,000), and whether it has formulas. Raises `Refused`
    (`bad_workbook`) for a document type: nobody needs one here."""
    merged: list[str] = []
    formulas = False
    sizes = _Sizes(path.name, part)
    for piece, fresh in _pieces(path, part):
        sizes.add(fresh)
        if _DOCTYPE.search(piece):
            told = f"{part} in {path.name} declares a document type."
            raise Refused("bad_workbook", told, "Save it as .xlsx again.")
        formulas = formulas or _FORMULA.search(piece) is not None
        if len(merged) < 1000:
            merged += [found.decode() for found in _MERGED.findall(piece)]
    return merged, formulas


class _Sizes:
    """Bounds what a reader that takes rows one by one has in memory at once."""

    def __init__(self, name: str, part: str) -> None:
        self._where, self._since, self._rows = f"{part} in {name}", 0, 0

    def add(self, piece: bytes) -> None:
        ends = [found.end() for found in _ROW_ENDS.finditer(piece)]
        self._rows += len(ends)
        longest = max((b - a for a, b in itertools.pairwise(ends)), default=0)
        longest = max(longest, self._since + (ends[0] if ends else len(piece)))
        self._since = len(piece) - ends[-1] if ends else self._since + len(piece)
        if longest > LARGEST_ROW_BYTES or self._rows > MOST_ROWS:
            told = f"{self._where} has a row of more than {LARGEST_ROW_BYTES} bytes, or more than {MOST_ROWS} rows."
            raise Refused("too_large", told, "Split the sheet, or save it as CSV.")


def _pieces(path: Path, part: str) -> Iterator[tuple[bytes, bytes]]:
    """The part in pieces: each with the end of the one before in front, so that nothing is cut in two; and alone."""
    kept = b""
    try:
        with zipfile.ZipFile(path) as archive, archive.open(part) as file:
            while data := file.read(_READ_BYTES):
                yield kept + data, data
                kept = data[-_OVERLAP:]
    except (zipfile.BadZipFile, zlib.error, KeyError, EOFError, OSError) as error:
        raise Refused("bad_workbook", f"{path.name} is damaged: {error}.", "Save it as .xlsx again.") from error
