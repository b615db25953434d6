"""YAML text to documents, with the file and line of every fault."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from common.canonical import digest
from common.declarations import later, shapes
from common.declarations.models import API_VERSION, KINDS, Spec
from common.declarations.problems import Path, Problem, Wrong, did_you_mean, path_text

LARGEST_BYTES = 512 * 1024
MOST_NODES = 20_000
DEEPEST = 20

_INT = re.compile(r"[-+]?(0|[1-9][0-9]{0,15})")
_BRACES = 'Inside { } put texts that contain , : [ ] { } or # in double quotes: {says: "Late, and nobody knows why."}'


@dataclass(frozen=True, slots=True)
class Document:
    """One declaration: what was written (`spec`, plain JSON), what it means (`model`), and where it stands.

    `digest` is the SHA-256 of the canonical JSON of kind, name and spec: comments and layout do not count.
    """

    kind: str
    name: str
    spec: dict[str, Any]
    model: Spec
    file: str
    lines: Mapping[Path, int] = field(repr=False)

    @property
    def digest(self) -> str:
        return document_digest(self.kind, self.name, self.spec)

    def line(self, path: Path) -> int:
        """The line of a path, or of the nearest place above it that has one."""
        return line_of(self.lines, path)

    def problem(self, path: Path, fault: Wrong) -> Problem:
        """The fault, placed: `path` starts at the document's root."""
        return Problem(self.file, self.line(path), path_text(path), fault.reason_code, fault.message, fault.hint)


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a text held. With problems, `documents` are those that could be read."""

    documents: tuple[Document, ...]
    problems: tuple[Problem, ...]


def document_digest(kind: str, name: str, spec: Mapping[str, Any]) -> str:
    """SHA-256 (hex) over the canonical JSON of one declaration."""
    return digest({"kind": kind, "name": name, "spec": dict(spec)})


def line_of(lines: Mapping[Path, int], path: Path) -> int:
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)


def load(data: bytes | str, file: str) -> Loaded:
    """Read every document of one file. Never raises for what is in the text: faults come back as problems."""
    try:
        text = _text(data)
        trees = list(_Tree(text).documents())
    except Wrong as fault:
        line = getattr(fault, "line", 1)
        return Loaded((), (Problem(file, line, "", fault.reason_code, fault.message, fault.hint),))
    documents, problems = [], []
    for value, lines in trees:
        found = _document(value, lines, file)
        if isinstance(found, Document):
            documents.append(found)
        else:
            problems.extend(found)
    if not trees:
        problems.append(Problem(file, 1, "", "empty", "There is no declaration in this file."))
    return Loaded(tuple(documents), tuple(problems))


def parse_spec(kind: str, name: str, spec: Mapping[str, Any], file: str = "") -> Document:
    """A document from stored JSON (an event). Raises Wrong when this version cannot read it."""
    value = {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": dict(spec)}
    found = _document(value, {}, file or f"{kind}/{name}")
    if isinstance(found, Document):
        return found
    raise Wrong(found[0].reason_code, f"{kind}/{name}: {found[0].path}: {found[0].message}", found[0].hint)


def _text(data: bytes | str) -> str:
    size = len(data)
    if size > LARGEST_BYTES:
        raise Wrong("too_large", f"The file has {size} bytes; at most {LARGEST_BYTES} are read.", "Split it.")
    if isinstance(data, str):
        return data
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        fault = _Placed("not_utf8", "The file is not UTF-8 text.", "Save it as UTF-8.")
        fault.line = data[: error.start].count(b"\n") + 1
        raise fault from error


class _Placed(Wrong):
    line: int = 1


def _placed(line: int, reason_code: str, message: str, hint: str = "") -> _Placed:
    fault = _Placed(reason_code, message, hint)
    fault.line = line
    return fault


class _Tree:
    """Builds plain values from YAML events, bounded, so that nothing is expanded before it is counted."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._nodes = 0
        self._lines: dict[Path, int] = {}

    def documents(self) -> Iterator[tuple[Any, dict[Path, int]]]:
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
            for event in YAML(typ="safe", pure=True).parse(self._text):
                self._bounded(event)
                yield event
        except MarkedYAMLError as error:
            raise self._syntax(error) from error
        except (YAMLError, RecursionError, ValueError) as error:
            raise _placed(1, "not_yaml", f"This is not YAML: {str(error).splitlines()[0][:200]}") from error

    def _bounded(self, event: Event) -> None:
        line = event.start_mark.line + 1
        if isinstance(event, AliasEvent) or getattr(event, "anchor", None):
            raise _placed(
                line,
                "alias",
                "Anchors (&) and aliases (*) are not read: they hide what a page says.",
                "Write it out, or put the text in quotes.",
            )
        if (tag := getattr(event, "tag", None)) is not None:
            raise _placed(line, "tag", f"The tag {tag} is not read.", "Write plain values.")
        self._nodes += 1
        if self._nodes > MOST_NODES:
            raise _placed(line, "too_large", f"The file has more than {MOST_NODES} entries.", "Split it.")

    def _syntax(self, error: MarkedYAMLError) -> _Placed:
        mark = error.problem_mark or error.context_mark
        line = (mark.line if mark else 0) + 1
        rows = self._text.splitlines()
        row = rows[line - 1] if line <= len(rows) else ""
        told = f"This is not YAML: {error.problem or error.context or 'it cannot be parsed'}."
        if "\t" in row[: len(row) - len(row.lstrip())] or "\\t" in told:
            return _placed(line, "tab", "The line is indented with a tab.", "Indent with spaces.")
        if "flow" in f"{error.context} {error.problem}" or "{" in row:
            return _placed(line, "braces", told, _BRACES)
        if ": " in row.partition(":")[2]:
            return _placed(line, "not_yaml", told, 'Put a text that contains ": " in double quotes.')
        return _placed(line, "not_yaml", told)

    def _value(self, event: Event, events: Iterator[Event], path: Path) -> Any:
        self._lines.setdefault(path, event.start_mark.line + 1)
        if len(path) > DEEPEST:
            raise _placed(event.start_mark.line + 1, "too_deep", f"Nested more than {DEEPEST} levels deep.")
        if isinstance(event, ScalarEvent):
            return _scalar(event)
        if isinstance(event, SequenceStartEvent):
            return self._sequence(events, path)
        if isinstance(event, MappingStartEvent):
            return self._mapping(event, events, path)
        raise _placed(event.start_mark.line + 1, "not_yaml", "This is not YAML that can be read.")

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
                raise _placed(line, "braces", "A name was expected here.", _BRACES)
            key = str(event.value)
            if key in items:
                raise _placed(line, "duplicate_key", f"{key!r} is written twice here.", "Keep one of them.")
            self._lines[(*path, key)] = line
            items[key] = self._value(next(events), events, (*path, key))
            if items[key] is None:
                if start.flow_style:
                    raise _placed(
                        line, "braces", f"{key!r} has no value; a comma inside braces ends a text.", _BRACES
                    )
                raise _placed(line, "empty", f"{key!r} has no value.", "Give it one, or drop the line.")
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


