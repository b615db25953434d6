"""One entity of a preview: what is wanted, what was found, since when, what could be done, who would agree."""

from collections.abc import Mapping
from datetime import datetime

from common.declarations.evaluation import Fact, RuleResult
from common.declarations.values import WEEKDAYS, Status, day_text, shown
from common.facts import TITLES
from rich.text import Text

from cli.preview import figures
from cli.preview.preview import OPEN, Preview, Remedy, Seen, last_day
from cli.preview.wording import FAINT, GOOD, STRONG, WARN, clean, clip, joined, line, severity_style

_LABEL = 10


def case_lines(preview: Preview, seen: Seen, width: int, every: bool = False) -> list[Text]:
    """The lines about one entity; `every` shows also the rules that hold."""
    evaluation = seen.evaluation
    lines = [_headline(preview, seen, width)]
    if evaluation.selected.status is not Status.MET:
        told = (
            "not selected"
            if evaluation.selected.status is Status.MISSED
            else "it cannot be told whether it is selected"
        )
        reason = f": {clean(evaluation.selected.reason)}" if evaluation.selected.reason else ""
        return [*lines, _row("standing", f"{told}{reason}", width)]
    lines += _severity(preview, seen, width)
    for rule in evaluation.rules:
        if rule in evaluation.failing or rule.exempt is not None or every:
            lines += _rule(preview, rule, width)
    lines += _found(preview, seen, width)
    if evaluation.standing in OPEN:
        lines += _remedy(preview, seen, width)
    return lines


def quoted(text: str, width: int) -> str:
    return f'"{clip(clean(text), width)}"'


def _row(label: str, text: str, width: int, style: str = "", note: str = "") -> Text:
    room = max(20, width - 6 - _LABEL - (len(note) + 2 if note else 0))
    shown_text = clip(text, room)
    pad = " " * max(2, width - 6 - _LABEL - len(shown_text) - len(note)) if note else ""
    return line((f"      {label:<{_LABEL}}", FAINT), (shown_text, style), (f"{pad}{note}", FAINT))


def _headline(preview: Preview, seen: Seen, width: int) -> Text:
    evaluation = seen.evaluation
    mark = {"gap": "+", "due soon": "+", "undecided": "?", "met": "=", "on track": "~"}.get(evaluation.standing, " ")
    attributes = preview.state.attributes
    name = next((item for item in TITLES if item in attributes and not figures.is_unknown(seen, item)), None)
    title = clean(shown(seen.slots[name])) if name else ""
    word = evaluation.severity.upper() if evaluation.standing in OPEN else evaluation.standing
    key = clean(seen.key)
    room = max(20, width - len(key) - len(word) - 8)
    style = severity_style(evaluation.severity) if mark in "+?" else GOOD if mark == "=" else ""
    return line((f"  {mark} ", style), (key, STRONG), (f"  {word}", style), (f"  {clip(title, room)}", ""))


def _severity(preview: Preview, seen: Seen, width: int) -> list[Text]:
    if seen.evaluation.standing not in OPEN:
        return []
    condition = dict(preview.state.severity)[seen.evaluation.severity]
    if condition is None:
        return []
    told = ", ".join(f"{name} {clean(shown(seen.slots[name]))}" for name in condition.reads)
    return [_row("because", f"{condition.source}: {told}", width)]


def _rule(preview: Preview, rule: RuleResult, width: int) -> list[Text]:
    where = _place(preview, rule.name)
    if rule.status is Status.MET:
        told = rule.name if rule.applies else f"{rule.name}: does not apply"
        return [_row("holds", told, width, GOOD, where)]
    if rule.exempt is not None:
        until = rule.exempt.until
        day = f" until {day_text(last_day(until, preview.state.zone))}" if until else ""
        return [_row(rule.exempt.kind, f"{rule.name}{day}: {clean(rule.exempt.why)}", width, GOOD, where)]
    if rule.status is Status.PENDING:
        lines = [_row("ahead", rule.name, width, "", where)]
    elif rule.status is Status.SOON:
        lines = [_row("due soon", f"{rule.name}: {clean(rule.says)}", width, "", where)]
    elif rule.status is Status.UNKNOWN:
        lines = [_row("unknown", f"{rule.name}: {clean(rule.reason)}", width, WARN, where)]
    else:
        lines = [_row("missed", f"{rule.name}: {clean(rule.says)}", width, "", where)]
    return [*lines, *([_due(preview, rule, width)] if rule.due is not None else [])]


