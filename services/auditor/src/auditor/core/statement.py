"""The statement of an attestation: what the narrative says, for machines. Every part names its events by id."""

from __future__ import annotations

from typing import Any

from common.cases import Attempt, Case, Said
from common.events.model import Fact

from auditor.core import proving
from auditor.core.evidence import Record


def state(record: Record) -> dict[str, Any]:
    """A pure function of the records. Parts that did not happen are None or empty."""
    case, gap = record.case, record.wrong
    told = record.carried or case
    return {
        "desired_state": gap.data.desired_state,
        "version": gap.data.version,
        "entity": {"type": gap.data.entity_type, "key": gap.data.key},
        "occurrence": gap.data.occurrence,
        "severity": gap.data.severity,
        "how": case.closed.data.how if case.closed else None,
        "wrong": _wrong(record),
        "declared": _declared(record),
        "confirmed": _decision(told.confirmation),
        "plan": _plan(record),
        "digest": _digest(record),
        "approved": [_decision(said) for said in told.approvals],
        "released": [_decision(said) for _, said in sorted(told.releases.items())],
        "executed": [_executed(run) for run in record.executions],
        "checked": _checked(record),
        "closed": _at(case.closed),
    }


def _at(said: Said[Any] | None) -> dict[str, Any] | None:
    return None if said is None else {"event": said.event.id, "asof": said.event.asof}


def _decision(said: Said[Any] | None) -> dict[str, Any] | None:
    if said is None:
        return None
    decision = said.data.decision
    told = {"event": said.event.id, "asof": said.event.asof, "person": decision.person, "role": decision.role}
    return told if decision.step is None else {**told, "step": decision.step}


def _wrong(record: Record) -> dict[str, Any]:
    gap = record.wrong
    rules = []
    for rule in gap.data.rules:
        told: dict[str, Any] = {"name": rule.name, "kind": rule.kind, "status": rule.status, "says": rule.says}
        told["facts"] = _facts(rule.facts)
        rules.append(told if rule.due is None else {**told, "due": rule.due})
    return {"event": gap.event.id, "asof": gap.event.asof, "rules": rules}


def _facts(facts: list[Fact]) -> list[dict[str, Any]]:
    return [fact.model_dump(mode="json", exclude_none=True) for fact in facts]


def _declared(record: Record) -> dict[str, Any] | None:
    gap = record.wrong
    activation = record.activation("DesiredState", gap.data.desired_state, gap.position)
    if activation is None:
        return None
    proposal = record.proposal(activation)
    return {
        "author": activation.data.author,
        "activated_by": activation.data.decision.person,
        "version": activation.data.declared_version,
        "since": activation.event.asof,
        "events": [*([proposal.event.id] if proposal else []), activation.event.id],
    }


def _plan(record: Record) -> dict[str, Any] | None:
    plan = record.carried.plan if record.carried else None
    if plan is None:
        return None
    return {
        "event": plan.event.id,
        "plan": plan.data.plan,
        "planner": plan.data.planner,
        "risk": plan.data.risk,
        "content_digest": plan.data.content_digest,
        "steps": [
            {"step": step.number, "action": step.action, "target": step.target, "level": step.level}
            for step in plan.data.steps
        ],
    }


def _digest(record: Record) -> dict[str, Any] | None:
    ticket = record.carried.ticket if record.carried else None
    if ticket is None:
        return None
    return {
        "event": ticket.event.id,
        "digest": ticket.data.digest,
        "parts": ticket.data.parts.model_dump(mode="json"),
    }


def _executed(case: Case) -> dict[str, Any]:
    return {
        "plan": case.started.data.plan if case.started else None,
        "authorised": _at(case.authorisation),
        "started": _at(case.started),
        "steps": [_attempt(number, attempt) for number, attempt in sorted(case.attempts.items())],
        "finished": _at(case.finished),
        "halted": _at(case.halted),
    }


def _attempt(number: int, attempt: Attempt) -> dict[str, Any]:
    for result in ("succeeded", "failed", "unknown"):
        said: Said[Any] | None = getattr(attempt, result)
        if said is not None:
            return {"step": number, "result": result, "events": [attempt.intended.event.id, said.event.id]}
    return {"step": number, "result": "open", "events": [attempt.intended.event.id]}


def _checked(record: Record) -> dict[str, Any] | None:
    proof, passed = record.case.proof, record.case.verification
    if proof is None or passed is None:
        return None
    return {
        "proof": _at(proof),
        "facts": _facts(proof.data.facts),
        "later_than_execution": proving.newer(record),
        "soak_until": proof.data.soak_until,
        "passed": _at(passed),
    }