def _document(value: Any, lines: dict[Path, int], file: str) -> Document | list[Problem]:
    try:
        kind, name, spec = _envelope(value)
    except _At as fault:
        path = fault.path
        return [Problem(file, line_of(lines, path), path_text(path), fault.reason_code, fault.message, fault.hint)]
    try:
        model = KINDS[kind].model_validate(spec)
    except ValidationError as error:
        return [_translated(fault, kind, lines, file) for fault in error.errors(include_url=False)]
    return Document(kind, name, spec, model, file, lines)  # type: ignore[arg-type]  # KINDS holds the members of Spec


class _At(Wrong):
    def __init__(self, path: Path, reason_code: str, message: str, hint: str = "") -> None:
        super().__init__(reason_code, message, hint)
        self.path = path


_OUTER = ("apiVersion", "kind", "metadata", "spec")


def _envelope(value: Any) -> tuple[str, str, dict[str, Any]]:
    """Kind, name and spec of a document. Raises _At for anything that is not shaped like one."""
    if not isinstance(value, dict):
        raise _At((), "not_a_declaration", "This is not a declaration.", f"Start with {', '.join(_OUTER)}.")
    for key in value:
        if key not in _OUTER:
            raise _At((key,), "unknown_field", f"{key!r} is not known here.", did_you_mean(key, _OUTER))
    if value.get("apiVersion") != API_VERSION:
        told = f"apiVersion is {value.get('apiVersion')!r}."
        raise _At(("apiVersion",), "api_version", told, f"Write: apiVersion: {API_VERSION}")
    kind = _kind(value.get("kind"))
    name = _metadata_name(value.get("metadata"))
    spec = value.get("spec")
    if not isinstance(spec, dict):
        raise _At(("spec",), "missing", f"The {kind} {name} has no spec.")
    return kind, name, spec


