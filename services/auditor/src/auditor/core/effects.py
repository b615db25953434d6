"""What a change does elsewhere: watched from the beginning of an execution, compared during the soak. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fractions import Fraction
from typing import TypeAlias

from common.clock import instant
from common.declarations.effects import CompiledWatch
from common.declarations.evaluation import CompiledDesiredState
from common.declarations.objectives import CompiledObjective
from common.declarations.values import Slot, Status, Unknown, shown, to_json
from common.events.auditor import Cohort, CohortSide, Effects, Watched
from common.objectives import wording
from common.objectives.contributing import Contribution, measured
from common.objectives.measures import Measure, Target

Parts: TypeAlias = Mapping[str, Sequence[Contribution]]
"""By objective, or by `watch_name`: what everybody contributes."""
_WORST = Target("at most", Fraction(0))
"""A watch is over what may rise: of what is Unknown the higher counts."""


@dataclass(frozen=True, slots=True)
class Look:
    """What is looked at to tell effects: the population's contributions, and the case's own entity (None: a whole
    population has no attributes)."""

    parts: Parts
    slots: Mapping[str, Slot] | None
    asof: datetime


def watch_name(at: int) -> str:
    return f"watch/{at}"


def objectives(state: CompiledDesiredState, names: Iterable[str] = ()) -> dict[str, CompiledObjective]:
    """All that must be measured over the population: the watches, and the objectives `names`."""
    found = {watch_name(at): one.objective for at, one in enumerate(state.watch) if one.objective is not None}
    wanted = set(names)
    return {**found, **{one.name: one for one in state.objectives if one.name in wanted}}


def begun(state: CompiledDesiredState, look: Look) -> list[Watched]:
    """How things stand when an execution begins. What concerns an entity is left out for a whole population."""
    return [_before(state, at, one, look) for at, one in _asked(state, look)]


def now(state: CompiledDesiredState, before: Sequence[Watched], look: Look) -> list[Watched]:
    """The same, compared: whether each stayed within what is allowed. A watch that was declared since is not told
    of; of one that stands no more nothing is asked."""
    known = {one.what: one for one in before}
    asked = [(at, one) for at, one in _asked(state, look) if one.spec.what in known]
    return [_after(state, at, one, known[one.spec.what], look) for at, one in asked]


def breaches(watched: Iterable[Watched]) -> list[str]:
    """In words: what became worse than it may."""
    return [f"{one.says} {one.what} was {one.before} and is {one.after}" for one in watched if one.held is False]


def untold(watched: Iterable[Watched]) -> list[str]:
    return [one.what for one in watched if one.held is None]


def _asked(state: CompiledDesiredState, look: Look) -> list[tuple[int, CompiledWatch]]:
    return [(at, one) for at, one in enumerate(state.watch) if one.objective is not None or look.slots is not None]


def _before(state: CompiledDesiredState, at: int, watch: CompiledWatch, look: Look) -> Watched:
    spec = watch.spec
    if watch.objective is not None:
        found = _measure(state, at, watch.objective, look)
        exact = _exact(found)
        return Watched(what=spec.what, says=spec.says, before=_told(watch.objective, found), before_value=exact)
    if watch.unchanged is not None:
        slot = _slot(watch.unchanged, look)
        return Watched(what=spec.what, says=spec.says, before=shown(slot), before_value=_json(slot))
    return Watched(what=spec.what, says=spec.says)


def _after(state: CompiledDesiredState, at: int, watch: CompiledWatch, before: Watched, look: Look) -> Watched:
    if watch.objective is not None:
        found = _measure(state, at, watch.objective, look)
        exact = _exact(found)
        rose = Fraction(exact) - Fraction(before.before_value or 0)
        held: bool | None = rose <= watch.spec.rise
        return _update(before, _told(watch.objective, found), exact, held)
    if watch.unchanged is not None:
        slot = _slot(watch.unchanged, look)
        held = None if isinstance(slot, Unknown) else _json(slot) == before.before_value
        return _update(before, shown(slot), _json(slot), held)
    assert watch.expect is not None
    bound = state.language.bind(look.slots or {})
    status = state.language.decide(watch.expect, bound).status
    told = {Status.MET: "holds", Status.MISSED: "does not hold"}.get(status, "unknown")
    return _update(before, told, None, None if told == "unknown" else status is Status.MET)


def _update(before: Watched, after: str, value: str | None, held: bool | None) -> Watched:
    return before.model_copy(update={"after": after, "after_value": value, "held": held})


def _measure(state: CompiledDesiredState, at: int, objective: CompiledObjective, look: Look) -> Measure:
    worst = replace(objective, target=_WORST)
    return measured(worst, look.parts.get(watch_name(at), ()), look.asof, state.zone).measure


def _exact(found: Measure) -> str:
    value = found.value or Fraction(0)
    return f"{value.numerator}/{value.denominator}"


def _told(objective: CompiledObjective, found: Measure) -> str:
    amount = wording.amount(objective.spec.measure, found.value or Fraction(0))
    return f"{amount} of {found.among:,}" + (f" ({found.unknown:,} unknown)" if found.unknown else "")


def _slot(name: str, look: Look) -> Slot:
    return (look.slots or {}).get(name, Unknown("absent", "there is no such attribute"))


def _json(slot: Slot) -> str | None:
    return None if isinstance(slot, Unknown) else str(to_json(slot))


def cohorts(
    state: CompiledDesiredState, names: Sequence[str], parts: Parts, changed: datetime, asof: datetime
) -> list[Cohort]:
    """The objectives `names` on both sides of `changed`: the entities that began, or count, in the declared days
    before, measured as of the change; and those of the days after, as of their end. So both were looked at for as
    long. Empty where the declaration asks for none; an objective without dates has no cohorts."""
    asked = state.spec.verification.cohorts
    if asked is None:
        return []
    begin = changed - timedelta(days=asked.before.count)
    end = min(changed + timedelta(days=asked.after.count), asof)
    found = []
    for objective in state.objectives:
        if objective.name in names and _dated(objective):
            every = parts.get(objective.name, ())
            sides = [_side(state, objective, every, span) for span in ((begin, changed), (changed, end))]
            found.append(
                Cohort(objective=objective.name, wanted=wording.wanted(objective), before=sides[0], after=sides[1])
            )
    return found


def _dated(objective: CompiledObjective) -> bool:
    return objective.timespan is not None or objective.spec.at is not None or objective.asked is not None


def _side(
    state: CompiledDesiredState,
    objective: CompiledObjective,
    every: Sequence[Contribution],
    span: tuple[datetime, datetime],
) -> CohortSide:
    since, until = span
    timed = objective.timespan is not None
    mine = [one for one in every if (at := one.start if timed else one.at) is not None and since < at <= until]
    spec = objective.spec.model_copy(update={"window": None, "guard": None, "minimum": 1})
    result = measured(replace(objective, spec=spec, window=None, reach=None), mine, until, state.zone)
    value = result.measure.value
    exact = None if value is None else f"{value.numerator}/{value.denominator}"
    told = wording.found(result)
    sample = result.measure.sample
    return CohortSide(since=instant(since), until=instant(until), value=exact, says=told, sample=sample)


def effects(watched: Sequence[Watched], compared: Sequence[Cohort]) -> Effects | None:
    return Effects(watched=list(watched), cohorts=list(compared)) if watched or compared else None
