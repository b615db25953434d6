"""A case as a timeline: one line an event, in plain words, with what led to it."""

from __future__ import annotations

from typing import Any

from common.events.differ import MET_BEFORE
from common.events.envelope import Event

from auditor.core.wording import plain

_WORDS = {
    "trueup.entity.observed.v1": "{feed} reported {entity_type} {key}",
    "trueup.entity.withdrawn.v1": "{feed} withdrew {entity_type} {key}",
    "trueup.source.reported.v1": "{feed} reported a snapshot of {entity_type}: {rows} rows",
    "trueup.source.counted.v1": "{feed} counted {rows} of {entity_type}",
    "trueup.source.judged.v1": "whether {feed} is complete was judged",
    "trueup.observation.rejected.v1": "an observation of {feed} was rejected: {reason_code}",
    "trueup.gap.opened.v1": "a gap was found: {rules}",
    "trueup.gap.undecided.v1": "it can't be decided: {rules}",
    "trueup.gap.changed.v1": "what fails has changed: {rules}{again}",
    "trueup.gap.met.v1": "no rule fails since {since}; the gap closes at {until} if that lasts ({reason})",
    "trueup.gap.closed.v1": "no rule fails any more ({reason}{by}{steady})",
    "trueup.gap.confirmed.v1": "{who} confirmed that the gap is real",
    "trueup.gap.disputed.v1": "{who} disputed the gap",
    "trueup.gap.suspended.v1": "the case was suspended: {says}",
    "trueup.case.resumed.v1": "{who} resumed the case",
    "trueup.plan.drafted.v1": "plan {number} was drafted by {planner}",
    "trueup.plan.superseded.v1": "the plan no longer stands: {reason}",
    "trueup.plan.withheld.v1": "no plan is drafted: {reason}",
    "trueup.plan.returned.v1": "{who} sent the plan back",
    "trueup.plan.authorised.v1": "the plan is authorised: everybody who must has approved",
    "trueup.plan.expired.v1": "the time for the plan ran out",
    "trueup.ticket.opened.v1": "ticket {ticket} was opened",
    "trueup.approval.given.v1": "{who} approved the plan",
    "trueup.approval.refused.v1": "{who} refused the plan",
    "trueup.approval.voided.v1": "the approvals are void: {changed}",
    "trueup.release.given.v1": "{who} released step {step}",
    "trueup.outcome.recorded.v1": "{who} reported step {step} as {result}",
    "trueup.execution.started.v1": "the execution began",
    "trueup.action.intended.v1": "step {step} begins: {action} on {target}",
    "trueup.action.succeeded.v1": "step {step} succeeded",
    "trueup.action.failed.v1": "step {step} failed: {reason}",
    "trueup.action.unknown.v1": "nobody knows whether step {step} took effect: {reason}",
    "trueup.execution.finished.v1": "the execution finished",
    "trueup.execution.halted.v1": "the execution halted: {reason}",
    "trueup.proof.seen.v1": "the proof was seen; it must hold until {soak_until}",
    "trueup.verification.passed.v1": "the proof held until {soak_until}",
    "trueup.verification.failed.v1": "the verification failed: {reason}",
    "trueup.verification.inconclusive.v1": "the verification has no result: {reason}",
    "trueup.case.closed.v1": "the case was closed as {how}",
    "trueup.attestation.issued.v1": "the attestation was issued",
    "trueup.declaration.proposed.v1": "{who} proposed {kind} {name}",
    "trueup.declaration.activated.v1": "{who} put {kind} {name} in force",
    "trueup.realm.created.v1": "the realm {realm} was created",
    "trueup.clock.advanced.v1": "the realm's clock was moved to {now}",
}


def words(event: Event) -> str:
    """One event in one plain sentence; its type where nothing better is known."""
    template = _WORDS.get(event.type)
    if template is None:
        return event.type
    known = {name: plain(_text(value), 160) for name, value in event.data.items()}
    decision = event.data.get("decision")
    if isinstance(decision, dict):
        known["who"] = f"{plain(str(decision.get('person')), 80)} ({plain(str(decision.get('role')), 80)})"
        known["result"] = "done" if decision.get("result") == "done" else "not done"
    rules = event.data.get("rules")
    if isinstance(rules, list):
        known["rules"] = plain(", ".join(str(rule.get("name")) for rule in rules if isinstance(rule, dict)), 160)
    known["by"] = _accepted(event.data.get("accepted"))
    known["steady"] = _steady(event.data.get("steady"))
    known["again"] = _again(event.data.get("changed"))
    return template.format_map(_Known(known))


def _accepted(data: Any) -> str:
    """By which accepted gaps, each with the beginning of its digest."""
    by = data.get("by", []) if isinstance(data, dict) else []
    told = (f"{one.get('name')}, version {str(one.get('version'))[:12]}" for one in by if isinstance(one, dict))
    return f" by {plain('; '.join(told), 160)}" if by else ""


def _steady(data: Any) -> str:
    """Since when, without a break, nothing had failed, where that was asked for."""
    return f", without a break since {plain(str(data.get('since')), 40)}" if isinstance(data, dict) else ""


def _again(changed: Any) -> str:
    """That it had been met, where it fails again before the gap was closed."""
    told = [str(words) for words in changed if str(words).startswith(MET_BEFORE)] if isinstance(changed, list) else []
    return f" ({plain(told[0], 160)})" if told else ""


class _Known(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return f"({key} not recorded)"


def _text(value: Any) -> str:
    return "; ".join(map(str, value)) if isinstance(value, list) else str(value)


def line(position: int, event: Event) -> dict[str, Any]:
    """One line of a timeline, as the API gives it."""
    return {
        "position": position,
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "asof": event.asof,
        "time": event.time,
        "actor": event.actor,
        "words": words(event),
        "cause": event.causationid,
        "case": event.caseid,
    }
