"""One entity under the declaration that is active and under the one that is proposed: what becomes of its case."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Literal, TypeAlias

from common.declarations.evaluation import Evaluation
from common.declarations.models import DesiredState
from common.declarations.values import Status
from common.objectives import wording

Kind: TypeAlias = Literal["opens", "closes", "changes", "dates", "stays", "none"]
"""`dates`: there is no case before or after, and the next date by which something must hold moves. `stays`: the case
is open and remains as it is. `none`: there is no case, before or after."""
OPEN = frozenset(("gap", "undecided", "due soon"))
"""The standings in which a case is open."""
_AHEAD = (Status.PENDING, Status.SOON)


@dataclass(frozen=True, slots=True)
class Side:
    """How an entity stands on one side. `rules` are the failing ones, by name; `due` are the instants of those and of
    the deadlines ahead, `exempt` why missed rules are left alone. Names are those of the new declaration. `steady`:
    for how long it must last that nothing fails before a gap is closed."""

    standing: str
    severity: str = ""
    rules: tuple[tuple[str, str], ...] = ()
    due: tuple[tuple[str, datetime], ...] = ()
    exempt: tuple[tuple[str, str], ...] = ()
    steady: timedelta | None = None

    @property
    def open(self) -> bool:
        return self.standing in OPEN

    @property
    def waits(self) -> str:
        """In words, how long a gap stays open all the same."""
        if self.steady is None or self.standing not in ("met", "on track"):
            return ""
        return f"; closes when that has lasted {wording.amount('mean', Fraction(int(self.steady.total_seconds())))}"


NOT_DECLARED = Side("not declared")


@dataclass(frozen=True, slots=True)
class CaseChange:
    """What becomes of one entity's case."""

    key: str
    kind: Kind
    before: Side
    after: Side

    @property
    def words(self) -> list[str]:
        """What is different, for people; the part that names a rule begins with its name."""
        if self.kind == "opens":
            return [f"{name}: {status}" for name, status in self.after.rules]
        if self.kind == "closes":
            left = [f"{name}: {why}" for name, why in self.after.exempt]
            return left or [_CLOSES.get(self.after.standing, self.after.standing) + self.after.waits]
        old, new = dict(self.before.rules), dict(self.after.rules)
        exempt = dict(self.after.exempt)
        words = []
        if self.before.severity != self.after.severity and self.before.open:
            words.append(f"severity: {self.before.severity} → {self.after.severity}")
        words += [f"{name}: {exempt.get(name, 'no longer fails')}" for name in old if name not in new]
        words += [f"{name}: {status}" for name, status in new.items() if name not in old]
        words += [f"{name}: {old[name]} → {new[name]}" for name in new if name in old and old[name] != new[name]]
        was, now = dict(self.before.due), dict(self.after.due)
        words += [
            f"{name}: due {_moment(was.get(name))} → {_moment(now.get(name))}"
            for name in dict.fromkeys((*was, *now))
            if was.get(name) != now.get(name) and (name in old) == (name in new)
        ]
        if not words and self.before.standing != self.after.standing:
            words.append(f"{self.before.standing} → {self.after.standing}")
        return words


_CLOSES = {
    "met": "every rule holds",
    "on track": "nothing is wrong yet; a date lies ahead",
    "not selected": "it is no longer selected",
    "selector unknown": "it can't be told any more whether it is selected",
    "not declared": "nothing is declared about it",
    "not in force": "the new declaration is not in force yet",
}


def renames(spec: DesiredState) -> dict[str, str]:
    """{former name: name now} of every rule and objective that says what it was called."""
    return {former: name for _, name, former in spec.renames}


def side(
    evaluation: Evaluation | None,
    renamed: Mapping[str, str],
    *,
    in_force: bool = True,
    steady: timedelta | None = None,
) -> Side:
    """How an entity stands; `renamed` says how its rules are called on the other side."""
    if evaluation is None:
        return NOT_DECLARED
    if not in_force:
        return Side("not in force")
    standing = evaluation.standing
    # Freshness is no deadline: it is in the declaration, and moves with every report.
    due = tuple(
        (renamed.get(rule.name, rule.name), rule.due)
        for rule in evaluation.rules
        if rule.due is not None and rule.kind == "deadline" and (rule.status in _AHEAD or rule in evaluation.failing)
    )
    failing = tuple((renamed.get(rule.name, rule.name), _word(rule.status)) for rule in evaluation.failing)
    exempt = tuple(
        (renamed.get(rule.name, rule.name), rule.exempt.told) for rule in evaluation.exempt if rule.exempt is not None
    )
    return Side(standing, evaluation.severity, tuple(sorted(failing)), tuple(sorted(due)), exempt, steady)


def compare(key: str, before: Side, after: Side) -> CaseChange:
    """What becomes of the case of the entity `key`."""
    return CaseChange(key, _kind(before, after), before, after)


def _kind(before: Side, after: Side) -> Kind:
    if before.open != after.open:
        return "opens" if after.open else "closes"
    if before.open:
        same = (before.standing, before.severity, before.rules, before.due) == (
            after.standing,
            after.severity,
            after.rules,
            after.due,
        )
        return "stays" if same else "changes"
    return "dates" if before.due != after.due and before.due and after.due else "none"


def _moment(due: datetime | None) -> str:
    return "no date" if due is None else f"{due:%Y-%m-%d %H:%M} UTC"


def _word(status: Status) -> str:
    return {Status.MISSED: "missed", Status.UNKNOWN: "unknown", Status.SOON: "due soon"}[status]
