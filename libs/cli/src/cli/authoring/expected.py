"""Tests of declarations as they are written: given these rows, at this moment, expect these cases and no others."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeAlias

from common.clock import parse_instant
from common.declarations.faults import Places, problems
from common.declarations.fields import Name, Sentence, Strict
from common.declarations.problems import Problem, Wrong, refuse
from common.declarations.trees import Lines, trees
from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, WithJsonSchema, model_validator

Cell: TypeAlias = str | int | bool
_ROWS_HINT = "Write a list of rows, - {id: 7, status: open}, or the name of a file of rows beside this one."


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one entity type: written out, or those of files."""

    written: tuple[dict[str, Cell], ...] = ()
    files: tuple[str, ...] = ()


def _rows(value: object) -> object:
    if isinstance(value, str):
        return Rows(files=(value,))
    if not isinstance(value, list):
        refuse("bad_rows", f"{value!r} is neither rows nor a file.", _ROWS_HINT)
    if value and all(isinstance(item, str) for item in value):
        return Rows(files=tuple(value))
    for index, row in enumerate(value):
        if not isinstance(row, dict) or not all(isinstance(cell, str | int | list) for cell in row.values()):
            refuse("bad_rows", f"{row!r} is not a row.", _ROWS_HINT, (index,))
    return Rows(tuple(value))


def _moment(value: str) -> str:
    try:
        parse_instant(f"{value}T00:00:00Z" if len(value) == 10 else value)
    except ValueError:
        refuse("bad_instant", f"{value!r} is no day and no instant.", "Write 2023-07-03, or 2023-07-03T12:00:00Z.")
    return value


def _keyed(value: object) -> object:
    """A list of keys means the same as those keys with nothing said about each."""
    return {str(key): {} for key in value} if isinstance(value, list) else value


class Case(Strict):
    """What is expected of one case. What is not written is not compared; a list that is must be the whole list."""

    severity: str | None = None
    missed: tuple[Name, ...] | None = Field(default=None, strict=False)
    due_soon: tuple[Name, ...] | None = Field(default=None, strict=False)
    unknown: tuple[Name, ...] | None = Field(default=None, strict=False)
    says: dict[Name, str] = Field(default={})
    actions: tuple[Name, ...] | None = Field(default=None, strict=False)
    people_only: bool | None = None


class _OrKeys:
    """Tells editors that a list of keys may stand there, too."""

    def __get_pydantic_json_schema__(self, core: Any, handler: Any) -> dict[str, Any]:
        return {"anyOf": [handler(core), {"type": "array", "items": {"type": "string"}}]}


Cases = Annotated[dict[str, Case], BeforeValidator(_keyed), _OrKeys()]


class Counts(Strict):
    """How many of the selected entities stand where."""

    selected: int | None = None
    cases: int | None = None
    due_soon: int | None = None
    undecided: int | None = None
    on_track: int | None = None
    met: int | None = None
    set_aside: int | None = None


class Expected(Strict):
    cases: Cases = Field(default={})
    undecided: Cases = Field(default={})
    counts: Counts = Counts()
    objectives: dict[Name, Literal["met", "on track", "behind", "missed", "undecided"]] = Field(default={})

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set:
            refuse("nothing_expected", "Nothing is expected.", "Write cases: [] where no case may open.")
        return self


class Trial(Strict):
    """One test."""

    name: Sentence
    desired_state: Name | None = None
    at: Annotated[str, AfterValidator(_moment)]
    given: dict[
        Name,
        Annotated[
            Rows,
            BeforeValidator(_rows),
            WithJsonSchema({"type": ["array", "string"], "title": "rows", "examples": [[{"id": "7"}]]}),
        ],
    ] = Field(min_length=1)
    expect: Expected


class TestFile(Strict):
    __test__ = False  # its name begins like those of pytest's

    declarations: str
    rows: dict[Name, dict[str, Any]] = Field(default={})
    tests: tuple[Trial, ...] = Field(strict=False, min_length=1, max_length=500)


@dataclass(frozen=True, slots=True)
class Written:
    """A file of tests, read, with the line of each test."""

    path: Path
    model: TestFile
    places: Places


def read(path: Path) -> Written | list[Problem]:
    """One file of tests, or what is wrong with it."""
    try:
        found = trees(path.read_bytes())
    except Wrong as fault:
        line = getattr(fault, "line", 1)
        return [Problem(path.name, line, "", fault.reason_code, fault.message, fault.hint)]
    if len(found) != 1:
        told = f"There are {len(found)} documents in this file of tests."
        return [Problem(path.name, 1, "", "not_tests", told, "Write declarations: and tests:, without ---.")]
    return _written(path, *found[0])


def _written(path: Path, value: Any, lines: Lines) -> Written | list[Problem]:
    places = Places(path.name, lines)
    if not isinstance(value, dict):
        return [places.problem((), "not_tests", "This is no file of tests.", "Begin with declarations: and tests:.")]
    try:
        return Written(path, TestFile.model_validate(value), places)
    except ValidationError as error:
        return problems(error, TestFile, (), places)
