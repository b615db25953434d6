"""`trueup diff OLD NEW`: files in, a page of what would change out. `commands` reads, `comparing` decides."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

from common.changes.tally import totals
from common.clock import instant
from common.declarations.catalogue import Catalogue
from common.declarations.checks import check
from common.declarations.loader import Document
from common.declarations.problems import Problem
from common.declarations.values import day_text
from rich.text import Text

from cli.preview import comparing
from cli.preview.changes import changed_lines, total_line
from cli.preview.comparing import Compared
from cli.preview.states import State
from cli.preview.wording import FAINT, STRONG, WARN, clean, counted, joined, line


def problems_of(before: Catalogue, new: Sequence[Document]) -> list[Problem]:
    """What is wrong with the new documents beside those in force: what `trueup apply` would say."""
    return check(new, before)


def compared(
    before: Catalogue, after: Catalogue, states: tuple[Mapping[str, State], Mapping[str, State]], at: date | datetime
) -> tuple[Compared, int]:
    """What would change, and the exit code: 2 where a case or the moment of one would, else 0."""
    found = comparing.compare(before, after, states, at)
    moves = any(sum(totals(found.changed)) or state.dates or not state.in_force for state in found.changed)
    left_out = any(rows.faults for given in states for rows in given.values())
    return found, 2 if moves or left_out else 0


def as_json(found: Compared, old: str, given: Mapping[str, State], exit_code: int) -> dict[str, Any]:
    """The whole answer of `trueup diff OLD NEW --json`."""
    opens, closes, changes = totals(found.changed)
    return {
        "old": old,
        "asof": instant(found.asof) if found.asof else None,
        "opens": opens,
        "closes": closes,
        "changes": changes,
        "desired_states": [state.model_dump(mode="json", exclude_none=True) for state in found.changed],
        "unchanged": list(found.same),
        "left_out": [fault for state in given.values() for fault in state.faults],
        "exit_code": exit_code,
    }


def page(
    found: Compared, names: tuple[str, str], given: Mapping[str, State], width: int, code: int, *, full: bool
) -> list[Text]:
    """The page: what is compared, each desired state that changes, what it comes to."""
    old, new = names
    when = f", as of {day_text(found.asof)}" if found.asof else ""
    told = f"{when}: a preview. Nothing is written and nothing will run."
    lines = [line((f"{clean(old)} → {clean(new)}", STRONG), (told, "")), line()]
    if not found.changed:
        lines.append(line(("No desired state would be decided otherwise.", "")))
    for state in found.changed:
        lines += changed_lines(state, width, full=full)
    if found.same:
        kept = f" ({joined(list(found.kept))} is not in {clean(new)} and stays in force)" if found.kept else ""
        lines += [line((f"As before: {joined(list(found.same))}{kept}.", FAINT)), line()]
    faults = [fault for state in given.values() for fault in state.faults]
    if faults:
        lines += [line(("Left out ", WARN), (f"{counted(len(faults), 'line')}, e.g. {clean(faults[0])}", "")), line()]
    following = f"trueup apply {clean(Path(new).name)}, and someone other than you activates it."
    told = f"{total_line(found.changed)} (exit code {code})."
    return [*lines, line((told, STRONG), (f" Next: {following}" if not faults else " Next: repair those lines.", ""))]
