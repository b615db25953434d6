"""The active declarations, and what follows from them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol, TypeVar

from common.canonical import digest
from common.declarations import compiling, templates
from common.declarations.evaluation import CompiledDesiredState
from common.declarations.handling import AcceptedGap, Source
from common.declarations.holidays import HolidayCalendar
from common.declarations.loader import Document, parse_spec
from common.declarations.models import (
    LEVELS,
    ActionType,
    ApprovalPolicy,
    ApprovePlanLine,
    DesiredState,
    EntityType,
    Relation,
    Spec,
    Step,
    System,
)
from common.declarations.periods import Period
from common.declarations.problems import Path, Wrong
from common.declarations.reading import Reader
from common.declarations.relations import CompiledRelation
from common.declarations.values import Slot, Status, Unknown
from common.errors import Permanent
from common.objectives.scope import SCOPE

_S = TypeVar("_S", Source, AcceptedGap, EntityType, DesiredState, ActionType, System, HolidayCalendar, ApprovalPolicy)


class Activated(Protocol):
    """What `Catalogue.apply` reads of a DeclarationActivated event."""

    @property
    def kind(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def spec(self) -> dict[str, Any]: ...
    @property
    def author(self) -> str: ...
    @property
    def authors(self) -> Sequence[str]: ...


@dataclass(frozen=True, slots=True)
class Join:
    """`reader` has the relation `name`: rows of `other` whose attribute `through` names the reader, by its key or by
    what it has in its attribute `own`."""

    reader: str
    name: str
    other: str
    through: str
    own: str | None
    relation: Relation


@dataclass(frozen=True, slots=True)
class PlaybookStep:
    """One step of the playbook, filled in for an entity. A parameter that cannot be filled is Unknown."""

    rule: str
    action: str
    parameters: Mapping[str, Slot]
    why: str


MOST_COMPILED = 256
_COMPILED: dict[tuple[str, str, str], CompiledDesiredState] = {}
"""By name, `decided_by` and the realm's timezone, on which all of it depends; the oldest go first."""


