"""What a change may not do elsewhere: the declared watch over secondary effects, and cohorts to compare."""

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Self

from pydantic import Field, model_validator

from common.declarations.expressions import Condition
from common.declarations.fields import Expression, PeriodText, Sentence, Strict
from common.declarations.objectives import CompiledObjective, Objective, number_of
from common.declarations.problems import refuse

_UNCHANGED = re.compile(r"\s*unchanged\(\s*([A-Za-z_][\w.]*)\s*\)\s*")


class Watch(Strict):
    """One secondary effect: a share or a count over all selected entities that may rise only so far, or what must
    hold for the case's own entity."""

    count: Expression | None = None
    share: Expression | None = None
    expect: Expression | None = None
    may_rise_by: str | int | None = None
    says: Sentence

    @property
    def what(self) -> str:
        """As it was declared: `share: withdrawn`."""
        return next(f"{name}: {text}" for name in ("count", "share", "expect") if (text := getattr(self, name)))

    @property
    def unchanged(self) -> str | None:
        """The attribute that may not change, where that is what is expected."""
        found = _UNCHANGED.fullmatch(self.expect or "")
        return found[1] if found else None

    @property
    def rise(self) -> Fraction:
        """By how much the measure may rise."""
        return number_of("count" if self.count else "share", self.may_rise_by) or Fraction(0)

    @property
    def objective(self) -> Objective | None:
        """The measure, as an objective is declared; its target is not used."""
        if self.expect is not None:
            return None
        of = {"count": self.count, "atLeast": 0} if self.count else {"share": self.share, "atLeast": "0 %"}
        return Objective.model_validate({"name": "watch", **of})

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if sum(one is not None for one in (self.count, self.share, self.expect)) != 1:
            refuse("bad_watch", "A watch is a count, a share or what is expected.",
                   "Write one of them: {share: withdrawn, mayRiseBy: 2 %, says: More give up.}")  # fmt: skip
        if (self.expect is None) == (self.may_rise_by is None):
            refuse("bad_watch", "A count or a share says by how much it may rise, and only they.",
                   "Add or drop mayRiseBy:.")  # fmt: skip
        if self.expect is None and number_of("count" if self.count else "share", self.may_rise_by) is None:
            hint = "Write a whole number: mayRiseBy: 0." if self.count else "Write a share: mayRiseBy: 2 %."
            refuse("bad_watch", f"It can't rise by {self.may_rise_by!r}.", hint, ("mayRiseBy",))
        return self


class Cohorts(Strict):
    """How long before and after a change of the process the same measure is taken."""

    before: PeriodText
    after: PeriodText

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for name, period in (("before", self.before), ("after", self.after)):
            if period.unit != "day" or period.count < 1:
                refuse("bad_period", "Cohorts are counted in calendar days.", f"Write: {name}: 30 days.", (name,))
        return self


class Verification(Strict):
    proof: Expression
    soak: PeriodText
    within: PeriodText
    watch: tuple[Watch, ...] = Field(default=(), strict=False, max_length=20)
    cohorts: Cohorts | None = None


@dataclass(frozen=True, slots=True)
class CompiledWatch:
    """A watch ready to be measured: `objective` over the population, else `expect` or the attribute `unchanged` of
    the case's entity."""

    spec: Watch
    objective: CompiledObjective | None = None
    expect: Condition | None = None
    unchanged: str | None = None