def _due(preview: Preview, rule: RuleResult, width: int) -> Text:
    assert rule.due is not None
    local = rule.due.astimezone(preview.state.zone)
    if rule.due > preview.asof:
        return _row("due", f"by {day_text(last_day(rule.due, preview.state.zone))}", width)
    return _row("late", f"since {instant_text(local)}", width)


def instant_text(local: datetime) -> str:
    """`Saturday 1 July 2023, 00:00 America/New_York`."""
    return f"{WEEKDAYS[local.weekday()]} {day_text(local)}, {local:%H:%M} {local.tzinfo}"


def _fact(preview: Preview, seen: Seen, fact: Fact) -> str:
    if fact.unknown:
        return f"{fact.name} unknown ({clip(clean(fact.unknown), 60)})"
    value = clean(shown(seen.slots[fact.name]))
    cell = figures.cell_of(preview, seen.row, fact.name)
    return (
        f"{fact.name} {value}" if cell is None or clean(cell) == value else f"{fact.name} {value} {quoted(cell, 40)}"
    )


def _found(preview: Preview, seen: Seen, width: int) -> list[Text]:
    """What the failing rules rest on, each fact once."""
    facts = {fact.name: fact for rule in seen.evaluation.failing for fact in rule.facts}
    told = [_fact(preview, seen, fact) for name, fact in facts.items() if name not in ("today", "now")]
    where = f"{clean(seen.row.file)}:{seen.row.line}"
    return _wrapped("found", [*told, f"[{where}]"], width) if told else []


def _wrapped(label: str, words: list[str], width: int) -> list[Text]:
    rows: list[str] = []
    for word in words:
        if rows and len(rows[-1]) + len(word) + 3 <= width - 6 - _LABEL:
            rows[-1] += f" · {word}"
        else:
            rows.append(word)
    return [_row(label if index == 0 else "", row, width) for index, row in enumerate(rows)]


def _place(preview: Preview, rule: str) -> str:
    document = preview.catalogue.documents["DesiredState", preview.state.name]
    spec = preview.state.spec
    names = {item.name: ("expectations", index) for index, item in enumerate(spec.expectations)}
    names |= {item.name: ("deadlines", index) for index, item in enumerate(spec.deadlines)}
    if rule not in names:
        return ""
    return f"{document.file}:{document.line(('spec', *names[rule], 'expect'))}"


def _remedy(preview: Preview, seen: Seen, width: int) -> list[Text]:
    remedy = preview.remedy(seen)
    lines = []
    if seen.evaluation.people_only:
        told = f"people only ({preview.state.spec.remediation.people_only})"
    else:
        told = " · ".join(f"{action} ({risk}, {level})" for action, risk, level in remedy.steps)
    lines.append(_row("could be", told or "nothing in the playbook", width))
    drafted = bool(remedy.steps) and not seen.evaluation.people_only
    lines += _wrapped("needs", _needs(remedy, drafted), width)
    owners = [clean(value) for value in remedy.owners.values()]
    owners += [f"{stand_in}, because no single {role} is named" for role, stand_in in remedy.fallback.items()]
    if owners:
        lines.append(_row("owner", joined(owners), width))
    return lines


def _needs(remedy: Remedy, drafted: bool) -> list[str]:
    parts = [f"{_people(remedy.confirm)} to confirm"]
    if drafted:
        parts.append(f"{_people(remedy.approve)} to approve")
        if remedy.release:
            parts.append(f"{_people(remedy.release)} to release each L2 step")
    return parts


def _people(quorum: Mapping[str, int]) -> str:
    return joined([role if count == 1 else f"{count} of {role}" for role, count in quorum.items()])
