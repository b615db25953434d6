"""Deciding one desired state for one entity at one instant. Pure: the same input gives the same result."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

from common.declarations import exempting, periods
from common.declarations.calendars import BeyondCalendar, Calendar
from common.declarations.effects import CompiledWatch
from common.declarations.exempting import Clause
from common.declarations.expressions import MET, MISSED, Bound, Condition, Language, Outcome
from common.declarations.known import Counted, EntityView, Fact, Limit, Origin, Related, stale, stale_at, staleness
from common.declarations.models import DesiredState
from common.declarations.objectives import CompiledObjective
from common.declarations.periods import Period
from common.declarations.ruling import RuleKind, RuleResult
from common.declarations.templates import Template
from common.declarations.values import Slot, Status, Unknown, to_json


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One desired state decided for one entity as of `asof`.

    When `selected` is not Met, `rules` is empty. `severity` counts an undecidable condition as true. `next_timers`
    are the instants after `asof` at which the result may change without any message: deadlines, the end of
    freshness, midnights and hours where a condition reads the clock; ascending. `people_only` is True also when
    that cannot be decided. `slots` are the variables it was decided from, as `slots_of` gives them.
    """

    selected: Outcome
    done: RuleResult | None = None
    severity: str = ""
    rules: tuple[RuleResult, ...] = ()
    next_timers: tuple[datetime, ...] = ()
    people_only: bool = False
    slots: Mapping[str, Slot] = field(default_factory=dict, repr=False, compare=False)

    @property
    def failing(self) -> tuple[RuleResult, ...]:
        """The rules that are Missed, Unknown or due soon, and not exempt: what a case gathers."""
        return tuple(rule for rule in self.rules if rule.status in FAILING and rule.exempt is None)

    @property
    def exempt(self) -> tuple[RuleResult, ...]:
        """The rules that are missed, or due soon, and open no case."""
        return tuple(rule for rule in self.rules if rule.exempt is not None)

    @property
    def standing(
        self,
    ) -> Literal[
        "not selected", "selector unknown", "gap", "undecided", "due soon", "accepted", "ignored", "on track", "met"
    ]:
        """The whole in one word: `gap` when a rule is Missed, `undecided` when none is and one is Unknown, `due soon`
        when a lead has begun and nothing else is wrong, `accepted` or `ignored` when all that is wrong is exempt."""
        if self.selected.status is not Status.MET:
            return "selector unknown" if self.selected.status is Status.UNKNOWN else "not selected"
        statuses = {rule.status for rule in self.rules if rule.exempt is None}
        if Status.MISSED in statuses:
            return "gap"
        if Status.UNKNOWN in statuses:
            return "undecided"
        if Status.SOON in statuses:
            return "due soon"
        kinds = {rule.exempt.kind for rule in self.rules if rule.exempt is not None}
        if kinds:
            return "accepted" if "accepted" in kinds else "ignored"
        return "on track" if Status.PENDING in statuses else "met"


FAILING = (Status.MISSED, Status.UNKNOWN, Status.SOON)
"""The statuses of what a case gathers."""


@dataclass(frozen=True, slots=True)
class Rule:
    """An expectation, or a deadline when `by` is set, compiled."""

    name: str
    when: Condition | None
    expect: Condition
    says: Template
    by: str | None = None
    plus: Period | None = None
    lead: Period | None = None
    reads: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CompiledDesiredState:
    """A desired state ready to decide. `relations` are all relations of the entity type, `relations_read` those
    its conditions read, `renamed` rules by their former names."""

    name: str
    spec: DesiredState
    version: str
    language: Language
    effective: datetime
    where: Condition | None
    done: Condition
    proof: Condition
    severity: tuple[tuple[str, Condition | None], ...]
    rules: tuple[Rule, ...]
    people_only: Condition | None
    relations: tuple[str, ...]
    relations_read: tuple[str, ...]
    attributes: tuple[str, ...]
    slots_needed: tuple[str, ...]
    clock: tuple[str, ...]
    calendar: Calendar
    objectives: tuple[CompiledObjective, ...] = ()
    watch: tuple[CompiledWatch, ...] = ()
    clauses: tuple[Clause, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)

    @property
    def zone(self) -> ZoneInfo:
        return self.language.zone


