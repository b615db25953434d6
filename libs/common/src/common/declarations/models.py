"""The kinds of declaration, each exactly as it may be written. Anything else is refused."""

import re
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, InstanceOf, model_validator
from pydantic.alias_generators import to_camel

from common.declarations import datepatterns, later, periods, sql
from common.declarations.problems import Wrong, did_you_mean, refuse, wrong
from common.declarations.values import ValueType

API_VERSION = "trueup/v1alpha1"
ROLES_APART = ("author", "confirmer", "approver", "releaser", "implementer")
RISKS = ("low", "medium", "high")
LEVELS = ("L0", "L1", "L2", "L3")
SEVERITIES = ("urgent", "high", "medium", "low")

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_WORD = re.compile(r"[a-z][a-z0-9_]*")
_TAKEN = frozenset(
    # what CEL reserves, and what conditions and templates already mean
    """as break const continue else false for function if import in let loop namespace null package return true var void
    while days done dyn has known now risk severity system this today unchanged""".split()  # noqa: SIM905 (readable)
)


class Strict(BaseModel):
    """Every model here: no unknown field, no coercion, no change after reading."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, alias_generator=to_camel)


def _name(value: str) -> str:
    if not _NAME.fullmatch(value) or len(value) > 63:
        refuse("bad_name", f"{value!r} is not a name.", "Use lower-case letters, digits and hyphens: late-payments.")
    return value


def _word(value: str) -> str:
    if not _WORD.fullmatch(value) or len(value) > 63:
        refuse("bad_name", f"{value!r} cannot be used in expressions.", "Use lower-case letters, digits and _.")
    if value in _TAKEN:
        refuse("bad_name", f"{value!r} already means something in expressions.", f"Use another word: {value}_value.")
    return value


def _sentence(value: str) -> str:
    if not value.strip() or len(value) > 1000:
        refuse("bad_text", "This text is empty or longer than 1000 characters.", "Write one or two plain sentences.")
    return value


def _expression(value: object) -> object:
    if isinstance(value, bool | int):
        refuse("not_an_expression", f"{value!r} is not a condition.", "Write a condition, such as status == 'open'.")
    if isinstance(value, str) and not 0 < len(value) <= 2000:
        refuse("not_an_expression", "This condition is empty or longer than 2000 characters.")
    return value


def _period(value: object) -> object:
    if isinstance(value, periods.Period):
        return value
    period = periods.parse(value)
    if period is None:
        refuse("bad_period", f"{value!r} is not a period.", "Write: 30 days, 1 day or 5 business days.")
    return period


def _day(value: str) -> str:
    if datepatterns.compiled("yyyy-MM-dd")(value) is None:
        refuse("bad_date", f"{value!r} is not a date.", "Write it as 2023-07-01.")
    return value


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        refuse("bad_timezone", f"{value!r} is not a time zone.", "Use a name such as America/New_York or UTC.")
    return value


def _quorum(value: dict[str, int]) -> dict[str, int]:
    for role, count in value.items():
        if not 1 <= count <= 9:
            refuse("bad_quorum", f"{role}: {count} is not a number of people.", "Use 1 to 9.")
    if not value:
        refuse("bad_quorum", "At least one role must agree.", "Write: {control-owner: 1}.")
    return value


Name = Annotated[str, AfterValidator(_name)]
Word = Annotated[str, AfterValidator(_word)]
Sentence = Annotated[str, AfterValidator(_sentence)]
Expression = Annotated[str, BeforeValidator(_expression)]
PeriodText = Annotated[InstanceOf[periods.Period], BeforeValidator(_period)]
Day = Annotated[str, AfterValidator(_day)]
Zone = Annotated[str, AfterValidator(_zone)]
Quorum = Annotated[dict[Name, int], AfterValidator(_quorum)]
Level = Literal["L0", "L1", "L2", "L3"]
Risk = Literal["low", "medium", "high"]


class Read(BaseModel):
    """How one cell becomes a value: `type` of the result, and the table or pattern it is read with."""

    model_config = ConfigDict(frozen=True)
    type: ValueType
    table: dict[str, str | bool | int] | None = None
    pattern: str | None = None


def _read(value: object) -> Read:
    if isinstance(value, Read):
        return value
    if value is None or value == "text":
        return Read(type="text")
    if isinstance(value, dict):
        return _table(value)
    if value in ("number", "decimal", "list"):
        return Read(type=value)
    if not isinstance(value, str):
        refuse("bad_read", f"{value!r} does not say how to read the column.", _READ_HINT)
    if not re.search("y|M|d", value) or value.isalpha():
        refuse("bad_read", f"{value!r} does not say how to read the column.", _READ_HINT)
    try:
        datepatterns.compiled(value)
    except Wrong as fault:
        refuse(fault.reason_code, fault.message, fault.hint)
    return Read(type="moment" if datepatterns.has_time(value) else "date", pattern=value)


_READ_HINT = 'Use number, decimal, list, a date pattern ("MMMM d, yyyy") or a table ({"Y": true, "N": false}).'


def _table(value: dict[Any, Any]) -> Read:
    kinds = {type(item) for item in value.values()}
    if not value or len(value) > 500 or len(kinds) != 1 or not kinds <= {str, bool, int}:
        refuse("bad_read", "A table gives words, numbers or true/false, and only one of these kinds.", _READ_HINT)
    types: dict[type, ValueType] = {str: "text", bool: "yes/no", int: "number"}
    return Read(type=types[kinds.pop()], table={" ".join(str(key).split()): item for key, item in value.items()})


class Attribute(Strict):
    column: Sentence = Field(alias="from")
    read: Annotated[Read, BeforeValidator(_read)] = Read(type="text")


class Relation(Strict):
    """A join: other entities whose `through` attribute names this entity's key."""

    latest: Name | None = None
    count: Name | None = None
    through: Word
    by: Word | None = None

    @property
    def other(self) -> str:
        """The entity type at the far end."""
        return self.latest or self.count or ""

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.latest is None) == (self.count is None):
            refuse(
                "bad_relation",
                "A relation is either the latest or the count.",
                "Write {latest: retest, through: finding, by: tested_on} or {count: retest, through: finding}.",
            )
        if (self.latest is None) != (self.by is None):
            refuse(
                "bad_relation", "Only the latest needs to know by which date.", "Add by: with latest:, or drop it."
            )
        return self


