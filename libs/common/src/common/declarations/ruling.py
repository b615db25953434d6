"""What came of one rule for one entity at one instant."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol, TypeAlias

from common.declarations.exempting import Exemption
from common.declarations.known import Fact
from common.declarations.templates import Template
from common.declarations.values import Status

RuleKind: TypeAlias = Literal["expectation", "deadline", "freshness", "done"]


class Seen(Protocol):
    """Where facts are looked up, and sentences filled in."""

    def facts(self, names: tuple[str, ...]) -> tuple[Fact, ...]: ...

    def text(self, template: Template) -> str: ...


@dataclass(slots=True)  # not frozen: that triples the cost of making one, and one is made for every rule and entity
class RuleResult:
    """One rule decided. Never changed after it was made.

    `status` is Pending only for a deadline that lies ahead and is not met yet. `applies` is False when `when` is
    Missed (the rule then counts as Met). `says` is the rule's sentence with the facts filled in, empty when Met.
    `due` is a deadline's instant (UTC) when it can be told, or when freshness ends; `soon` is the instant from which
    it is due soon, where it has a lead. `reason` says why it is Unknown.
    `reads` are the variables the rule depends on, `facts` what they were. Sentence and facts are made when asked
    for, because most rules hold or lie ahead and nobody asks.
    """

    name: str
    kind: RuleKind
    status: Status
    due: datetime | None = None
    reason: str = ""
    reads: tuple[str, ...] = ()
    applies: bool = True
    sentence: "Template | str" = ""
    soon: datetime | None = None
    seen: "Seen | None" = field(default=None, repr=False, compare=False)
    exempt: Exemption | None = None

    @property
    def says(self) -> str:
        if isinstance(self.sentence, str) or self.seen is None:
            return str(self.sentence)
        return self.seen.text(self.sentence)

    @property
    def facts(self) -> tuple[Fact, ...]:
        return () if self.seen is None else self.seen.facts(self.reads)
