"""What is said of an objective, and when: a change of its standing, and once a day a change of its value. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from fractions import Fraction
from zoneinfo import ZoneInfo

from common.canonical import digest
from common.clock import instant, parse_instant
from common.declarations.evaluation import CompiledDesiredState
from common.declarations.objectives import CompiledObjective
from common.events.differ import (
    Against,
    ObjectiveBaseline,
    ObjectiveMet,
    ObjectiveMissed,
    ObjectiveSnapshot,
    ObjectiveUndecided,
)
from common.events.envelope import Event
from common.objectives import wording
from common.objectives.blaming import Keyed, blamed
from common.objectives.contributing import NOBODY, Passed, Result, measured
from common.objectives.standing import Baseline

MOST_KEYS = 200


@dataclass(frozen=True, slots=True)
class Said:
    """What was said last of an objective, as of when, and how often anything was."""

    data: ObjectiveSnapshot
    event: Event
    stream_version: int

    @property
    def asof(self) -> datetime:
        return parse_instant(self.event.asof)


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
    contributions: Iterable[Keyed],
    before: Said | None,
    asof: datetime,
    *,
    passed: Passed = NOBODY,
    daily: bool = False,
) -> ObjectiveSnapshot | None:
    """What is to be said of an objective as of `asof`; None where nothing new is worth an event. `passed` may be left
    out of `contributions`. `daily`: the auditor waits for what is measured anew, so that it is said once a day though
    nothing of it changed.

    The baseline is what is measured at the end of the first local day on which there is a value of a large enough
    sample: how a first import is cut into batches decides nothing. It stays until the objective itself is declared
    otherwise. A population that shrinks on that day is guarded by the most that it was.
    """
    known = before.data if before is not None and before.data.definition in definitions(state, objective) else None
    baseline = baseline_of(known.baseline) if known is not None and known.baseline is not None else None
    keyed = list(contributions)
    every = [one for _, one in keyed]
    result = measured(objective, every, asof, state.zone, baseline, passed)
    if (baseline is None or _day(baseline.at, state) == _day(asof, state)) and not result.measure.shrunk:
        baseline = _begun(objective, result, baseline, asof)
        result = measured(objective, every, asof, state.zone, baseline, passed)
    data = _snapshot(state, objective, result, baseline)
    if known is None or before is None:
        return _with_keys(data, objective, keyed, asof, state.zone)
    if _stands(data) != _stands(known):
        return _with_keys(data, objective, keyed, asof, state.zone)
    if _day(asof, state) <= _day(before.asof, state):
        return None
    data = _with_keys(data, objective, keyed, asof, state.zone)
    return data if daily or data != known else None


def _begun(objective: CompiledObjective, result: Result, known: Baseline | None, asof: datetime) -> Baseline | None:
    """The baseline of its first day, as measured now; None while there is nothing to begin from."""
    found = result.measure
    if found.value is None or found.sample < objective.spec.minimum:
        return None
    return Baseline(asof, found.value, max(result.population, known.population if known is not None else 0))


def _day(moment: datetime, state: CompiledDesiredState) -> date:
    return moment.astimezone(state.zone).date()


def _stands(data: ObjectiveSnapshot) -> tuple[object, ...]:
    begun = data.baseline
    return (data.standing, data.version, data.objective, data.shrunk, begun and (begun.value, begun.population))


def _with_keys(
    data: ObjectiveSnapshot, objective: CompiledObjective, keyed: Sequence[Keyed], asof: datetime, zone: ZoneInfo
) -> ObjectiveSnapshot:
    worst, others = blamed(objective, keyed, asof, zone, MOST_KEYS)
    return data.model_copy(update={"against": Against(keys=[key for key, _ in worst], others=others)})


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
        shrunk=found.shrunk or None,
        formerly=next(iter(objective.spec.formerly[-1:]), None),
    )


def _exact(value: Fraction) -> str:
    return f"{value.numerator}/{value.denominator}"


def _said(baseline: Baseline, objective: CompiledObjective) -> ObjectiveBaseline:
    assert baseline.value is not None, "a baseline has a value"
    says = wording.amount(objective.spec.measure, baseline.value)
    value = _exact(baseline.value)
    return ObjectiveBaseline(at=instant(baseline.at), value=value, says=says, population=baseline.population)


def baseline_of(said: ObjectiveBaseline) -> Baseline:
    return Baseline(parse_instant(said.at), Fraction(said.value), said.population)