def evaluate(state: CompiledDesiredState, entity: EntityView, asof: datetime) -> Evaluation:
    """Decide `state` for `entity` as of the realm clock's `asof` (an aware instant)."""
    if asof < state.effective:
        told = Outcome(Status.MISSED, f"not in force before {state.spec.effective}")
        return Evaluation(told, next_timers=(state.effective,))
    sight = Sight(state, entity, asof)
    selected = MET if state.where is None else sight.decide(state.where)
    if selected.status is not Status.MET:
        return Evaluation(selected, next_timers=sight.timers(()), slots=sight.slots)
    rules = [sight.rule(rule) for rule in state.rules]
    if (fresh := sight.freshness()) is not None:
        rules.append(fresh)
    if state.clauses:
        sight.exempt(rules)
    people_only = state.people_only is not None and sight.decide(state.people_only).status is not Status.MISSED
    return Evaluation(
        selected,
        sight.condition("done", state.done),
        sight.severity(),
        tuple(rules),
        sight.timers(rules),
        people_only,
        sight.slots,
    )


def done(state: CompiledDesiredState, entity: EntityView, asof: datetime) -> bool:
    """Whether the entity is known to be done."""
    return Sight(state, entity, asof).decide(state.done).status is Status.MET


def proof(state: CompiledDesiredState, entity: EntityView, asof: datetime) -> RuleResult:
    """Whether what verification asks for (`proof`) holds for the entity: the auditor's question."""
    return Sight(state, entity, asof).condition("proof", state.proof)


def slots_of(state: CompiledDesiredState, entity: EntityView, asof: datetime) -> Mapping[str, Slot]:
    """Every variable of the entity with its value or the reason why it is Unknown, staleness applied; with `today`
    and `now`. For filling templates."""
    return Sight(state, entity, asof).slots


