"""Joins: what other entities say about this one."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import TypeAlias

from common.declarations.evaluation import EntityView, Origin, Related
from common.declarations.models import Relation
from common.declarations.values import Slot, Unknown

Found: TypeAlias = Related | int | Unknown


@dataclass(frozen=True, slots=True)
class Candidate:
    """One entity of the far type, with its own attributes read."""

    key: str
    values: dict[str, Slot]
    origin: Origin


def keys_named(values: dict[str, Slot], through: str) -> tuple[str, ...]:
    """The keys of the entities that a row names in its attribute `through` (one, several or none)."""
    slot = values.get(through)
    if isinstance(slot, tuple):
        return slot
    return () if slot is None or isinstance(slot, Unknown) else (str(slot),)


def found(relation: Relation, candidates: Iterable[Candidate]) -> Found:
    """What a relation yields for one entity, given all rows that name it. The order of candidates is irrelevant.

    The latest is the one with the highest `by` (equal dates: the highest key). A candidate whose `by` cannot be
    read makes the latest undecided: it might be the newest. No candidate: absent. A count counts them all.
    """
    rows = list(candidates)
    if relation.count is not None:
        return len(rows)
    if not rows:
        return Unknown("absent", f"no {relation.other} names this one")
    best: tuple[tuple[datetime, str], Candidate] | None = None
    for row in sorted(rows, key=lambda item: item.key):
        by = row.values.get(relation.by or "")
        if not isinstance(by, date):
            return Unknown(
                "undecided", f"{relation.other} {row.key} has no {relation.by}, so the latest is not known"
            )
        rank = (_instant(by), row.key)
        if best is None or rank > best[0]:
            best = (rank, row)
    assert best is not None
    return Related(best[1].key, best[1].values, best[1].origin)


def with_relations(view: EntityView, related: dict[str, Found]) -> EntityView:
    """The same entity, knowing its relations."""
    return EntityView(view.entity_type, view.key, view.values, view.origin, related)


def _instant(value: date) -> datetime:
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    return datetime.combine(value, time(), UTC)
