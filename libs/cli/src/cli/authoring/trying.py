"""One test decided: what it expects against what a preview found. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from common.declarations.values import Status

from cli.authoring.expected import Case, Expected
from cli.preview.preview import Preview, Seen
from cli.preview.wording import joined


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as expected: of an entity, of an objective, or of a count."""

    what: str
    expected: str
    found: str


def differences(expected: Expected, preview: Preview, named: Mapping[str, Seen]) -> list[Difference]:
    """Everything in which the preview differs, entities first. Empty: the test passes. `named`: what became of those
    entities that the test names, where there are rows of them."""
    return [
        *_entities(expected, preview, named),
        *_counts(expected, preview),
        *_objectives(expected, preview),
    ]


def _entities(expected: Expected, preview: Preview, named: Mapping[str, Seen]) -> Iterator[Difference]:
    open_cases = {seen.key: seen for seen in preview.cases}
    undecided = {seen.key: seen for seen in (*preview.undecided, *preview.selector_unknown)}
    counts = expected.counts
    for key in sorted({*expected.cases, *expected.undecided}):
        wanted = "a case" if key in expected.cases else "undecided"
        here = open_cases if key in expected.cases else undecided
        case = (expected.cases if key in expected.cases else expected.undecided)[key]
        if key not in here:
            told = wanted + (f" that misses {joined(case.missed)}" if case.missed else "")
            yield Difference(key, told, described(named[key]) if key in named else "no row with this key")
        else:
            yield from _case(key, case, here[key], preview)
    listed = {*expected.cases, *expected.undecided}
    for key, seen in {**({} if counts.cases is not None else open_cases),
                      **({} if counts.undecided is not None else undecided)}.items():  # fmt: skip
        if key not in listed:
            yield Difference(key, "no case", described(seen))


def _case(key: str, case: Case, seen: Seen, preview: Preview) -> Iterator[Difference]:
    evaluation = seen.evaluation
    if case.severity not in (None, evaluation.severity):
        yield Difference(f"{key}, severity", str(case.severity), evaluation.severity)
    if case.people_only not in (None, evaluation.people_only):
        yield Difference(f"{key}, people only", _yes(bool(case.people_only)), _yes(evaluation.people_only))
    for word, names, status in (
        ("missed", case.missed, Status.MISSED),
        ("due soon", case.due_soon, Status.SOON),
        ("unknown", case.unknown, Status.UNKNOWN),
    ):
        found = [rule.name for rule in evaluation.rules if rule.status is status]
        if names is not None and set(names) != set(found):
            yield Difference(f"{key}, {word}", _list(names), _list(found) + _why(seen, [*names, *found]))
    says = {rule.name: rule.says for rule in evaluation.failing}
    for rule, text in case.says.items():
        if says.get(rule, "") != text:
            yield Difference(f"{key}, {rule} says", text, says.get(rule, "") or f"nothing: {rule} does not fail")
    if case.actions is not None:
        steps = [action for action, _, _ in preview.remedy(seen).steps]
        if list(case.actions) != steps:
            yield Difference(f"{key}, actions", _list(case.actions), _list(steps))


def _why(seen: Seen, names: Sequence[str]) -> str:
    """Why the rules in question are unknown, where they are."""
    told = {rule.reason: None for rule in seen.evaluation.rules if rule.name in names and rule.reason}
    return f" ({'; '.join(told)})" if told else ""


def _counts(expected: Expected, preview: Preview) -> Iterator[Difference]:
    found = {
        "selected": preview.selected,
        "cases": len(preview.cases),
        "due_soon": len(preview.due_soon),
        "undecided": len(preview.undecided) + len(preview.selector_unknown),
        "on_track": len(preview.on_track),
        "met": preview.met,
        "set_aside": sum(len(rows) for rows in preview.set_aside.values()),
    }
    for name, count in expected.counts:
        if count is not None and count != found[name]:
            yield Difference(name.replace("_", " "), f"{count:,}", f"{found[name]:,}")


def _objectives(expected: Expected, preview: Preview) -> Iterator[Difference]:
    found: Mapping[str, str] = {result.objective.name: result.standing for result in preview.objectives}
    for name, standing in expected.objectives.items():
        if found.get(name) != standing:
            yield Difference(name, standing, found.get(name) or f"no such objective; there are: {_list([*found])}")


def described(seen: Seen) -> str:
    """`a case that misses fixed and proven`, `on track`, `undecided: due is empty`."""
    evaluation = seen.evaluation
    of = {status: [rule.name for rule in evaluation.rules if rule.status is status] for status in Status}
    if evaluation.standing == "gap":
        return f"a case that misses {joined(of[Status.MISSED])}"
    if evaluation.standing == "due soon":
        return f"a case, due soon: {joined(of[Status.SOON])}"
    if evaluation.standing == "undecided":
        return f"undecided{_why(seen, of[Status.UNKNOWN]) or ': ' + joined(of[Status.UNKNOWN])}"
    if evaluation.standing == "selector unknown":
        return f"undecided: whether it is selected ({evaluation.selected.reason})"
    return "no case: it is as wanted" if evaluation.standing == "met" else f"no case: {evaluation.standing}"


def _list(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"


def _yes(value: bool) -> str:
    return "yes" if value else "no"
