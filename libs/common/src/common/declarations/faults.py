"""What a model refuses, said so that whoever wrote it can mend it: the part, what is wrong, what to write instead."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from common.declarations import later, shapes
from common.declarations.problems import Path, Problem, did_you_mean, path_text


@dataclass(frozen=True, slots=True)
class Places:
    """The file and the line of each part of one document."""

    file: str
    lines: Mapping[Path, int]

    def line(self, path: Path) -> int:
        """The line of a path, or of the nearest place above it that has one."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def problem(self, path: Path, code: str, message: str, hint: str = "") -> Problem:
        """The fault, placed: `path` starts at the document's root."""
        return Problem(self.file, self.line(path), path_text(path), code, message, hint)


def problems(error: ValidationError, model: type[BaseModel], at: Path, places: Places) -> list[Problem]:
    """Every fault that reading `model` found; the model stands at `at` in the document."""
    found = [_problem(fault, shapes.of(model), at, places) for fault in error.errors(include_url=False)]
    meant = {(one.path.rpartition(".")[0], name[1]) for one in found if (name := _MEANT.match(one.hint))}
    return [one for one in found if (one.path, _missing(one)) not in meant]  # misspelt, so not missing as well


_MEANT = re.compile(r"Did you mean (\w+)\?")


def _missing(problem: Problem) -> str:
    return problem.message.split("'")[1] if problem.reason_code == "missing" else ""


def _problem(fault: Any, schema: Any, at: Path, places: Places) -> Problem:
    loc = tuple(part for part in fault["loc"] if part != "[key]")
    path: Path = (*at, *loc)
    if fault["type"] == "declaration":
        told = fault["ctx"]
        return places.problem((*path, *told["at"]), told["code"], told["message"], told["hint"])
    if fault["type"] == "missing":
        name = str(loc[-1])
        hint = f"Add {name}: {shapes.example(shapes.at(schema, loc))}"
        return places.problem(path[:-1], "missing", f"{name!r} is missing.", hint)
    return places.problem(path, *_told(fault, schema, loc))


def _told(fault: Any, schema: Any, loc: Path) -> tuple[str, str, str]:
    """Reason code, message and hint."""
    last, given, node = str(loc[-1]) if loc else "", fault["input"], shapes.at(schema, loc)
    if fault["type"] == "extra_forbidden":
        return _not_known(last, schema, loc)
    if fault["type"] == "literal_error":
        known = re.findall(r"'([^']+)'", fault["ctx"]["expected"])
        return _no_choice(last, given, known, fault["loc"][-1] == "[key]")
    if isinstance(given, str) and given.strip().endswith("%") and fault["type"] == "int_type":
        told = "Limits in percent are known but not offered yet by this version."
        return "not_offered_yet", told, "Write a number."
    if fault["type"] in _EXPECTED:
        told = f"Expected {_EXPECTED[fault['type']]}, not {_clip(given)}."
        return "bad_value", told, _written_as(last, given, node)
    if fault["type"] in _LIMITS:
        return (
            "bad_value",
            _LIMITS[fault["type"]].format(**fault["ctx"]),
            f"Write, for example: {last}: {_first(node)}",
        )
    return "bad_value", f"{fault['msg']}.", ""


def _no_choice(last: str, given: object, known: list[str], is_name: bool) -> tuple[str, str, str]:
    if last == "autonomy" and given == "L4":
        return "not_offered_yet", "L4 (acting without approval) is not offered: use L3 at most.", ""
    told = f"{given!r} is not one of: {', '.join(known)}."
    near = did_you_mean(str(given), known)
    hint = near if near.startswith("Did") else f"Write {'one of them' if is_name else f'{last}: and one of them'}."
    return "bad_value", told, hint


_EXPECTED = {
    "string_type": "a text",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "dict_type": "names with values",
    "model_type": "names with values",
    "tuple_type": "a list",
    "list_type": "a list",
}
_LIMITS = {
    "greater_than_equal": "This must be at least {ge}.",
    "less_than_equal": "This may be at most {le}.",
    "too_short": "There must be at least {min_length} here; there is none.",
    "too_long": "There may be at most {max_length} here.",
}


def _not_known(last: str, schema: Any, loc: Path) -> tuple[str, str, str]:
    if later.field(last):
        return "not_offered_yet", later.field(last), "Leave it out for now."
    known = shapes.names(shapes.at(schema, loc[:-1]))
    elsewhere = [place for place in shapes.where_known(schema, last) if place != path_text(loc)]
    near = did_you_mean(last, known)
    if elsewhere and not near.startswith("Did you mean"):
        return "unknown_field", f"{last!r} is not known here.", f"It belongs at {_some(elsewhere)}. {near}".strip()
    return "unknown_field", f"{last!r} is not known here.", near


def _some(places: Iterable[str]) -> str:
    first, *others = places
    return f"{first}, or at {others[0]}" if others else first


def _written_as(last: str, given: object, node: Any) -> str:
    """How to write what is expected, where something of another shape stands."""
    wanted = node.get("type")
    if wanted == "string" and isinstance(given, bool | int):
        return f'Put it in quotes, if it is meant: {last}: "{str(given).lower()}"'
    if wanted == "array" and isinstance(given, dict):
        return f"Begin each entry on a line of its own with a hyphen: - {_inside(node.get('items', {}))}"
    if wanted == "array":
        return f"Write, for example: {last}: [{given if isinstance(given, str | int) else _first(node)}]"
    return f"Write, for example: {last}: {_first(node)}"


def _first(node: Any) -> str:
    return shapes.example(node)


def _inside(node: Any) -> str:
    text = shapes.example(node)
    return text[1:-1] if node.get("properties") else text


def _clip(value: object) -> str:
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
