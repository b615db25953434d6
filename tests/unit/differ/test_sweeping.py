"""Many instants in one go come to what they come to one at a time, each look as of its own instant, in order."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from common.declarations.evaluation import EntityView, Origin
from common.declarations.values import Unknown
from common.entities.rows import Ref
from common.events.differ import GapChanged, GapOpened, GapUndecided
from differ.core.deciding import CaseKey, CaseState, Decision
from differ.core.diffing import diff
from differ.core.planning import Declared, Look
from differ.core.sweeping import Due, sweep
from hypothesis import given
from hypothesis import strategies as st
from support.casework import FINDINGS, ROW, catalogue_of, without_objectives

LEAD = without_objectives(FINDINGS.read_text()).replace("      by: due\n", "      by: due\n      lead: 10 days\n", 1)
DECLARED = Declared(catalogue_of(LEAD))
NAME = "money-findings-closed"
START = datetime(2023, 7, 3, tzinfo=UTC)
Said = list[tuple[datetime, Decision]]


def view(key: str, due: date, fresh_days: int) -> EntityView:
    row: dict[str, Any] = {**ROW, "reference": key, "completion_date": f"{due:%B} {due.day}, {due.year}"}
    values = DECLARED.catalogue.readers["finding"].read(row).values
    origin = Origin(f"entity/finding/{key}", "event", START + timedelta(days=fresh_days))
    return EntityView("finding", key, values, origin, {"retest": Unknown("absent", "no retest names this one")})


def one_by_one(
    due: list[Due], views: dict[Ref, EntityView], until: datetime
) -> tuple[Said, list[tuple[Look, datetime]]]:
    """Always the earliest look alone, with a case of its own and a timer that replaces the one that fired."""
    timers = {look: instant for instant, look in due}
    cases: dict[CaseKey, CaseState] = {}
    said: Said = []
    while timers and min(timers.values()) <= until:
        instant, _, look = min((instant, look.ref, look) for look, instant in timers.items())
        del timers[look]
        result = diff(DECLARED, [look], views, cases, instant)
        timers.update(dict(result.alarms))
        cases.update((decision.after.key, decision.after) for decision in result.decisions)
        said.extend((instant, decision) for decision in result.decisions)
    return said, sorted(timers.items(), key=lambda item: (item[1], item[0].ref))


ENTITIES = st.lists(
    st.tuples(st.integers(-20, 80), st.integers(1, 80), st.integers(0, 86_400 * 60)), min_size=1, max_size=6
)


@given(ENTITIES, st.integers(60, 90))
def test_a_sweep_is_what_its_looks_come_to_one_at_a_time(entities: list[tuple[int, int, int]], days: int) -> None:
    views: dict[Ref, EntityView] = {}
    due: list[Due] = []
    for number, (promised, fresh, first) in enumerate(entities):
        key = f"F-{number}"
        views["finding", key] = view(key, (START + timedelta(days=promised)).date(), fresh)
        due.append((START + timedelta(seconds=first), Look(NAME, ("finding", key))))
    until = START + timedelta(days=days)
    found = sweep(DECLARED, due, views, {}, until)
    expected, alarms = one_by_one(due, views, until)
    assert [asof for asof, _ in found.decisions] == sorted(asof for asof, _ in found.decisions)
    assert sorted(found.decisions, key=_order) == sorted(expected, key=_order)
    assert sorted(found.alarms, key=lambda item: (item[1], item[0].ref)) == alarms


def _order(item: tuple[datetime, Decision]) -> tuple[datetime, str, int]:
    return item[0], item[1].after.ref[1], item[1].after.stream_version


def test_what_must_be_looked_at_again_before_the_end_takes_its_turn_among_the_others() -> None:
    """F-1: its lead begins, then it is late; F-2 is late in between."""
    views: dict[Ref, EntityView] = {
        ("finding", "F-1"): view("F-1", date(2023, 7, 20), 30),
        ("finding", "F-2"): view("F-2", date(2023, 7, 1), 300),
    }
    first, second = (Look(NAME, ref) for ref in views)
    due = [(START + timedelta(days=10), first), (START + timedelta(days=12), second)]
    found = sweep(DECLARED, due, views, {}, START + timedelta(days=40))
    told = [(asof.date().isoformat(), one.after.ref[1], type(one.data)) for asof, one in found.decisions if one.data]
    assert told == [
        ("2023-07-13", "F-1", GapOpened),
        ("2023-07-15", "F-2", GapOpened),
        ("2023-07-21", "F-1", GapChanged),
        ("2023-08-02", "F-1", GapUndecided),  # what was reported of it is too old
    ]
