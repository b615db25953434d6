"""A desired state and the entity types it reads, compiled: every condition type-checked, every name resolved."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from zoneinfo import ZoneInfo

from common.declarations import exempting, periods, templates
from common.declarations.calendars import WEEKDAYS, Calendar
from common.declarations.computing import computations
from common.declarations.effects import CompiledWatch, Watch
from common.declarations.evaluation import CompiledDesiredState, Rule
from common.declarations.expressions import CLOCK, Condition, Language, Scope, compared
from common.declarations.handling import AcceptedGap
from common.declarations.holidays import HolidayCalendar
from common.declarations.models import (
    RISKS,
    SEVERITIES,
    ApprovalPolicy,
    Deadline,
    DesiredState,
    EntityType,
    Expectation,
)
from common.declarations.objectives import CompiledObjective, Objective, window
from common.declarations.problems import Path, Wrong, did_you_mean
from common.declarations.reading import scope_of
from common.declarations.relations import THIS, CompiledRelation
from common.declarations.templates import Template
from common.declarations.values import ValueType

Report = Callable[[Path, Wrong], None]
"""Told of each fault with the path inside the spec; compiling goes on to find the next one."""

POLICY_SCOPE: dict[str, ValueType] = {
    "risk": "text",
    "severity": "text",
    "system.financial": "yes/no",
    "system.production": "yes/no",
    "system.criticality": "text",
}
POLICY_VALUES = {"risk": RISKS, "severity": SEVERITIES, "system.criticality": RISKS}
"""The variables of a policy that have only these values."""
_NEVER = Condition("false", ())


def scope_with_relations(entity_type: EntityType, types: Mapping[str, EntityType]) -> Scope:
    """The variables of a desired state over `entity_type`: its attributes, `relation.attribute`, and counts."""
    scope = dict(scope_of(entity_type))
    for name, relation in entity_type.related.items():
        if relation.count is not None:
            scope[name] = "number"
        elif (other := types.get(relation.other)) is not None:
            scope.update({f"{name}.{attribute}": kind for attribute, kind in scope_of(other).items()})
    return scope


@dataclass(frozen=True, slots=True)
class Declared:
    """What a desired state may refer to: entity types and calendars by name, and the realm's time zone. `accepted`
    are accepted gaps by name, with the digest of each."""

    types: Mapping[str, EntityType]
    calendars: Mapping[str, HolidayCalendar]
    zone: str
    accepted: Mapping[str, tuple[AcceptedGap, str]] = field(default_factory=dict)


def relations(
    entity_type: EntityType, types: Mapping[str, EntityType], report: Report
) -> tuple[CompiledRelation, ...]:
    """The relations of an entity type, each after those that its condition reads. Relations to types that are not
    there are left out; faults go to `report`."""
    this = {THIS + name: kind for name, kind in scope_with_relations(entity_type, types).items()}
    waiting: dict[str, CompiledRelation] = {}
    for name, relation in entity_type.related.items():
        if (other := types.get(relation.other)) is None:
            continue
        language = Language({**scope_of(other), **this}, ZoneInfo("UTC"), with_clock=False)
        where = None
        if relation.where is not None:
            try:
                where = language.compile(relation.where)
            except Wrong as fault:
                report(("related", name, "where"), fault)
        reads = tuple(item.removeprefix(THIS) for item in (where.reads if where else ()) if item.startswith(THIS))
        waiting[name] = CompiledRelation(name, relation, language, where, reads)
    ordered: list[CompiledRelation] = []
    while waiting:
        ready = [item for item in waiting.values() if not item.follows & waiting.keys()]
        if not ready:
            told = f"{' and '.join(sorted(waiting))} can't be known before one another."
            report(
                ("related", min(waiting)), Wrong("bad_relation", told, "Let where: read only what is known before.")
            )
            break
        ordered += ready
        for item in ready:
            del waiting[item.name]
    return tuple(ordered)


def desired_state(
    name: str, spec: DesiredState, declared: Declared, version: str, report: Report
) -> CompiledDesiredState | None:
    """Compile; faults go to `report`. The result must not be used when there was one. None: no entity type."""
    types = declared.types
    entity_type = types.get(spec.selector.entity)
    if entity_type is None:
        hint = did_you_mean(spec.selector.entity, types)
        report(
            ("selector", "entity"),
            Wrong("unknown_entity_type", f"There is no entity type {spec.selector.entity!r}.", hint),
        )
        return None
    try:
        language = Language(scope_with_relations(entity_type, types), ZoneInfo(spec.timezone or declared.zone))
    except Exception as error:  # the runtime's own complaint about a set of variables
        report((), Wrong("bad_scope", f"The attributes cannot be used together: {error}."))
        return None
    calendar = _calendar(spec.holidays, declared.calendars, report)
    accepted = {item: known for item, known in declared.accepted.items() if known[0].desired_state == name}
    return _Compiler(language, report, calendar, accepted).state(name, spec, entity_type, version)


def _calendar(name: str | None, calendars: Mapping[str, HolidayCalendar], report: Report) -> Calendar:
    if name is None:
        return WEEKDAYS
    if name not in calendars:
        told = f"There is no HolidayCalendar {name!r}."
        hint = did_you_mean(name, calendars) or f"Write a HolidayCalendar {name}, or drop holidays."
        report(("holidays",), Wrong("unknown_name", told, hint))
        return WEEKDAYS
    return replace(calendars[name].calendar, name=name)


class _Compiler:
    def __init__(
        self,
        language: Language,
        report: Report,
        calendar: Calendar,
        accepted: Mapping[str, tuple[AcceptedGap, str]],
    ) -> None:
        self._language, self._report, self._calendar, self._accepted = language, report, calendar, accepted
        self._done: Condition | None = None
        self._intervals: tuple[str, ...] = ()

    def state(self, name: str, spec: DesiredState, entity_type: EntityType, version: str) -> CompiledDesiredState:
        done = self._condition(spec.done, ("done",), may_ask_known=True)
        self._done = done
        self._intervals = tuple(
            n for n, item in computations(entity_type.computed).items() if item.kind == "intervals"
        )
        where = self._optional(spec.selector.where, ("selector", "where"))
        severity = tuple(
            (level, None if source == "otherwise" else self._condition(source, ("severity", level)))
            for level, source in spec.severity.items()
        )
        rules = [self._rule(rule, ("expectations", index)) for index, rule in enumerate(spec.expectations)]
        rules += [self._rule(rule, ("deadlines", index)) for index, rule in enumerate(spec.deadlines)]
        objectives = tuple(self._objective(one, rules, ("objectives", at)) for at, one in enumerate(spec.objectives))
        watch = tuple(
            self._watch(one, rules, ("verification", "watch", at)) for at, one in enumerate(spec.verification.watch)
        )
        measured = (*objectives, *(one.objective for one in watch if one.objective is not None))
        proof = self._condition(spec.verification.proof, ("verification", "proof"), may_ask_known=True)
        people_only = self._optional(spec.remediation.people_only, ("remediation", "peopleOnly"))
        renamed = {former: rule.name for rule in spec.rules for former in rule.formerly}
        clauses = exempting.clauses(spec.ignore, self._accepted, renamed, self._language, self._report)
        every = [
            done,
            proof,
            where,
            people_only,
            *(clause.where for clause in clauses),
            *(condition for _, condition in severity),
        ]
        every += [condition for rule in rules for condition in (rule.when, rule.expect)]
        every += [condition for one in measured for condition in (one.of, one.condition)]
        every += [one.expect for one in watch]
        reads = {name: None for condition in every if condition for name in condition.reads}
        reads.update({name: None for rule in rules for name in (*rule.says.reads, *rule.reads)})
        reads.update({name: None for one in measured for name in one.reads})
        reads.update({one.unchanged: None for one in watch if one.unchanged is not None})
        programs = {name: None for condition in every if condition and condition.program for name in condition.reads}
        related = tuple(item for item in entity_type.related if item in {name.partition(".")[0] for name in reads})
        return CompiledDesiredState(
            name=name,
            spec=spec,
            version=version,
            language=self._language,
            effective=periods.start_of(date.fromisoformat(spec.effective), self._language.zone),
            where=where,
            done=done,
            proof=proof,
            severity=severity,
            rules=tuple(rules),
            people_only=people_only,
            relations=tuple(entity_type.related),
            relations_read=related,
            attributes=tuple(scope_of(entity_type)),
            slots_needed=tuple(programs),
            clock=tuple(dict.fromkeys(item for condition in every if condition for item in condition.follows_clock)),
            calendar=self._calendar,
            objectives=objectives,
            watch=watch,
            clauses=clauses,
            renamed=renamed,
        )

    def _condition(self, source: str, path: Path, may_ask_known: bool = False) -> Condition:
        with self._told(path):
            return self._language.compile(source, self._done, may_ask_known)
        return _NEVER

    def _optional(self, source: str | None, path: Path) -> Condition | None:
        return None if source is None else self._condition(source, path)

    def _rule(self, rule: Expectation | Deadline, path: Path) -> Rule:
        when = self._optional(rule.when, (*path, "when"))
        expect = self._condition(rule.expect, (*path, "expect"), may_ask_known=True)
        says = Template((rule.says,))
        with self._told((*path, "says")):
            says = templates.parse(rule.says, self._language.scope, self._calendar)
        reads = dict.fromkeys((*(when.reads if when else ()), *expect.reads))
        if isinstance(rule, Expectation):
            return Rule(rule.name, when, expect, says, reads=tuple(reads))
        with self._told((*path, "by")):
            self._date(rule.by)
        everything = tuple({**reads, rule.by: None})
        return Rule(rule.name, when, expect, says, rule.by, rule.plus, rule.lead, everything)

    def _objective(self, spec: Objective, rules: list[Rule], path: Path) -> CompiledObjective:
        condition = None
        with self._told((*path, spec.measure)):
            if spec.asked is not None:
                self._ruled(spec, rules)
            elif spec.condition:
                condition = self._language.compile(spec.condition, self._done)
        of = self._optional(spec.of, (*path, "of"))
        dates = [(spec.at, "at")] if spec.at is not None else []
        if spec.timespan is not None:
            dates += [(spec.timespan.start, spec.measure), (spec.timespan.stop, spec.measure)]
        for name, part in dates:
            with self._told((*path, part)):
                self._date(name)
        if spec.timespan is not None and spec.timespan.without is not None:
            with self._told((*path, spec.measure, "without")):
                self._excluded(spec.timespan.without)
        reads = dict.fromkeys(name for item in (of, condition) if item for name in item.reads)
        reads.update({name: None for name, _ in dates})
        zone = self._language.zone
        reach = periods.end_of(date.fromisoformat(spec.reach), zone) if spec.reach else None
        during = window(spec.window or "")
        return CompiledObjective(
            spec.name, spec, spec.timespan, spec.asked, spec.target, of, condition, during, reach, tuple(reads)
        )

    def _watch(self, spec: Watch, rules: list[Rule], path: Path) -> CompiledWatch:
        if (objective := spec.objective) is not None:
            return CompiledWatch(spec, self._objective(objective, rules, path))
        if (name := spec.unchanged) is not None:
            with self._told((*path, "expect")):
                if name not in self._language.scope:
                    hint = did_you_mean(name, self._language.scope)
                    raise Wrong("unknown_attribute", f"There is no attribute {name!r}.", hint)
            return CompiledWatch(spec, unchanged=name)
        return CompiledWatch(spec, expect=self._condition(spec.expect or "", (*path, "expect")))

    def _ruled(self, spec: Objective, rules: list[Rule]) -> None:
        """Check what a measure asks of a rule, and that its window knows when."""
        assert spec.asked is not None
        _, name = spec.asked
        found = {rule.name: rule for rule in rules}
        if name not in found and name != "done":
            hint = did_you_mean(name, [*found, "done"])
            raise Wrong("unknown_rule", f"There is no rule {name!r}.", hint)
        dated = name in found and found[name].by is not None
        if spec.window is not None and spec.at is None and not dated:
            raise Wrong(
                "window_of_what",
                f"{name} has no date, so which entities fall into the window is not said.",
                "Name the date that counts: at: closed_on.",
            )

    def _date(self, name: str) -> None:
        scope = self._language.scope
        dates = [item for item, kind in scope.items() if kind in ("date", "moment") and item not in CLOCK]
        if name not in scope:
            raise Wrong("unknown_attribute", f"There is no attribute {name!r}.", did_you_mean(name, dates))
        if name not in dates:
            raise Wrong("not_a_date", f"{name} is not a date.", f"Dates here: {', '.join(dates) or 'none'}.")

    def _excluded(self, name: str) -> None:
        if name not in self._intervals:
            hint = f"Declare it: computed: {{{name}: \"between('A', 'B')\"}}."
            hint = did_you_mean(name, self._intervals) or hint
            raise Wrong("not_between", f"{name} is no time between two events.", hint)

    @contextmanager
    def _told(self, path: Path) -> Iterator[None]:
        try:
            yield
        except Wrong as fault:
            self._report(path, fault)


def _check_values(when: str) -> None:
    """Raise Wrong where a policy compares with a value that there is not: that line would never, or always, match."""
    for name, text in compared(when):
        known = POLICY_VALUES.get(name, (text,))
        if text not in known:
            raise Wrong("unknown_value", f"{name} is never {text!r}.", did_you_mean(text, known))


def policy_lines(spec: ApprovalPolicy, report: Report) -> tuple[Language, tuple[Condition, ...]]:
    """The compiled `when` of each approvePlan line, over risk, severity and system."""
    language = Language(POLICY_SCOPE, ZoneInfo("UTC"), with_clock=False)
    conditions = []
    for index, line in enumerate(spec.approve_plan):
        try:
            conditions.append(language.compile(line.when))
            _check_values(line.when)
        except Wrong as fault:
            report(("approvePlan", index, "when"), fault)
    return language, tuple(conditions)
