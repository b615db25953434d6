"""A preview as a page to read: summary first, then one case, the workload, what could not be read."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from common.declarations.values import day_text
from common.objectives import wording
from rich.text import Text

from cli.imports.unread import Unread
from cli.preview import figures
from cli.preview.details import case_lines, quoted
from cli.preview.preview import Preview, Seen, missed
from cli.preview.wording import FAINT, GOOD, STRONG, WARN, clean, clip, counted, joined, keys_text, line


@dataclass(frozen=True, slots=True)
class Asking:
    """How the reader asked: for texts that name files and options."""

    path: str
    full: bool
    only: tuple[str, ...]
    states: dict[str, list[str]]
    width: int


def page(preview: Preview, asking: Asking) -> list[Text]:
    """The lines of one desired state's preview."""
    lines = [*_head(preview), *_read(preview, asking)]
    if not preview.in_force:
        when = day_text(date.fromisoformat(preview.state.spec.effective))
        return [*lines, line(("It takes effect on ", ""), (when, STRONG), (". Nothing is decided before.", ""))]
    if asking.only:
        return [*lines, line(), *_only(preview, asking)]
    return [
        *lines,
        line(),
        *_summary(preview),
        line(),
        *_cases(preview, asking),
        *_objectives(preview, asking.width),
        *_workload(preview),
        *_unreadable(preview, asking.width),
    ]


def _head(preview: Preview) -> list[Text]:
    name, spec = preview.state.name, preview.state.spec
    return [
        line((name, STRONG), (": a preview. Nothing is written and nothing will run.", "")),
        line((f"  {clean(spec.statement)}", "")),
        line((f"  {clean(spec.basis)} · owner: {spec.owner}", FAINT)),
        line(),
    ]


def _read(preview: Preview, asking: Asking) -> list[Text]:
    entity = preview.state.spec.selector.entity
    files = joined(asking.states.get(entity, []))
    lines = []
    if files:
        where = preview.state.spec.selector.where
        told = f"{counted(preview.total, entity)} from {clean(files)}"
        if not asking.only:
            others = preview.total - preview.selected - len(preview.selector_unknown)
            told += f": {preview.selected:,} selected" + (f" ({where}), {others:,} not." if where else ".")
            if preview.selector_unknown:
                keys = keys_text([seen.key for seen in preview.selector_unknown])
                told += f" For {len(preview.selector_unknown)} it cannot be told: {keys}."
        lines.append(line(("Read     ", STRONG), (told, "")))
    for name in preview.missing_types:
        relation, decides = figures.relations_unknown(preview, name)
        told = f"No {name} records were given"
        told += ", so nothing can count as done." if decides else f"; {relation} is unknown." if relation else "."
        lines.append(line(("Missing  ", WARN), (f"{told}   add: --state {name}=FILE", "")))
    for name, rows in preview.set_aside.items():
        keys = keys_text([row.key for row, _ in rows], 100 if asking.full else 6)
        told = (
            f"{counted(len(rows), name)} that {'contradicts itself' if len(rows) == 1 else 'contradict themselves'}"
        )
        lines.append(line(("Set aside", WARN), (f" {told}: {keys}", "")))
    return lines


