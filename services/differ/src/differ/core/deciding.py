"""decide(case, finding) -> what happens to the case: the differ's one decision. Pure.

    found \\ case    none, ended        gap                 undecided           closed
    gap             GapOpened (next)   GapChanged, if so   GapOpened           GapOpened
    undecided       GapUndecided (next) GapUndecided       GapChanged, if so   GapUndecided
    fine, gone      -                  GapClosed           GapClosed           -
    selector unknown: nothing; it is remembered and counted. Of an open case, what fails is Unknown (undecided).

Where the declaration says `steady`, an open case of which nothing fails any more waits: GapMet, and GapClosed when
that has lasted. What fails meanwhile, or can't be decided, is said (GapChanged, GapUndecided, GapOpened), and the
time begins anew. What is withdrawn, no longer selected, accepted or ignored was not met: it closes at once, as ever.

`ended` is the auditor's CaseClosed: only then does the next failure begin another occurrence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal, TypeAlias

from common.clock import instant
from common.entities.rows import Ref
from common.events.differ import GapChanged, GapClosed, GapMet, GapOpened, GapSnapshot, GapUndecided, Steady
from common.events.model import EventData, Fact
from common.ids import case_id

from differ.core.findings import Finding, accepted, changes, facts_of, failed_before, fingerprint

Condition: TypeAlias = Literal["none", "gap", "undecided", "closed"]
CaseKey: TypeAlias = tuple[str, str]
"""(desired state, entity key)."""


@dataclass(frozen=True, slots=True)
class CaseState:
    """The latest occurrence of a case as the differ's own events left it; `none` when there never was one.

    `stream_version` counts the events of its gap stream. `gap` is the data of its last gap event that lists rules,
    `fingerprint` what that event was decided from. `selector_unknown` is why the selector can't be decided,
    `exempt` which missed rules are left alone. `met_since`: nothing of the open case fails since then, and it is
    closed at `closes_at` if that lasts.
    """

    desired_state: str
    ref: Ref
    occurrence: int = 0
    condition: Condition = "none"
    ended: bool = False
    stream_version: int = 0
    fingerprint: str = ""
    gap: Mapping[str, Any] = field(default_factory=dict)
    selector_unknown: str | None = None
    exempt: str | None = None
    met_since: datetime | None = None
    closes_at: datetime | None = None

    @property
    def key(self) -> CaseKey:
        return (self.desired_state, self.ref[1])

    @property
    def case(self) -> str:
        return case_id(self.desired_state, self.ref[1], self.occurrence)

    @property
    def open(self) -> bool:
        """A rule of it fails or can't be decided."""
        return self.condition in ("gap", "undecided")

    @property
    def silent(self) -> bool:
        """Nothing is said of it: it isn't open, its selector can be decided, nothing it misses is left alone."""
        return not self.open and self.selector_unknown is None and self.exempt is None


@dataclass(frozen=True, slots=True)
class Decision:
    """The case afterwards, and the event that brings it there, if any."""

    before: CaseState
    after: CaseState
    data: EventData | None = None


@dataclass(frozen=True, slots=True)
class Hold:
    """As of when it is decided, and for how long nothing may fail before a case closes."""

    asof: datetime
    steady: timedelta


def decide(case: CaseState, finding: Finding, hold: Hold | None = None) -> Decision | None:
    """What `finding` means for `case`; None when everything stays as it is. Without `hold` it closes at once."""
    unknown = finding.reason if finding.standing == "selector_unknown" else None
    beside = (unknown, finding.exempt)
    known = case
    if (case.selector_unknown, case.exempt) != beside:
        known = replace(case, selector_unknown=unknown, exempt=finding.exempt)
    if finding.standing in ("gap", "undecided"):
        return _fails(case, known, finding)
    if finding.standing != "selector_unknown" and case.open:
        waits = hold is not None and finding.evaluation is not None and finding.evaluation.standing in _MET
        return _met(case, known, finding, hold) if hold is not None and waits else _closes(case, known, finding)
    return Decision(case, known) if known is not case else None


