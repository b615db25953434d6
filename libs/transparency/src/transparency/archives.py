"""The zip files of bundles: written the same way every time, read as if a stranger had made them.

Only the plain part of the format is read: stored or deflated files with simple names, one after the other and nothing
between them. What two programs could read differently (names that differ between the two headers, files that overlap,
duplicates, paths that leave the folder, encryption, comments, extended sizes) is refused.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from struct import Struct
from typing import NamedTuple
from zipfile import ZIP_STORED, ZipFile, ZipInfo

from transparency.errors import Malformed

MAX_FILES = 60_000
MAX_FILE_BYTES = 96 * 1024 * 1024
MAX_BYTES = 192 * 1024 * 1024
"""Of the archive, and of all that is in it."""

EPOCH = (1980, 1, 1, 0, 0, 0)
_NAME = re.compile(rb"[A-Za-z0-9_][A-Za-z0-9_.-]{0,119}(/[A-Za-z0-9_][A-Za-z0-9_.-]{0,119})?")
_END = Struct("<4s4H2LH")
_CENTRAL = Struct("<4s4x2H4x3L4H6xL")
_LOCAL_BYTES = 30
_UTF8 = 0x800


class _Entry(NamedTuple):
    """`head`: how the file's own header must begin, up to the length of its name, to say what the directory says."""

    at: int
    name: bytes
    head: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int


def write(files: Mapping[str, bytes]) -> bytes:
    """An archive of these files: sorted, stored, without times. The same files give the same bytes everywhere."""
    held = BytesIO()
    _check_names([name.encode() for name in files])
    with ZipFile(held, "w", ZIP_STORED) as archive:
        for name, content in sorted(files.items()):
            info = ZipInfo(name, EPOCH)
            info.create_system, info.external_attr = 3, 0o644 << 16
            archive.writestr(info, content)
    return held.getvalue()


def read(raw: bytes) -> dict[str, bytes]:
    """The files of an archive by name, in the order of its directory. Raises `Malformed`, and unpacks no more than
    `MAX_BYTES`."""
    if len(raw) > MAX_BYTES:
        raise Malformed("oversized", f"the archive has {len(raw)} bytes; at most {MAX_BYTES} are accepted")
    entries, end = _directory(raw)
    sizes = [entry.size for entry in entries]
    if sum(sizes) > MAX_BYTES or max(sizes, default=0) > MAX_FILE_BYTES:
        raise Malformed("oversized", f"it unpacks to more than the {MAX_BYTES} bytes that are accepted")
    files: dict[str, bytes] = {}
    at = 0
    for entry in sorted(entries):
        at, content = _content(raw, entry, at, end)
        files[entry.name.decode("ascii")] = content
    if len(files) != len(entries):
        raise Malformed("archive_invalid", "two of its files have the same name")
    if at != end:
        raise Malformed("archive_invalid", "there is something between its files and its directory")
    return files


def _directory(raw: bytes) -> tuple[list[_Entry], int]:
    """The entries of the central directory, and where it begins."""
    last = len(raw) - _END.size
    if last < 0:
        raise Malformed("archive_invalid", "this is no zip file, or not all of one")
    mark, disk, begins, here, count, length, at, comment = _END.unpack_from(raw, last)
    if mark != b"PK\x05\x06" or comment:
        raise Malformed("archive_invalid", "this is no zip file, not all of one, or it has a comment at its end")
    if disk or begins or here != count or count > MAX_FILES:
        raise Malformed("archive_invalid", f"it is in several parts, or has more than {MAX_FILES} files")
    if at + length != last:
        raise Malformed("archive_invalid", "its directory is not where it says")
    entries = list(_entries(raw, at, last))
    if len(entries) != count:
        raise Malformed("archive_invalid", f"its directory lists {len(entries)} files and says {count}")
    _check_names([entry.name for entry in entries])
    return entries, at


def _entries(raw: bytes, at: int, last: int) -> Iterator[_Entry]:
    unpack, fixed = _CENTRAL.unpack_from, _CENTRAL.size
    while at < last:
        if at + fixed > last:
            raise Malformed("archive_invalid", "its directory ends within an entry")
        mark, flags, method, crc, packed, size, named, extra, comment, disk, begins = unpack(raw, at)
        if mark != b"PK\x01\x02" or disk or comment:
            raise Malformed("archive_invalid", "its directory holds something else than files")
        begun = at + fixed
        head = b"PK\x03\x04" + raw[at + 6 : at + 30]
        yield _Entry(begins, raw[begun : begun + named], head, flags, method, crc, packed, size)
        at = begun + named + extra
    if at != last:
        raise Malformed("archive_invalid", "its directory ends within an entry")


def _content(raw: bytes, entry: _Entry, at: int, end: int) -> tuple[int, bytes]:
    """Where the entry, which begins at `at`, ends; and what is in it."""
    begun, name, head, flags, method, crc, packed, size = entry
    named = at + _LOCAL_BYTES
    begins = named + len(name) + int.from_bytes(raw[named - 2 : named], "little")
    ends = begins + packed
    if begun != at or ends > end:
        raise Malformed("archive_invalid", f"{name!r} overlaps with another file, or does not follow it")
    if not (raw.startswith(head, at) and raw.startswith(name, named)) or flags & ~_UTF8:
        raise Malformed("archive_invalid", f"the two headers of {name!r} disagree, or it is packed unusually")
    content = raw[begins:ends]
    if method or packed != size:
        content = _unpacked(content, entry)
    if zlib.crc32(content) != crc:
        raise Malformed("archive_invalid", f"{name!r} is damaged: its checksum differs")
    return ends, content


def _unpacked(packed: bytes, entry: _Entry) -> bytes:
    told = repr(entry.name)
    if entry.method == 0:
        content = packed
    elif entry.method == 8:
        inflating = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            content = inflating.decompress(packed, entry.size + 1)
        except zlib.error as error:
            raise Malformed("archive_invalid", f"{told} is damaged: {error}") from error
        if not inflating.eof and len(content) <= entry.size:
            raise Malformed("archive_invalid", f"{told} is damaged: its end is not there")
        if inflating.unused_data:
            raise Malformed("archive_invalid", f"there is something behind {told}")
    else:
        raise Malformed(
            "archive_invalid", f"{told} is packed with method {entry.method}; stored and deflated are read"
        )
    if len(content) != entry.size:
        raise Malformed("archive_invalid", f"{told} does not have the {entry.size} bytes that it claims")
    return content


def _check_names(names: Sequence[bytes]) -> None:
    for name in names:
        if not _NAME.fullmatch(name):
            raise Malformed("archive_invalid", f"{name[:80]!r} is no name that a bundle's file can have")
