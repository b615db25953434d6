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
from common.declarations.loader import Document, load, parse_spec
from common.declarations.problems import Problem
from common.errors import Refused
from rich.console import Console
from rich.text import Text

from cli.imports.formats import SAYS
from cli.preview import changing, logs, report, states, text, unread
from cli.preview.preview import Preview, previews
from cli.preview.states import State
from cli.preview.wording import BAD, GOOD, STRONG, counted, line
from cli.refusals import refusal

TEST_SUFFIX = ".test.yaml"
_PAGE_WIDTH = 112


def validate(
    path: Annotated[Path, typer.Argument(help="A YAML file, or a folder of them.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the problems as JSON.")] = False,
) -> None:
    """Check declarations: every problem with file, line and what to write instead. Exit code 0 or 1."""
    try:
        documents, problems = read_declarations(path)
    except Refused as refused:
        raise failed(refused, as_json) from refused
    if as_json:
        print_json({"valid": not problems, "documents": len(documents), "problems": _problems_json(problems)})
    else:
        say(problem_lines(problems) if problems else [_valid(documents)])
    raise typer.Exit(1 if problems else 0)


def diff(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="[OLD] PATH", help="A YAML file or a folder of them; with OLD, what PATH would change beside it."
        ),
    ],
    state: Annotated[
        list[str], typer.Option("--state", help="Rows to decide on: type=FILE, or type=FILE#SHEET.")
    ] = (),  # type: ignore[assignment]
    at: Annotated[str, typer.Option("--at", help="The day or instant to decide as of; without it, now.")] = "",
    only: Annotated[list[str], typer.Option("--only", help="Show only the entity with this key.")] = (),  # type: ignore[assignment]
    full: Annotated[bool, typer.Option("--full", help="Show every case.")] = False,
    active: Annotated[
        bool, typer.Option("--active", help="OLD is what is active in the realm where you are signed in.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the same figures as JSON.")] = False,
) -> None:
    """Preview what declarations would find in given rows. Offline: nothing is written and nothing runs.

    Exit code 0: no gaps, and every row was decided. 2: gaps, or rows that could not be decided or were left out.
    1: an error, also when a file does not have the key's column. With OLD or --active it says instead which cases
    would open, close and change; 0: none would, 2: some would.
    """
    path = paths[-1]
    if len(paths) > 1 or active:
        raise typer.Exit(_compare(paths, active, state, at, (full, as_json)))
    try:
        moment = parse_at(at)
        documents, problems = read_declarations(path)
        if problems:
            say_problems(problems, as_json)
            raise typer.Exit(1)
        catalogue = Catalogue().with_documents(documents)
        given = read_states(catalogue, state, hold=False)
        found = previews(catalogue, given, moment, frozenset(only))
    except Refused as refused:
        raise failed(refused, as_json) from refused
    if not found:
        raise failed(Refused("no_desired_state", f"{path} declares no desired state.", "Add one."), as_json)
    left_out = any(rows.faults for rows in given.values())
    code = 2 if left_out or any(preview.open_questions for preview in found) else 0
    if as_json:
        print_json(report.as_json(found, given, code))
    else:
        _say_page(found, given, text.Asking(str(path), full, tuple(only), _files(given), _width()), code)
    raise typer.Exit(code)


def _compare(paths: list[Path], active: bool, state: Sequence[str], at: str, shown: tuple[bool, bool]) -> int:
    """`trueup diff OLD NEW`; answers the exit code."""
    full, as_json = shown
    if len(paths) > (1 if active else 2):
        told = "diff takes two declarations, the old one and the new one; with --active, the new one alone."
        raise failed(Refused("too_many", told, "Give a folder for several files."), as_json)
    try:
        old, before = _active() if active else _catalogue(paths[0], Catalogue(), as_json)
        _, after = _catalogue(paths[-1], before, as_json)
        given = (_read_known(before, state), read_states(after, state))
        found, code = changing.compared(before, after, given, parse_at(at))
    except Refused as refused:
        raise failed(refused, as_json) from refused
    if as_json:
        print_json(changing.as_json(found, old, given[1], code))
    else:
        say(changing.page(found, (old, str(paths[-1])), given[1], _width(), code, full=full))
    return code


def _catalogue(path: Path, before: Catalogue, as_json: bool) -> tuple[str, Catalogue]:
    documents, problems = _loaded(path)
    if problems := problems or check(documents, before):
        say_problems(problems, as_json)
        raise typer.Exit(1)
    return str(path), before.with_documents(documents)


