"""What a changed declaration comes to, over a whole population: counted exactly, with examples up to a limit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from common.changes.cases import CaseChange, compare, renames, side
from common.declarations.catalogue import Catalogue
from common.declarations.evaluation import CompiledDesiredState, EntityView, Evaluation, evaluate
from common.events.differ import ChangedCase, ChangedObjective, ChangedState
from common.objectives import wording
from common.objectives.contributing import Contribution, Result, contribution, measured
from common.objectives.population import POPULATION

CHANGING = ("opens", "closes", "changes")


@dataclass(slots=True)
class _Half:
    """One of the two declarations, or none."""

    state: CompiledDesiredState | None
    renamed: Mapping[str, str]
    asof: datetime
    selected: int = 0
    parts: list[list[Contribution]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.parts = [[] for _ in self.state.objectives] if self.state else []

    @property
    def in_force(self) -> bool:
        return self.state is not None and self.asof >= self.state.effective

    def decide(self, view: EntityView | None) -> Evaluation | None:
        """The entity decided; None where nothing is declared about it, or it is not there."""
        if self.state is None or view is None or view.entity_type != self.state.spec.selector.entity:
            return None
        evaluation = evaluate(self.state, view, self.asof)
        self.selected += evaluation.standing not in ("not selected", "selector unknown")
        for objective, parts in zip(self.state.objectives, self.parts, strict=True):
            part = contribution(objective, self.state, evaluation)
            parts.extend([part] if part is not None else [])
        return evaluation

    def results(self) -> dict[str, Result]:
        """Its objectives by the name they have on the new side."""
        if self.state is None or not self.in_force:
            return {}
        zone = self.state.zone
        pairs = zip(self.state.objectives, self.parts, strict=True)
        return {self.renamed.get(one.name, one.name): measured(one, every, self.asof, zone) for one, every in pairs}


class Tally:
    """One desired state before and after. `see` every entity once, in any order; then `changed` says what it comes
    to. `most`: of how many changing cases the particulars are kept (the first by key); None: of all."""

    def __init__(
        self,
        before: CompiledDesiredState | None,
        after: CompiledDesiredState,
        asof: datetime,
        most: int | None = None,
    ) -> None:
        renamed = renames(after.spec)
        self.asof, self.after_state = asof, after
        self._before, self._after = _Half(before, renamed, asof), _Half(after, {}, asof)
        self._renamed = renamed
        self._most = most
        self.total = 0
        self.kinds: Counter[str] = Counter()
        self.severities: Counter[str] = Counter()
        self.rules: Counter[str] = Counter()
        self.cases: list[CaseChange] = []

    @property
    def entity_types(self) -> set[str]:
        """Of which types entities are to be seen: the one that is selected, and the one that was."""
        states = (self._before.state, self._after.state)
        return {state.spec.selector.entity for state in states if state is not None}

    def see(self, key: str, before: EntityView | None, after: EntityView | None) -> CaseChange:
        """Compare one entity, as it reads under either declaration."""
        self.total += 1
        was = side(self._before.decide(before), self._renamed, in_force=self._before.in_force)
        steady = self.after_state.spec.steady
        now = side(self._after.decide(after), {}, in_force=self._after.in_force, steady=steady)
        change = compare(key, was, now)
        self.kinds[change.kind] += 1
        if change.kind == "opens":
            self.severities[now.severity] += 1
            self.rules.update(name for name, _ in now.rules)
        if change.kind in CHANGING and (self._most is None or len(self.cases) < self._most):
            self.cases.append(change)
        return change

    def changed(self) -> ChangedState:
        """What it comes to."""
        after, before = self.after_state, self._before.state
        spec = after.spec
        gone = before is not None and before.spec.selector.entity != spec.selector.entity
        former = set() if before is None else {rule.name for rule in (*before.spec.rules, *before.spec.objectives)}
        return ChangedState(
            desired_state=after.name,
            change="new" if before is None else "changed",
            statement=spec.statement,
            entity_type=spec.selector.entity,
            effective=spec.effective,
            in_force=self._after.in_force,
            reports_only=spec.remediation.autonomy in ("L0", "L1"),
            read=self.total,
            selected_before=self._before.selected,
            selected=self._after.selected,
            opens=self.kinds["opens"],
            closes=self.kinds["closes"],
            changes=self.kinds["changes"],
            stays=self.kinds["stays"],
            dates=self.kinds["dates"],
            severities=dict(sorted(self.severities.items())),
            rules=dict(sorted(self.rules.items())),
            renamed={old: new for old, new in sorted(self._renamed.items()) if old in former},
            cases=[_case(change) for change in self.cases],
            objectives=self._objectives(),
            another_type=before.spec.selector.entity if before is not None and gone else None,
            population=whole(self._before.results(), self._after.results(), after.severity[-1][0]),
        )

    def _objectives(self) -> list[ChangedObjective]:
        before, after = self._before.results(), self._after.results()
        found = []
        for name in dict.fromkeys((*after, *before)):
            was, now = before.get(name), after.get(name)
            if was is not None and now is not None and _told(was) == _told(now):
                continue
            found.append(
                ChangedObjective(
                    name=name,
                    before=None if was is None else ", ".join(_told(was)),
                    after=None if now is None else ", ".join(_told(now)),
                )
            )
        return found


def whole(before: Mapping[str, Result], after: Mapping[str, Result], severity: str) -> ChangedCase | None:
    """What becomes of the case of the whole population; None where it stays, or there is none. A missed objective
    opens it, and only one that is met leaves it."""
    was = {name: "missed" for name, result in before.items() if result.standing == "missed"}
    now = {
        name: "unknown" if result.standing == "undecided" else "missed"
        for name, result in after.items()
        if result.standing == "missed" or (name in was and result.standing != "met")
    }
    if was == now:
        return None
    words = [f"{name}: {'met' if name in after else 'no longer measured'}" for name in was if name not in now]
    words += [
        f"{name}: {_status(was.get(name), status)} ({wording.found(after[name])}; "
        f"{wording.wanted(after[name].objective)})"
        for name, status in now.items()
        if was.get(name) != status
    ]
    return ChangedCase(
        key=POPULATION,
        kind="changes" if was and now else "opens" if now else "closes",
        before=_together(was),
        after=_together(now),
        severity=severity,
        says=words,
    )


def _status(was: str | None, now: str) -> str:
    return now if was is None else f"{was} → {now}"


def _together(rules: Mapping[str, str]) -> str:
    if not rules:
        return "no gap"
    return "gap" if "missed" in rules.values() else "undecided"


def _told(result: Result) -> tuple[str, str, str]:
    # There is no baseline before it is in force, so "behind" says no more than that the target is not reached yet.
    standing = "not yet" if result.standing == "behind" else result.standing
    return standing, wording.found(result), wording.wanted(result.objective)


def _case(change: CaseChange) -> ChangedCase:
    return ChangedCase(
        key=change.key,
        kind=change.kind,  # type: ignore[arg-type]  # only changing kinds are kept
        before=change.before.standing,
        after=change.after.standing,
        severity=change.after.severity if change.after.open else change.before.severity,
        says=change.words,
    )


def concerned(before: Catalogue, after: Catalogue) -> list[str]:
    """The desired states that are decided otherwise, or may be: new ones, and those of which anything that their
    decisions depend on is another. By name; those that can't be decided yet are left out."""
    return [
        name
        for name in sorted(after.desired_states)
        if not after.missing(name)
        and (name not in before.desired_states or before.decided_by(name) != after.decided_by(name))
    ]


def tally(before: Catalogue, after: Catalogue, name: str, asof: datetime, most: int | None = None) -> Tally:
    """The tally of one desired state."""
    declared = name in before.desired_states and not before.missing(name)
    return Tally(before.compiled(name) if declared else None, after.compiled(name), asof, most)


def totals(states: Iterable[ChangedState]) -> tuple[int, int, int]:
    """How many cases open, close and change in all, those of whole populations among them."""
    found = list(states)
    kinds = Counter(state.population.kind for state in found if state.population is not None)
    return (
        sum(state.opens for state in found) + kinds["opens"],
        sum(state.closes for state in found) + kinds["closes"],
        sum(state.changes for state in found) + kinds["changes"],
    )
