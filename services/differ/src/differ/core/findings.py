"""What was found when one desired state was decided for one entity at one instant."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal, TypeAlias

import orjson
from common.clock import instant
from common.declarations.doubting import unsure
from common.declarations.evaluation import (
    CompiledDesiredState,
    EntityView,
    Evaluation,
    RuleResult,
    evaluate,
)
from common.declarations.evaluation import Fact as ReadFact
from common.declarations.exempting import Exemption
from common.declarations.values import Status
from common.entities.rows import Ref
from common.events.differ import Acceptance, Accepted, FailingRule, Measured
from common.events.model import Fact
from common.facts import entity_facts, facts_named
from common.sealing import SHOWN, is_sealed

Standing: TypeAlias = Literal["gap", "undecided", "fine", "not_selected", "selector_unknown", "withdrawn"]
CLOCK = ("today", "now")
"""The clock is no fact: the event's `asof` says what time it was, and midnight alone changes no gap."""


@dataclass(frozen=True, slots=True)
class Finding:
    """`standing` in one word; `evaluation` is None where there was nothing to evaluate (withdrawn).

    `look_again` is the next instant at which the result may change without any message. `renamed` has rules by their
    former names. `stated` are the failing rules where no evaluation led to them: those of a whole population, or of
    an entity that may no longer be selected; at `stated_severity`.
    """

    desired_state: str
    version: str
    ref: Ref
    standing: Standing
    evaluation: Evaluation | None = None
    reason: str = ""
    evidence: tuple[Fact, ...] = ()
    look_again: datetime | None = None
    renamed: Mapping[str, str] = field(default_factory=dict)
    stated: tuple[FailingRule, ...] = ()
    stated_severity: str = ""

    @property
    def failing(self) -> tuple[RuleResult, ...]:
        return () if self.evaluation is None else self.evaluation.failing

    @property
    def exempt(self) -> str | None:
        """In words, which missed rules are left alone and why; None: none is."""
        found = () if self.evaluation is None else self.evaluation.exempt
        told = [f"{rule.exempt.kind}: {rule.name} ({rule.exempt.why})" for rule in found if rule.exempt is not None]
        return "; ".join(told) or None

    @property
    def severity(self) -> str:
        return self.stated_severity if self.evaluation is None else self.evaluation.severity

    @property
    def told(self) -> list[FailingRule]:
        """The failing rules as a gap event carries them."""
        return list(self.stated) if self.evaluation is None else [failing_rule(rule) for rule in self.failing]


_STANDINGS: dict[str, Standing] = {
    "gap": "gap",
    "undecided": "undecided",
    "due soon": "gap",
    "accepted": "fine",
    "ignored": "fine",
    "on track": "fine",
    "met": "fine",
    "not selected": "not_selected",
    "selector unknown": "selector_unknown",
}


_STATUS: dict[Status, Literal["missed", "unknown", "due_soon"]] = {
    Status.MISSED: "missed",
    Status.UNKNOWN: "unknown",
    Status.SOON: "due_soon",
}


def find(
    state: CompiledDesiredState, ref: Ref, view: EntityView | None, asof: datetime, *, closes: bool = True
) -> Finding:
    """Decide `state` for the entity `ref` as of `asof`. Without a view it is gone: withdrawn, or never there.
    `closes`: there is a case that it may close, so that it says by what."""
    if ref[0] != state.spec.selector.entity:
        return Finding(state.name, state.version, ref, "not_selected", reason="another type of entity is selected")
    if view is None:
        return Finding(state.name, state.version, ref, "withdrawn")
    evaluation = evaluate(state, view, asof)
    standing = _STANDINGS[evaluation.standing]
    return Finding(
        state.name,
        state.version,
        ref,
        standing,
        evaluation,
        evaluation.selected.reason,
        _selector_facts(state, view, asof) if closes and standing == "not_selected" else (),
        min(evaluation.next_timers, default=None),
        state.renamed,
    )


def doubted(
    finding: Finding,
    state: CompiledDesiredState,
    view: EntityView,
    asof: datetime,
    gap: Mapping[str, Any],
    *,
    met: bool,
) -> Finding:
    """The same, for an entity that has an open case (`gap`), where it can't be told any more whether it is selected:
    what fails is Unknown, and that is said. As it was where every rule holds all the same; unless that has yet to
    last (`met`): then what failed before is Unknown."""
    rules = unsure(state, view, asof, failed_before(gap, finding) if met else ())
    if not rules:
        return finding
    stated = tuple(failing_rule(rule) for rule in rules)
    return replace(finding, standing="undecided", evaluation=None, stated=stated, stated_severity=gap["severity"])


def _selector_facts(state: CompiledDesiredState, view: EntityView, asof: datetime) -> tuple[Fact, ...]:
    """What the selector read, as evidence for an entity that it no longer selects."""
    if state.where is None or asof < state.effective:
        return ()
    return tuple(facts_named(entity_facts(state, view, asof), state.where.reads))


def fact(read: ReadFact) -> Fact:
    """The fact as an event carries it."""
    return Fact(
        name=read.name,
        value=read.value,  # type: ignore[arg-type]  # attribute values are never objects
        stream=read.stream,
        event_id=read.event_id,
        unknown=read.unknown,
    )


def facts_of(rules: Iterable[RuleResult]) -> list[Fact]:
    """The facts of several rules, each once, without the clock."""
    seen = {read.name: read for rule in rules for read in rule.facts if read.name not in CLOCK}
    return [fact(read) for read in seen.values()]