class EntityType(Strict):
    about: Sentence
    source: Name
    key: Sentence
    fresh_for: PeriodText | None = None
    sensitive: tuple[str, ...] = Field(default=(), strict=False)
    checks: tuple[Expression, ...] = Field(default=(), strict=False, max_length=50)
    attributes: dict[Word, Attribute] = Field(min_length=1, max_length=500)
    related: dict[Word, Relation] = Field(default={}, max_length=50)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.sensitive:
            refuse(
                "not_offered_yet",
                "sensitive (encrypted fields) is known but not offered yet by this version.",
                "Leave the sensitive columns out of attributes, and drop this line.",
                ("sensitive",),
            )
        if self.fresh_for is not None and (self.fresh_for.unit != "day" or self.fresh_for.count < 1):
            refuse("bad_period", "freshFor is counted in calendar days.", "Write: freshFor: 35 days.", ("freshFor",))
        for name in self.related:
            if name in self.attributes:
                refuse(
                    "bad_name",
                    f"{name!r} is both an attribute and a relation.",
                    "Rename one of them.",
                    ("related", name),
                )
        return self


class Selector(Strict):
    entity: Name
    where: Expression | None = None


class Expectation(Strict):
    name: Name
    when: Expression | None = None
    expect: Expression
    says: Sentence


class Deadline(Strict):
    name: Name
    when: Expression | None = None
    expect: Expression
    by: str
    plus: PeriodText | None = None
    says: Sentence


class Verification(Strict):
    proof: Expression
    soak: PeriodText
    within: PeriodText


def _template(value: object) -> object:
    items = value if isinstance(value, list | tuple) else [value]
    if not all(isinstance(item, str) or (isinstance(item, int) and not isinstance(item, bool)) for item in items):
        refuse("bad_parameter", f"{value!r} cannot fill a parameter.", "Write a text, a number or a list of texts.")
    return tuple(str(item) for item in items) if isinstance(value, list | tuple) else value


Template = Annotated[str | int | tuple[str, ...], BeforeValidator(_template)]


class Step(Strict):
    """One step of the playbook: an action and its parameters, with `{attribute}` filled in from the entity."""

    action: Name
    parameters: dict[Word, Template] = Field(default={}, alias="with")
    why: Sentence | None = None


class Remediation(Strict):
    autonomy: Level
    actions: tuple[Name, ...] = Field(default=(), strict=False, max_length=50)
    playbook: dict[Name, Annotated[tuple[Step, ...], Field(strict=False, min_length=1, max_length=20)]] = {}
    people_only: Expression | None = None


class DesiredState(Strict):
    statement: Sentence
    basis: Sentence
    owner: Name
    effective: Day
    timezone: Zone | None = None
    selector: Selector
    done: Expression
    severity: dict[Literal["urgent", "high", "medium", "low"], Expression] = Field(min_length=1)
    expectations: tuple[Expectation, ...] = Field(default=(), strict=False, max_length=100)
    deadlines: tuple[Deadline, ...] = Field(default=(), strict=False, max_length=100)
    verification: Verification
    remediation: Remediation

    @property
    def rules(self) -> tuple[Expectation | Deadline, ...]:
        """Expectations, then deadlines, in the order written."""
        return (*self.expectations, *self.deadlines)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [rule.name for rule in self.rules]
        for index, name in enumerate(names):
            at = (
                ("deadlines", index - len(self.expectations))
                if index >= len(self.expectations)
                else ("expectations", index)
            )
            if name in ("done", "fresh"):
                refuse("bad_name", f"A rule cannot be named {name!r}: there is one already.", "Rename it.", at)
            if name in names[:index]:
                refuse("duplicate_rule", f"Two rules are named {name!r}.", "Each rule needs its own name.", at)
        if not names:
            refuse("no_rules", "Nothing is expected.", "Add at least one entry under expectations or deadlines.")
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
        if (self.provider == "sql") != (self.sql is not None):
            refuse(
                "bad_sql", "The provider sql needs a statement, and only it.", "Add or drop sql: {statement: ...}."
            )
        if self.sql is not None:
            sql.check(self.sql.statement, self.parameters)
        return self


class System(Strict):
    about: Sentence
    owner: Name
    production: bool
    financial: bool
    criticality: Risk = "medium"


class ApprovePlanLine(Strict):
    when: Expression
    roles: Quorum


class ApprovalPolicy(Strict):
    covers: Name
    confirm_gap: Quorum
    approve_plan: tuple[ApprovePlanLine, ...] = Field(strict=False, min_length=1, max_length=50)
    release_step: Quorum
    apart: tuple[Literal["author", "confirmer", "approver", "releaser", "implementer"], ...] = Field(strict=False)
    owners: dict[str, str] = {}
    expires: PeriodText

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
    "EntityType": EntityType,
    "DesiredState": DesiredState,
    "ActionType": ActionType,
    "System": System,
    "ApprovalPolicy": ApprovalPolicy,
}
Spec = EntityType | DesiredState | ActionType | System | ApprovalPolicy
