"""Rules that are missed and open no case: gaps that people have accepted until a day, and what is to be left alone.

`exemption` decides it, for everybody: `evaluate` asks, and with it differ, preview, planner, approver, executor and
auditor. What is Unknown is never exempt.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal, TypeAlias

from common.declarations import periods
from common.declarations.expressions import Condition, Language, Outcome
from common.declarations.handling import AcceptedGap, Ignore
from common.declarations.problems import Path, Wrong
from common.declarations.values import Status

Report: TypeAlias = Callable[[Path, Wrong], None]


@dataclass(frozen=True, slots=True)
class Exemption:
    """Why a missed rule opens no case. `why` is the AcceptedGap's name, or the declaration's own words; `until` is
    the instant from which it opens one again (None: as long as it is declared so). `version` is the digest of the
    AcceptedGap as it was activated."""

    kind: Literal["accepted", "ignored"]
    why: str
    until: datetime | None = None
    version: str = ""

    @property
    def told(self) -> str:
        """As gap events and previews say it. The convergence guard reads it there."""
        return f"{self.kind} ({self.why})"


@dataclass(frozen=True, slots=True)
class Clause:
    """Which rules of which entities are exempt; None: all."""

    exemption: Exemption
    key: frozenset[str] | None = None
    where: Condition | None = None
    rules: frozenset[str] | None = None
    attributes: frozenset[str] = frozenset()


def stands(exemption: Exemption, asof: datetime) -> bool:
    """Whether it holds as of `asof`: the one place where expiry is decided."""
    return exemption.until is None or asof < exemption.until


def exemption(
    clauses: Iterable[Clause],
    rule: tuple[str, tuple[str, ...]],
    key: str,
    asof: datetime,
    decide: Callable[[Condition], Outcome],
) -> Exemption | None:
    """Why the missed rule (its name, what it reads) of the entity `key` opens no case; of several the longest."""
    name, reads = rule
    found = [
        clause.exemption
        for clause in clauses
        if stands(clause.exemption, asof)
        and (clause.key is None or key in clause.key)
        and (clause.rules is None or name in clause.rules)
        and (not clause.attributes or clause.attributes.intersection(reads))
        and (clause.where is None or decide(clause.where).status is Status.MET)
    ]
    endless = [one for one in found if one.until is None]
    return endless[0] if endless else max(found, key=lambda one: (one.until, one.why), default=None)


def clauses(
    ignores: Iterable[Ignore],
    accepted: Mapping[str, tuple[AcceptedGap, str]],
    renamed: Mapping[str, str],
    language: Language,
    report: Report,
) -> tuple[Clause, ...]:
    """What a desired state ignores, and the accepted gaps of it, each with its digest. Faults of the former go to
    `report`; an accepted gap whose condition no longer fits the declaration accepts nothing. One that names a rule as
    it was called before (`renamed`: {former name: name}) goes on for the rule."""
    found = []
    for index, item in enumerate(ignores):
        path: Path = ("ignore", index)
        where = _compiled(item.where, language, lambda fault, at=path: report((*at, "where"), fault))  # type: ignore[misc]
        for name in item.attributes:
            if name not in language.scope:
                report(
                    path, Wrong("unknown_attribute", f"There is no attribute {name!r}.", "Name what a rule reads.")
                )
        key = frozenset(item.entities) if item.entities else None
        found.append(Clause(Exemption("ignored", item.because), key, where, None, frozenset(item.attributes)))
    for name, (spec, version) in sorted(accepted.items()):
        faults: list[Wrong] = []
        where = _compiled(spec.where, language, faults.append)
        if not faults:
            until = periods.end_of(date.fromisoformat(spec.until), language.zone)
            rules = frozenset(renamed.get(rule, rule) for rule in spec.rules)
            key = frozenset([spec.entity]) if spec.entity is not None else None
            found.append(Clause(Exemption("accepted", name, until, version), key, where, rules))
    return tuple(found)


def _compiled(source: str | None, language: Language, fault: Callable[[Wrong], None]) -> Condition | None:
    try:
        return language.compile(source) if source is not None else None
    except Wrong as wrong:
        fault(wrong)
        return None
