"""Which decisions may be one drift too many, and what is said when they are. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from common import convergence
from common.declarations.evaluation import CompiledDesiredState
from common.events.differ import Cycle, GapChanged, GapOpened, GapSuspended
from common.events.envelope import Event
from common.ids import case_id

from differ.core.deciding import CaseState, Decision


def drifts(decision: Decision) -> bool:
    """Whether by this decision a rule is missed that was not before, in a case or after one."""
    if isinstance(decision.data, GapOpened):
        return decision.before.condition != "none"
    if not isinstance(decision.data, GapChanged):
        return False
    known = decision.before.gap.get("rules", ()) if decision.before.met_since is None else ()
    before = {rule["name"] for rule in known if rule["status"] == "missed"}
    return any(rule.status == "missed" and rule.name not in before for rule in decision.data.rules)


def case_ids(case: CaseState) -> list[str]:
    """All occurrences of the case."""
    return [case_id(case.desired_state, case.ref[1], number) for number in range(1, case.occurrence + 1)]


def suspended(history: Iterable[Event], drift: Event, state: CompiledDesiredState, asof: datetime) -> list[Cycle]:
    """The cycles for which a case is to be suspended after the event `drift`; none: it goes on. `history` is what the
    ledger has of all occurrences; a rule or an objective that was renamed goes on."""
    objectives = {former: one.name for one in state.objectives for former in one.spec.formerly}
    found = convergence.cycles([*history, drift], {**state.renamed, **objectives})
    limit = state.spec.remediation.suspend_after
    late = convergence.too_many(found, limit.cycles, limit.within, asof)
    return late if any(cycle.drift == drift.id for cycle in late) else []


def said(case: CaseState, cycles: Sequence[Cycle], observations: Mapping[str, Event]) -> GapSuspended:
    """What is said of it, with who undid the fixes."""
    named = convergence.named(cycles, observations)
    return GapSuspended(case=case.case, desired_state=case.desired_state, cycles=named, says=convergence.says(named))


def numbered(case: CaseState) -> CaseState:
    """The case after one more event of its gap stream."""
    return replace(case, stream_version=case.stream_version + 1)