class Sight:
    """One entity seen at one instant: its variables bound once, and what was read so far."""

    def __init__(self, state: CompiledDesiredState, entity: EntityView, asof: datetime) -> None:
        self._state, self._entity, self._asof = state, entity, asof
        self._today = _local_day(asof, state.zone)
        self.slots: dict[str, Slot] = _slots(state, entity, asof)
        self.slots["today"] = self._today
        self.slots["now"] = asof
        self._bound: Bound | None = None
        self._facts: dict[str, Fact] = {}

    def decide(self, condition: Condition) -> Outcome:
        """As `Language.decide`. Populations repeat themselves: what was decided of the same values is kept."""
        reads, slots = condition.reads, self.slots
        key = slots[reads[0]] if len(reads) == 1 else tuple([slots[name] for name in reads])
        if (found := condition.answers.get(key)) is not None:
            return found
        if self._bound is None:
            self._bound = self._state.language.bind(slots, self._state.slots_needed)
        outcome = self._state.language.decide(condition, self._bound)
        condition.keep(key, outcome, slots)
        return outcome

    def condition(self, name: str, condition: Condition) -> RuleResult:
        outcome = self.decide(condition)
        return RuleResult(name, "done", outcome.status, None, outcome.reason, condition.reads, seen=self)

    def severity(self) -> str:
        for name, condition in self._state.severity:
            if condition is None or self.decide(condition).status is not Status.MISSED:
                return name
        raise AssertionError("the last severity has no condition")

    def rule(self, rule: Rule) -> RuleResult:
        when = MET if rule.when is None else self.decide(rule.when)
        if when.status is Status.MISSED:
            kind: RuleKind = "deadline" if rule.by else "expectation"
            return RuleResult(rule.name, kind, Status.MET, reads=rule.reads, applies=False, seen=self)
        expect = _implied(when, self.decide(rule.expect))
        return self._expectation(rule, expect) if rule.by is None else self._deadline(rule, rule.by, expect)

    def _expectation(self, rule: Rule, expect: Outcome) -> RuleResult:
        says = "" if expect.status is Status.MET else rule.says
        return RuleResult(
            rule.name, "expectation", expect.status, None, expect.reason, rule.reads, True, says, seen=self
        )

    def _deadline(self, rule: Rule, by: str, expect: Outcome) -> RuleResult:
        due, soon = self.due(self.slots[by], rule)
        reason, status = expect.reason, expect.status
        if status is Status.MET:
            return RuleResult(rule.name, "deadline", status, _instant(due), "", rule.reads, seen=self)
        if isinstance(due, Unknown):
            reason = "; ".join(filter(None, (f"{by}: {due.reason}", reason)))
            status = Status.UNKNOWN
        elif due is None or self._asof < due:
            status = Status.PENDING if soon is None or self._asof < soon else Status.SOON
        told = rule.says
        return RuleResult(rule.name, "deadline", status, _instant(due), reason, rule.reads, True, told, soon, self)

    def due(self, by: Slot, rule: Rule) -> tuple[datetime | Unknown | None, datetime | None]:
        """The first instant at which it is too late (the end of a day, or the moment itself), and the one from which
        it is due soon (the beginning of a day, or a moment). None, and the end of the calendar, where it lies
        somewhere after that end, which is still ahead: until then nothing is late."""
        zone, calendar, plus, lead = self._state.zone, self._state.calendar, rule.plus, rule.lead
        try:
            if isinstance(by, datetime):
                moment = by if by.tzinfo else by.replace(tzinfo=zone)
                due = periods.later_instant(moment, plus, zone, calendar) if plus else moment.astimezone(UTC)
                return due, periods.earlier_instant(due, lead, zone, calendar) if lead else None
            if isinstance(by, date):
                last = periods.later(by, plus, calendar) if plus else by
                soon = periods.start_of(periods.earlier(last, lead, calendar), zone) if lead else None
                return periods.end_of(last, zone), soon
        except BeyondCalendar as error:
            end = periods.end_of(calendar.last, zone)
            ahead = self._asof < end and _day(by, zone) >= calendar.first
            return (None, end) if ahead else (Unknown("undecided", str(error)), None)
        except (OverflowError, ValueError):
            return Unknown("unreadable", "the date is beyond the calendar"), None
        return by if isinstance(by, Unknown) else Unknown("unreadable", "it is not a date"), None

    def freshness(self) -> RuleResult | None:
        origin = self._entity.origin
        if origin is None or origin.fresh_until is None:
            return None
        if self._asof < origin.fresh_until:
            return RuleResult("fresh", "freshness", Status.MET, due=origin.fresh_until)
        reason = stale(origin.fresh_until, origin.because).reason
        says = f"The record of {self._entity.entity_type} {self._entity.key} is too old to decide by."
        if origin.because:
            says = f"The source of {self._entity.entity_type} {self._entity.key} can't be relied on."
        return RuleResult("fresh", "freshness", Status.UNKNOWN, origin.fresh_until, reason, sentence=says)

    def exempt(self, rules: list[RuleResult]) -> None:
        """Mark the rules that open no case although they are missed, or due soon."""
        key, asof = self._entity.key, self._asof
        for rule in rules:
            if rule.status in (Status.MISSED, Status.SOON):
                about = (rule.name, rule.reads)
                rule.exempt = exempting.exemption(self._state.clauses, about, key, asof, self.decide)

    def timers(self, rules: tuple[RuleResult, ...] | list[RuleResult]) -> tuple[datetime, ...]:
        instants: set[datetime | None] = set()
        for rule in rules:
            if rule.status in (Status.PENDING, Status.SOON):
                instants.add(rule.soon if rule.soon and rule.status is Status.PENDING else rule.due)
            if rule.exempt is not None:
                instants.add(rule.exempt.until)
        if self._state.relations_read:
            instants.update(self._related_limits())
        instants.add(self._entity.origin.fresh_until if self._entity.origin else None)
        if "today" in self._state.clock:
            instants.add(periods.end_of(self._today, self._state.zone))
        if "now" in self._state.clock:
            instants.add(self._asof.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1))
        return tuple(sorted(instant for instant in instants if instant is not None and instant > self._asof))

    def _related_limits(self) -> Iterator[datetime | None]:
        for name in self._state.relations_read:
            if name in self._entity.limits:
                yield self._entity.limits[name].at
            related = self._entity.related.get(name)
            if isinstance(related, Related):
                yield related.origin.fresh_until
            elif isinstance(related, Counted):
                yield related.fresh_until

    def facts(self, names: tuple[str, ...]) -> tuple[Fact, ...]:
        known = self._facts
        for name in names:
            if name not in known:
                known[name] = self._fact(name)
        return tuple([known[name] for name in names])

    def text(self, template: Template) -> str:
        return template.text(self.slots)

    def _fact(self, name: str) -> Fact:
        slot = self.slots[name]
        unknown = slot.reason if isinstance(slot, Unknown) else None
        relation, _, attribute = name.partition(".")
        origin = self._entity.origin if not attribute else None
        if attribute and isinstance(related := self._entity.related.get(relation), Related):
            origin = related.origin
        if name in ("today", "now") or origin is None or name in self._entity.related:
            return Fact(name, to_json(slot), None, None, unknown)
        return Fact(name, to_json(slot), origin.stream, origin.event_id, unknown)


