"""YAML text to plain values with the line of each: bounded, and without what hides meaning (anchors, tags)."""

import re
from collections.abc import Iterator
from typing import Any, TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from common.declarations.problems import Path, Wrong

Lines: TypeAlias = dict[Path, int]
"""The line (from 1) on which each part of a document stands, by its path."""
LARGEST_BYTES = 512 * 1024
MOST_NODES = 20_000
DEEPEST = 20

_INT = re.compile(r"[-+]?(0|[1-9][0-9]{0,15})")
_BRACES = (
    "A text that begins with { or [, or stands inside { } and contains , : [ ] { } or #, needs double quotes: "
    '{says: "Late, and nobody knows why."}'
)
_MARKED = 'A text that begins with ! needs double quotes: where: "!paid".'
_PLACED = 'Begin it below the first letter of its neighbours; each entry of a list begins with "- ".'


def trees(data: bytes | str) -> list[tuple[Any, Lines]]:
    """Every document of a text. Raises Wrong, a `Placed` one where the line is known."""
    return list(_Tree(text_of(data)).documents())


def text_of(data: bytes | str) -> str:
    size = len(data)
    if size > LARGEST_BYTES:
        raise Wrong("too_large", f"The file has {size} bytes; at most {LARGEST_BYTES} are read.", "Split it.")
    if isinstance(data, str):
        return data
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        fault = Placed("not_utf8", "The file is not UTF-8 text.", "Save it as UTF-8.")
        fault.line = data[: error.start].count(b"\n") + 1
        raise fault from error


class Placed(Wrong):
    line: int = 1


def placed(line: int, reason_code: str, message: str, hint: str = "") -> Placed:
    fault = Placed(reason_code, message, hint)
    fault.line = line
    return fault


class _Tree:
    """Builds plain values from YAML events, bounded, so that nothing is expanded before it is counted."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._nodes = 0
        self._lines: Lines = {}

    def documents(self) -> Iterator[tuple[Any, Lines]]:
        events = self._events()
        for event in events:
            if isinstance(event, DocumentStartEvent):
                self._lines = {}
                value = self._value(next(events), events, ())
                if value is not None:  # an empty document between two --- is nothing
                    yield value, self._lines
            elif not isinstance(event, DocumentEndEvent):
                continue

    def _events(self) -> Iterator[Event]:
        try:
            for event in YAML(typ="safe", pure=False).parse(self._text):
                self._bounded(event)
                yield event
        except MarkedYAMLError as error:
            raise self._syntax(error) from error
        except (YAMLError, RecursionError, ValueError) as error:
            raise placed(1, "not_yaml", f"This is not YAML: {str(error).splitlines()[0][:200]}") from error

    def _bounded(self, event: Event) -> None:
        if isinstance(event, NodeEvent):  # nothing else has an anchor or a tag
            if isinstance(event, AliasEvent) or event.anchor:
                raise placed(
                    event.start_mark.line + 1,
                    "alias",
                    "Anchors (&) and aliases (*) are not read: they hide what a page says.",
                    "Write it out, or put the text in quotes.",
                )
            if (tag := getattr(event, "tag", None)) is not None:
                hint = "Write plain values." if str(tag).startswith(("!!", "tag:")) else _MARKED
                raise placed(event.start_mark.line + 1, "tag", f"{tag} is a YAML tag, which is not read.", hint)
        self._nodes += 1
        if self._nodes > MOST_NODES:
            told = f"The file has more than {MOST_NODES} entries."
            raise placed(event.start_mark.line + 1, "too_large", told, "Split it.")

    def _syntax(self, error: MarkedYAMLError) -> Placed:
        mark = error.problem_mark or error.context_mark
        line = (mark.line if mark else 0) + 1
        rows = self._text.splitlines()
        row = rows[line - 1] if line <= len(rows) else ""
        told = f"This is not YAML: {error.problem or error.context or 'it cannot be parsed'}."
        if "\t" in row[: len(row) - len(row.lstrip())] or "\\t" in told:
            return placed(line, "tab", "The line is indented with a tab.", "Indent with spaces.")
        if re.search(r":\s+!", row):
            return placed(line, "tag", told, _MARKED)
        if "mapping values" in told:
            value = row.partition(":")[2].strip()
            colon = f'A text that contains ": " needs double quotes: {row.partition(":")[0].strip()}: "{value}"'
            return placed(line, "not_yaml", told, colon if ": " in value and '"' not in value else _PLACED)
        if "flow" in f"{error.context} {error.problem}" or "{" in row:
            return placed(line, "braces", told, _BRACES)
        return placed(line, "not_yaml", told, _PLACED)

    def _value(self, event: Event, events: Iterator[Event], path: Path) -> Any:
        self._lines.setdefault(path, event.start_mark.line + 1)
        if len(path) > DEEPEST:
            raise placed(event.start_mark.line + 1, "too_deep", f"Nested more than {DEEPEST} levels deep.")
        if isinstance(event, ScalarEvent):
            return _scalar(event)
        if isinstance(event, SequenceStartEvent):
            return self._sequence(events, path)
        if isinstance(event, MappingStartEvent):
            return self._mapping(event, events, path)
        raise placed(event.start_mark.line + 1, "not_yaml", "This is not YAML that can be read.")

    def _sequence(self, events: Iterator[Event], path: Path) -> list[Any]:
        items: list[Any] = []
        for event in events:
            if isinstance(event, SequenceEndEvent):
                break
            items.append(self._value(event, events, (*path, len(items))))
        return items

    def _mapping(self, start: MappingStartEvent, events: Iterator[Event], path: Path) -> dict[str, Any]:
        items: dict[str, Any] = {}
        for event in events:
            if isinstance(event, MappingEndEvent):
                break
            line = event.start_mark.line + 1
            if not isinstance(event, ScalarEvent):
                raise placed(line, "braces", "A name was expected here.", _BRACES)
            key = str(event.value)
            if key in items:
                raise placed(line, "duplicate_key", f"{key!r} is written twice here.", "Keep one of them.")
            below = (*path, key)
            self._lines[below] = line
            items[key] = value = self._value(next(events), events, below)
            if value is None:
                if start.flow_style:
                    raise placed(line, "braces", f"{key!r} has no value; a comma inside braces ends a text.", _BRACES)
                raise placed(line, "empty", f"{key!r} has no value.", "Give it one, or drop the line.")
        return items


def _scalar(event: ScalarEvent) -> Any:
    text = str(event.value)
    if event.style in ("'", '"', "|", ">"):
        return text
    if text in ("", "~", "null", "Null", "NULL"):
        return None
    if text in ("true", "True", "TRUE", "false", "False", "FALSE"):
        return text.lower() == "true"
    return int(text) if _INT.fullmatch(text) else text
