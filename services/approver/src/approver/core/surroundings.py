"""What a decision about a case depends on besides its events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from common.cases import Case
from common.declarations.catalogue import Catalogue
from common.directory import Directory
from common.events.model import Fact, Value
from common.facts import attribute_values, facts_named
from common.service_keys import ServiceKeys


@dataclass(frozen=True)
class Surroundings:
    """The active declarations, who may do what, which services' keys count, and the facts of the case's entity as
    they are now, by name.

    `told` is what the entity's own attributes said when last reported: for people to read, nothing rests on it.
    `exempt` are its rules that are to be left alone now, each accepted or ignored.
    `facts` is empty when the entity is not known (any more) or its desired state is not active: all is Unknown.
    """

    catalogue: Catalogue
    directory: Directory
    service_keys: ServiceKeys
    facts: Mapping[str, Fact]
    told: Mapping[str, Fact] = field(default_factory=dict)
    exempt: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def attributes(self) -> dict[str, Value]:
        """The facts as plain values, None where unknown: approval policies are routed by these."""
        return attribute_values(self.facts)

    def timezone_of(self, desired_state: str) -> str:
        """The time zone in which this desired state counts its days: its own, or else the realm's."""
        declared = self.catalogue.desired_states.get(desired_state)
        return (declared.timezone if declared is not None else None) or self.catalogue.timezone

    def facts_now(self, case: Case) -> list[Fact]:
        """The facts that the case's plan relies on, as they are now. Raises ValueError when there is no plan."""
        if case.plan is None:
            raise ValueError(f"case {case.id} has no plan")
        return facts_named(self.facts, [fact.name for fact in case.plan.data.facts])