def _fails(case: CaseState, known: CaseState, finding: Finding) -> Decision | None:
    condition: Condition = "gap" if finding.standing == "gap" else "undecided"
    seen = fingerprint(finding)
    if case.open and case.met_since is None and (case.condition, case.fingerprint) == (condition, seen):
        return Decision(case, known) if known is not case else None
    if case.ended or case.condition == "none":
        known = CaseState(case.desired_state, finding.ref, case.occurrence + 1, exempt=finding.exempt)
    after = replace(
        known,
        ref=finding.ref,
        condition=condition,
        stream_version=known.stream_version + 1,
        fingerprint=seen,
        ended=False,
        met_since=None,
        closes_at=None,
    )
    data = _snapshot(after, finding, known)
    return Decision(case, replace(after, gap=data.model_dump(mode="json", exclude_none=True)), data)


def _snapshot(after: CaseState, finding: Finding, before: CaseState) -> GapSnapshot:
    fields: dict[str, Any] = {
        "case": after.case,
        "desired_state": after.desired_state,
        "version": finding.version,
        "entity_type": finding.ref[0],
        "key": finding.ref[1],
        "occurrence": after.occurrence,
        "severity": finding.severity,
        "rules": finding.told,
    }
    if before.condition == after.condition:
        return GapChanged(changed=_changed(before, after, finding), **fields)
    return GapOpened(**fields) if after.condition == "gap" else GapUndecided(**fields)


def _changed(before: CaseState, after: CaseState, finding: Finding) -> list[str]:
    if before.met_since is None:
        return changes(before.gap, finding)
    again = f"it was met from {instant(before.met_since)} on, and is not any more"
    return [again, *(changes(before.gap, finding) if before.fingerprint != after.fingerprint else ())]


_MET = ("met", "on track")
"""Nothing fails, and that is not because it is left alone, not selected or gone."""


def _met(case: CaseState, known: CaseState, finding: Finding, hold: Hold) -> Decision | None:
    """Nothing fails any more: it waits, or has waited long enough."""
    since = case.met_since or hold.asof
    until = since + hold.steady
    if until <= hold.asof:
        return _closes(case, known, finding, Steady(since=instant(since), until=instant(until)))
    if case.closes_at == until:
        return Decision(case, known) if known is not case else None
    after = replace(known, met_since=since, closes_at=until, stream_version=case.stream_version + 1)
    data = GapMet(
        case=case.case,
        desired_state=case.desired_state,
        version=finding.version,
        reason="met" if case.gap.get("version") == finding.version else "declaration_changed",
        since=instant(since),
        until=instant(until),
        facts=_closing_facts(case, finding),
    )
    return Decision(case, after, data)


def _closes(case: CaseState, known: CaseState, finding: Finding, steady: Steady | None = None) -> Decision:
    after = replace(known, condition="closed", stream_version=case.stream_version + 1, fingerprint="")
    after = replace(after, met_since=None, closes_at=None)
    data = GapClosed(
        case=case.case,
        desired_state=case.desired_state,
        version=finding.version,
        reason=_reason(case, finding),
        facts=_closing_facts(case, finding),
        accepted=accepted(finding),
        steady=steady,
    )
    return Decision(case, after, data)


Reason: TypeAlias = Literal["met", "withdrawn", "not_selected", "declaration_changed", "accepted", "ignored"]


def _reason(case: CaseState, finding: Finding) -> Reason:
    if finding.standing == "withdrawn":
        return "withdrawn"
    if finding.evaluation is not None and (left := finding.evaluation.standing) in ("accepted", "ignored"):
        return left
    if case.gap.get("version") != finding.version:
        return "declaration_changed"
    return "not_selected" if finding.standing == "not_selected" else "met"


def _closing_facts(case: CaseState, finding: Finding) -> list[Fact]:
    """What the rules that failed before read now."""
    if finding.evaluation is None or finding.standing == "not_selected":
        return list(finding.evidence)
    failed = failed_before(case.gap, finding)
    return facts_of(rule for rule in finding.evaluation.rules if rule.name in failed)


def ended(case: CaseState, occurrence: int) -> CaseState:
    """The case after the auditor closed `occurrence`: nothing of it is open any more, whatever failed meanwhile."""
    if occurrence != case.occurrence:
        return case
    return replace(case, ended=True, condition="closed", fingerprint="", met_since=None, closes_at=None)
