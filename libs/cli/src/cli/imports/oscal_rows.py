"""Rows of an OSCAL document (JSON): assessment results, or a plan of action and milestones.

A row is one observation, risk, finding or item, flat. Read with tolerance: what has no column is counted by its path
and told, never dropped in silence; what a column can hold only once and the document names twice is left empty, with
the reason. https://pages.nist.gov/OSCAL/reference/ names the fields.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from common.canonical import parse_strict
from common.errors import Permanent, Refused

from cli.imports.jsonl_rows import plain
from cli.imports.source import Place, Row, Source, Told, opened

LARGEST_BYTES = 64 * 1024 * 1024
_ROOTS = {"assessment-results": "findings", "plan-of-action-and-milestones": "poam-items"}
"""The documents, and which of their lists is read where none is named."""
_PARTS = ("observations", "risks", "findings", "poam-items")
Fill: TypeAlias = "Callable[[_Filling, str, Any], None]"


class _Filling:
    """One row as it is filled: where it stands, and what is told of it."""

    def __init__(self, place: str, part: str, told: Told) -> None:
        self.row: Row = {}
        self._place, self._part, self._told = place, part, told

    def set(self, column: str, value: Any) -> None:
        """A column's value; a second, other value makes it empty, because it can't be told which one counts."""
        if column in self.row and self.row[column] != value:
            self.row[column] = None
            self._told.empty.append((self._place, column, "several values in the document; which one counts is open"))
        else:
            self.row[column] = value

    def strange(self, path: str) -> None:
        self._told.not_understood(f"{self._part}[].{path}")


def rows(source: Source, told: Told) -> Iterator[tuple[Place, Row]]:
    """The rows of the document's list `source.part`; without one, findings or items."""
    root, document = _document(source)
    part = source.part or _ROOTS[root]
    if part not in _lists(root):
        told_why = f"{source.name}: OSCAL {root} have no list {part!r}; they have: {', '.join(_lists(root))}."
        raise Refused("no_such_part", told_why, "Name one of them.")
    for name in sorted(document.keys() - {"results", *_PARTS, "uuid", "metadata"}):
        told.not_understood(name)
    for where, holder in _holders(root, document, told):
        for index, item in enumerate(_list(holder.get(part))):
            place = f"{where}{part}[{index}]"
            if isinstance(item, dict):
                yield place, _filled(item, place, part, told)
            else:
                told.faults.append(f"{source.name}:{place}: this is not an object")


def _document(source: Source) -> tuple[str, Mapping[str, Any]]:
    with opened(source) as file:
        data = file.read(LARGEST_BYTES + 1)
    try:
        value = parse_strict(data.removeprefix(b"\xef\xbb\xbf"), LARGEST_BYTES)
    except Permanent as error:
        told = f"{source.name} is not a JSON document: {error.message}."
        raise Refused("bad_json", told, "Rows of JSON, one a line, belong in a .jsonl file.") from error
    roots = [name for name in _ROOTS if isinstance(value, dict) and isinstance(value.get(name), dict)]
    if len(roots) != 1:
        told = f"{source.name} is neither OSCAL assessment results nor a plan of action and milestones."
        raise Refused("unknown_format", told, "Rows of JSON, one a line, belong in a .jsonl file.")
    return roots[0], value[roots[0]]


def _lists(root: str) -> tuple[str, ...]:
    return tuple(part for part in _PARTS if part != "poam-items") if root == "assessment-results" else _PARTS


def _holders(root: str, document: Mapping[str, Any], told: Told) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if root != "assessment-results":
        yield "", document
        return
    for index, result in enumerate(_list(document.get("results"))):
        if isinstance(result, dict):
            for name in sorted(result.keys() - {*_PARTS, "uuid", "title", "description", "start", "end"}):
                told.not_understood(f"results[].{name}")
            yield f"results[{index}].", result
        else:
            told.not_understood("results[]")


def _filled(item: Mapping[str, Any], place: str, part: str, told: Told) -> Row:
    filling = _Filling(place, part, told)
    for name, value in item.items():
        fill = _FIELDS.get(name)
        if fill is not None:
            fill(filling, name, value)
        elif name in _TEXTS and isinstance(value, str | int | float | bool):
            filling.set(name, plain(value))
        else:
            filling.strange(name)
    return filling.row


