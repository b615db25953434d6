"""The figures of a preview: counted once, said as text and as JSON. Pure."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from common.declarations.values import Status, Unknown, day_text
from common.objectives.population import POPULATION

from cli.preview.preview import Preview, Remedy, Seen, last_day, missed
from cli.preview.states import StateRow


@dataclass(frozen=True, slots=True)
class RuleFigure:
    """How many cases miss a rule. `highest` counts those of the highest severity; `undecided` are entities with a
    case of their own or none, for which a deadline has passed and whether it was kept is Unknown."""

    name: str
    says: str
    missed: int
    highest: int
    undecided: int


@dataclass(frozen=True, slots=True)
class Unreadable:
    """What could not be read of one attribute: texts that occur often, the number of others, and one of those."""

    attribute: str
    count: int
    frequent: tuple[tuple[str, int], ...]
    others: int
    example: tuple[str, str]


@dataclass(slots=True)
class Asked:
    """What the cases would ask of people."""

    confirmations: int = 0
    drafted: int = 0
    approvals: int = 0
    releases: int = 0
    people_only: int = 0
    nothing_to_draft: int = 0
    fallback: dict[tuple[str, str], list[str]] = field(default_factory=dict)


def rule_figures(preview: Preview) -> list[RuleFigure]:
    """By rule, most missed first; rules that nothing misses are left out."""
    highest = preview.state.severity[0][0]
    figures = []
    for rule in preview.state.rules:
        cases = [seen for seen in preview.cases if any(item.name == rule.name for item in missed(seen))]
        passed = [seen for seen in (*preview.cases, *preview.undecided) if _passed_unknown(seen, rule.name)]
        spec = next(item for item in preview.state.spec.rules if item.name == rule.name)
        top = sum(seen.evaluation.severity == highest for seen in cases)
        if cases or passed:
            figures.append(RuleFigure(rule.name, spec.says, len(cases), top, len(passed)))
    return sorted(figures, key=lambda figure: -figure.missed)


def _passed_unknown(seen: Seen, name: str) -> bool:
    rules = seen.evaluation.rules
    return any(rule.name == name and rule.status is Status.UNKNOWN and rule.due is not None for rule in rules)


def severities(seen: Iterable[Seen]) -> dict[str, int]:
    return dict(Counter(item.evaluation.severity for item in seen))


def undecided_because(preview: Preview) -> list[tuple[str, list[str]]]:
    """The undecided by what is unknown in all their undecided rules (else in the first), and the keys."""
    groups: dict[str, list[str]] = {}
    for seen in preview.undecided:
        failing = seen.evaluation.failing
        unknown = [[fact.name for fact in rule.facts if fact.unknown] for rule in failing]
        common = [name for name in unknown[0] if all(name in names for names in unknown)] or unknown[0]
        groups.setdefault(" and ".join(common) or failing[0].name, []).append(seen.key)
    return sorted(groups.items(), key=lambda group: (-len(group[1]), group[0]))


def left_alone(preview: Preview) -> list[tuple[str, int, list[str]]]:
    """What is missed and opens no case: in words, how often, and the keys."""
    groups: dict[str, list[str]] = {}
    for seen in preview.left_alone:
        for rule in seen.evaluation.exempt:
            if (exempt := rule.exempt) is not None:
                day = f" until {day_text(last_day(exempt.until, preview.state.zone))}" if exempt.until else ""
                told = f"{exempt.kind}{day}: {rule.name} ({exempt.why})"
                groups.setdefault(told, []).append(seen.key)
    return [(told, len(keys), keys) for told, keys in sorted(groups.items())]


def next_dates(cases: Iterable[Seen], zone: ZoneInfo) -> tuple[str, list[str]] | None:
    """The nearest day (ISO) on which a deadline of these ends that is still ahead, and the keys it belongs to."""
    due: dict[str, list[str]] = {}
    for seen in cases:
        ahead = (Status.PENDING, Status.SOON)
        instants = [rule.due for rule in seen.evaluation.rules if rule.status in ahead and rule.due]
        if instants:
            due.setdefault(last_day(min(instants), zone).isoformat(), []).append(seen.key)
    return min(due.items()) if due else None


def unreadable(preview: Preview) -> list[Unreadable]:
    """What could not be read of the selected entities, by attribute that a condition or the playbook reads."""
    found = []
    columns = preview.catalogue.entity_types[preview.state.spec.selector.entity].attributes
    for name, rows in preview.unreadable.items():
        texts = Counter(_cell(row, columns[name].column) for row in rows)
        frequent = tuple((text, count) for text, count in texts.most_common(3) if count > 1)
        shown = {text for text, _ in frequent}
        rest = [row for row in rows if _cell(row, columns[name].column) not in shown]
        first = rest[0] if rest else rows[0]
        example = (first.key, _cell(first, columns[name].column))
        found.append(Unreadable(name, len(rows), frequent, len(rest), example))
    return sorted(found, key=lambda item: (-item.count, item.attribute))


def asked(preview: Preview) -> Asked:
    """The human workload of all cases, were they opened at once."""
    result = Asked()
    cases = [(seen.key, preview.remedy(seen), seen.evaluation.people_only) for seen in preview.cases]
    if preview.together:
        cases.append((POPULATION, preview.remedy_together(), False))
    for key, remedy, people_only in cases:
        result.confirmations += sum(remedy.confirm.values())
        for role, stand_in in remedy.fallback.items():
            result.fallback.setdefault((role, stand_in), []).append(key)
        if people_only:
            result.people_only += 1
        elif not remedy.steps:
            result.nothing_to_draft += 1
        else:
            result.drafted += 1
            result.approvals += sum(remedy.approve.values())
            result.releases += _releases(remedy)
    return result


def _releases(remedy: Remedy) -> int:
    return sum(remedy.release.values()) * sum(level == "L2" for *_, level in remedy.steps)


def relations_unknown(preview: Preview, entity_type: str) -> tuple[str, bool]:
    """The relation that lacks its rows, and whether `done` depends on it."""
    joins = preview.catalogue.joins_of(preview.state.spec.selector.entity)
    names = [join.name for join in joins if join.other == entity_type]
    reads = {name.partition(".")[0] for name in preview.state.done.reads}
    return ", ".join(names), bool(reads & set(names))


def cell_of(preview: Preview, row: StateRow, attribute: str) -> str | None:
    """The cell an attribute of the entity itself was read from, as given; None for others."""
    attributes = preview.catalogue.entity_types[preview.state.spec.selector.entity].attributes
    return _cell(row, attributes[attribute].column) if attribute in attributes else None


def _cell(row: StateRow, column: str) -> str:
    value = row.row.get(column)
    return "" if value is None else str(value)


def is_unknown(seen: Seen, name: str) -> bool:
    return isinstance(seen.slots.get(name), Unknown)