def _active() -> tuple[str, Catalogue]:
    """The name of the realm where somebody is signed in, and what is active there."""
    from cli.people import sessions  # noqa: PLC0415 - slow to import; only this option needs it

    with sessions.connect(None) as client:
        found = client.active()
    documents = [parse_spec(item["kind"], item["name"], item["spec"], found["realm"]) for item in found["documents"]]
    return f"active in {found['realm']}", Catalogue(timezone=found["timezone"]).with_documents(documents)


def _read_known(catalogue: Catalogue, options: Sequence[str]) -> dict[str, State]:
    """The rows of those types that this catalogue has: what is new may need others."""
    known = [option for option in options if option.partition("=")[0] in catalogue.entity_types]
    return _read_all(catalogue, known)


def read_declarations(path: Path) -> tuple[list[Document], list[Problem]]:
    """All documents of a file or folder (*.yaml, *.yml; tests left out), checked together. Raises Refused when there
    is none."""
    documents, problems = _loaded(path)
    return documents, problems or check(documents)


def _loaded(path: Path) -> tuple[list[Document], list[Problem]]:
    files = [path]
    if path.is_dir():
        every = (item for item in path.rglob("*") if item.suffix in (".yaml", ".yml"))
        files = sorted(item for item in every if not item.name.endswith(TEST_SUFFIX))
    if not path.exists() or not files:
        raise Refused("no_such_file", f"There is no declaration at {path}.", "Name a YAML file or a folder of them.")
    documents: list[Document] = []
    problems: list[Problem] = []
    for file in files:
        loaded = load(file.read_bytes(), str(file.relative_to(path)) if path.is_dir() else file.name)
        documents += loaded.documents
        problems += loaded.problems
    return documents, problems


def read_states(catalogue: Catalogue, options: Sequence[str], hold: bool = True) -> dict[str, State]:
    """The rows named by `--state` options, by entity type. Without `hold`, those that nothing relates are not kept in
    memory, and read again whenever they are gone through. Raises Refused."""
    given = _read_all(catalogue, options, hold)
    wanted = {spec.selector.entity for spec in catalogue.desired_states.values()}
    if not wanted & given.keys():
        name = min(wanted, default="TYPE")
        raise Refused("no_state", f"No {name} records were given.", f"Add: --state {name}=FILE ({SAYS}).")
    return given


def _read_all(catalogue: Catalogue, options: Sequence[str], hold: bool = True) -> dict[str, State]:
    given: dict[str, State] = {}
    files = states.parse_options(options, sorted(catalogue.entity_types))
    held = {name for join in catalogue.joins() for name in (join.reader, join.other)}
    for entity_type, source in files:
        state = given.setdefault(entity_type, State(entity_type))
        spec = catalogue.entity_types[entity_type]
        if spec.events is not None:
            logs.read_log(state, source.path, spec)
            continue
        alone = not hold and entity_type not in held and sum(name == entity_type for name, _ in files) == 1
        take = states.stream if alone else states.read
        take(state, source, catalogue.readers[entity_type], spec)
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
    lines += text.unread_lines(unread.of(found, given), asking.full)
    lines += text.fault_lines(faults, asking.full)
    say([*lines, text.footer(found, asking, len(faults), code)])


def say_problems(problems: Sequence[Problem], as_json: bool) -> None:
    """Print what is wrong with declarations, or with a file of tests."""
    if as_json:
        print_json({"valid": False, "problems": _problems_json(problems)})
    else:
        say(problem_lines(problems))


def _problems_json(problems: Sequence[Problem]) -> list[dict[str, object]]:
    names = ("file", "line", "path", "reason_code", "message", "hint")
    return [{name: getattr(problem, name) for name in names} for problem in problems]


def failed(refused: Refused, as_json: bool) -> typer.Exit:
    """Print why nothing could be done; the exit to raise."""
    if as_json:
        print_json(refusal(refused))
    else:
        told = Text(f"{refused.message} {refused.what_to_do}".strip())
        Console(stderr=True, highlight=False, soft_wrap=True).print(told)
    return typer.Exit(1)


def say(lines: Sequence[Text]) -> None:
    """Print lines, without wrapping them."""
    console = Console(highlight=False, soft_wrap=True)
    for item in lines:
        console.print(item)


def print_json(value: object) -> None:
    """Print a value as JSON, for programs."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def _width() -> int:
    return min(Console().width, 140) if sys.stdout.isatty() or "COLUMNS" in os.environ else _PAGE_WIDTH
