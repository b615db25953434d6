"""What the differ decides: where reality and the declared desired state differ."""

from __future__ import annotations

from typing import ClassVar, Literal

from common.canonical import digest
from common.events.model import EventData, Fact, Part


class ObjectiveBaseline(Part):
    """What was measured first since the objective was put in force as it is. `value` is an exact fraction (`47/1`):
    entities, a share from 0 to 1, or seconds; `says` the same for people. `population` is how many belonged to it."""

    at: str
    value: str
    says: str
    population: int


class Contributor(Part):
    """One entity that keeps an objective from being met, by its key (or what stands for it), and how, in words."""

    key: str
    says: str


class TraceStep(Part):
    """From one dated moment of an entity to its next: how many went that way, and how long it took, in seconds."""

    begin: str
    end: str
    entities: int
    median_s: int
    longest_s: int


class TraceLoop(Part):
    """A moment that was come to again, or an interval that began again: of how many entities, how often in all."""

    step: str
    entities: int
    times: int


class TraceWait(Part):
    """What is not over, by the moment that came last: of how many entities, whose move it is, the longest so far."""

    after: str
    whose: Literal["ours", "theirs"]
    entities: int
    longest_s: int


class ProcessTrace(Part):
    """Where the time goes, over `entities` of those that contribute."""

    entities: int
    steps: list[TraceStep]
    loops: list[TraceLoop]
    waits: list[TraceWait]


class Measured(Part):
    """An objective as the evidence of its case: the measure said last, and who keeps it from its target.

    `value`, `says`, `wanted`, `sample`, `unknown`, `population` and `baseline` are those of the measure. `path` says
    what it should be by now to be on the way from baseline to target. `contributors` are the worst first; `others`
    is how many more there are. `trace` is there where the entities have dates that a process leaves behind.
    """

    standing: Literal["met", "on track", "behind", "missed", "undecided"]
    value: str | None = None
    says: str
    wanted: str
    sample: int
    unknown: int
    population: int
    baseline: ObjectiveBaseline | None = None
    path: str | None = None
    contributors: list[Contributor]
    others: int
    trace: ProcessTrace | None = None


class FailingRule(Part):
    """One rule that is missed, can't be decided, or is due soon (its lead has begun), for one entity; or one
    objective, for the whole population.

    `says` is the declaration's sentence with the facts filled in. `due` is the instant a deadline passes.
    `reason` says why an Unknown is unknown. `measured` is an objective's evidence.
    """

    name: str
    kind: Literal["expectation", "deadline", "freshness", "objective"]
    status: Literal["missed", "unknown", "due_soon"]
    says: str
    facts: list[Fact]
    due: str | None = None
    reason: str | None = None
    measured: Measured | None = None


class GapSnapshot(EventData):
    """The failing rules of one case, whole. `version` is the desired state's version digest."""

    CATEGORY: ClassVar[str] = "gap"

    case: str
    desired_state: str
    version: str
    entity_type: str
    key: str
    occurrence: int
    severity: str
    rules: list[FailingRule]

    @property
    def digest(self) -> str:
        """What a person confirms: which rules of which version fail. A change of any other fact leaves it alone, and
        so does a deadline that was due soon and has passed: it is what was confirmed."""
        return gap_digest(self.version, [(rule.name, rule.status) for rule in self.rules])


def gap_digest(version: str, rules: list[tuple[str, str]]) -> str:
    confirmed = {"due_soon": "missed"}
    return digest(
        {"version": version, "rules": sorted([name, confirmed.get(status, status)] for name, status in rules)}
    )


class GapOpened(GapSnapshot):
    """A rule began to fail for an entity; a case begins (or an undecided case became decidable)."""

    TYPE: ClassVar[str] = "trueup.gap.opened.v1"


class GapUndecided(GapSnapshot):
    """No rule is known to fail, and at least one can't be decided. Only evidence may be gathered."""

    TYPE: ClassVar[str] = "trueup.gap.undecided.v1"


MET_BEFORE = "it was met from "
"""So begins what GapChanged says first where the rules had been met, and the gap had yet to close."""


class GapChanged(GapSnapshot):
    """The set of failing rules, their facts or the severity changed. `changed` says what, in words."""

    TYPE: ClassVar[str] = "trueup.gap.changed.v1"

    changed: list[str]


class Acceptance(Part):
    """The AcceptedGap `name` by which `rules` are left alone until the instant `until`; `version` is the digest of
    what was activated (that of its DeclarationActivated)."""

    name: str
    version: str
    rules: list[str]
    until: str


class Accepted(Part):
    """By which accepted gaps, in the order of their names."""

    by: list[Acceptance]


class GapMet(EventData):
    """No rule of the case fails any more, and the gap stays open until that has lasted: it was met from `since` on,
    and is closed at `until` if it still is. GapOpened, GapChanged or GapUndecided before then say that it was not."""

    TYPE: ClassVar[str] = "trueup.gap.met.v1"
    CATEGORY: ClassVar[str] = "gap"

    case: str
    desired_state: str
    version: str
    reason: Literal["met", "declaration_changed"]
    since: str
    until: str
    facts: list[Fact]


class Steady(Part):
    """From when to when no rule of the case failed, without a break, before the gap was closed."""

    since: str
    until: str


