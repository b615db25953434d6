"""Zip files of strangers: read plainly and within bounds, or refused."""

from __future__ import annotations

import io
import random
import struct
import warnings
import zipfile
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transparency import archives
from transparency.errors import Malformed

FILES = {"VERIFY.md": b"how", "proofs/0.tlog-proof": b"p" * 300, "events.ndjson": bytes(range(256)) * 4, "empty": b""}
names = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,8}(/[a-z][a-z.]{0,5})?", fullmatch=True)


def packed(
    *entries: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED, comment: bytes = b"", **info: Any
) -> bytes:
    """As other programs pack."""
    held = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(held, "w", method) as archive:
        warnings.simplefilter("ignore", UserWarning)
        for name, content in entries:
            one = zipfile.ZipInfo(name)
            one.compress_type = method
            for field, value in info.items():
                setattr(one, field, value)
            archive.writestr(one, content)
        archive.comment = comment
    return held.getvalue()


@given(st.dictionaries(names, st.binary(max_size=300), max_size=6))
def test_what_is_written_is_read_and_is_a_zip_file_for_others(files: dict[str, bytes]) -> None:
    raw = archives.write(files)
    assert archives.read(raw) == files
    assert archives.write(dict(reversed(files.items()))) == raw, "the order of the files does not matter"
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == files


def test_deflated_by_another_program_is_the_same() -> None:
    assert archives.read(packed(*FILES.items())) == FILES


@pytest.mark.law
def test_a_flipped_byte_is_refused_or_changes_no_content() -> None:
    for raw in (archives.write(FILES), packed(*FILES.items())):
        for at in range(len(raw)):
            for bit in (0x01, 0x80):
                flipped = bytearray(raw)
                flipped[at] ^= bit
                try:
                    assert archives.read(bytes(flipped)) == FILES, at
                except Malformed:
                    continue


def test_cut_off_anywhere_it_is_refused() -> None:
    raw = archives.write(FILES)
    for length in range(len(raw)):
        with pytest.raises(Malformed):
            archives.read(raw[:length])


@pytest.mark.parametrize(
    "name",
    ["../x", "/etc/x", "a/../b", "a//b", "a/b/c", "a\\b", "C:x", ".hidden", "a/", "x\n", "é", "a b", "-x", "x" * 121],
)
def test_names_that_leave_the_folder_or_are_odd_are_refused(name: str) -> None:
    with pytest.raises(Malformed):
        archives.read(packed((name, b"x"), method=zipfile.ZIP_STORED))
    with pytest.raises(Malformed):
        archives.write({name: b"x"})


def test_two_files_of_one_name_are_refused() -> None:
    with pytest.raises(Malformed, match="same name"):
        archives.read(packed(("a", b"1"), ("a", b"2")))


def test_a_bomb_is_refused_before_it_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_BYTES", 1_000_000)
    bomb = packed(("a", b"\0" * 900_000), ("b", b"\0" * 900_000))
    assert len(bomb) < 4_000
    monkeypatch.setattr(archives, "_content", lambda *_: pytest.fail("unpacked"))
    with pytest.raises(Malformed, match="unpacks to more"):
        archives.read(bomb)


def test_a_bomb_that_lies_about_its_size_is_cut_off() -> None:
    raw = bytearray(packed(("a", b"\0" * 5_000_000)))
    central = raw.index(b"PK\x01\x02")
    struct.pack_into("<L", raw, 22, 10)
    struct.pack_into("<L", raw, central + 24, 10)
    with pytest.raises(Malformed, match="does not have the 10 bytes"):
        archives.read(bytes(raw))


def test_too_large_and_too_many_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = archives.write(FILES)
    monkeypatch.setattr(archives, "MAX_FILES", 3)
    with pytest.raises(Malformed, match="more than 3 files"):
        archives.read(raw)
    monkeypatch.setattr(archives, "MAX_BYTES", len(raw) - 1)
    with pytest.raises(Malformed) as refused:
        archives.read(raw)
    assert refused.value.reason_code == "oversized"


@pytest.mark.parametrize(
    "raw",
    [
        packed(("a", b"x"), comment=b"said"),
        packed(("a", b"x"))
        .replace(b"PK\x03\x04\x14\0\0", b"PK\x03\x04\x14\0\x01")
        .replace(b"\x14\x03\x14\0\0", b"\x14\x03\x14\0\x01"),
        packed(("a", b"x" * 99), method=zipfile.ZIP_BZIP2),
        b"#!/bin/sh\n" + archives.write(FILES),
        archives.write(FILES) + b"more",
        b"",
        b"PK\x05\x06",
        random.Random(7).randbytes(5_000),
    ],
)
def test_anything_unusual_is_refused(raw: bytes) -> None:
    with pytest.raises(Malformed):
        archives.read(raw)


def test_headers_that_name_two_files_are_refused() -> None:
    raw = archives.write({"aaaa": b"x"}).replace(b"aaaa", b"bbbb", 1)
    with pytest.raises(Malformed, match="two headers"):
        archives.read(raw)


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(raw: bytes) -> None:
    whole = archives.write(FILES)
    for candidate in (raw, whole[:40] + raw + whole[40:], whole[:-22] + raw + whole[-22:]):
        try:
            archives.read(candidate)
        except Malformed:
            continue


def test_a_directory_that_points_elsewhere_is_refused() -> None:
    raw = bytearray(archives.write({"a": b"same", "b": b"same"}))
    struct.pack_into("<L", raw, raw.rindex(b"PK\x01\x02") + 42, 0)
    with pytest.raises(Malformed, match="overlaps"):
        archives.read(bytes(raw))
