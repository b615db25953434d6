"""What may be relied on, and what is to be left alone: feeds, accepted gaps, what is ignored."""

from datetime import timedelta
from typing import Literal, Self

from pydantic import Field, model_validator

from common.declarations.fields import Day, Expression, Name, Sentence, SpanText, Strict, Word
from common.declarations.periods import Period
from common.declarations.problems import refuse


class Source(Strict):
    """A feed by its name, and what may be relied on: how often it speaks, and that nothing of it is lost."""

    about: Sentence
    quiet_after: SpanText | None = None
    sequence: Literal["gapless"] | None = None
    late_by: SpanText = timedelta()


class AcceptedGap(Strict):
    """That rules are missed for an entity, or for those of a condition, is accepted until a day."""

    desired_state: Name
    entity: Sentence | None = None
    where: Expression | None = None
    rules: tuple[Name, ...] = Field(strict=False, min_length=1, max_length=50)
    reason: Sentence
    until: Day

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.entity is None) == (self.where is None):
            refuse(
                "accepts_what",
                "It must be clear what is accepted: one entity, or those of a condition.",
                "Write entity: \"2022-090\", or where: department == 'Parks', and not both.",
            )
        return self


class Ignore(Strict):
    """Entities, or rules that read an attribute, whose drift is not to be acted on."""

    entities: tuple[Sentence, ...] = Field(default=(), strict=False, max_length=1_000)
    where: Expression | None = None
    attributes: tuple[Word, ...] = Field(default=(), strict=False, max_length=50)
    because: Sentence

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.entities and self.where is None and not self.attributes:
            refuse(
                "ignores_all",
                "This would ignore everything.",
                "Name entities, a condition (where) or attributes.",
            )
        if self.entities and self.where is not None:
            refuse("ignores_what", "It names entities and a condition.", "Write entities: or where:, and not both.")
        return self


class SuspendAfter(Strict):
    """How often an action may be undone before people look."""

    cycles: int = Field(default=3, ge=1, le=100)
    within: SpanText = timedelta(days=90)


def check_steady(steady: timedelta | None, within: Period, rules: bool) -> None:
    """Refuse a time for which nothing may fail where it says nothing, or where no proof could come in time."""
    if steady is None:
        return
    if not rules:
        refuse(
            "bad_steady",
            "steady is asked of single entities, and here only objectives are declared.",
            "Drop steady:. An objective is damped by its window: and minimum:.",
            ("steady",),
        )
    if steady >= timedelta(days=within.count):
        refuse(
            "bad_steady",
            f"The proof must come within {within} of an execution, and a gap would not be closed before that.",
            "Write a shorter time than verification.within, such as: steady: 2 hours.",
            ("steady",),
        )