class GapClosed(EventData):
    """No rule of the case fails any more. This reports the condition; only CaseClosed ends the case. `accepted` says
    which accepted gaps leave alone what fails, where any does; `steady` for how long nothing had failed, where that
    was asked for."""

    TYPE: ClassVar[str] = "trueup.gap.closed.v1"
    CATEGORY: ClassVar[str] = "gap"

    case: str
    desired_state: str
    version: str
    reason: Literal["met", "withdrawn", "not_selected", "declaration_changed", "accepted", "ignored"]
    facts: list[Fact]
    accepted: Accepted | None = None
    steady: Steady | None = None


class Cycle(Part):
    """Once a rule was mended by an action (`action` is the ActionSucceeded's id) and missed again as of `at`, by the
    gap event `drift`. `observation` brought the `attributes` that are other than when it was met; `writer` is its
    feed, as `feed:tracker`; of a population, whose observation is a measure, those who keep it from its target."""

    rule: str
    action: str
    drift: str
    at: str
    attributes: list[str]
    observation: str | None = None
    writer: str = ""


class GapSuspended(EventData):
    """The case does not converge: what actions mend is undone again and again. Nothing is planned or carried out
    until a person resumes it."""

    TYPE: ClassVar[str] = "trueup.gap.suspended.v1"
    CATEGORY: ClassVar[str] = "gap"

    case: str
    desired_state: str
    cycles: list[Cycle]
    says: str


class Against(Part):
    """Who kept an objective from its target: the keys of at most 200 entities, the worst first, and how many more."""

    keys: list[str]
    others: int


class ObjectiveSnapshot(EventData):
    """One objective measured over its whole population, as of the event's `asof`.

    `definition` is the digest of the objective as it was declared: while it is the same, so is the baseline. `value`
    is an exact fraction as in the baseline, None where there is nothing to measure; `says` and `wanted` say value and
    target in words. `sample` are the entities it rests on, `unknown` those of which something is Unknown.
    `reason` says why it is undecided, or why there is no value; `shrunk` that the population is smaller than its
    guard allows. `against` says who keeps it from its target (also from a better value than the target's). `formerly`
    is the name under which its history was recorded before. Appended when the standing changes, once a day while
    anything else does, and once a day while the case of the population waits for its proof, or soaks.
    """

    CATEGORY: ClassVar[str] = "objective"

    desired_state: str
    objective: str
    version: str
    definition: str
    entity_type: str
    standing: Literal["met", "on track", "behind", "missed", "undecided"]
    value: str | None = None
    says: str
    wanted: str
    sample: int
    unknown: int
    population: int
    baseline: ObjectiveBaseline | None = None
    reason: str | None = None
    formerly: str | None = None
    shrunk: bool | None = None
    against: Against | None = None


class ObjectiveMet(ObjectiveSnapshot):
    """The target is reached, whatever the unknown turns out to be."""

    TYPE: ClassVar[str] = "trueup.objective.met.v1"


class ObjectiveMissed(ObjectiveSnapshot):
    """The target is not reached: missed, or before the day by which it must be, on track or behind."""

    TYPE: ClassVar[str] = "trueup.objective.missed.v1"


class ObjectiveUndecided(ObjectiveSnapshot):
    """It can't be told: too small a sample, a shrunken population, or it depends on what is unknown."""

    TYPE: ClassVar[str] = "trueup.objective.undecided.v1"


class ChangedCase(Part):
    """What a proposal would make of one entity's case. `before` and `after` say how it stands (`gap`, `undecided`,
    `due soon`, `met`, `not selected`, ...), `says` what is different."""

    key: str
    kind: Literal["opens", "closes", "changes"]
    before: str
    after: str
    severity: str
    says: list[str]


class ChangedObjective(Part):
    """An objective whose measure or target would be another: where it stands now and then, in words."""

    name: str
    before: str | None = None
    after: str | None = None


class ChangedState(Part):
    """What a proposal would mean for one desired state, over all entities that are known.

    `opens`, `closes` and `changes` count cases of entities, `stays` those that are open and remain as they are,
    `dates` entities without a case for which the next date moves. `severities` and `rules` count the cases that open.
    `cases` are the first of those that change, by key: all of them only where there are few. `in_force` is false
    before its `effective` day. `reports_only`: gaps are reported, no plan is drafted. `renamed`: rules and objectives
    by their former names. `another_type`: the entity type that was selected so far. `population` is what becomes of
    the case of the whole population, beside these, where it opens, closes or changes: without baselines, that is by
    what is missed, and not by what is behind the path to a later day.
    """

    desired_state: str
    change: Literal["new", "changed"]
    statement: str
    entity_type: str
    effective: str
    in_force: bool
    reports_only: bool
    read: int
    selected_before: int
    selected: int
    opens: int
    closes: int
    changes: int
    stays: int
    dates: int
    severities: dict[str, int]
    rules: dict[str, int]
    renamed: dict[str, str]
    cases: list[ChangedCase]
    objectives: list[ChangedObjective]
    another_type: str | None = None
    population: ChangedCase | None = None


class ChangePreviewed(EventData):
    """What a proposal would open, close and change if it were activated, as of the event's `asof`.

    Made for every proposal that waits, and again when another is activated meanwhile: `active` is the digest of all
    that was active (`proposals.set_digest`). Nothing follows from it; who activates the proposal signs the digest of
    what they saw.
    """

    TYPE: ClassVar[str] = "trueup.change.previewed.v1"
    CATEGORY: ClassVar[str] = "preview"

    proposal: str
    set_digest: str
    active: str
    states: list[ChangedState]

    @property
    def digest(self) -> str:
        """What is signed with the activation."""
        return digest(self.model_dump(mode="json", exclude_none=True))