def _summary(preview: Preview) -> list[Text]:
    if not preview.selected:
        return [line(("Nothing is selected, so nothing is decided.", WARN))]
    highest = preview.state.severity[0][0]
    by_severity = figures.severities(preview.cases)
    top = f", {by_severity[highest]:,} of them {highest}" if by_severity.get(highest) else ""
    day = moment_text(preview)
    entity = preview.state.spec.selector.entity
    apart = f", 1 of them of every {entity} together" if preview.together else ""
    lines = [
        line(
            (f"If this were active on {day} it would open ", ""),
            (f"{counted(preview.opens, 'case')}{top}{apart}", STRONG),
            (":" if preview.opens else ".", ""),
        )
    ]
    rules = figures.rule_figures(preview)
    widest = max((len(rule.name) for rule in rules), default=0)
    says = max((len(clip(rule.says, 78)) for rule in rules), default=0)
    for rule in rules:
        top = f"{rule.highest:,} {highest}"
        text = clip(clean(rule.says), 78)
        more = f"   and {rule.undecided:,} where it cannot be told" if rule.undecided else ""
        lines.append(
            line(
                (f"  {rule.missed:>6,}  ", STRONG),
                (f"{rule.name:<{widest}}  ", ""),
                (f"{text:<{says}}  {top}{more}", ""),
            )
        )
    if preview.together:
        names = joined([result.objective.name for result in preview.together])
        missed_together = f"missed by every {entity} together"
        lines.append(line((f"  {1:>6,}  ", STRONG), (f"{missed_together}: {clean(names)}", "")))
    several = sum(len(missed(seen)) > 1 for seen in preview.cases)
    if several:
        told = f"{counted(several, entity)} {'misses' if several == 1 else 'miss'} more than one rule"
        lines.append(line((f"          ({told}; one {entity} is one case.)", FAINT)))
    if preview.due_soon:
        nearest = figures.next_dates(preview.due_soon, preview.state.zone)
        told = f"due soon, not missed yet{_next(nearest)}"
        lines.append(line((f"  {len(preview.due_soon):>6,}  ", STRONG), (told, "")))
    for name, keys in figures.undecided_because(preview):
        lines.append(
            line((f"  {len(keys):>6,}  ", WARN), (f"cannot be decided: {name} is unknown ({keys_text(keys)})", ""))
        )
    for told, count, keys in figures.left_alone(preview):
        lines.append(line((f"  {count:>6,}  ", STRONG), (f"{told} ({keys_text(keys)})", "")))
    if preview.on_track:
        told = f"on track{_next(figures.next_dates(preview.on_track, preview.state.zone))}"
        lines.append(line((f"  {len(preview.on_track):>6,}  ", STRONG), (told, "")))
    lines.append(line((f"  {preview.met:>6,}  ", STRONG), ("as wanted", "")))
    return lines


def _next(nearest: tuple[str, list[str]] | None) -> str:
    if nearest is None:
        return ""
    return f"; the next date is {day_text(date.fromisoformat(nearest[0]))} ({keys_text(nearest[1])})"


def moment_text(preview: Preview) -> str:
    """`3 July 2023`, with the hour when it is not the beginning of the day."""
    local: datetime = preview.asof.astimezone(preview.state.zone)
    clock = f", {local:%H:%M}" if (local.hour, local.minute) != (0, 0) else ""
    return f"{day_text(local)}{clock}"


def _cases(preview: Preview, asking: Asking) -> list[Text]:
    shown = preview.cases if asking.full else _exhibit(preview)
    lines = [text for seen in shown for text in (*case_lines(preview, seen, asking.width), line())]
    if asking.full:
        for seen in preview.undecided:
            lines += [*case_lines(preview, seen, asking.width), line()]
    elif len(preview.cases) > 1:
        other = next(seen.key for seen in preview.cases if seen not in shown)
        more = f"  ... {len(preview.cases) - 1} more: --full, or one of them: --only {clean(other)}"
        lines += [line((more, FAINT)), line()]
    return lines


def _exhibit(preview: Preview) -> list[Seen]:
    """The most urgent case that is not confidential, to show what a case looks like."""
    open_to_all = [seen for seen in preview.cases if not seen.evaluation.people_only]
    return (open_to_all or preview.cases)[:1]


def _only(preview: Preview, asking: Asking) -> list[Text]:
    found = {seen.key for seen in preview.asked_for}
    lines = [
        text for seen in preview.asked_for for text in (*case_lines(preview, seen, asking.width, every=True), line())
    ]
    for key in asking.only:
        if key not in found:
            lines.append(
                line((f"There is no {preview.state.spec.selector.entity} {clean(key)} in what was given.", WARN))
            )
    return lines


def _objectives(preview: Preview, width: int) -> list[Text]:
    if not preview.objectives:
        return []
    widest = max(len(result.objective.name) for result in preview.objectives)
    lines = [line(("Objectives", STRONG))]
    for result in preview.objectives:
        word, style = _STANDINGS[result.standing]
        told = f"{wording.found(result)}; {wording.wanted(result.objective)}"
        head = f"  {result.objective.name:<{widest}}  "
        lines.append(
            line((head, ""), (f"{word:<9}", style), (f"  {clip(told, max(20, width - len(head) - 11))}", ""))
        )
    return [*lines, line()]


