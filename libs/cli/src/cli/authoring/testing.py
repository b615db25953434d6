"""`trueup test`: declarations against what their authors expect of them, offline, decided as `trueup diff` does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from common.clock import parse_instant
from common.declarations.catalogue import Catalogue
from common.declarations.computing import Happened
from common.declarations.problems import Path as Place
from common.declarations.problems import Problem, did_you_mean
from common.errors import Refused
from rich.text import Text

from cli.authoring import expected, trying
from cli.authoring.expected import Rows, Trial, Written
from cli.authoring.trying import Difference
from cli.imports.source import Source
from cli.preview import commands, logs, states
from cli.preview.commands import TEST_SUFFIX as SUFFIX
from cli.preview.logs import Columns
from cli.preview.preview import Preview, previews
from cli.preview.states import State, StateRow
from cli.preview.wording import BAD, FAINT, GOOD, STRONG, clean, counted, line

EXIT_FAILED = 2


@dataclass(frozen=True, slots=True)
class Verdict:
    """One test, decided."""

    file: str
    line: int
    name: str
    differences: tuple[Difference, ...]


def test(
    path: Annotated[Path, typer.Argument(help=f"A file of tests (*{SUFFIX}), or a folder of them.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the verdicts as JSON.")] = False,
) -> None:
    """Decide tests of declarations: given these rows at this moment, are these the cases? Offline.

    Exit code 0: all as expected. 2: something is not. 1: a file can't be read, or a declaration is wrong.
    """
    try:
        files = found(path)
        verdicts = [verdict for file in files for verdict in decided(file)]
    except Refused as refused:
        raise commands.failed(refused, as_json) from refused
    except _Wrong as wrong:
        commands.say_problems(wrong.problems, as_json)
        raise typer.Exit(1) from wrong
    failed = sum(bool(verdict.differences) for verdict in verdicts)
    if as_json:
        commands.print_json({"tests": [_json(verdict) for verdict in verdicts], "failed": failed})
    else:
        commands.say(page(verdicts))
    raise typer.Exit(EXIT_FAILED if failed else 0)


test.__test__ = False  # type: ignore[attr-defined]  # a command, not one of pytest's tests


class _Wrong(Exception):
    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(str(problems[0]))
        self.problems = problems


def found(path: Path) -> list[Path]:
    """The files of tests at a path. Raises Refused when there is none."""
    files = sorted(path.rglob(f"*{SUFFIX}")) if path.is_dir() else [path] if path.name.endswith(SUFFIX) else []
    if not files or not path.exists():
        raise Refused("no_tests", f"There are no tests at {path}.", f"Name a file *{SUFFIX}, or a folder with one.")
    return files


def decided(path: Path) -> list[Verdict]:
    """The verdicts on all tests of one file. Raises Refused, and _Wrong for what is not written as it may be."""
    written = expected.read(path)
    if isinstance(written, list):
        raise _Wrong(written)
    documents, problems = commands.read_declarations(path.parent / written.model.declarations)
    if problems:
        raise _Wrong(problems)
    catalogue = Catalogue().with_documents(documents)
    return [
        Verdict(path.name, written.places.line(("tests", at)), trial.name, tuple(_decided(written, at, catalogue)))
        for at, trial in enumerate(written.model.tests)
    ]


def _decided(written: Written, at: int, catalogue: Catalogue) -> list[Difference]:
    trial = written.model.tests[at]
    name = _tested(written, at, catalogue)
    given = _given(written, at, catalogue)
    moment = commands.parse_at(trial.at)
    preview = _preview(previews(catalogue, given, moment), name)
    wanted = frozenset({*trial.expect.cases, *trial.expect.undecided})
    asked = _preview(previews(catalogue, given, moment, wanted), name).asked_for if wanted else []
    _check_rules(written, at, preview)
    return trying.differences(trial.expect, preview, {seen.key: seen for seen in asked})


def _preview(every: Sequence[Preview], name: str) -> Preview:
    return next(preview for preview in every if preview.state.name == name)


def _tested(written: Written, at: int, catalogue: Catalogue) -> str:
    """The desired state that is tested. Raises _Wrong where that is not said, or there is none."""
    names, wanted = sorted(catalogue.desired_states), written.model.tests[at].desired_state
    if wanted is None and len(names) == 1:
        return names[0]
    if wanted in names:
        return str(wanted)
    place: Place = ("tests", at, "desiredState")
    if wanted is not None:
        raise _wrong(written, place, f"There is no desired state {wanted!r}.", did_you_mean(wanted, names))
    hint = f"Add desiredState: and one of: {', '.join(names)}." if names else "Add one to the declarations."
    raise _wrong(written, place, f"There are {len(names)} desired states.", hint)


def _given(written: Written, at: int, catalogue: Catalogue) -> dict[str, State]:
    given: dict[str, State] = {}
    for name, rows in written.model.tests[at].given.items():
        place: Place = ("tests", at, "given", name)
        if name not in catalogue.entity_types:
            hint = did_you_mean(name, catalogue.entity_types)
            raise _wrong(written, place, f"There is no entity type {name!r}.", hint)
        given[name] = _state(written, name, rows, catalogue, place)
    return given


def _state(written: Written, name: str, rows: Rows, catalogue: Catalogue, place: Place) -> State:
    state, reader, spec = State(name), catalogue.readers[name], catalogue.entity_types[name]
    for file in rows.files:
        if not (written.path.parent / file).is_file():
            raise _wrong(written, place, f"There is no file {file} beside this one.", "Check the path.")
        if spec.events is not None:
            logs.read_log(state, written.path.parent / file, spec)
        else:
            states.read(state, Source(written.path.parent / file), reader, spec)
    log = None if spec.events is None else logs.columns_of(spec)
    columns = [*reader.columns, *((log.activity, log.at) if log is not None else ())]
    for index, cells in enumerate(rows.written):
        row: dict[str, Any] = {**written.model.rows.get(name, {}), **cells}
        here: Place = (*place, index)
        unknown = [column for column in row if column not in columns]
        if unknown:
            hint = did_you_mean(unknown[0], columns)
            raise _wrong(written, (*here, unknown[0]), f"No attribute of {name} is read from {unknown[0]!r}.", hint)
        key = reader.key(row)
        if log is not None:
            _happened(written, state, log, (row, key), here)
            continue
        if key is None or key in state.rows:
            told = f"This row has no {reader.key_column}, the key." if key is None else f"{key} is there twice."
            raise _wrong(written, here, told, f"Write {{{reader.key_column}: ..., ...}}, each key once.")
        state.rows[key] = StateRow(key, row, written.path.name, written.places.line(here))
    return state


def _happened(
    written: Written, state: State, log: Columns, event: tuple[dict[str, Any], str | None], here: Place
) -> None:
    """Take in one written event of a case: of one time, in the order in which they are written."""
    row, key = event
    line = written.places.line(here)
    try:
        at = parse_instant(str(row.get(log.at, "")))
    except ValueError:
        at = None
    if key is None or at is None or row.get(log.activity) in (None, ""):
        told = "This event has no case, no activity, or no time with its zone."
        hint = f'Write {{{log.key}: ..., {log.activity}: ..., {log.at}: "2012-02-06T10:00:00+01:00"}}.'
        raise _wrong(written, here, told, hint)
    events = state.cases.setdefault(key, [])
    events.append(Happened(at, len(events), f"{written.path.name}:{line}, {here[-1]}", row))  # two may share a line
    state.rows.setdefault(key, StateRow(key, {}, written.path.name, line))


def _check_rules(written: Written, at: int, preview: Preview) -> None:
    """Raise _Wrong where a test expects something of a rule or objective that there is not: it would never fail."""
    trial: Trial = written.model.tests[at]
    rules = [*(rule.name for rule in preview.state.rules), "fresh"]
    for field, cases in (("cases", trial.expect.cases), ("undecided", trial.expect.undecided)):
        for key, case in cases.items():
            for rule in (*(case.missed or ()), *(case.due_soon or ()), *(case.unknown or ()), *case.says):
                if rule not in rules:
                    place: Place = ("tests", at, "expect", field, key)
                    raise _wrong(written, place, f"There is no rule {rule!r}.", did_you_mean(rule, rules))


def _wrong(written: Written, place: Place, message: str, hint: str) -> _Wrong:
    return _Wrong([written.places.problem(place, "bad_test", message, hint)])


def page(verdicts: Sequence[Verdict]) -> list[Text]:
    """A line for each test, what differs below it, and how many failed."""
    lines: list[Text] = []
    for verdict in verdicts:
        word, style = ("FAIL", BAD) if verdict.differences else ("ok  ", GOOD)
        where = (f"  {verdict.file}:{verdict.line}", FAINT) if verdict.differences else ("", "")
        lines.append(line((word, style), (f"  {clean(verdict.name)}", STRONG if verdict.differences else ""), where))
        for item in verdict.differences:
            lines.append(line((f"        {clean(item.what)}", STRONG)))
            lines.append(line((f"          expected  {clean(item.expected)}", "")))
            lines.append(line((f"          found     {clean(item.found)}", "")))
    failed = sum(bool(verdict.differences) for verdict in verdicts)
    told = f"{counted(len(verdicts), 'test')}: " + (f"{failed} failed." if failed else "all as expected.")
    return [*lines, line((told, BAD if failed else GOOD))]


def _json(verdict: Verdict) -> Mapping[str, Any]:
    return {
        "file": verdict.file,
        "line": verdict.line,
        "name": verdict.name,
        "passed": not verdict.differences,
        "differences": [
            {"of": item.what, "expected": item.expected, "found": item.found} for item in verdict.differences
        ],
    }
