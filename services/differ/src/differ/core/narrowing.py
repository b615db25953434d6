"""What a new version of a desired state asks anew, beside what was decided already. Pure.

Where nothing was said of an entity, every rule of the versions before held for it or lay ahead, and a timer stands at
or before the instant at which that changes. So a rule that each of these versions had as well needs no second look:
only the rules that are new do, and whatever something was said of. Anything else that decisions rest on (the entity
type, the calendar, the selector, when it comes into force) makes everything new.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import orjson
from common.declarations.catalogue import Catalogue
from common.declarations.evaluation import CompiledDesiredState, EntityView, Origin, Rule
from common.declarations.expressions import CLOCK
from common.declarations.glancing import Quiet, glance
from common.declarations.models import Deadline, DesiredState, EntityType, Expectation
from common.declarations.reading import Reader
from common.errors import Permanent

MOST_VERSIONS = 100
"""Beside how many versions one is compared; where there were more, everything is new."""
_RESTS_ON = ("EntityType", "Source", "HolidayCalendar")
_WORDING = {"name", "formerly", "says"}
_HERE = Origin("", "")
"""Stands for the observation of an entity that is known not to be stale."""


@dataclass(frozen=True, slots=True)
class Narrow:
    """`state` has the rules that are new, and asks for no look but theirs; `columns` are those of a row on which what
    they come to depends."""

    state: CompiledDesiredState
    reader: Reader
    columns: tuple[str, ...]

    @property
    def nothing(self) -> bool:
        """No rule is new: only what something was said of may come to anything else."""
        return not self.state.rules


def narrow(name: str, after: Catalogue, before: Iterable[Catalogue]) -> Narrow | None:
    """What the desired state `name` of `after` asks that those of `before` did not, each of which may have been the
    last to decide some of the population. None: everything."""
    now, known = after.compiled(name), {after.decided_by(name)}
    fresh: set[str] = set()
    for catalogue in before:
        if name not in catalogue.desired_states or catalogue.missing(name):
            return None
        if (version := catalogue.decided_by(name)) in known:
            continue
        known.add(version)
        if len(known) > MOST_VERSIONS or not _comparable(name, catalogue, after):
            return None
        there = [_asks(rule) for rule in catalogue.desired_states[name].rules]
        fresh.update(rule.name for rule in now.spec.rules if _asks(rule) not in there)
    if now.objectives and fresh:
        return None
    return _narrowed(now, tuple(rule for rule in now.rules if rule.name in fresh), after)


def _comparable(name: str, before: Catalogue, after: Catalogue) -> bool:
    """Whether what both versions ask of an entity is decided from the same, at the same instants."""
    old, new = before.desired_states[name], after.desired_states[name]
    same = _rests_on(name, before) == _rests_on(name, after) and before.timezone == after.timezone
    if not same or _frame(old) != _frame(new):
        return False
    if new.objectives and _counted(name, before) != _counted(name, after):
        return False
    try:
        was, now = before.compiled(name), after.compiled(name)
    except Permanent:
        return False
    # The timers that stand are those of the version before: it must have set all that this one needs.
    return {*now.clock} <= {*was.clock} and {*now.relations_read} <= {*was.relations_read}


def _rests_on(name: str, catalogue: Catalogue) -> dict[tuple[str, str], str]:
    read = (*catalogue.depends_on(name), *catalogue.heeds(name))
    return {item: catalogue.documents[item].digest for item in read if item[0] in _RESTS_ON}


def _frame(spec: DesiredState) -> tuple[Any, ...]:
    return (spec.effective, spec.timezone, spec.holidays, spec.selector, spec.done)


def _counted(name: str, catalogue: Catalogue) -> tuple[Any, ...]:
    """What contributions to objectives rest on beside what rules ask: their names, and what is left alone."""
    spec = catalogue.desired_states[name]
    accepted = {key: gap for key, gap in catalogue.accepted_gaps.items() if gap.desired_state == name}
    return (spec.objectives, [rule.name for rule in spec.rules], spec.ignore, accepted)


def _asks(rule: Expectation | Deadline) -> dict[str, Any]:
    """What the rule asks of an entity, whatever it is called and says."""
    return rule.model_dump(exclude=_WORDING)


def _narrowed(now: CompiledDesiredState, rules: tuple[Rule, ...], catalogue: Catalogue) -> Narrow | None:
    name = now.spec.selector.entity
    state = replace(now, rules=rules, clock=(), relations_read=(), clauses=(), objectives=())
    if not rules:
        return Narrow(state, catalogue.readers[name], ())
    reader, entity_type = catalogue.readers[name], catalogue.entity_types[name]
    reads = {
        *(now.where.reads if now.where else ()),
        *reader.checked,
        *(item for rule in rules for item in rule.reads),
    }
    columns = _columns(entity_type, reads.difference(CLOCK))
    return None if columns is None else Narrow(state, reader, columns)


def _columns(entity_type: EntityType, names: Iterable[str]) -> tuple[str, ...] | None:
    """The columns of these attributes; None where they are not all read from one row that anybody may read."""
    wanted = sorted(names)
    if entity_type.events is not None or not entity_type.attributes.keys() >= {*wanted}:
        return None
    if entity_type.sensitive_attributes.intersection(wanted):
        return None
    return tuple(dict.fromkeys(entity_type.attributes[name].column for name in wanted))


class Glances:
    """Many rows, as of one instant: those with the same in the columns that count come to the same."""

    def __init__(self, narrow: Narrow, asof: datetime) -> None:
        self._narrow, self._asof = narrow, asof
        self._known: dict[bytes, Quiet | None] = {}

    def at(self, row: Mapping[str, Any]) -> Quiet | None:
        """As `glance`, for a row that is not stale and by the new rules alone. None: look at all of it."""
        seen = orjson.dumps([row.get(column) for column in self._narrow.columns])
        if seen not in self._known:
            self._known[seen] = self._glance(row)
        return self._known[seen]

    def _glance(self, row: Mapping[str, Any]) -> Quiet | None:
        state = self._narrow.state
        view = EntityView(state.spec.selector.entity, "", self._narrow.reader.read(row).values, _HERE)
        return glance(state, view, self._asof)