def _list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def _texts(filling: _Filling, name: str, value: Any) -> None:
    items = [item for item in _list(value) if isinstance(item, str)]
    if not isinstance(value, list) or len(items) != len(value):
        filling.strange(name)
    filling.set(name, items)


def _naming(inner: str) -> Fill:
    """A list of objects of which only what they refer to is kept."""

    def fill(filling: _Filling, name: str, value: Any) -> None:
        found = []
        for item in _list(value) or ([] if isinstance(value, list) else [value]):
            if isinstance(item, dict) and isinstance(item.get(inner), str):
                found.append(item[inner])
                for other in sorted(item.keys() - {inner}):
                    filling.strange(f"{name}[].{other}")
            else:
                filling.strange(f"{name}[]")
        filling.set(name, found)

    return fill


def _props(filling: _Filling, name: str, value: Any) -> None:
    for item in _list(value):
        if isinstance(item, dict) and isinstance(item.get("name"), str) and isinstance(item.get("value"), str):
            filling.set(f"prop {item['name']}", item["value"])
            for other in sorted(item.keys() - {"name", "value", "uuid", "ns", "class"}):
                filling.strange(f"{name}[].{other}")
        else:
            filling.strange(f"{name}[]")


def _target(filling: _Filling, name: str, value: Any) -> None:
    if not isinstance(value, dict):
        filling.strange(name)
        return
    for inner, held in value.items():
        if inner in {"type", "target-id", "title", "description"} and isinstance(held, str):
            filling.set(inner if inner == "target-id" else f"target-{inner}", held)
        elif inner in {"status", "implementation-status"} and isinstance(held, dict):
            for leaf, text in held.items():
                if leaf in {"state", "reason", "remarks"} and isinstance(text, str):
                    filling.set(f"{inner}-{leaf}", text)
                else:
                    filling.strange(f"{name}.{inner}.{leaf}")
        else:
            filling.strange(f"{name}.{inner}")


def _characterizations(filling: _Filling, name: str, value: Any) -> None:
    for item in _list(value):
        for facet in _list(item.get("facets")) if isinstance(item, dict) else ():
            if isinstance(facet, dict) and isinstance(facet.get("name"), str) and isinstance(facet.get("value"), str):
                filling.set(f"facet {facet['name']}", facet["value"])
            else:
                filling.strange(f"{name}[].facets[]")
        for other in sorted(item.keys() - {"facets"}) if isinstance(item, dict) else ("",):
            filling.strange(f"{name}[].{other}".rstrip("."))


def _remediations(filling: _Filling, name: str, value: Any) -> None:
    """Titles and states of all; and the last day of any of their milestones."""
    filling.set("remediations", [item["title"] for item in _list(value) if _has(item, "title")])
    filling.set("remediation-lifecycles", [item["lifecycle"] for item in _list(value) if _has(item, "lifecycle")])
    for item in _list(value):
        if not isinstance(item, dict):
            filling.strange(f"{name}[]")
            continue
        for other in sorted(item.keys() - {"uuid", "title", "lifecycle"}):
            filling.strange(f"{name}[].{other}")


def _has(item: Any, name: str) -> bool:
    return isinstance(item, dict) and isinstance(item.get(name), str)


_TEXTS = frozenset(
    ("uuid", "title", "description", "statement", "status", "deadline", "collected", "expires", "remarks",
     "implementation-statement-uuid")
)  # fmt: skip
_FIELDS: Mapping[str, Fill] = {
    "methods": _texts,
    "types": _texts,
    "props": _props,
    "target": _target,
    "subjects": _naming("subject-uuid"),
    "related-observations": _naming("observation-uuid"),
    "related-findings": _naming("finding-uuid"),
    "related-risks": _naming("risk-uuid"),
    "associated-risks": _naming("risk-uuid"),
    "relevant-evidence": _naming("href"),
    "characterizations": _characterizations,
    "mitigating-factors": _naming("description"),
    "threat-ids": _naming("id"),
    "remediations": _remediations,
}
