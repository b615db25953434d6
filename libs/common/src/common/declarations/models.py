"""The kinds of declaration, each exactly as it may be written. Anything else is refused."""

import difflib
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from common.declarations import later, renaming, sql
from common.declarations.computing import ComputedText, Events, check_events
from common.declarations.effects import Verification
from common.declarations.fields import (
    Column,
    Dated,
    Day,
    Expression,
    Formerly,
    Level,
    Name,
    PeriodText,
    Quorum,
    Read,
    ReadText,
    Risk,
    Sentence,
    SpanText,
    Strict,
    Template,
    Word,
    Zone,
)
from common.declarations.handling import AcceptedGap, Ignore, Source, SuspendAfter, check_steady
from common.declarations.holidays import HolidayCalendar
from common.declarations.objectives import Objective
from common.declarations.problems import Path, did_you_mean, refuse, wrong

API_VERSION = "trueup/v1alpha1"
ROLES_APART = ("author", "confirmer", "approver", "releaser", "implementer")
RISKS = ("low", "medium", "high")
LEVELS = ("L0", "L1", "L2", "L3")
SEVERITIES = ("urgent", "high", "medium", "low")


def _ranked(value: dict[str, str]) -> dict[str, str]:
    """From urgent to low, however it was written: in a stored event the keys stand in alphabetical order."""
    return dict(sorted(value.items(), key=lambda item: SEVERITIES.index(item[0])))


class Attribute(Strict):
    column: Column = Field(alias="from")
    read: ReadText = Read(type="text")


class Relation(Strict):
    """A join: other entities whose `through` attribute names this entity's key, or with `as` what this entity has in
    that attribute. `where` is a condition on the far side, which reads this entity as `this.attribute`."""

    latest: Name | None = None
    earliest: Name | None = None
    count: Name | None = None
    through: Word
    own: Word | None = Field(default=None, alias="as")
    by: Word | None = None
    where: Expression | None = None

    @property
    def other(self) -> str:
        """The entity type at the far end."""
        return self.latest or self.earliest or self.count or ""

    @model_validator(mode="after")
    def _one_of_three(self) -> Self:
        if sum(item is not None for item in (self.latest, self.earliest, self.count)) != 1:
            refuse(
                "bad_relation",
                "A relation is the latest, the earliest or the count.",
                "Write {latest: retest, through: finding, by: tested_on} or {count: retest, through: finding}.",
            )
        if (self.count is None) != (self.by is not None):
            refuse(
                "bad_relation",
                "The latest and the earliest need to know by which date, and only they.",
                "Add by: with latest: or earliest:, or drop it.",
            )
        return self


class EntityType(Strict):
    about: Sentence
    source: Name
    key: Column
    fresh_for: PeriodText | None = None
    sensitive: tuple[str, ...] = Field(default=(), strict=False)
    checks: tuple[Expression, ...] = Field(default=(), strict=False, max_length=50)
    events: Events | None = None
    attributes: dict[Word, Attribute] = Field(min_length=1, max_length=500)
    computed: dict[Word, ComputedText] = Field(default={}, max_length=100)
    related: dict[Word, Relation] = Field(default={}, max_length=50)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        self._check_sensitive()
        if self.fresh_for is not None and (self.fresh_for.unit != "day" or self.fresh_for.count < 1):
            refuse("bad_period", "freshFor is counted in calendar days.", "Write: freshFor: 35 days.", ("freshFor",))
        fresh = self.source, None if self.fresh_for is None else self.fresh_for.count
        check_events(self.events, self.computed, self.attributes, fresh, self.sensitive_columns)
        for name in self.related:
            if name in self.attributes or name in self.computed:
                refuse(
                    "bad_name",
                    f"{name!r} is both an attribute and a relation.",
                    "Rename one of them.",
                    ("related", name),
                )
        return self

    def _check_sensitive(self) -> None:
        known = {*self.attributes, *(attribute.column for attribute in self.attributes.values())}
        for index, name in enumerate(self.sensitive):
            near = difflib.get_close_matches(name, known - {name}, n=1, cutoff=0.85)
            if name not in known and near:
                refuse(
                    "unknown_attribute",
                    f"sensitive names {name!r}, which is no attribute and no column that is read.",
                    f"Did you mean {near[0]}? A column that is not read may be named, but not so like another.",
                    ("sensitive", index),
                )

    @property
    def sensitive_key(self) -> bool:
        """Whether entities are known by a pseudonym of their key (`common.pseudonyms`)."""
        return self.key in self.sensitive_columns

    @property
    def sensitive_columns(self) -> frozenset[str]:
        """The columns whose values are sealed: of an attribute that is named its own, else the column of that name.
        Every attribute that is read from one of them is sensitive."""
        return sensitive_columns(self.sensitive, {name: item.column for name, item in self.attributes.items()})

    @property
    def sensitive_attributes(self) -> frozenset[str]:
        """The attributes that are read from a sensitive column."""
        hidden = self.sensitive_columns
        return frozenset(name for name, item in self.attributes.items() if item.column in hidden)


