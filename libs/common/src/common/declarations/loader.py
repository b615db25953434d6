"""YAML text to documents, with the file and line of every fault."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from common.canonical import digest
from common.declarations import faults, later, shapes
from common.declarations.faults import Places
from common.declarations.fields import like
from common.declarations.models import API_VERSION, KINDS, Spec
from common.declarations.problems import Path, Problem, Wrong, did_you_mean
from common.declarations.trees import Lines, trees


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
        return Places(self.file, self.lines).line(path)

    def problem(self, path: Path, fault: Wrong) -> Problem:
        """The fault, placed: `path` starts at the document's root."""
        return Places(self.file, self.lines).problem(path, fault.reason_code, fault.message, fault.hint)


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a text held. With problems, `documents` are those that could be read."""

    documents: tuple[Document, ...]
    problems: tuple[Problem, ...]


def document_digest(kind: str, name: str, spec: Mapping[str, Any]) -> str:
    """SHA-256 (hex) over the canonical JSON of one declaration."""
    return digest({"kind": kind, "name": name, "spec": dict(spec)})


def load(data: bytes | str, file: str) -> Loaded:
    """Read every document of one file. Never raises for what is in the text: faults come back as problems."""
    try:
        found = trees(data)
    except Wrong as fault:
        line = getattr(fault, "line", 1)
        return Loaded((), (Problem(file, line, "", fault.reason_code, fault.message, fault.hint),))
    documents, problems = [], []
    for value, lines in found:
        read = _document(value, lines, file)
        if isinstance(read, Document):
            documents.append(read)
        else:
            problems.extend(read)
    if not found:
        problems.append(Problem(file, 1, "", "empty", "There is no declaration in this file."))
    return Loaded(tuple(documents), tuple(problems))


def parse_spec(kind: str, name: str, spec: Mapping[str, Any], file: str = "") -> Document:
    """A document from stored JSON (an event). Raises Wrong when this version cannot read it."""
    value = {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": dict(spec)}
    found = _document(value, {}, file or f"{kind}/{name}")
    if isinstance(found, Document):
        return found
    raise Wrong(found[0].reason_code, f"{kind}/{name}: {found[0].path}: {found[0].message}", found[0].hint)


def _document(value: Any, lines: Lines, file: str) -> Document | list[Problem]:
    try:
        kind, name, spec = _envelope(value)
    except _At as fault:
        return [Places(file, lines).problem(fault.path, fault.reason_code, fault.message, fault.hint)]
    try:
        model = KINDS[kind].model_validate(spec)
    except ValidationError as error:
        return faults.problems(error, KINDS[kind], ("spec",), Places(file, lines))
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
            raise _At((key,), "unknown_field", f"{key!r} is not known here.", _outside(value, key))
    if value.get("apiVersion") != API_VERSION:
        given, hint = value.get("apiVersion"), f"Write: apiVersion: {API_VERSION}"
        if given is None:
            raise _At((), "api_version", "apiVersion is missing.", hint)
        raise _At(("apiVersion",), "api_version", f"{given!r} is not read by this version.", hint)
    kind = _kind(value.get("kind"))
    name = _metadata_name(value.get("metadata"))
    spec = value.get("spec")
    if not isinstance(spec, dict):
        fields = ", ".join(shapes.of(KINDS[kind])["required"])
        raise _At(("spec",), "missing", f"The {kind} {name} has no spec.", f"Write spec: and below it: {fields}.")
    return kind, name, spec


def _kind(kind: Any) -> str:
    if isinstance(kind, str) and kind in KINDS:
        return kind
    if kind in later.KINDS:
        told = f"{kind} ({later.KINDS[kind]}) is known but not offered yet by this version."
        raise _At(("kind",), "not_offered_yet", told, "Leave it out for now.")
    if kind is None:
        raise _At((), "unknown_kind", "kind is missing.", f"Write kind: and one of {', '.join(KINDS)}.")
    raise _At(("kind",), "unknown_kind", f"{kind!r} is not a kind.", did_you_mean(str(kind), KINDS))


def _outside(value: dict[str, Any], key: str) -> str:
    """What to do with a field that stands beside spec."""
    if key == "name":
        return f"Write: metadata: {{name: {like(str(value[key]), '-')}}}"
    kind = value.get("kind")
    if kind in KINDS and key in shapes.names(shapes.of(KINDS[kind])):
        return "It belongs below spec:, two spaces further in than spec: itself."
    return did_you_mean(key, _OUTER)


def _metadata_name(metadata: Any) -> str:
    name = metadata.get("name") if isinstance(metadata, dict) else metadata
    if not isinstance(metadata, dict) or not isinstance(name, str) or not re.fullmatch(r"[a-z][a-z0-9-]{0,62}", name):
        hint = f"Write: metadata: {{name: {like(str(name or ''), '-')}}}, in lower-case letters, digits and hyphens."
        raise _At(
            ("metadata",),
            "bad_name",
            f"{name!r} is not a name." if name and metadata is not name else "metadata needs a name.",
            hint,
        )
    for key in metadata:
        if key != "name":
            code = "not_offered_yet" if later.field(key) else "unknown_field"
            told = later.field(key) or f"{key!r} is not known here."
            raise _At(("metadata", key), code, told, "metadata has only a name.")
    return name
