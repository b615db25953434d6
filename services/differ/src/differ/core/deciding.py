"""decide(case, finding) -> what happens to the case: the differ's one decision. Pure.

    found \\ case    none, ended        gap                 undecided           closed
    gap             GapOpened (next)   GapChanged, if so   GapOpened           GapOpened
    undecided       GapUndecided (next) GapUndecided       GapChanged, if so   GapUndecided
    fine, gone      -                  GapClosed           GapClosed           -
    selector unknown: nothing; it is remembered and counted. Of an open case, what fails is Unknown (undecided).

`ended` is the auditor's CaseClosed: only then does the next failure begin another occurrence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

from common.entities.rows import Ref
from common.events.differ import GapChanged, GapClosed, GapOpened, GapSnapshot, GapUndecided
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
    `exempt` which missed rules are left alone.
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


@dataclass(frozen=True, slots=True)
class Decision:
    """The case afterwards, and the event that brings it there, if any."""

    before: CaseState
    after: CaseState
    data: EventData | None = None


def decide(case: CaseState, finding: Finding) -> Decision | None:
    """What `finding` means for `case`; None when everything stays as it is."""
    unknown = finding.reason if finding.standing == "selector_unknown" else None
    beside = (unknown, finding.exempt)
    known = case
    if (case.selector_unknown, case.exempt) != beside:
        known = replace(case, selector_unknown=unknown, exempt=finding.exempt)
    if finding.standing in ("gap", "undecided"):
        return _fails(case, known, finding)
    if finding.standing != "selector_unknown" and case.open:
        return _closes(case, known, finding)
    return Decision(case, known) if known is not case else None


def _fails(case: CaseState, known: CaseState, finding: Finding) -> Decision | None:
    condition: Condition = "gap" if finding.standing == "gap" else "undecided"
    seen = fingerprint(finding)
    if case.open and (case.condition, case.fingerprint) == (condition, seen):
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
        return GapChanged(changed=changes(before.gap, finding), **fields)
    return GapOpened(**fields) if after.condition == "gap" else GapUndecided(**fields)


def _closes(case: CaseState, known: CaseState, finding: Finding) -> Decision:
    after = replace(known, condition="closed", stream_version=case.stream_version + 1, fingerprint="")
    data = GapClosed(
        case=case.case,
        desired_state=case.desired_state,
        version=finding.version,
        reason=_reason(case, finding),
        facts=_closing_facts(case, finding),
        accepted=accepted(finding),
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
    return replace(case, ended=True, condition="closed", fingerprint="")
