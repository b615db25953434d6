"""Do the declarations fit together? Names, types, playbooks, policies: everything that one document cannot tell."""

from collections.abc import Callable, Iterable
from functools import partial
from itertools import product
from typing import Any
from zoneinfo import ZoneInfo

from common.declarations import choices, compiling, sensitivity, templates
from common.declarations.catalogue import Catalogue, policy_facts
from common.declarations.expressions import Condition, Language, Scope
from common.declarations.handling import AcceptedGap, Source
from common.declarations.holidays import HolidayCalendar
from common.declarations.loader import Document
from common.declarations.models import (
    RISKS,
    SEVERITIES,
    ActionType,
    ApprovalPolicy,
    DesiredState,
    EntityType,
    Relation,
    Step,
    System,
)
from common.declarations.problems import Path, Problem, Wrong, did_you_mean
from common.declarations.reading import row_scope, scope_of
from common.declarations.values import Status
from common.objectives.scope import SCOPE

_KINDS: dict[str, tuple[Any, ...]] = {
    "risk": RISKS,
    "severity": SEVERITIES,
    "system.financial": (False, True),
    "system.production": (False, True),
    "system.criticality": RISKS,
}
"""The kinds of action that a policy can tell apart: the values of each of its variables."""


def check(documents: Iterable[Document], active: Catalogue | None = None) -> list[Problem]:
    """The faults of documents that are to come into force beside what is `active`, by file and line.

    Only the given documents are reported on, but a change that breaks an active desired state is reported at the
    document that breaks it.
    """
    given = list(documents)
    problems = _twice(given)
    catalogue = (active or Catalogue()).with_documents(given)
    for document in given:
        checker = _Checker(document, catalogue, active)
        checker.run()
        problems += checker.problems
    if active is not None and not problems:
        problems += _broken(given, active, catalogue)
    return sorted(problems, key=lambda problem: (problem.file, problem.line))


def _twice(documents: list[Document]) -> list[Problem]:
    seen: dict[tuple[str, str], Document] = {}
    problems = []
    for document in documents:
        first = seen.setdefault((document.kind, document.name), document)
        if first is not document:
            told = f"{document.kind} {document.name} is already declared at {first.file}:{first.line(('metadata',))}."
            problems.append(document.problem(("metadata", "name"), Wrong("declared_twice", told, "Rename one.")))
    return problems


def _broken(documents: list[Document], active: Catalogue, after: Catalogue) -> list[Problem]:
    given = {(document.kind, document.name) for document in documents}
    problems = []
    for key, document in active.documents.items():
        if key in given or isinstance(document.model, AcceptedGap):  # one that no longer fits accepts nothing
            continue
        checker = _Checker(document, after)
        checker.run()
        # What is in force already may compare with what never is: that has not come to be with this.
        for fault in [one for one in checker.problems if one.reason_code != choices.CODE][:1]:
            told = f"With this, the active {document.kind} {document.name} no longer holds: {fault.message}"
            problems.append(documents[0].problem((), Wrong("breaks_active", told, fault.hint)))
    return problems


_FILLED = {"text": "and a text", "date": '"{today + 14 days}"', "list": "[a, b]", "number": "1"}
"""How a parameter of each type could be filled in."""