def failing_rule(rule: RuleResult) -> FailingRule:
    """The rule as a gap event carries it."""
    assert rule.kind != "done", "done is not a rule of its own"
    return FailingRule(
        name=rule.name,
        kind=rule.kind,
        status=_STATUS[rule.status],
        says=rule.says,
        facts=facts_of([rule]),
        due=instant(rule.due) if rule.due else None,
        reason=rule.reason or None,
    )


def accepted(finding: Finding) -> Accepted | None:
    """Which accepted gaps leave which of its missed rules alone; None: none does."""
    found: dict[str, Acceptance] = {}
    for rule in finding.evaluation.exempt if finding.evaluation is not None else ():
        if (left := rule.exempt) is not None and left.kind == "accepted" and left.until is not None:
            fresh = Acceptance(name=left.why, version=left.version, rules=[], until=instant(left.until))
            found.setdefault(left.why, fresh).rules.append(rule.name)
    return Accepted(by=[found[name] for name in sorted(found)]) if found else None


def fingerprint(finding: Finding) -> str:
    """Equal for findings between which nothing worth an event changed.

    It covers the version, the severity, and each failing rule's status and facts by value. Seeing the same again
    in a newer observation leaves it alone.
    """
    if finding.evaluation is None:
        rules = [rule.model_dump(mode="json") for rule in finding.stated]
        return recorded_fingerprint({"version": finding.version, "severity": finding.severity, "rules": rules})
    return _fingerprint(
        finding.version,
        finding.severity,
        [
            (
                rule.name,
                _STATUS[rule.status],
                [(read.name, read.value, read.unknown) for read in rule.facts if read.name not in CLOCK],
            )
            for rule in finding.failing
        ],
    )


def recorded_fingerprint(gap: Mapping[str, Any]) -> str:
    """The fingerprint of the finding that a gap event's data records."""
    return _fingerprint(
        gap["version"],
        gap["severity"],
        [
            (
                rule["name"],
                rule["status"],
                [
                    *((item["name"], item.get("value"), item.get("unknown")) for item in rule["facts"]),
                    *_measure(rule.get("measured")),
                ],
            )
            for rule in gap["rules"]
        ],
    )


def _measure(measured: Mapping[str, Any] | None) -> Iterable[tuple[Any, ...]]:
    """What counts of an objective's evidence. Who contributes is looked up when the measure itself is said anew."""
    if measured is not None:
        yield tuple(measured.get(name) for name in ("standing", "value", "sample", "unknown", "population"))


def _fingerprint(version: str, severity: str, rules: list[tuple[str, str, list[Any]]]) -> str:
    return hashlib.sha256(orjson.dumps((version, severity, rules))).hexdigest()[:32]


def changes(before: Mapping[str, Any], finding: Finding) -> list[str]:
    """In words, what differs between the gap event data `before` and `finding`."""
    words = []
    if before["version"] != finding.version:
        words.append("the declaration changed")
    if before["severity"] != finding.severity:
        words.append(f"severity: {before['severity']} → {finding.severity}")
    renamed = _renamed(before, finding)
    words += [f"{old} is now called {name}" for old, name in renamed.items()]
    old = {renamed.get(rule["name"], rule["name"]): rule for rule in before["rules"]}
    new = {rule.name: rule for rule in finding.told}
    left = {} if finding.evaluation is None else {rule.name: rule.exempt for rule in finding.evaluation.exempt}
    words += [f"{name}: {_gone(left.get(name))}" for name in old if name not in new]
    words += [f"{name}: {_word(rule.status)}" for name, rule in new.items() if name not in old]
    words += [
        f"{name}: {_word(old[name]['status'])} → {_word(rule.status)}"
        for name, rule in new.items()
        if name in old and old[name]["status"] != rule.status
    ]
    words += [
        f"{name}: {told}"
        for name, rule in new.items()
        if name in old and rule.measured is not None and (told := _moved(old[name].get("measured"), rule.measured))
    ]
    known = {item["name"]: item for rule in before["rules"] for item in rule["facts"]}
    now = {item.name: item for rule in new.values() for item in rule.facts}
    words += [
        f"{name}: {_shown(known[name].get('value'))} → {_shown(item.value)}"
        for name, item in now.items()
        if name in known and known[name].get("value") != item.value
    ]
    words += [
        f"{name}: {item.unknown}"
        for name, item in now.items()
        if name in known and known[name].get("value") == item.value and known[name].get("unknown") != item.unknown
    ]
    return words or ["what was read changed"]


def _moved(before: Mapping[str, Any] | None, now: Measured) -> str:
    if before is None:
        return now.says
    moved = [f"{before['says']} → {now.says}"] if before["says"] != now.says else []
    moved += [f"{before['standing']} → {now.standing}"] if before["standing"] != now.standing else []
    return "; ".join(moved)


def _gone(exempt: Exemption | None) -> str:
    return "no longer fails" if exempt is None else exempt.told


def _renamed(before: Mapping[str, Any], finding: Finding) -> dict[str, str]:
    """{name then: name now} of the rules that failed before and are called otherwise now."""
    names = (rule["name"] for rule in before["rules"])
    return {name: finding.renamed[name] for name in names if name in finding.renamed}


def failed_before(gap: Mapping[str, Any], finding: Finding) -> set[str]:
    """The rules that failed before, by the names that they have now."""
    names = (rule["name"] for rule in gap.get("rules", ()))
    return {finding.renamed.get(name, name) for name in names}


def _word(status: str) -> str:
    return status.replace("_", " ")


def _shown(value: object) -> str:
    if value is None:
        return "unknown"
    if is_sealed(value):
        return SHOWN
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)