@dataclass(frozen=True)
class Catalogue:
    """Immutable: `apply` and `with_documents` give a new one. What a version compiles to is kept for the process.

    `timezone` is the realm's, for desired states that name none.
    """

    documents: Mapping[tuple[str, str], Document] = field(default_factory=dict)
    timezone: str = "UTC"
    authors: Mapping[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    _versions: dict[str, str] = field(default_factory=dict, init=False, repr=False, compare=False)
    _decided: dict[str, str] = field(default_factory=dict, init=False, repr=False, compare=False)

    def with_documents(self, documents: Iterable[Document]) -> "Catalogue":
        """This catalogue with the documents in force; those of the same kind and name are replaced."""
        merged = {**self.documents, **{(item.kind, item.name): item for item in documents}}
        return replace(self, documents=merged)

    def apply(self, data: Activated) -> "Catalogue":
        """This catalogue after a DeclarationActivated. Raises Permanent when the spec cannot be read."""
        try:
            applied = self.with_documents([parse_spec(data.kind, data.name, data.spec)])
        except Wrong as fault:
            raise Permanent("declaration_unreadable", str(fault)) from fault
        wrote = (data.author, *data.authors)
        return replace(applied, authors={**self.authors, (data.kind, data.name): wrote})

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) over all documents; that of none is a digest, too."""
        return digest(sorted([kind, name, item.digest] for (kind, name), item in self.documents.items()))

    @cached_property
    def entity_types(self) -> Mapping[str, EntityType]:
        return self._of(EntityType)

    @cached_property
    def sources(self) -> Mapping[str, Source]:
        return self._of(Source)

    @cached_property
    def accepted_gaps(self) -> Mapping[str, AcceptedGap]:
        return self._of(AcceptedGap)

    @cached_property
    def desired_states(self) -> Mapping[str, DesiredState]:
        return self._of(DesiredState)

    @cached_property
    def actions(self) -> Mapping[str, ActionType]:
        return self._of(ActionType)

    @cached_property
    def systems(self) -> Mapping[str, System]:
        return self._of(System)

    @cached_property
    def calendars(self) -> Mapping[str, HolidayCalendar]:
        return self._of(HolidayCalendar)

    @cached_property
    def policies(self) -> Mapping[str, ApprovalPolicy]:
        return self._of(ApprovalPolicy)

    @cached_property
    def readers(self) -> Mapping[str, Reader]:
        """A prepared reader of rows for each entity type."""
        return {name: Reader(entity_type) for name, entity_type in self.entity_types.items()}

    @cached_property
    def logs(self) -> frozenset[str]:
        """The entity types whose source is a log: each row is one event of a case."""
        return frozenset(name for name, spec in self.entity_types.items() if spec.events is not None)

    def desired_states_for(self, entity_type: str) -> tuple[str, ...]:
        """The desired states that select entities of this type and can be decided, by name."""
        return tuple(
            name
            for name, spec in sorted(self.desired_states.items())
            if spec.selector.entity == entity_type and not self.missing(name)
        )

    def desired_states_reading(self, feed: str) -> tuple[str, ...]:
        """The desired states that can be decided and read what this feed reports, by name."""
        return tuple(
            name for name in sorted(self.desired_states) if not self.missing(name) and feed in self._feeds_read(name)
        )

    def missing(self, name: str) -> tuple[str, ...]:
        """The entity types and the calendar that a desired state needs and that are not there (`kind/name`)."""
        types = tuple(f"EntityType/{item}" for item in self._types_read(name) if item not in self.entity_types)
        calendar = self.desired_states[name].holidays
        return types if calendar is None or calendar in self.calendars else (*types, f"HolidayCalendar/{calendar}")

    @cached_property
    def declared(self) -> compiling.Declared:
        """What desired states are compiled with."""
        accepted = {
            name: (spec, self.documents["AcceptedGap", name].digest) for name, spec in self.accepted_gaps.items()
        }
        return compiling.Declared(self.entity_types, self.calendars, self.timezone, accepted)

    def compiled(self, name: str) -> CompiledDesiredState:
        """The desired state, ready to decide. Raises Permanent when it is not active or does not compile."""
        version, key = self.version_digest(name), (name, self.decided_by(name), self.timezone)
        if (known := _COMPILED.get(key)) is not None:
            return known
        faults: list[str] = []

        def report(path: Path, fault: Wrong) -> None:
            faults.append(f"{'.'.join(map(str, path))}: {fault}")

        state = compiling.desired_state(name, self.desired_states[name], self.declared, version, report)
        if state is None or faults:
            raise Permanent("declaration_unreadable", f"{name} cannot be decided: {'; '.join(faults)}")
        if len(_COMPILED) >= MOST_COMPILED:
            del _COMPILED[next(iter(_COMPILED))]
        _COMPILED[key] = state
        return state

    def version_digest(self, name: str) -> str:
        """SHA-256 (hex) over all that the desired state's decisions depend on: itself, the entity types it reads, its
        calendar, its actions and their systems. The policy has its own: `policy_digest`. What is asked of a source
        decides nothing by itself: where it is in doubt, facts are Unknown, and those are what approvals bind to."""
        if name not in self.desired_states:
            raise Permanent("not_active", f"There is no active desired state {name!r}.")
        if name not in self._versions:
            parts = [[kind, item, self.documents[kind, item].spec] for kind, item in self.depends_on(name)]
            self._versions[name] = digest(parts)
        return self._versions[name]

    def decided_by(self, name: str) -> str:
        """The version, with the sources that are read and the gaps that are accepted: where it changes, every entity
        is looked at again. None of these is another version: a case that they do not concern keeps its plan."""
        if (known := self._decided.get(name)) is not None:
            return known
        version = self.version_digest(name)
        parts = [[kind, item, self.documents[kind, item].spec] for kind, item in self.heeds(name)]
        decided = self._decided[name] = digest([version, parts]) if parts else version
        return decided

    def policy_name(self, name: str) -> str | None:
        """The name of the ApprovalPolicy that covers a desired state."""
        return next((item for item, spec in sorted(self.policies.items()) if spec.covers == name), None)

    def policy(self, name: str) -> ApprovalPolicy | None:
        """The ApprovalPolicy that covers a desired state."""
        found = self.policy_name(name)
        return self.policies[found] if found else None

    def policy_digest(self, name: str) -> str | None:
        """SHA-256 (hex) over the policy that covers a desired state; None when none does."""
        found = self.policy_name(name)
        return self.documents["ApprovalPolicy", found].digest if found else None

    def required_approvals(self, name: str, actions: Iterable[str], severity: str) -> dict[str, int]:
        """Gate 2 for a plan of these actions: of all lines that match for any action, united, the larger quorum of
        each role. Raises Permanent (`no_approval_line`) when an action matches none: then nobody may approve."""
        quorum: dict[str, int] = {}
        for action in actions:
            lines = self.matching_lines(name, action, severity)
            if not lines:
                raise Permanent("no_approval_line", f"No line of the policy for {name} covers the action {action}.")
            for line in lines:
                for role, count in line.roles.items():
                    quorum[role] = max(count, quorum.get(role, 0))
        return quorum

    def matching_lines(self, name: str, action: str, severity: str) -> tuple[ApprovePlanLine, ...]:
        """The approvePlan lines that match one action at one severity; one that can't be decided matches."""
        policy = self.policy(name)
        if policy is None:
            return ()
        language, conditions = self._policy_conditions[name]
        bound = language.bind(policy_facts(self.actions[action].risk, severity, self._system(action)))
        pairs = zip(policy.approve_plan, conditions, strict=True)
        return tuple(line for line, when in pairs if language.decide(when, bound).status is not Status.MISSED)

    def effective_level(self, name: str, action: str) -> str:
        """The Trust Ladder level (`L0`..`L3`) at which an action of a desired state runs: the lowest that the
        declaration and the action allow, and never above L2 on a production financial system."""
        levels = [self.desired_states[name].remediation.autonomy, self.actions[action].autonomy]
        system = self._system(action)
        if system.production and system.financial:
            levels.append("L2")
        return min(levels, key=LEVELS.index)

    @cached_property
    def relations(self) -> Mapping[str, tuple[CompiledRelation, ...]]:
        """The relations of each entity type, each after those that it reads. Raises Permanent where one does not
        compile."""
        types = self.entity_types
        return {name: compiling.relations(item, types, _raise) for name, item in types.items()}

    def joins(self) -> tuple[Join, ...]:
        """Every declared relation, in a stable order."""
        return self._joins

    def joins_from(self, other: str) -> tuple[Join, ...]:
        """Whom a row of `other` concerns: those of `join.reader` whose key (or `join.own`) its `join.through` names,
        before or after the change."""
        return tuple([join for join in self._joins if join.other == other])

    def joins_of(self, reader: str) -> tuple[Join, ...]:
        """The relations of one entity type."""
        return tuple([join for join in self._joins if join.reader == reader])

    def playbook(self, name: str, rule: str, slots: Mapping[str, Slot]) -> tuple[PlaybookStep, ...]:
        """The steps declared for a failing rule, filled in from an entity's slots (`evaluation.slots_of`), or for an
        objective from those of its measure (`population.template_slots`)."""
        state = self.compiled(name)
        return tuple(
            self._step(rule, step, state, slots)
            for step in self.desired_states[name].remediation.playbook.get(rule, ())
        )

    def owner_role(self, name: str, role: str, slots: Mapping[str, Slot]) -> tuple[str, str]:
        """Who stands for a routed role (`owners` of the policy) for an entity: `(attribute value, "")` when the
        routing attribute has one value, else `("", fallback role)`. A role that is not routed: `("", role)`."""
        owners = policy.owners if (policy := self.policy(name)) else {}
        if role not in owners:
            return "", role
        value = slots.get(owners[role])
        if value is None or isinstance(value, Unknown):
            return "", owners["otherwise"]
        return str(value), ""

    def _step(self, rule: str, step: Step, state: CompiledDesiredState, slots: Mapping[str, Slot]) -> PlaybookStep:
        objective = any(one.name == rule for one in state.objectives)
        scope, calendar = SCOPE if objective else state.language.scope, state.calendar
        kinds = self.actions[step.action].parameters
        filled = {
            name: templates.parameter(template, kinds[name], scope, calendar)(slots)
            for name, template in step.parameters.items()
        }
        why = templates.parse(step.why, scope, calendar).text(slots) if step.why else ""
        return PlaybookStep(rule, step.action, filled, why)

    def author_of(self, name: str) -> str:
        """The person who proposed the active version of a desired state; empty when it was not activated here."""
        return next(iter(self.authors_of(name)), "")

    def authors_of(self, name: str) -> tuple[str, ...]:
        """Everybody who wrote the active version: who proposed it, then those whose commits it is made of."""
        return self.authors.get(("DesiredState", name), ())

    def _of(self, kind: type[_S]) -> Mapping[str, _S]:
        return {name: item.model for (_, name), item in self.documents.items() if isinstance(item.model, kind)}

    def _system(self, action: str) -> System:
        return self.systems[self.actions[action].system]

    @cached_property
    def _joins(self) -> tuple[Join, ...]:
        return tuple(
            Join(reader, name, relation.other, relation.through, relation.own, relation)
            for reader, entity_type in sorted(self.entity_types.items())
            for name, relation in entity_type.related.items()
        )

    @cached_property
    def _policy_conditions(self) -> Mapping[str, Any]:
        return {spec.covers: compiling.policy_lines(spec, _raise) for spec in self.policies.values()}

    def _types_read(self, name: str) -> tuple[str, ...]:
        first = self.desired_states[name].selector.entity
        related = self.entity_types[first].related.values() if first in self.entity_types else ()
        return tuple(dict.fromkeys((first, *(relation.other for relation in related))))

    def _feeds_read(self, name: str) -> set[str]:
        return {self.entity_types[item].source for item in self._types_read(name) if item in self.entity_types}

    def heeds(self, name: str) -> list[tuple[str, str]]:
        """The documents that are there (kind, name) over which `decided_by` goes beside the version."""
        gaps = [item for item, gap in sorted(self.accepted_gaps.items()) if gap.desired_state == name]
        feeds = [feed for feed in sorted(self._feeds_read(name)) if feed in self.sources]
        return [*(("AcceptedGap", item) for item in gaps), *(("Source", feed) for feed in feeds)]

    def depends_on(self, name: str) -> list[tuple[str, str]]:
        """The documents that are there (kind, name) over which `version_digest` goes."""
        remediation = self.desired_states[name].remediation
        actions = dict.fromkeys((*remediation.actions, *remediation.process_actions))
        systems = {self.actions[action].system for action in actions if action in self.actions}
        wanted = [("DesiredState", name), *(("EntityType", item) for item in self._types_read(name))]
        wanted += [("ActionType", item) for item in actions]
        wanted += [("System", item) for item in systems]
        wanted += [("HolidayCalendar", self.desired_states[name].holidays or "")]
        return sorted(item for item in wanted if item in self.documents)


def policy_facts(risk: str, severity: str, system: System) -> dict[str, Slot]:
    """The variables of a policy line."""
    return {
        "risk": risk,
        "severity": severity,
        "system.financial": system.financial,
        "system.production": system.production,
        "system.criticality": system.criticality,
    }


def _raise(_: Path, fault: Wrong) -> None:
    raise Permanent("declaration_unreadable", str(fault))


__all__ = ["Activated", "Catalogue", "Document", "Join", "Period", "PlaybookStep", "Spec", "policy_facts"]