class _Checker:
    def __init__(self, document: Document, catalogue: Catalogue, active: Catalogue | None = None) -> None:
        self._document, self._all, self._active = document, catalogue, active
        self.problems: list[Problem] = []

    def run(self) -> None:
        match self._document.model:
            case EntityType() as spec:
                self._entity_type(spec)
            case DesiredState() as spec:
                self._desired_state(spec)
            case ActionType() as spec:
                self._exists("System", spec.system, self._all.systems, ("system",))
            case ApprovalPolicy() as spec:
                self._policy(spec)
            case AcceptedGap() as spec:
                self._accepted_gap(spec)
            case Source() | System() | HolidayCalendar():
                pass

    def _report(self, path: Path, fault: Wrong) -> None:
        self.problems.append(self._document.problem(("spec", *path), fault))

    def _exists(self, kind: str, name: str, known: Iterable[str], path: Path) -> bool:
        names = list(known)
        if name in names:
            return True
        self._report(path, Wrong("unknown_name", f"There is no {kind} {name!r}.", did_you_mean(name, names)))
        return False

    def _entity_type(self, spec: EntityType) -> None:
        language = Language(row_scope(spec), ZoneInfo("UTC"), with_clock=False)
        for index, source in enumerate(spec.checks):
            try:
                language.compile(source)
            except Wrong as fault:
                self._report(("checks", index), fault)
        for name, relation in spec.related.items():
            self._relation(spec, relation, ("related", name))
        if not self.problems:
            compiling.relations(spec, self._all.entity_types, self._report)
        if not self.problems:
            former = self._active.entity_types.get(self._document.name) if self._active else None
            if former is not None and (former.events is None) != (spec.events is None):
                told = "Whether rows are events can't change: what is stored would mean something else from now on."
                hint = "Declare another entity type, and let the source report to that."
                self._report(("events",), Wrong("events_changed", told, hint))
            sensitivity.check_entity_type(spec, language, self._all.entity_types, former, self._report)

    def _relation(self, spec: EntityType, relation: Relation, path: Path) -> None:
        if not self._exists("entity type", relation.other, self._all.entity_types, path):
            return
        scope = scope_of(self._all.entity_types[relation.other])
        self._key(scope, relation.through, f"{relation.other}.{relation.through}", path)
        if relation.own is not None:
            self._key(scope_of(spec), relation.own, relation.own, path)
        dated = relation.by is None or not self._exists("attribute", relation.by, scope, path)
        if not dated and scope[relation.by or ""] not in ("date", "moment"):
            told = f"{relation.other}.{relation.by} is not a date."
            self._report(path, Wrong("not_a_date", told, "Name an attribute read with a date pattern."))

    def _key(self, scope: Scope, name: str, shown: str, path: Path) -> None:
        if self._exists("attribute", name, scope, path) and scope[name] not in ("text", "list"):
            told = f"{shown} is a {scope[name]}, not a key."
            self._report(path, Wrong("bad_relation", told, "Name an attribute read as text or list."))

    def _desired_state(self, spec: DesiredState) -> None:
        name = self._document.name
        state = compiling.desired_state(name, spec, self._all.declared, "", self._report)
        remediation = spec.remediation
        actions = self._listed(remediation.actions, "actions")
        process_actions = self._listed(remediation.process_actions, "processActions")
        for rule, steps in remediation.playbook.items():
            objective = any(one.name == rule for one in spec.objectives)
            what, allowed = ("processActions", process_actions) if objective else ("actions", actions)
            for index, step in enumerate(steps):
                path: Path = ("remediation", "playbook", rule, index)
                if self._allowed(step.action, allowed, (*path, "action"), what) and state:
                    self._step(step, path, SCOPE if objective else state.language.scope)
        self._renames(spec)
        if self._all.policy(name) is None:
            hint = "Add an ApprovalPolicy with: covers: " + name
            self._report((), Wrong("no_policy", f"No ApprovalPolicy covers {name}.", hint))
        if state is not None and not self.problems:
            types = self._all.entity_types
            choices.check(spec, types[spec.selector.entity], types, self._report)
            hidden = sensitivity.sensitive_variables(types[spec.selector.entity], types)
            for index, item in enumerate(spec.ignore):
                if item.entities:
                    self._names_none(types[spec.selector.entity], ("ignore", index, "entities"))
                if item.where is not None:
                    read = state.language.compile(item.where).reads
                    sensitivity.check_exemption(read, hidden, ("ignore", index, "where"), self._report)
            sensitivity.check_desired_state(state, hidden, self._report)

    def _listed(self, names: tuple[str, ...], field: str) -> tuple[str, ...]:
        """The actions that steps may name. Where the list itself is wrong, what it lacks may be what was meant: then
        any action that there is will do."""
        there = [
            self._exists("action", action, self._all.actions, ("remediation", field, index))
            for index, action in enumerate(names)
        ]
        return names if all(there) else (*names, *self._all.actions)

    def _renames(self, spec: DesiredState) -> None:
        """What goes on under another name must be one thing: of one sort, and not two that are active."""
        active = self._active.desired_states.get(self._document.name) if self._active else None
        if active is None:
            return
        rules, objectives = {rule.name for rule in active.rules}, {one.name for one in active.objectives}
        for path, item, former in spec.renames:
            same, other = (objectives, rules) if path[0] == "objectives" else (rules, objectives)
            if former in same and item in same:
                told = f"{former} and {item} are both active, so {item} was not called {former}."
                hint = "Drop formerly: what was two can't go on as one."
                self._report(path, Wrong("ambiguous_rename", told, hint))
            elif former in other:
                told = f"{former} is {'an objective' if former in objectives else 'a rule'} of the active version."
                hint = "Only a rule goes on as a rule, and an objective as an objective: drop formerly."
                self._report(path, Wrong("ambiguous_rename", told, hint))

    def _allowed(self, action: str, allowed: Iterable[str], path: Path, field: str) -> bool:
        names = list(allowed)
        if action not in names:
            told = f"There is no action {action!r} under remediation.{field}."
            hint = did_you_mean(action, names)
            if action in self._all.actions:
                hint = f"Add it there: {field}: [{', '.join([*names, action])}]"
            self._report(path, Wrong("unknown_name", told, hint))
        return action in names

    def _step(self, step: Step, path: Path, scope: Scope) -> None:
        action = self._all.actions.get(step.action)
        if action is None:
            return
        for name, template in step.parameters.items():
            if name not in action.parameters:
                told = f"{step.action} has no parameter {name!r}."
                self._report(
                    (*path, "with", name), Wrong("unknown_parameter", told, did_you_mean(name, action.parameters))
                )
                continue
            fill = partial(templates.parameter, template, action.parameters[name], scope)
            self._filled((*path, "with", name), fill)
        for name in action.parameters:
            if name not in step.parameters:
                told = f"{step.action} needs the parameter {name}."
                hint = f"Add {name}: {_FILLED[action.parameters[name]]}"
                self._report((*path, "with"), Wrong("missing_parameter", told, hint))
        if step.why:
            self._filled((*path, "why"), lambda: templates.parse(step.why or "", scope))

    def _filled(self, path: Path, parse: Callable[[], object]) -> None:
        try:
            parse()
        except Wrong as fault:
            self._report(path, fault)

    def _accepted_gap(self, spec: AcceptedGap) -> None:
        if not self._exists("desired state", spec.desired_state, self._all.desired_states, ("desiredState",)):
            return
        state = self._all.desired_states[spec.desired_state]
        objectives = {one.name for one in state.objectives}
        for index, rule in enumerate(spec.rules):
            if rule in objectives:
                told = f"{rule} is an objective, over all of them: only what single entities miss can be accepted."
                hint = "Name a rule under expectations or deadlines, or amend the objective."
                self._report(("rules", index), Wrong("unknown_name", told, hint))
                continue
            self._exists("rule", rule, [item.name for item in state.rules], ("rules", index))
        entity_type = self._all.entity_types.get(state.selector.entity)
        if entity_type is None:
            return
        if spec.entity is not None:
            self._names_none(entity_type, ("entity",))
        if spec.where is not None:
            scope = compiling.scope_with_relations(entity_type, self._all.entity_types)
            hidden = sensitivity.sensitive_variables(entity_type, self._all.entity_types)
            try:
                read = Language(scope, ZoneInfo("UTC")).compile(spec.where).reads
                sensitivity.check_exemption(read, hidden, ("where",), self._report)
            except Wrong as fault:
                self._report(("where",), fault)

    def _names_none(self, entity_type: EntityType, path: Path) -> None:
        """A declaration is stored in the clear: it names no entity by a key that is sensitive."""
        if entity_type.sensitive_key:
            told = f"{entity_type.key}, the key, is sensitive: it may not be written down, so none can be named here."
            self._report(
                path, Wrong("sensitive", told, "Say which by a condition on what is not sensitive: where: ...")
            )

    def _policy(self, spec: ApprovalPolicy) -> None:
        if not self._exists("desired state", spec.covers, self._all.desired_states, ("covers",)):
            return
        others = [name for name, other in self._all.policies.items() if other.covers == spec.covers]
        if len(others) > 1:
            told = f"{spec.covers} is covered by {' and '.join(sorted(others))}."
            self._report(("covers",), Wrong("covered_twice", told, "One policy covers one desired state."))
        state = self._all.desired_states[spec.covers]
        entity_type = self._all.entity_types.get(state.selector.entity)
        scope = scope_of(entity_type) if entity_type else {}
        for role, attribute in spec.owners.items():
            if role != "otherwise":
                self._exists("attribute", attribute, scope, ("owners", role))
        if entity_type is not None:
            sensitivity.check_policy(spec, entity_type, self._report)
        before = len(self.problems)
        language, conditions = compiling.policy_lines(spec, self._report)
        if len(self.problems) == before:
            self._covered(language, conditions)

    def _covered(self, language: Language, conditions: tuple[Condition, ...]) -> None:
        """Every kind of action must meet a line: otherwise nobody could approve it. Of what no line reads one value
        stands for all."""
        read = {name for when in conditions for name in when.reads}
        kinds = product(*(values if name in read else values[:1] for name, values in _KINDS.items()))
        for risk, severity, financial, production, criticality in kinds:
            system = System(about="-", owner="x", production=production, financial=financial, criticality=criticality)
            bound = language.bind(policy_facts(risk, severity, system))
            if all(language.decide(when, bound).status is Status.MISSED for when in conditions):
                where = f"a {'' if financial else 'non-'}financial system"
                told = f"No line says who approves an action of {risk} risk on {where}"
                hint = f"Add a line: {{when: risk == '{risk}', roles: {{...}}}}."
                self._report(("approvePlan",), Wrong("uncovered", f"{told} (severity {severity}).", hint))
                return
