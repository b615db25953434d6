"""One batch: for each look, find and decide. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from common.declarations.evaluation import CompiledDesiredState, EntityView
from common.declarations.glancing import Quiet, glance
from common.entities.rows import Ref
from common.objectives.contributing import Contribution, contribution

from differ.core.deciding import CaseKey, CaseState, Decision, Hold, decide
from differ.core.findings import doubted, find
from differ.core.planning import Declared, Look


@dataclass(frozen=True, slots=True)
class Diff:
    """What a batch comes to. `alarms`: when each look must be repeated, if no message comes before. `parts`: what the
    entities contribute to objectives, `None` where they don't (any more)."""

    decisions: list[Decision]
    alarms: list[tuple[Look, datetime]]
    parts: list[tuple[Look, str, Contribution | None]]


def diff(
    declared: Declared,
    looks: Iterable[Look],
    views: Mapping[Ref, EntityView],
    cases: Mapping[CaseKey, CaseState],
    asof: datetime,
) -> Diff:
    """Decide every look as of `asof`. An entity without a view is gone; a case that is not in `cases` never was."""
    known = dict(cases)
    decisions: list[Decision] = []
    alarms: list[tuple[Look, datetime]] = []
    parts: list[tuple[Look, str, Contribution | None]] = []
    for look in looks:
        state = declared.states[look.desired_state]
        case = known.get((look.desired_state, look.ref[1]))
        if (quiet := _quiet(state, look, views.get(look.ref), case, asof)) is not None:
            if quiet.look_again is not None:
                alarms.append((look, quiet.look_again))
            continue
        finding = find(state, look.ref, views.get(look.ref), asof, closes=case is not None and case.open)
        for objective in state.objectives:
            known_of = finding.evaluation
            part = None if known_of is None else contribution(objective, state, known_of)
            parts.append((look, objective.name, part))
        if case is not None and case.open and finding.standing == "selector_unknown" and look.ref in views:
            met = case.met_since is not None
            finding = doubted(finding, state, views[look.ref], asof, case.gap, met=met)
        case = case or CaseState(look.desired_state, look.ref)
        hold = None if state.spec.steady is None else Hold(asof, state.spec.steady)
        if (decision := decide(case, finding, hold)) is not None:
            case = known[case.key] = decision.after
            decisions.append(decision)
        if again := [instant for instant in (finding.look_again, case.closes_at) if instant is not None]:
            alarms.append((look, min(again)))
    return Diff(decisions, alarms, parts)


def _quiet(
    state: CompiledDesiredState, look: Look, view: EntityView | None, case: CaseState | None, asof: datetime
) -> Quiet | None:
    """Where nothing was said of it, and nothing is: most entities, most of the time."""
    said = case is not None and not case.silent
    if said or view is None or state.objectives or look.ref[0] != state.spec.selector.entity:
        return None
    return glance(state, view, asof)