_STANDINGS = {
    "met": ("met", GOOD),
    "on track": ("on track", GOOD),
    "behind": ("not yet", WARN),  # there is no baseline before it is in force
    "missed": ("missed", WARN),
    "undecided": ("undecided", WARN),
}


def _workload(preview: Preview) -> list[Text]:
    if not preview.opens:
        return []
    work = figures.asked(preview)
    told = f"{counted(preview.opens, 'case')} to confirm"
    told += "" if work.confirmations == preview.opens else f", {counted(work.confirmations, 'confirmation')}"
    told += f". {counted(work.drafted, 'plan')} may be drafted: {counted(work.approvals, 'approval')}"
    told += f" and {counted(work.releases, 'release')}." if work.releases else "."
    if work.people_only:
        told += f" {counted(work.people_only, 'case')} for people only."
    if work.nothing_to_draft:
        told += f" For {counted(work.nothing_to_draft, 'case')} the playbook says nothing."
    lines = [line(("What this asks of people", STRONG)), line((f"  {told}", ""))]
    for (role, stand_in), keys in work.fallback.items():
        told = (
            f"{counted(len(keys), 'case')} {'names' if len(keys) == 1 else 'name'} no single {role}: to {stand_in}."
        )
        lines.append(line((f"  {told}", "")))
    return [*lines, line()]


def _unreadable(preview: Preview, width: int) -> list[Text]:
    lines: list[Text] = []
    found = figures.unreadable(preview)
    widest = max((len(item.attribute) for item in found), default=0)
    for item in found:
        parts = [f"{count} {quoted(text, 24)}" for text, count in item.frequent]
        key, text = item.example
        example = f"e.g. {clean(key)} {quoted(text, 60)}"
        parts += [f"{item.others} others, {example}" if parts else example] if item.others else []
        head = "" if lines else "Could not read"
        told = clip(f"{item.attribute:<{widest}}  {item.count:>3}: {', '.join(parts)}", width - 16)
        lines.append(line((f"{head:<16}", WARN), (told, "")))
    return [*lines, line()] if lines else []


def unread_lines(unread: Unread, full: bool) -> list[Text]:
    """With `full` each cell that could not be read; without, how many there are."""
    if not unread.count and not unread.strange:
        return []
    if not full:
        told = f"{counted(unread.count, 'cell')} could not be read and {'is' if unread.count == 1 else 'are'} Unknown"
        fields = counted(sum(unread.strange.values()), "field")
        more = f", {fields} of the document not understood" if unread.strange else ""
        return [line((f"{told}{more}. Each of them: --full, or --json", FAINT)), line()]
    return [*(line((clean(item), "")) for item in unread.lines(every=True)), line()]


def fault_lines(faults: Sequence[str], full: bool) -> list[Text]:
    """Lines of the files that were left out or replaced."""
    if not faults:
        return []
    shown = faults if full else faults[:3]
    lines = [line(("Left out        ", WARN), (counted(len(faults), "line"), ""))]
    lines += [line((f"  {clean(fault)}", "")) for fault in shown]
    more = [line((f"  ... {len(faults) - len(shown):,} more: --full", FAINT))] if len(faults) > len(shown) else []
    return [*lines, *more, line()]


def footer(previews: Sequence[Preview], asking: Asking, left_out: int, exit_code: int) -> Text:
    """The last line: what it comes to, and what to do next. Nothing is proposed on rows that were not all read."""
    cases = sum(preview.opens for preview in previews)
    undecided = sum(len(preview.undecided) for preview in previews)
    unselected = sum(len(preview.selector_unknown) for preview in previews)
    told = f"{counted(cases, 'case')} to open, {undecided} undecided"
    told += f", {unselected} of which it can't be told whether they are selected" if unselected else ""
    told += f", {counted(left_out, 'line')} left out" if left_out else ""
    following = f"trueup apply {clean(Path(asking.path).name)}, and someone other than you activates it."
    following = "repair the lines that were left out." if left_out else following
    return line((f"{told} (exit code {exit_code}).", STRONG), (f" Next: {following}", ""))