def _kind(kind: Any) -> str:
    if isinstance(kind, str) and kind in KINDS:
        return kind
    if kind in later.KINDS:
        told = f"{kind} ({later.KINDS[kind]}) is known but not offered yet by this version."
        raise _At(("kind",), "not_offered_yet", told, "Leave it out for now.")
    raise _At(("kind",), "unknown_kind", f"{kind!r} is not a kind.", did_you_mean(str(kind), KINDS))


def _metadata_name(metadata: Any) -> str:
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if not isinstance(name, str) or not re.fullmatch(r"[a-z][a-z0-9-]{0,62}", name):
        hint = "Write: metadata: {name: late-payments}, in lower-case letters, digits and hyphens."
        raise _At(("metadata",), "bad_name", "metadata needs a name.", hint)
    for key in metadata:
        if key != "name":
            code = "not_offered_yet" if later.field(key) else "unknown_field"
            told = later.field(key) or f"{key!r} is not known here."
            raise _At(("metadata", key), code, told, "metadata has only a name.")
    return name


_EXPECTED = {
    "string_type": "a text",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "dict_type": "a list of names and values",
    "model_type": "a list of names and values",
    "tuple_type": "a list",
    "list_type": "a list",
}


def _translated(fault: Any, kind: str, lines: dict[Path, int], file: str) -> Problem:
    loc = tuple(part for part in fault["loc"] if part != "[key]")
    path: Path = ("spec", *loc)
    last = str(loc[-1]) if loc else ""
    code, hint = "bad_value", ""
    if fault["type"] == "declaration":
        code, message, hint = fault["ctx"]["code"], fault["ctx"]["message"], fault["ctx"]["hint"]
        path = (*path, *fault["ctx"]["at"])
    elif fault["type"] == "extra_forbidden":
        code, message = "unknown_field", f"{last!r} is not known here."
        hint = did_you_mean(last, _fields(kind, loc[:-1]))
        if later.field(last):
            code, message, hint = "not_offered_yet", later.field(last), "Leave it out for now."
    elif fault["type"] == "missing":
        code, message = "missing", f"{last!r} is missing."
        path = path[:-1]
        hint = f"Add {last}: ..."
    elif fault["type"] == "literal_error":
        message = f"{fault['input']!r} is not one of: {fault['ctx']['expected'].replace(' or ', ', ')}."
        hint = did_you_mean(str(fault["input"]), re.findall(r"'([^']+)'", fault["ctx"]["expected"]))
        if last == "autonomy" and fault["input"] == "L4":
            code, hint = "not_offered_yet", "L4 (acting without approval) is not offered: use L3 at most."
    elif fault["type"] in _EXPECTED:
        message = f"Expected {_EXPECTED[fault['type']]}, not {_clip(fault['input'])}."
        if isinstance(fault["input"], str) and fault["input"].strip().endswith("%"):
            code = "not_offered_yet"
            message, hint = "Limits in percent are known but not offered yet by this version.", "Write a number."
    else:
        message = f"{fault['msg']}."
    return Problem(file, line_of(lines, path), path_text(path), code, message, hint)


def _clip(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _fields(kind: str, path: tuple[Any, ...]) -> list[str]:
    """The field names that may stand at a path of a kind's spec, found by walking the JSON schema."""
    schema = KINDS[kind].model_json_schema(by_alias=True)
    node: Any = schema
    for part in path:
        node = shapes.resolved(node, schema)
        node = node.get("items", {}) if isinstance(part, int) else shapes.child(node, str(part))
    return list(shapes.resolved(node, schema).get("properties", {}))
