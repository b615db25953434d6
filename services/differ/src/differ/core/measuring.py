"""What is said of an objective, and when: a change of its standing, and once a day a change of its value. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from common.canonical import digest
from common.clock import instant, parse_instant
from common.declarations.evaluation import CompiledDesiredState
from common.declarations.objectives import CompiledObjective
from common.events.differ import (
    ObjectiveBaseline,
    ObjectiveMet,
    ObjectiveMissed,
    ObjectiveSnapshot,
    ObjectiveUndecided,
)
from common.objectives import wording
from common.objectives.contributing import Contribution, Result, measured
from common.objectives.standing import Baseline


@dataclass(frozen=True, slots=True)
class Said:
    """What was said last of an objective, as of when, and how often anything was."""

    data: ObjectiveSnapshot
    asof: datetime
    stream_version: int


def stream_of(desired_state: str, objective: str) -> str:
    return f"{ObjectiveSnapshot.CATEGORY}/{desired_state}/{objective}"


def definition(objective: CompiledObjective) -> str:
    """SHA-256 (hex) of the objective as it was declared. What it was called before is no part of it."""
    return _defined(objective)


def definitions(state: CompiledDesiredState, objective: CompiledObjective) -> set[str]:
    """Its definition, and what that was while it, or the rule that it counts, was called otherwise: a new name alone
    begins no new baseline."""
    spec = objective.spec
    names = [{"name": name} for name in (objective.name, *spec.formerly)]
    rules: list[dict[str, str]] = [{}]
    if spec.asked is not None:
        word, rule = spec.asked
        rules += [{spec.measure: f"{word}('{old}')"} for old, new in state.renamed.items() if new == rule]
    return {_defined(objective, **name, **asked) for name in names for asked in rules}


def _defined(objective: CompiledObjective, **otherwise: str) -> str:
    declared = objective.spec.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"formerly"})
    return digest({**declared, **otherwise})


def measure(
    state: CompiledDesiredState,
    objective: CompiledObjective,
    contributions: Iterable[Contribution],
    before: Said | None,
    asof: datetime,
) -> ObjectiveSnapshot | None:
    """What is to be said of an objective as of `asof`; None where nothing new is worth an event.

    The first measure with a value, of no smaller a sample than is needed, is the baseline, until the objective itself
    is declared otherwise.
    """
    known = before.data if before is not None and before.data.definition in definitions(state, objective) else None
    baseline = _baseline(known.baseline) if known is not None and known.baseline is not None else None
    every = list(contributions)
    result = measured(objective, every, asof, state.zone, baseline)
    if baseline is None and result.measure.value is not None and result.measure.sample >= objective.spec.minimum:
        baseline = Baseline(asof, result.measure.value, result.population)
        result = measured(objective, every, asof, state.zone, baseline)
    data = _snapshot(state, objective, result, baseline)
    if known is None or before is None:
        return data
    if (data.standing, data.version, data.objective) != (known.standing, known.version, known.objective):
        return data
    another_day = before.asof.astimezone(state.zone).date() < asof.astimezone(state.zone).date()
    return data if another_day and data != known else None


def _snapshot(
    state: CompiledDesiredState, objective: CompiledObjective, result: Result, baseline: Baseline | None
) -> ObjectiveSnapshot:
    kinds: dict[str, type[ObjectiveSnapshot]] = {"met": ObjectiveMet, "undecided": ObjectiveUndecided}
    found = result.measure
    return kinds.get(result.standing, ObjectiveMissed)(
        desired_state=state.name,
        objective=objective.name,
        version=state.version,
        definition=definition(objective),
        entity_type=state.spec.selector.entity,
        standing=result.standing,
        value=None if found.value is None else _exact(found.value),
        says=wording.found(result),
        wanted=wording.wanted(objective),
        sample=found.sample,
        unknown=found.unknown,
        population=result.population,
        baseline=None if baseline is None else _said(baseline, objective),
        reason=found.why or None,
        formerly=next(iter(objective.spec.formerly[-1:]), None),
    )


def _exact(value: Fraction) -> str:
    return f"{value.numerator}/{value.denominator}"


def _said(baseline: Baseline, objective: CompiledObjective) -> ObjectiveBaseline:
    assert baseline.value is not None, "a baseline has a value"
    says = wording.amount(objective.spec.measure, baseline.value)
    value = _exact(baseline.value)
    return ObjectiveBaseline(at=instant(baseline.at), value=value, says=says, population=baseline.population)


def _baseline(said: ObjectiveBaseline) -> Baseline:
    return Baseline(parse_instant(said.at), Fraction(said.value), said.population)
