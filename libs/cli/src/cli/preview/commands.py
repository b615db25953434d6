"""The commands `trueup validate` and `trueup diff`: files in, pages and exit codes out.

Exit codes of both: 0 nothing to do, 1 an error. `diff`: 2 when there are gaps, or rows that could not be decided or
were left out: Unknown is never compliant.
"""

import json
import os
import sys
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer
from common.clock import parse_instant, wall_now
from common.declarations.catalogue import Catalogue
from common.declarations.checks import check
from common.declarations.loader import Document, load
from common.declarations.problems import Problem
from common.errors import Refused
from rich.console import Console
from rich.text import Text

from cli.preview import logs, report, states, text
from cli.preview.preview import Preview, previews
from cli.preview.states import State
from cli.preview.wording import BAD, GOOD, STRONG, counted, line

_PAGE_WIDTH = 112


def validate(
    path: Annotated[Path, typer.Argument(help="A YAML file, or a folder of them.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the problems as JSON.")] = False,
) -> None:
    """Check declarations: every problem with file, line and what to write instead. Exit code 0 or 1."""
    try:
        documents, problems = read_declarations(path)
    except Refused as refused:
        raise _failed(refused, as_json) from refused
    if as_json:
        _print_json({"valid": not problems, "documents": len(documents), "problems": _problems_json(problems)})
    else:
        _say(problem_lines(problems) if problems else [_valid(documents)])
    raise typer.Exit(1 if problems else 0)


def diff(
    path: Annotated[Path, typer.Argument(help="A YAML file, or a folder of them.")],
    state: Annotated[list[str], typer.Option("--state", help="Rows to decide on: type=FILE (CSV, JSONL, XES).")] = (),  # type: ignore[assignment]
    at: Annotated[str, typer.Option("--at", help="The day or instant to decide as of; without it, now.")] = "",
    only: Annotated[list[str], typer.Option("--only", help="Show only the entity with this key.")] = (),  # type: ignore[assignment]
    full: Annotated[bool, typer.Option("--full", help="Show every case.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the same figures as JSON.")] = False,
) -> None:
    """Preview what declarations would find in given rows. Offline: nothing is written and nothing runs.

    Exit code 0: no gaps, and every row was decided. 2: gaps, or rows that could not be decided or were left out.
    1: an error, also when a file does not have the key's column.
    """
    try:
        moment = parse_at(at)
        documents, problems = read_declarations(path)
        if problems:
            _say_problems(problems, as_json)
            raise typer.Exit(1)
        catalogue = Catalogue().with_documents(documents)
        given = read_states(catalogue, state)
        found = previews(catalogue, given, moment, frozenset(only))
    except Refused as refused:
        raise _failed(refused, as_json) from refused
    if not found:
        raise _failed(Refused("no_desired_state", f"{path} declares no desired state.", "Add one."), as_json)
    left_out = any(rows.faults for rows in given.values())
    code = 2 if left_out or any(preview.open_questions for preview in found) else 0
    if as_json:
        _print_json(report.as_json(found, given, code))
    else:
        _say_page(found, given, text.Asking(str(path), full, tuple(only), _files(given), _width()), code)
    raise typer.Exit(code)


def read_declarations(path: Path) -> tuple[list[Document], list[Problem]]:
    """All documents of a file or folder (*.yaml, *.yml), checked together. Raises Refused when there is none."""
    files = sorted(item for item in path.rglob("*") if item.suffix in (".yaml", ".yml")) if path.is_dir() else [path]
    if not path.exists() or not files:
        raise Refused("no_such_file", f"There is no declaration at {path}.", "Name a YAML file or a folder of them.")
    documents: list[Document] = []
    problems: list[Problem] = []
    for file in files:
        loaded = load(file.read_bytes(), str(file.relative_to(path)) if path.is_dir() else file.name)
        documents += loaded.documents
        problems += loaded.problems
    return documents, problems or check(documents)


def read_states(catalogue: Catalogue, options: Sequence[str]) -> dict[str, State]:
    """The rows named by `--state` options, by entity type. Raises Refused."""
    given: dict[str, State] = {}
    for entity_type, path in states.parse_options(options, sorted(catalogue.entity_types)):
        state, spec = given.setdefault(entity_type, State(entity_type)), catalogue.entity_types[entity_type]
        if spec.events is not None:
            logs.read_log(state, path, spec)
        else:
            states.read(state, path, catalogue.readers[entity_type])
    wanted = {spec.selector.entity for spec in catalogue.desired_states.values()}
    if not wanted & given.keys():
        name = min(wanted, default="TYPE")
        raise Refused("no_state", f"No {name} records were given.", f"Add: --state {name}=FILE (CSV or JSONL).")
    return given


def parse_at(at: str) -> date | datetime:
    """The day or instant of `--at`; the wall clock when it is empty. Raises Refused."""
    if not at:
        return wall_now()
    try:
        return date.fromisoformat(at) if len(at) == 10 else parse_instant(at)
    except ValueError as error:
        hint = "Write a day, 2023-07-03, or an instant, 2023-07-03T12:00:00Z."
        raise Refused("bad_instant", f"--at {at} is not a day or an instant.", hint) from error


def problem_lines(problems: Sequence[Problem]) -> list[Text]:
    """The problems, one a line with its hint below, and how many there are."""
    lines = []
    for problem in problems:
        path = f"{problem.path}: " if problem.path else ""
        lines.append(line((f"{problem.file}:{problem.line}: ", STRONG), (f"{path}{problem.message}", "")))
        lines += [line((f"    {problem.hint}", "cyan"))] if problem.hint else []
    return [*lines, line((f"{counted(len(problems), 'problem')}.", BAD))]


def _valid(documents: Sequence[Document]) -> Text:
    kinds = [f"{document.kind} {document.name}" for document in documents]
    return line(("Valid. ", GOOD), (f"{counted(len(kinds), 'declaration')}: {', '.join(kinds)}.", ""))


def _files(given: dict[str, State]) -> dict[str, list[str]]:
    return {name: rows.files for name, rows in given.items()}


def _say_page(found: Sequence[Preview], given: dict[str, State], asking: text.Asking, code: int) -> None:
    lines: list[Text] = []
    for preview in found:
        lines += text.page(preview, asking)
    faults = [fault for rows in given.values() for fault in rows.faults]
    lines += text.fault_lines(faults, asking.full)
    _say([*lines, text.footer(found, asking, len(faults), code)])


def _say_problems(problems: Sequence[Problem], as_json: bool) -> None:
    if as_json:
        _print_json({"valid": False, "problems": _problems_json(problems)})
    else:
        _say(problem_lines(problems))


def _problems_json(problems: Sequence[Problem]) -> list[dict[str, object]]:
    names = ("file", "line", "path", "reason_code", "message", "hint")
    return [{name: getattr(problem, name) for name in names} for problem in problems]


def _failed(refused: Refused, as_json: bool) -> typer.Exit:
    if as_json:
        _print_json({"error": refused.reason_code, "message": refused.message, "what_to_do": refused.what_to_do})
    else:
        told = Text(f"{refused.message} {refused.what_to_do}".strip())
        Console(stderr=True, highlight=False, soft_wrap=True).print(told)
    return typer.Exit(1)


def _say(lines: Sequence[Text]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    for item in lines:
        console.print(item)


def _print_json(value: object) -> None:
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def _width() -> int:
    return min(Console().width, 140) if sys.stdout.isatty() or "COLUMNS" in os.environ else _PAGE_WIDTH
