"""A preview as JSON: the same figures as the page, and every case. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from common.clock import instant
from common.declarations.evaluation import RuleResult
from common.objectives import wording
from common.objectives.contributing import Result

from cli.preview import figures, unread
from cli.preview.preview import OPEN, Preview, Seen
from cli.preview.states import State


def as_json(found: Sequence[Preview], given: Mapping[str, State], exit_code: int) -> dict[str, Any]:
    """The whole answer of `trueup diff --json`. Instants are RFC 3339; statuses are Met, Missed, Unknown, Pending."""
    return {
        "desired_states": [_preview(preview) for preview in found],
        "could_not_read": unread.of(found, given).as_json(),
        "left_out": [fault for state in given.values() for fault in state.faults],
        "exit_code": exit_code,
    }


def _preview(preview: Preview) -> dict[str, Any]:
    work = figures.asked(preview)
    return {
        "name": preview.state.name,
        "statement": preview.state.spec.statement,
        "version": preview.catalogue.version_digest(preview.state.name),
        "asof": instant(preview.asof),
        "in_force": preview.in_force,
        "read": preview.total,
        "selected": preview.selected,
        "selector_unknown": [seen.key for seen in preview.selector_unknown],
        "missing": preview.missing_types,
        "counts": {
            "cases": len(preview.cases),
            "of_population": int(bool(preview.together)),
            "due_soon": len(preview.due_soon),
            "undecided": len(preview.undecided),
            "on_track": len(preview.on_track),
            "met": preview.met,
            "left_alone": len(preview.left_alone),
            "by_severity": figures.severities(preview.cases),
        },
        "rules": [
            {
                "name": rule.name,
                "missed": rule.missed,
                "of_highest_severity": rule.highest,
                "undecided": rule.undecided,
            }
            for rule in figures.rule_figures(preview)
        ],
        "objectives": [_objective(result) for result in preview.objectives],
        "cases": [_case(preview, seen) for seen in preview.cases],
        "undecided": [_case(preview, seen) for seen in preview.undecided],
        "on_track": [seen.key for seen in preview.on_track],
        "asked": [_case(preview, seen) for seen in preview.asked_for],
        "set_aside": [
            {"entity_type": name, "key": row.key, "reason": reason}
            for name, rows in preview.set_aside.items()
            for row, reason in rows
        ],
        "people": {
            "confirmations": work.confirmations,
            "plans": work.drafted,
            "approvals": work.approvals,
            "releases": work.releases,
            "people_only": work.people_only,
            "without_playbook": work.nothing_to_draft,
            "fallback": {f"{role} -> {to}": keys for (role, to), keys in work.fallback.items()},
        },
        "unreadable": {name: [row.key for row in rows] for name, rows in sorted(preview.unreadable.items())},
    }


def _objective(result: Result) -> dict[str, Any]:
    measure, value = result.measure, result.measure.value
    return {
        "name": result.objective.name,
        "measure": result.objective.spec.measure,
        "standing": result.standing,
        "verdict": measure.verdict,
        "value": None if value is None else [value.numerator, value.denominator],
        "target": [result.objective.target.value.numerator, result.objective.target.value.denominator],
        "says": wording.found(result),
        "wanted": wording.wanted(result.objective),
        "sample": measure.sample,
        "unknown": measure.unknown,
        "population": result.population,
        "why": measure.why,
    }


def _case(preview: Preview, seen: Seen) -> dict[str, Any]:
    evaluation = seen.evaluation
    case: dict[str, Any] = {
        "key": seen.key,
        "at": f"{seen.row.file}:{seen.row.line}",
        "standing": evaluation.standing,
        "severity": evaluation.severity,
        "people_only": evaluation.people_only,
        "rules": [_rule(rule) for rule in evaluation.rules],
    }
    if evaluation.standing in OPEN:
        remedy = preview.remedy(seen)
        case["steps"] = [{"action": action, "risk": risk, "level": level} for action, risk, level in remedy.steps]
        case["confirm"], case["approve"] = dict(remedy.confirm), dict(remedy.approve)
        case["release"] = dict(remedy.release)
    return case


def _rule(rule: RuleResult) -> dict[str, Any]:
    return {
        "name": rule.name,
        "kind": rule.kind,
        "status": rule.status.value,
        "applies": rule.applies,
        "says": rule.says,
        "due": instant(rule.due) if rule.due else None,
        "reason": rule.reason,
        "exempt": _exempt(rule),
        "facts": {fact.name: fact.value for fact in rule.facts},
    }


def _exempt(rule: RuleResult) -> dict[str, str | None] | None:
    """Why a missed rule opens no case."""
    if rule.exempt is None:
        return None
    until = instant(rule.exempt.until) if rule.exempt.until else None
    return {"kind": rule.exempt.kind, "why": rule.exempt.why, "until": until}
