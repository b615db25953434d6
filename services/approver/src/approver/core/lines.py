"""A case as one line of the list: where it stands and for whom it waits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from common.cases import Case
from common.events.differ import FailingRule
from common.facts import title_of
from common.objectives.population import whole

from approver.core.asking import Asked, asked, may
from approver.core.surroundings import Surroundings

_VERBS = {
    "confirm": "confirms",
    "approve": "approves",
    "release": "releases",
    "outcome": "reports",
    "return": "returns",
    "resume": "resumes",
}
OVER = frozenset({"closed", "attested"})


@dataclass(frozen=True, slots=True)
class TaskLine:
    """Work by hand that waits for a person who holds `role`."""

    step: int
    intent: str
    action: str
    does: str
    system: str
    role: str
    target: str
    parameters: Mapping[str, Any]
    since: str
    people: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CaseLine:
    """`title`: what people call the entity. `timezone`: the one of the desired state. `unheld`: the roles that the
    case waits for and that nobody in the directory holds. `yours`: by person, the kinds of decision that the case
    waits for and that they may make. `met_since`: nothing of it fails since then, and it `closes` then if that
    lasts."""

    case: str
    stage: str
    desired_state: str
    entity_type: str
    key: str
    occurrence: int
    severity: str
    title: str
    headline: str
    rules: tuple[str, ...]
    undecided: bool
    plan: str | None
    risk: str | None
    waits_for: tuple[str, ...]
    unheld: tuple[str, ...]
    yours: Mapping[str, tuple[str, ...]]
    opened: str
    expires: str | None
    timezone: str
    ticket_open: bool
    tasks: tuple[TaskLine, ...]
    position: int
    met_since: str | None = None
    closes: str | None = None


def _headline(rules: Sequence[FailingRule]) -> str:
    """What is wrong; where all is Unknown because the record is too old or its source in doubt, that."""
    fresh = [rule.says for rule in rules if rule.kind == "freshness"]
    if fresh and all(rule.status == "unknown" for rule in rules):
        return fresh[0]
    return rules[0].says if rules else ""


def line(case: Case, opened: str, around: Surroundings, blocked: str = "") -> CaseLine | None:
    """The line of a case; None for one without a gap. `opened` is the instant of its first event (asof)."""
    if case.gap is None:
        return None
    gap = case.gap.data
    asks = [ask for ask in asked(case, around) if ask.waits]
    yours = _yours(case, asks, around)
    unstarted = case.ticket is not None and case.started is None and case.refusal is None and case.expiry is None
    return CaseLine(
        case=case.id,
        stage=case.stage,
        desired_state=gap.desired_state,
        entity_type=gap.entity_type,
        key=gap.key,
        occurrence=gap.occurrence,
        severity=gap.severity,
        title=title_of(around.told) or whole(gap.entity_type, gap.key),
        headline=_headline(gap.rules),
        rules=tuple(rule.name for rule in gap.rules),
        undecided=all(rule.status == "unknown" for rule in gap.rules),
        plan=case.plan.data.plan if case.plan else None,
        risk=case.plan.data.risk if case.plan else None,
        waits_for=(blocked,) if blocked else tuple(dict.fromkeys(_waits_for(ask) for ask in asks)),
        unheld=tuple(dict.fromkeys(ask.role for ask in asks if not around.directory.holders(ask.role))),
        yours={person: tuple(sorted(kinds)) for person, kinds in sorted(yours.items())},
        opened=opened,
        expires=_expires(case) if unstarted else None,
        timezone=around.timezone_of(gap.desired_state),
        ticket_open=unstarted,
        tasks=tuple(_task(case, ask, yours) for ask in asks if ask.kind == "outcome"),
        position=case.position,
        met_since=case.met.data.since if case.met else None,
        closes=case.met.data.until if case.met else None,
    )


def _yours(case: Case, asks: list[Asked], around: Surroundings) -> dict[str, set[str]]:
    yours: dict[str, set[str]] = defaultdict(set)
    for ask in asks:
        for person in around.directory.holders(ask.role):
            if may(case, person, ask, around):
                yours[person].add(ask.kind)
    return yours


def _waits_for(ask: Asked) -> str:
    step = f" step {ask.step}" if ask.step is not None else ""
    more = f" ({ask.missing} people)" if ask.missing > 1 else ""
    return f"{ask.role} {_VERBS.get(ask.kind, ask.kind)}{step}{more}"


def _expires(case: Case) -> str | None:
    if case.authorisation is not None:
        return case.authorisation.data.grant.expires
    return case.ticket.data.expires if case.ticket else None


def _task(case: Case, ask: Asked, yours: Mapping[str, set[str]]) -> TaskLine:
    intent = case.attempts[ask.step or 0].intended
    steps = case.plan.data.steps if case.plan else []
    does = next((step.does for step in steps if step.number == ask.step), "")
    return TaskLine(
        step=intent.data.step,
        intent=intent.event.id,
        action=intent.data.action,
        does=does,
        system=intent.data.system,
        role=ask.role,
        target=intent.data.target,
        parameters=intent.data.parameters,
        since=intent.event.asof,
        people=tuple(sorted(person for person, kinds in yours.items() if "outcome" in kinds)),
    )
