"""The case of a whole population: what its objectives come to. Pure.

An objective opens the case when it is missed, or behind its path by more than a tenth of the way; it is a rule of
it, by its name. On track opens none, and neither does too small a sample: but once open, an objective leaves the case
only when it is met. A population that shrank by more than its guard allows opens an undecided case: that alarm is
nobody's success.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from fractions import Fraction

from common.declarations.evaluation import CompiledDesiredState, EntityView, Sight
from common.declarations.objectives import CompiledObjective
from common.declarations.values import Status
from common.entities.rows import Ref
from common.events.differ import FailingRule, Measured
from common.objectives import tracing, wording
from common.objectives.blaming import MOST_NAMED, Keyed, blamed, named
from common.objectives.contributing import Against
from common.objectives.population import POPULATION, Stood, fact_of, population_facts
from common.objectives.standing import lags, path

from differ.core.deciding import CaseState
from differ.core.findings import Finding
from differ.core.measuring import baseline_of

MOST_TRACED = 500


def ref_of(state: CompiledDesiredState) -> Ref:
    return (state.spec.selector.entity, POPULATION)


def finding(state: CompiledDesiredState, stood: Mapping[str, Stood], case: CaseState, asof: datetime) -> Finding:
    """What the objectives, as they were said last, come to as of `asof` for the case as it is."""
    renamed = {former: one.name for one in state.objectives for former in one.spec.formerly}
    failed = [rule["name"] for rule in case.gap.get("rules", ())] if case.open else []
    held = {renamed.get(name, name) for name in failed}
    rules = [
        rule
        for objective in state.objectives
        if (known := stood.get(objective.name)) is not None
        and (rule := _rule(objective, known, objective.name in held, asof)) is not None
    ]
    missed = any(rule.status == "missed" for rule in rules)
    facts = population_facts([one.name for one in state.objectives if one.name in held], stood, state.version)
    return Finding(
        state.name,
        state.version,
        ref_of(state),
        "gap" if missed else "undecided" if rules else "fine",
        evidence=tuple(facts.values()),
        stated=tuple(rules),
        stated_severity=state.severity[-1][0],
        renamed=renamed,
    )


def _rule(objective: CompiledObjective, stood: Stood, held: bool, asof: datetime) -> FailingRule | None:
    data = stood.data
    if data.standing == "met" or not (held or data.shrunk or _opens(objective, stood, asof)):
        return None
    undecided = data.standing == "undecided"
    where = "" if data.standing == "missed" else f": {data.reason or data.standing}"
    if undecided and data.reason and data.reason in data.says:
        where = ""
    return FailingRule(
        name=objective.name,
        kind="objective",
        status="unknown" if undecided else "missed",
        says=f"{data.says}; {data.wanted}{where}.",
        facts=[fact_of(stood)],
        reason=(data.reason or "it is undecided") if undecided else None,
        measured=_measured(objective, stood, asof),
    )


def _opens(objective: CompiledObjective, stood: Stood, asof: datetime) -> bool:
    data = stood.data
    if data.standing != "behind" or objective.reach is None:
        return data.standing == "missed"
    value = None if data.value is None else Fraction(data.value)
    baseline = baseline_of(data.baseline) if data.baseline is not None else None
    return lags(value, objective.target, baseline, objective.reach, asof)


def _measured(objective: CompiledObjective, stood: Stood, asof: datetime) -> Measured:
    """The measure as evidence, without who contributes."""
    data = stood.data
    baseline = baseline_of(data.baseline) if data.baseline is not None else None
    expected = None
    if objective.reach is not None:
        expected = path(objective.target, baseline, objective.reach, asof)
    return Measured(
        standing=data.standing,
        value=data.value,
        says=data.says,
        wanted=data.wanted,
        sample=data.sample,
        unknown=data.unknown,
        population=data.population,
        baseline=data.baseline,
        path=None if expected is None else wording.amount(objective.spec.measure, expected),
        contributors=[],
        others=0,
    )


Worst = dict[str, tuple[list[tuple[str, Against]], int]]


def worst(state: CompiledDesiredState, found: Finding, parts: Mapping[str, Sequence[Keyed]], asof: datetime) -> Worst:
    """By failing objective: the entities to trace, the worst first, and how many more there are."""
    failing = {rule.name for rule in found.told}
    return {
        one.name: blamed(one, parts.get(one.name, ()), asof, state.zone, MOST_TRACED)
        for one in state.objectives
        if one.name in failing
    }


def with_evidence(
    state: CompiledDesiredState, found: Finding, by_objective: Worst, views: Mapping[Ref, EntityView], asof: datetime
) -> Finding:
    """The finding with its contributing entities named, and with the trace that the process left in their dates."""
    return replace(found, stated=tuple(_evidence(state, rule, by_objective, views, asof) for rule in found.told))


def _evidence(
    state: CompiledDesiredState,
    rule: FailingRule,
    by_objective: Worst,
    views: Mapping[Ref, EntityView],
    asof: datetime,
) -> FailingRule:
    if rule.measured is None or rule.name not in by_objective:
        return rule
    objective = next(one for one in state.objectives if one.name == rule.name)
    entities, rest = by_objective[rule.name]
    said = {
        "contributors": named(objective, entities[:MOST_NAMED], state.zone),
        "others": rest + max(0, len(entities) - MOST_NAMED),
        "trace": tracing.trace(_paths(state, objective, entities, views, asof), asof, _theirs(state)),
    }
    return rule.model_copy(update={"measured": rule.measured.model_copy(update=said)})


def _paths(
    state: CompiledDesiredState,
    objective: CompiledObjective,
    entities: Iterable[tuple[str, Against]],
    views: Mapping[Ref, EntityView],
    asof: datetime,
) -> Iterable[tracing.Path]:
    """What is done waits for nobody, though it counts against a share by having come late."""
    entity_type = state.spec.selector.entity
    for key, how in entities:
        view = views.get((entity_type, key))
        if view is not None:
            over = (objective.timespan is not None and not how.running) or _done(state, view, asof)
            slots = view.values.items()
            yield tracing.Path(tracing.moments_of(slots, state.zone), tracing.intervals_of(slots), over)


def _done(state: CompiledDesiredState, view: EntityView, asof: datetime) -> bool:
    return Sight(state, view, asof).decide(state.done).status is Status.MET


def _theirs(state: CompiledDesiredState) -> set[str]:
    """Where somebody else has the move: what any objective's clock stands still for."""
    spans = (one.spec.timespan for one in state.objectives)
    return {span.without for span in spans if span is not None and span.without is not None}


def latest(stood: Mapping[str, Stood]) -> Stood | None:
    """The one said last: what a change of the case answers."""
    known: Iterable[Stood] = stood.values()
    return max(known, key=lambda one: (one.event.asof, one.event.time, one.event.id), default=None)


__all__ = ["POPULATION", "Worst", "finding", "latest", "ref_of", "with_evidence", "worst"]
