"""Success, then drift: how often a rule was mended by an action and missed again, and what undid it. Pure.

Folded from the ledger's own events of one desired state and entity, over all occurrences: the same events come to the
same cycles, whoever counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from common.clock import parse_instant
from common.events.approver import CaseResumed
from common.events.differ import (
    Cycle,
    GapChanged,
    GapClosed,
    GapMet,
    GapOpened,
    GapUndecided,
    ObjectiveMet,
    ObjectiveMissed,
    ObjectiveUndecided,
)
from common.events.envelope import Event
from common.events.executor import ActionSucceeded

TYPES = (
    GapOpened.TYPE,
    GapUndecided.TYPE,
    GapChanged.TYPE,
    GapMet.TYPE,
    GapClosed.TYPE,
    ActionSucceeded.TYPE,
    CaseResumed.TYPE,
)
"""The events that are counted by."""
NOBODY = "nobody: no attribute is another than before"
_MEASURES = (ObjectiveMet.TYPE, ObjectiveMissed.TYPE, ObjectiveUndecided.TYPE)
_MOST_NAMED = 5
_EXEMPT = ("accepted (", "ignored (")
"""What GapChanged says, after a name, of a rule that is merely left alone (`Exemption.told`): that mends nothing."""


@dataclass(slots=True)
class _Rule:
    """One rule on its way: missed, acted upon, mended. `facts` are what they were when it was mended."""

    acted: str = ""
    mended: bool = False
    facts: dict[str, Any] = field(default_factory=dict)


def cycles(events: Iterable[Event], renamed: Mapping[str, str] = MappingProxyType({})) -> list[Cycle]:
    """Every time that a rule was missed again after an action had succeeded and it had been met, in order. Events in
    ledger order; what came before a person's CaseResumed counts no more. `renamed`: {former name: name now}."""
    rules: dict[str, _Rule] = {}
    found: list[Cycle] = []
    for event in events:
        if event.type == CaseResumed.TYPE:
            found = []
        elif event.type == ActionSucceeded.TYPE:
            for rule in rules.values():
                rule.acted = rule.acted or event.id
        elif event.type in (GapMet.TYPE, GapClosed.TYPE):
            acted = {name: rule for name, rule in rules.items() if event.data["reason"] == "met" and rule.acted}
            rules = {name: _mended(rule, event.data["facts"]) for name, rule in acted.items()}
        elif event.type in TYPES:
            found += _looked(rules, event, renamed)
    return found


def _looked(rules: dict[str, _Rule], event: Event, renamed: Mapping[str, str]) -> list[Cycle]:
    """What a gap event that lists rules says; `rules` are changed."""
    now = {renamed.get(rule["name"], rule["name"]): rule for rule in event.data["rules"]}
    left = {renamed.get(name, name) for name in _left(event)}
    found = []
    for name, rule in list(rules.items()):
        if name in left:
            del rules[name]
        elif name not in now and rule.acted and not rule.mended:
            rules[name] = _mended(rule, [])
    for name, said in now.items():
        if said["status"] != "missed":
            continue
        known = rules.get(name)
        if known is not None and known.mended:
            found.append(_cycle(name, known, said["facts"], event))
            known = None
        if known is None:
            rules[name] = _Rule(facts=_values(said["facts"]))
    return found


def _left(event: Event) -> list[str]:
    """The rules that the event no longer lists, for another reason than that they hold again."""
    said = (words.partition(": ") for words in event.data.get("changed", ()))
    return [name for name, _, what in said if what.startswith(_EXEMPT)]


def _mended(rule: _Rule, facts: Sequence[Mapping[str, Any]]) -> _Rule:
    return replace(rule, mended=True, facts={**rule.facts, **_values(facts)} if facts else {})


def _values(facts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {fact["name"]: fact.get("value") for fact in facts}


def _cycle(name: str, rule: _Rule, facts: Sequence[Mapping[str, Any]], event: Event) -> Cycle:
    undone = [
        fact
        for fact in facts
        if fact.get("event_id") and (not rule.facts or fact.get("value") != rule.facts.get(fact["name"]))
    ]
    return Cycle(
        rule=name,
        action=rule.acted,
        drift=event.id,
        at=event.asof,
        observation=undone[0]["event_id"] if undone else None,
        attributes=[fact["name"] for fact in undone],
    )


def too_many(found: Sequence[Cycle], most: int, within: timedelta, asof: datetime) -> list[Cycle]:
    """The cycles of the last `within` of the rules that have at least `most` of them; none where it converges."""
    late = [cycle for cycle in found if parse_instant(cycle.at) > asof - within]
    counts: dict[str, int] = {}
    for cycle in late:
        counts[cycle.rule] = counts.get(cycle.rule, 0) + 1
    return [cycle for cycle in late if counts[cycle.rule] >= most]


def named(found: Sequence[Cycle], observations: Mapping[str, Event]) -> list[Cycle]:
    """The same, with who undid it: the feed of the observation that brought the value which is missed; of a
    population those who, as it was measured, keep the objective from its target."""
    return [
        cycle.model_copy(update={"writer": _writer(observations.get(cycle.observation or ""))}) for cycle in found
    ]


def _writer(observed: Event | None) -> str:
    if observed is None:
        return NOBODY
    if observed.type not in _MEASURES:
        return f"feed:{observed.data['feed']}"
    against = observed.data.get("against") or {"keys": [], "others": 0}
    keys = against["keys"][:_MOST_NAMED]
    more = len(against["keys"]) - len(keys) + against["others"]
    names = ", ".join(keys) + (f" and {more:,} more" if more else "")
    return f"{observed.data['entity_type']} {names}" if keys else NOBODY


def says(found: Sequence[Cycle]) -> str:
    """What a person is told: how often, what, and who."""
    rules = list(dict.fromkeys(cycle.rule for cycle in found))
    writers = list(dict.fromkeys(cycle.writer for cycle in found))
    attributes = list(dict.fromkeys(name for cycle in found for name in cycle.attributes if name != cycle.rule))
    what = f" ({', '.join(attributes)})" if attributes else ""
    often = "once and undone again" if len(found) == 1 else f"{len(found)} times and undone each time"
    return f"{', '.join(rules)}: mended {often}{what} by {' and '.join(writers)}"