@lru_cache(maxsize=16)  # many entities are decided as of one instant
def _local_day(asof: datetime, zone: ZoneInfo) -> date:
    return asof.astimezone(zone).date()


def _day(by: Slot, zone: ZoneInfo) -> date:
    """The local day of a date or a moment."""
    assert isinstance(by, date)
    return by.astimezone(zone).date() if isinstance(by, datetime) and by.tzinfo else date(by.year, by.month, by.day)


def _instant(due: datetime | Unknown | None) -> datetime | None:
    return None if isinstance(due, Unknown) else due


def _implied(when: Outcome, expect: Outcome) -> Outcome:
    """`when` implies `expect`, for a `when` that is not Missed."""
    if when.status is Status.MET or expect.status is Status.MET:
        return expect
    return Outcome(Status.UNKNOWN, when.reason if expect.status is Status.MISSED else
                   "; ".join(dict.fromkeys(filter(None, (when.reason, expect.reason)))))  # fmt: skip


def _slots(state: CompiledDesiredState, entity: EntityView, asof: datetime) -> dict[str, Slot]:
    origin = entity.origin
    why = Unknown("absent", "nothing was observed") if origin is None else staleness(origin, asof)
    # Where it is stale also what was absent is Unknown: a stale row says nothing about today.
    slots: dict[str, Slot] = dict(entity.values) if why is None else dict.fromkeys(entity.values, why)
    if len(slots) < len(state.attributes):
        for name in state.attributes:
            slots.setdefault(name, Unknown("absent", "it was not read"))
    for relation in state.relations:
        limit = entity.limits.get(relation)
        doubted = stale(*limit) if limit is not None and asof >= limit.at else None
        _add_relation(slots, relation, doubted or entity.related.get(relation), state, asof)
    return slots


def _add_relation(
    slots: dict[str, Slot],
    name: str,
    related: Related | Counted | Unknown | None,
    state: CompiledDesiredState,
    asof: datetime,
) -> None:
    scope = state.language.scope
    if name in scope:  # a count
        if isinstance(related, Counted):
            slots[name] = stale_at(related.fresh_until, asof) or related.number
        else:
            slots[name] = related if isinstance(related, Unknown) else Unknown("undecided", "it was not counted")
        return
    if isinstance(related, Related):
        stale = stale_at(related.origin.fresh_until, asof)
        for attribute, value in related.values.items():
            slots[f"{name}.{attribute}"] = value if stale is None else stale
        return
    why = related if isinstance(related, Unknown) else Unknown("absent", f"there is no {name}")
    prefix = f"{name}."
    for variable in scope:
        if variable.startswith(prefix):
            slots[variable] = why


__all__ = [
    "MET", "MISSED", "CompiledDesiredState", "Counted", "EntityView", "Evaluation", "Fact", "Limit", "Origin",
    "Related", "Rule", "RuleKind", "RuleResult", "Sight", "evaluate", "proof", "slots_of",
]  # fmt: skip
