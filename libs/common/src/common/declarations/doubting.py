"""What can be said of an entity of which nobody knows whether it is selected. Pure."""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

from common.declarations.evaluation import FAILING, MET, CompiledDesiredState, EntityView, Sight
from common.declarations.ruling import RuleResult
from common.declarations.values import Status


def unsure(
    state: CompiledDesiredState, entity: EntityView, asof: datetime, also: Collection[str] = ()
) -> tuple[RuleResult, ...]:
    """The rules that can't be decided of an entity of which nobody knows whether it is selected: those that
    `evaluation.evaluate` would call Unknown, and those that are missed or due soon if it is. With its freshness, and
    with the rules `also`, which hold if it is."""
    sight = Sight(state, entity, asof)
    selected = MET if state.where is None else sight.decide(state.where)
    found = [*(sight.rule(rule) for rule in state.rules), sight.freshness()]
    return tuple(
        rule
        if rule.status is Status.UNKNOWN
        else replace(
            rule,
            status=Status.UNKNOWN,
            reason=f"it can't be told whether it is selected: {selected.reason}",
            sentence=rule.sentence or "Whether this is met can't be told.",
        )
        for rule in found
        if rule is not None and (rule.status in FAILING or rule.name in also)
    )