def sensitive_columns(sensitive: Iterable[str], columns: Mapping[str, str]) -> frozenset[str]:
    """The columns that `sensitive` means; `columns`: attribute → its column."""
    return frozenset(columns.get(name, name) for name in sensitive)


class Selector(Strict):
    entity: Name
    where: Expression | None = None


class Expectation(Strict):
    name: Name
    formerly: Formerly = ()
    when: Expression | None = None
    expect: Expression
    says: Sentence


class Deadline(Strict):
    name: Name
    formerly: Formerly = ()
    when: Expression | None = None
    expect: Expression
    by: Dated
    plus: PeriodText | None = None
    lead: PeriodText | None = None
    says: Sentence


class Step(Strict):
    """One step of the playbook: an action and its parameters, with `{attribute}` filled in from the entity."""

    action: Name
    parameters: dict[Word, Template] = Field(default={}, alias="with")
    why: Sentence | None = None


Steps = Annotated[tuple[Step, ...], Field(strict=False, min_length=1, max_length=20)]


class Remediation(Strict):
    autonomy: Level
    suspend_after: SuspendAfter = SuspendAfter()
    actions: tuple[Name, ...] = Field(default=(), strict=False, max_length=50)
    process_actions: tuple[Name, ...] = Field(default=(), strict=False, max_length=50)
    playbook: dict[Name, Steps] = Field(default={})
    people_only: Expression | None = None

    def allowed(self, key: str) -> tuple[str, ...]:
        """The actions for a case by its entity's key: those for one entity, or for the whole population (`*`)."""
        return self.process_actions if key == "*" else self.actions


class DesiredState(Strict):
    statement: Sentence
    basis: Sentence
    owner: Name
    effective: Day
    timezone: Zone | None = None
    holidays: Name | None = None
    selector: Selector
    done: Expression
    severity: Annotated[dict[Literal["urgent", "high", "medium", "low"], Expression], AfterValidator(_ranked)] = (
        Field(
            min_length=1,
            title="conditions by severity",
            examples=[{"high": "amount > 1000.0", "medium": "otherwise"}],
        )
    )
    expectations: tuple[Expectation, ...] = Field(default=(), strict=False, max_length=100)
    deadlines: tuple[Deadline, ...] = Field(default=(), strict=False, max_length=100)
    objectives: tuple[Objective, ...] = Field(default=(), strict=False, max_length=50)
    ignore: tuple[Ignore, ...] = Field(default=(), strict=False, max_length=50)
    steady: SpanText | None = None
    verification: Verification
    remediation: Remediation

    @property
    def rules(self) -> tuple[Expectation | Deadline, ...]:
        """Expectations, then deadlines, in the order written."""
        return (*self.expectations, *self.deadlines)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [rule.name for rule in (*self.rules, *self.objectives)]
        rules = len(self.rules)
        for index, name in enumerate(names):
            at: Path = ("deadlines", index - len(self.expectations))
            if index < len(self.expectations):
                at = ("expectations", index)
            elif index >= rules:
                at = ("objectives", index - rules)
            if name in ("done", "fresh"):
                refuse("bad_name", f"A rule cannot be named {name!r}: there is one already.", "Rename it.", at)
            if name in names[:index]:
                refuse("duplicate_rule", f"Two rules are named {name!r}.", "Each rule needs its own name.", at)
        renaming.check(names, self.renames)
        if not names:
            refuse("no_rules", "Nothing is expected.", "Add at least one entry under expectations or deadlines.")
        check_steady(self.steady, self.verification.within, bool(self.rules))
        *_, (_, last) = self.severity.items()
        if last != "otherwise" or list(self.severity.values()).count("otherwise") != 1:
            refuse(
                "bad_severity",
                "Exactly the last severity must be the one for all other cases.",
                "End with: medium: otherwise.",
                ("severity",),
            )
        for rule in self.remediation.playbook:
            if rule not in names:
                raise wrong(
                    "unknown_rule",
                    f"The playbook names the rule {rule!r}.",
                    did_you_mean(rule, names),
                    ("remediation", "playbook", rule),
                )
        return self

    @property
    def renames(self) -> tuple[renaming.Renamed, ...]:
        """Every rule and objective that was called otherwise."""
        rules = (("expectations", self.expectations), ("deadlines", self.deadlines))
        return renaming.renamed((*rules, ("objectives", self.objectives)))


