"""What the planner knows when it is asked to draft: one case, the declarations that count, the facts as they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from common.cases import Case, Said
from common.declarations.catalogue import Catalogue
from common.declarations.evaluation import CompiledDesiredState, Evaluation
from common.declarations.values import Slot
from common.events.differ import FailingRule, GapSnapshot
from common.events.model import Fact
from common.facts import facts_named
from common.objectives.population import POPULATION, Stood, template_slots


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """Everything a draft may rest on.

    `catalogue` is what is active now, `evaluation` the desired state's result for the entity at `asof` (the realm
    clock). `slots` holds every variable as the templates read it, `facts` every attribute by name as events write
    it, known or not. Of a whole population the facts are whether its objectives are met, and `stood` what was said of
    them last. The desired state must be active.
    """

    case: Case
    catalogue: Catalogue
    evaluation: Evaluation
    slots: Mapping[str, Slot]
    facts: Mapping[str, Fact]
    asof: datetime
    stood: Mapping[str, Stood] = field(default_factory=dict)

    @property
    def gap_said(self) -> Said[GapSnapshot]:
        """The event that recorded the gap last. Ask only for a case that has one."""
        if self.case.gap is None:
            raise ValueError(f"no gap is recorded for {self.case.id}")
        return self.case.gap

    @property
    def gap(self) -> GapSnapshot:
        """The gap as it is recorded last."""
        return self.gap_said.data

    @property
    def state(self) -> CompiledDesiredState:
        """The desired state that counts now."""
        return self.catalogue.compiled(self.gap.desired_state)

    @property
    def gap_event(self) -> str:
        """The id of the event that recorded the gap last."""
        return self.gap_said.event.id

    @property
    def allowed(self) -> tuple[str, ...]:
        """The actions that the declaration lists for such a case."""
        return self.state.spec.remediation.allowed(self.gap.key)

    def step_slots(self, rule: str) -> Mapping[str, Slot]:
        """What the playbook's steps for a rule are filled in with."""
        if self.gap.key != POPULATION:
            return self.slots
        return template_slots(self.stood.get(rule), self.asof, self.state.zone)

    def facts_named(self, names: Iterable[str]) -> list[Fact]:
        """The attributes `names` as they are now, each once, in the given order. The clock is not a fact."""
        return facts_named(self.facts, names)

    def rule_facts(self, rule: FailingRule) -> list[Fact]:
        """The facts of a failing rule as they are now."""
        return self.facts_named(fact.name for fact in rule.facts)


def gate_one_stands(case: Case) -> bool:
    """Whether people have confirmed exactly what fails now.

    Stricter than `Case.confirmed`, which lets an authorised plan finish: a new draft needs today's confirmation.
    """
    if case.gap is None or case.confirmation is None or case.dispute is not None:
        return False
    return case.confirmation.data.decision.subject == case.gap.data.digest
