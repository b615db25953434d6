"""Most entities, most of the time: nothing is to be said of them. Told without the particulars. Pure."""

from dataclasses import dataclass
from datetime import datetime

from common.declarations.evaluation import CompiledDesiredState, EntityView, Rule, Sight
from common.declarations.values import Status, Unknown


@dataclass(frozen=True, slots=True)
class Quiet:
    """Nothing is to be said of an entity; `look_again` is the next instant at which there may be."""

    look_again: datetime | None


def glance(state: CompiledDesiredState, entity: EntityView, asof: datetime) -> Quiet | None:
    """It is not selected, or every rule holds, or what does not lies ahead. None: `evaluate` it.

    Where it is quiet `evaluate` says `not selected`, `met` or `on track`, and the same instant comes first among its
    `next_timers`.
    """
    if asof < state.effective:
        return Quiet(state.effective)
    sight = Sight(state, entity, asof)
    if state.where is not None and (selected := sight.decide(state.where)).status is not Status.MET:
        return Quiet(min(sight.timers(()), default=None)) if selected.status is Status.MISSED else None
    fresh_until = entity.origin.fresh_until if entity.origin is not None else None
    if fresh_until is not None and asof >= fresh_until:
        return None
    ahead: list[datetime] = []
    for rule in state.rules:
        if rule.when is not None and sight.decide(rule.when).status is Status.MISSED:
            continue
        if sight.decide(rule.expect).status is Status.MET:
            continue
        if (first := _ahead(sight, rule, asof)) is None:
            return None
        ahead.append(first)
    return Quiet(min((*ahead, *sight.timers(())), default=None))


def _ahead(sight: Sight, rule: Rule, asof: datetime) -> datetime | None:
    """From when on a rule that does not hold yet is to be spoken of; None: now."""
    if rule.by is None:
        return None
    due, soon = sight.due(sight.slots[rule.by], rule)
    if isinstance(due, Unknown):
        return None
    first = soon or due
    return first if first is not None and asof < first else None
