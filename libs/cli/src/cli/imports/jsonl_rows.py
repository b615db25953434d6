"""Rows of a JSONL file: an object a line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from common.canonical import parse_strict
from common.errors import Permanent, Refused

from cli.imports.source import LARGEST_ROW_BYTES, Place, Row, Source, Told, opened

_BOM = b"\xef\xbb\xbf"


def rows(source: Source, told: Told) -> Iterator[tuple[Place, Row]]:
    """The rows, each with its line. A number with a fraction becomes its decimal text."""
    with opened(source) as file:
        number = 0
        while line := file.readline(LARGEST_ROW_BYTES + 1):
            number += 1
            if len(line) > LARGEST_ROW_BYTES:
                raise Refused(
                    "too_large",
                    f"{source.name}:{number}: the line has more than {LARGEST_ROW_BYTES} bytes.",
                    "Write one object a line; this format is not an array of objects.",
                )
            if number == 1:
                line = line.removeprefix(_BOM)
            if not line.strip():
                continue
            try:
                value = parse_strict(line.rstrip(b"\r\n"), LARGEST_ROW_BYTES)
            except Permanent as error:
                if error.reason_code == "not_utf8":
                    told_why = f"{source.name} is not UTF-8 text (line {number})."
                    raise Refused("not_utf8", told_why, "Save it as UTF-8.") from error
                told.faults.append(f"{source.name}:{number}: {error.message}")
                continue
            if isinstance(value, dict):
                yield number, {key: plain(item) for key, item in value.items()}
            else:
                told.faults.append(f"{source.name}:{number}: this is not an object")


def plain(value: Any) -> Any:
    """The value as a row may hold it: a float as its shortest decimal text."""
    return repr(value) if isinstance(value, float) else value