class Limits(Strict):
    per_case: int | None = Field(default=None, ge=1)
    per_day: int | None = Field(default=None, ge=1)
    at_once: int | None = Field(default=None, ge=1)


class Sql(Strict):
    statement: str


class ActionType(Strict):
    does: Sentence
    system: Name
    provider: Literal["sql", "manual"]
    risk: Risk
    autonomy: Level
    undo: Sentence | None = None
    reversible: bool = True
    when_unknown: Literal["allowed", "refused"] = "refused"
    parameters: dict[Word, Literal["text", "date", "list", "number"]] = Field(default={}, max_length=50)
    limits: Limits = Limits()
    sql: Sql | None = None

    @model_validator(mode="before")
    @classmethod
    def _offered(cls, value: Any) -> Any:
        if isinstance(value, dict) and value.get("provider") in later.PROVIDERS:
            refuse(
                "not_offered_yet",
                f"provider {value['provider']} is known but not offered yet by this version.",
                "Use sql or manual.",
                ("provider",),
            )
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.reversible != (self.undo is not None):
            refuse(
                "bad_undo",
                "It must be clear whether the action can be undone.",
                "Write how: undo: Cancel the ticket. Or: reversible: false, without undo.",
            )
        if self.autonomy == "L3" and (self.risk != "low" or not self.reversible):
            refuse(
                "autonomy_too_high",
                "L3 is for actions of low risk that can be undone.",
                "Write: autonomy: L2.",
                ("autonomy",),
            )
        sql.check_offered(self.provider, self.sql.statement if self.sql else None, self.parameters)
        return self


class System(Strict):
    about: Sentence
    owner: Name
    production: bool
    financial: bool
    criticality: Risk = "medium"


Apart = tuple[Literal["author", "confirmer", "approver", "releaser", "implementer"], ...]


class ApprovePlanLine(Strict):
    when: Expression
    roles: Quorum


class ApprovalPolicy(Strict):
    covers: Name
    confirm_gap: Quorum
    approve_plan: tuple[ApprovePlanLine, ...] = Field(strict=False, min_length=1, max_length=50)
    release_step: Quorum
    apart: Apart = Field(strict=False, title="all five parts", examples=[list(ROLES_APART)])
    owners: dict[str, str] = Field(default={})
    expires: PeriodText

    @model_validator(mode="after")
    def _one_person_steps(self) -> Self:
        for name, quorum in (("confirmGap", self.confirm_gap), ("releaseStep", self.release_step)):
            if sum(quorum.values()) != 1:
                refuse(
                    "not_offered_yet",
                    f"{name} by more than one person is known but not offered yet by this version.",
                    f"Name one role and one person: {name}: {{{next(iter(quorum))}: 1}}.",
                    (name,),
                )
        return self

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if set(self.apart) != set(ROLES_APART) or len(self.apart) != len(ROLES_APART):
            refuse(
                "apart_incomplete",
                "One person may not take two parts in a case.",
                f"Write: apart: [{', '.join(ROLES_APART)}].",
                ("apart",),
            )
        if self.owners and "otherwise" not in self.owners:
            refuse(
                "no_fallback",
                "owners does not say who decides when nobody is named.",
                "Add otherwise: head-of-compliance.",
                ("owners",),
            )
        return self


KINDS: dict[str, type[Strict]] = {
    "Source": Source,
    "EntityType": EntityType,
    "DesiredState": DesiredState,
    "ActionType": ActionType,
    "System": System,
    "HolidayCalendar": HolidayCalendar,
    "AcceptedGap": AcceptedGap,
    "ApprovalPolicy": ApprovalPolicy,
}
Spec = Source | AcceptedGap | EntityType | DesiredState | ActionType | System | HolidayCalendar | ApprovalPolicy
