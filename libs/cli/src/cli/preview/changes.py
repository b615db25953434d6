"""What a changed declaration would open, close and change, as a page: from files, and on a proposal."""

from collections.abc import Sequence
from datetime import date

from common.changes.tally import totals
from common.declarations.values import day_text
from common.events.differ import ChangedCase, ChangedState
from rich.text import Text

from cli.preview.wording import FAINT, GOOD, STRONG, WARN, clean, clip, counted, joined, line, severity_style

_SHOWN = 5
_MARKS = {"opens": ("+", WARN), "closes": ("-", GOOD), "changes": ("~", WARN)}


def changed_lines(state: ChangedState, width: int, *, full: bool) -> list[Text]:
    """One desired state: the summary first, then cases (some; with `full` all that are listed), then objectives."""
    return [*_head(state), *_summary(state), *_cases(state, width, full), *_objectives(state, width), line()]


def total_line(states: Sequence[ChangedState]) -> str:
    """`5 cases to open, 4 to close, 3 to change`."""
    opens, closes, changes = totals(states)
    return f"{counted(opens, 'case')} to open, {closes:,} to close, {changes:,} to change"


def _head(state: ChangedState) -> list[Text]:
    lines = [line((state.desired_state, STRONG), (" is new." if state.change == "new" else " changes.", ""))]
    lines.append(line((f"  {clean(state.statement)}", "")))
    if state.renamed:
        told = joined([f"{old} is now called {new}" for old, new in state.renamed.items()])
        lines.append(line((f"  {told}; what was found under the old name goes on under the new one.", FAINT)))
    if state.another_type:
        lines.append(line((f"  It was about {state.another_type} and is now about {state.entity_type}.", WARN)))
    if state.reports_only:
        lines.append(line(("  It only reports (L1): gaps are shown, no plan is drafted and nothing is done.", FAINT)))
    return lines


def _summary(state: ChangedState) -> list[Text]:
    before = "" if state.change == "new" else f" ({state.selected_before:,} before)"
    told = f"{counted(state.read, state.entity_type)}, {state.selected:,} selected{before}"
    lines = [line(("Read     ", STRONG), (told, ""))]
    if not state.in_force:
        when = day_text(date.fromisoformat(state.effective))
        lines.append(
            line(("It takes effect on ", WARN), (when, STRONG), (" by itself; nothing is decided before.", ""))
        )
    width = max(len(f"{number:,}") for number in (state.opens, state.closes, state.changes, state.stays, 1000))
    severe = joined([f"{number:,} {name}" for name, number in state.severities.items()]) if state.opens else ""
    whole = state.population.kind if state.population is not None else ""
    rows = [
        ("+", "opens", state.opens, severe),
        ("-", "closes", state.closes, ""),
        ("~", "changes", state.changes, "severity, rules or deadlines"),
        ("=", "stays", state.stays, "open, and remain as they are"),
    ]
    for mark, kind, entities, about in rows:
        number = entities + (whole == kind)
        word = kind if number == 1 else kind.removesuffix("s")
        apart = f"1 of every {state.entity_type} together" if whole == kind else ""
        more = "; ".join(filter(None, (about if entities else "", apart)))
        if number or mark in "+-":
            style = STRONG if number else ""
            lines.append(line((f"  {mark} {number:>{width},}  ", style), (f"{word:<8}", ""), (f"  {more}", FAINT)))
        if mark == "+":
            for rule, count in sorted(state.rules.items(), key=lambda item: (-item[1], item[0])):
                lines.append(line((f"    {count:>{width},}    {clean(rule)}", FAINT)))
    if state.dates:
        told = "without a case, for which the next date moves"
        lines.append(line((f"    {state.dates:>{width},}  ", ""), (told, "")))
    return lines


def _cases(state: ChangedState, width: int, full: bool) -> list[Text]:
    if not state.cases and state.population is None:
        return []
    lines = [line()]
    if state.population is not None:
        together = state.population.model_copy(update={"key": f"every {state.entity_type}"})
        lines.append(_case(together, width))
    for kind in _MARKS:
        every = [case for case in state.cases if case.kind == kind]
        shown = every if full else every[:_SHOWN]
        lines += [_case(case, width) for case in shown]
        number: int = getattr(state, kind)
        if number > len(shown):
            more = f"    ... {number - len(shown):,} more that {'change' if kind == 'changes' else kind[:-1]}"
            lines.append(line((more + (": --full" if len(every) > len(shown) else ""), FAINT)))
    return lines


def _case(case: ChangedCase, width: int) -> Text:
    mark, style = _MARKS[case.kind]
    word = case.severity.upper() if case.kind != "closes" else f"was {case.severity}"
    told = clip("; ".join(clean(item) for item in case.says), max(20, width - len(case.key) - len(word) - 10))
    head = severity_style(case.severity) if case.kind == "opens" else ""
    return line((f"  {mark} ", style), (clean(case.key), STRONG), (f"  {word}", head), (f"  {told}", ""))


def _objectives(state: ChangedState, width: int) -> list[Text]:
    if not state.objectives:
        return []
    lines = [line(), line(("Objectives", STRONG))]
    for one in state.objectives:
        before, after = one.before or "not measured", one.after or "no longer measured"
        lines.append(line((f"  {one.name}  ", ""), (clip(clean(before), width - len(one.name) - 4), FAINT)))
        lines.append(
            line((" " * (len(one.name) + 2) + "→ ", ""), (clip(clean(after), width - len(one.name) - 6), ""))
        )
    return lines
