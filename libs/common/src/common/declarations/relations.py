"""Joins: what other entities say about this one."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from typing import TypeAlias

from common.declarations.evaluation import Counted, EntityView, Origin, Related
from common.declarations.expressions import MET, Condition, Language, Outcome
from common.declarations.models import Relation
from common.declarations.values import Slot, Status, Unknown

Found: TypeAlias = Related | Counted | Unknown
Rank: TypeAlias = tuple[datetime, str]
THIS = "this."
"""How a condition on the far side reads this entity: `added > this.assessment.signed_on`."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One entity of the far type, with its own attributes read."""

    key: str
    values: Mapping[str, Slot]
    origin: Origin


@dataclass(frozen=True, slots=True)
class CompiledRelation:
    """A relation of an entity type, ready to be looked up. `reads` are the variables of this entity that its
    condition reads, without `this.`: attributes, `relation.attribute`, counts."""

    name: str
    relation: Relation
    language: Language
    where: Condition | None = None
    reads: tuple[str, ...] = ()

    @property
    def follows(self) -> frozenset[str]:
        """The first words of `reads`: among them the relations that must be known before."""
        return frozenset(name.partition(".")[0] for name in self.reads)


def keys_named(values: Mapping[str, Slot], through: str) -> tuple[str, ...]:
    """The keys of the entities that a row names in its attribute `through` (one, several or none), each once."""
    slot = values.get(through)
    if isinstance(slot, tuple):
        return tuple(dict.fromkeys(slot))
    return () if slot is None or isinstance(slot, Unknown) else (str(slot),)


def targets(relation: Relation, key: str, values: Mapping[str, Slot]) -> tuple[str, ...]:
    """What far entities must name in `through` to concern the entity with this key and these attributes."""
    return (key,) if relation.own is None else keys_named(values, relation.own)


def with_relations(
    view: EntityView, relations: Iterable[CompiledRelation], candidates: Mapping[str, Iterable[Candidate] | Unknown]
) -> EntityView:
    """The same entity, knowing its relations.

    `relations` come in an order in which each follows those that it reads. `candidates` are, by relation, the far
    entities that name this one (an absent relation: none), or why they are not known.
    """
    known: dict[str, Found] = {}
    for item in relations:
        rows = candidates.get(item.name, ())
        own = item.relation.own
        slot = view.values.get(own) if own is not None else None
        if isinstance(rows, Unknown):
            known[item.name] = rows
        elif isinstance(slot, Unknown):
            known[item.name] = Unknown("undecided", f"{own}: {slot.reason}")
        else:
            known[item.name] = _found(item, rows, view, known)
    return replace(view, related=known)


def _found(item: CompiledRelation, rows: Iterable[Candidate], view: EntityView, known: Mapping[str, Found]) -> Found:
    """What a relation yields, given all rows that name the entity. The order of rows is irrelevant.

    The latest is the one with the highest `by` (equal dates: the highest key), the earliest the one with the lowest.
    A row that might be it and cannot be told (no `by`, or a condition that is Unknown) makes it undecided. No row:
    absent. A count counts them all, and one of which it is Unknown whether it counts makes it undecided.
    """
    candidates = sorted(rows, key=lambda row: row.key)
    this = {THIS + name: _slot(name, view, known) for name in item.reads}
    sure: list[Candidate] = []
    doubts: list[tuple[Candidate, Unknown]] = []
    for row in candidates:
        outcome = MET if item.where is None else _counts(item.language, item.where, row.values, this)
        if outcome.status is Status.MET:
            sure.append(row)
        elif outcome.status is Status.UNKNOWN:
            why = f"whether {item.relation.other} {row.key} counts is not known: {outcome.reason}"
            doubts.append((row, Unknown("undecided", why)))
    limits = [_limit(name, view, known) for name in item.reads]
    if item.relation.count is not None:
        if doubts:
            return doubts[0][1]
        return Counted(len(sure), _earliest([*limits, *(row.origin.fresh_until for row in candidates)]))
    best = _best(item.relation, sure, doubts)
    if isinstance(best, Unknown) or item.where is None:
        return best if isinstance(best, Unknown) else Related(best.key, best.values, best.origin)
    limits += [row.origin.fresh_until for row in candidates]
    return Related(best.key, best.values, replace(best.origin, fresh_until=_earliest(limits)))


def _counts(language: Language, where: Condition, row: Mapping[str, Slot], this: Mapping[str, Slot]) -> Outcome:
    """Whether a far entity is one that a relation asks for. What was decided of the same values is kept."""
    slots = {name: this[name] if name in this else row[name] for name in where.reads}
    key = tuple(slots.values())
    if (found := where.answers.get(key)) is not None:
        return found
    outcome = language.decide(where, language.bind(slots))
    where.keep(key, outcome, slots)
    return outcome


def _best(
    relation: Relation, sure: Iterable[Candidate], doubts: Iterable[tuple[Candidate, Unknown]]
) -> Candidate | Unknown:
    """The row that counts of those that surely could, if no other might come before it."""
    word = "latest" if relation.latest is not None else "earliest"
    ahead = max if relation.latest is not None else min
    best: tuple[Rank, Candidate] | None = None
    for row in sure:
        rank = _rank(row, relation)
        if rank is None:
            why = f"{relation.other} {row.key} has no {relation.by}, so the {word} is not known"
            return Unknown("undecided", why)
        if best is None or ahead(rank, best[0]) == rank:
            best = (rank, row)
    for row, why_not in doubts:
        rank = _rank(row, relation)
        if rank is None or best is None or ahead(rank, best[0]) == rank:
            return why_not
    return Unknown("absent", f"no {relation.other} names this one") if best is None else best[1]


def _rank(row: Candidate, relation: Relation) -> Rank | None:
    by = row.values.get(relation.by or "")
    return (_instant(by), row.key) if isinstance(by, date) else None


def _slot(name: str, view: EntityView, known: Mapping[str, Found]) -> Slot:
    """A variable of this entity as conditions of its relations read it; staleness is the evaluation's to apply."""
    relation, _, attribute = name.partition(".")
    if relation not in known:
        return view.values.get(name, Unknown("absent", "it was not read"))
    match known[relation]:
        case Counted(number=number):
            return number
        case Related(values=values):
            return values.get(attribute, Unknown("absent", "it was not read"))
        case unknown:
            return unknown


def _limit(name: str, view: EntityView, known: Mapping[str, Found]) -> datetime | None:
    """Until when what a variable of this entity says is fresh."""
    match known.get(name.partition(".")[0]):
        case Counted(fresh_until=limit):
            return limit
        case Related(origin=origin):
            return origin.fresh_until
        case _:
            return view.origin.fresh_until if view.origin else None


def _earliest(limits: Iterable[datetime | None]) -> datetime | None:
    return min((limit for limit in limits if limit is not None), default=None)


def _instant(value: date) -> datetime:
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    return datetime.combine(value, time(), UTC)
