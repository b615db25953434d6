"""From measures to the case of a population: which objectives open it, keep it open, and who is named in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

from common.declarations.evaluation import EntityView, Origin, evaluate
from common.declarations.values import Slot
from common.events import Event, new_event
from common.events import Origin as From
from common.events.differ import GapClosed, GapSnapshot
from common.objectives.blaming import MOST_NAMED, blamed, named
from common.objectives.contributing import Contribution, contribution
from common.objectives.population import Stood
from differ.core import population
from differ.core.deciding import CaseState, decide
from differ.core.folding import fold
from differ.core.measuring import Said, measure, stream_of
from hypothesis import given
from hypothesis import strategies as st

from .test_contributing import NONE, NOW, OBJECTIVES, ROWS, STATE, ago, application

Rows = dict[str, dict[str, Slot]]
Parts = dict[str, list[tuple[str, Contribution]]]


@dataclass
class Realm:
    """What the differ keeps of one desired state, without a database."""

    said: dict[str, Said] = field(default_factory=dict)
    case: CaseState = field(default_factory=lambda: CaseState(STATE.name, population.ref_of(STATE)))
    events: list[Event] = field(default_factory=list)

    def look(self, rows: Rows, asof: datetime, order: Any = None) -> None:
        """Everything is measured and decided as of `asof`, in any order."""
        views = {("application", key): seen(key, row) for key, row in rows.items()}
        parts = parts_of(rows, asof)
        for entities in parts.values():
            if order is not None:
                order.shuffle(entities)
        objectives = list(STATE.objectives)
        if order is not None:
            order.shuffle(objectives)
        for one in objectives:
            before = self.said.get(one.name)
            data = measure(STATE, one, parts[one.name], before, asof)
            if data is not None:
                version = before.stream_version + 1 if before else 1
                stream = stream_of(STATE.name, one.name)
                self.said[one.name] = Said(data, made(data, stream, asof, str(version)), version)
        stood = {name: Stood(said.data, said.event) for name, said in self.said.items()}
        found = population.finding(STATE, stood, self.case, asof)
        worst = population.worst(STATE, found, parts, asof)
        decision = decide(self.case, population.with_evidence(STATE, found, worst, views, asof))
        if decision is not None:
            self.case = decision.after
            if decision.data is not None:
                name = decision.after.case
                self.events.append(made(decision.data, f"gap/{name}", asof, str(len(self.events)), case=name))


def made(data: Any, stream: str, asof: datetime, *unique: str, case: str | None = None) -> Event:
    return new_event(
        data, stream, From(source="differ", actor="service:differ", time=asof, asof=asof), *unique, case=case
    )


def seen(key: str, row: dict[str, Slot]) -> EntityView:
    return EntityView("application", key, row, Origin(f"entity/application/{key}", f"e-{key}"))


def parts_of(rows: Rows, asof: datetime) -> Parts:
    found: Parts = {name: [] for name in OBJECTIVES}
    for key, row in rows.items():
        evaluation = evaluate(STATE, seen(key, row), asof)
        for name, objective in OBJECTIVES.items():
            part = contribution(objective, STATE, evaluation)
            found[name] += [(key, part)] if part is not None else []
    return found


def numbered(rows: Sequence[dict[str, Slot]]) -> Rows:
    return {f"A-{number}": row for number, row in enumerate(rows)}


def open_rules(realm: Realm) -> dict[str, str]:
    return {rule["name"]: rule["status"] for rule in realm.case.gap.get("rules", ())} if realm.case.open else {}


@given(st.lists(ROWS, min_size=1, max_size=4), st.randoms())
def test_which_objectives_are_in_the_case_follows_from_the_facts_in_any_order(
    history: list[list[dict[str, Slot]]], order: Any
) -> None:
    one, other = Realm(), Realm()
    for number, rows in enumerate(history):
        asof = NOW + timedelta(days=number)
        one.look(numbered(rows), asof)
        other.look(dict(reversed(numbered(rows).items())), asof, order)
        assert [event.encode() for event in one.events] == [event.encode() for event in other.events]
        assert open_rules(one) == open_rules(other)


@given(st.lists(ROWS, min_size=1, max_size=4))
def test_the_ledger_tells_the_case_as_it_is_kept_and_nothing_is_said_twice(
    history: list[list[dict[str, Slot]]],
) -> None:
    realm = Realm()
    for number, rows in enumerate(history):
        realm.look(numbered(rows), NOW + timedelta(days=number))
        said = len(realm.events)
        realm.look(numbered(rows), NOW + timedelta(days=number))
        assert len(realm.events) == said, "the same facts said twice"
        assert fold(STATE.name, population.ref_of(STATE), realm.events) == realm.case


@given(st.integers(1, 12), st.integers(0, 12), st.integers(0, 12))
def test_a_population_that_shrinks_never_closes_its_case(reworked: int, done: int, gone: int) -> None:
    """`left` is guarded: rework that is not looked at any more is not rework that was done."""
    rows = [application(ago(9), reworked=True)] * reworked + [application(ago(9), ago(1), reworked=True)] * done
    realm = Realm()
    realm.look(numbered(rows), NOW)
    assert open_rules(realm)["left"] == "missed"
    begun = realm.said["left"].data.baseline
    kept = dict(list(numbered(rows).items())[gone:])
    realm.look(kept, NOW + timedelta(hours=1))
    if len(kept) < len(rows):
        assert open_rules(realm)["left"] == "unknown"
        assert realm.said["left"].data.baseline == begun, "those who are left are no beginning"
        assert not any(event.type == GapClosed.TYPE for event in realm.events)
    finished = {key: {**row, "closed": ago(0)} for key, row in numbered(rows).items()}
    realm.look(finished, NOW + timedelta(hours=2))
    assert "left" not in open_rules(realm), "all of it was done, and nobody left"


@given(ROWS, st.lists(st.integers(0, 8), max_size=4))
def test_how_a_first_import_is_cut_into_batches_does_not_move_a_baseline(
    rows: list[dict[str, Slot]], cuts: list[int]
) -> None:
    whole, parted = Realm(), Realm()
    whole.look(numbered(rows), NOW)
    for cut in sorted(cuts):
        parted.look(numbered(rows[:cut]), NOW)
    parted.look(numbered(rows), NOW)
    begun = {name: said.data.baseline for name, said in whole.said.items()}
    assert {name: said.data.baseline for name, said in parted.said.items()} == begun
    assert [parted.said[name].data.standing for name in begun] == [whole.said[name].data.standing for name in begun]
    parted.look(numbered([row | {"closed": NOW} for row in rows]), NOW + timedelta(days=1))
    for name, first in begun.items():
        assert first is None or parted.said[name].data.baseline == first, "the next day moves it no more"


@given(ROWS, st.integers(1, 40))
def test_a_thousand_new_applications_close_nothing(rows: list[dict[str, Slot]], new: int) -> None:
    realm = Realm()
    realm.look(numbered(rows), NOW)
    before = {name for name in open_rules(realm) if name in ("days", "most", "rework")}
    realm.look(numbered([*rows, *[application(NOW)] * new]), NOW)
    assert before <= set(open_rules(realm))


def test_the_worst_are_named_first_and_the_rest_is_counted() -> None:
    rows = numbered([application(ago(1 + number % 7), ago(0)) for number in range(60)])
    slow = {f"S-{number:02}": application(ago(25 - number % 5), ago(1)) for number in range(30)}
    entities = parts_of({**rows, **slow}, NOW)["days"]
    found, others = blamed(OBJECTIVES["days"], entities, NOW, STATE.zone, MOST_NAMED)
    told = named(OBJECTIVES["days"], found, STATE.zone)
    assert (len(told), others) == (MOST_NAMED, 30 + sum(1 + n % 7 > 3 for n in range(60)) - MOST_NAMED)
    assert [(one.key, one.says) for one in told[:2]] == [("S-00", "took 24 days"), ("S-05", "took 24 days")]
    running = blamed(OBJECTIVES["days"], parts_of({"R": application(ago(9))}, NOW)["days"], NOW, STATE.zone, 5)
    assert [one.says for one in named(OBJECTIVES["days"], running[0], STATE.zone)] == ["open for 9 days"]


SPANS = st.lists(
    st.tuples(st.integers(0, 6 * 86_400_000_000), st.none() | st.integers(0, 6 * 86_400_000_000)), max_size=30
)
"""(microseconds since it began, since it ended: None while it runs)."""


@given(SPANS, st.integers(1, 10))
def test_who_is_to_blame_is_who_took_longer_than_the_target_the_longest_first(
    spans: list[tuple[int, int | None]], most: int
) -> None:
    target = OBJECTIVES["days"].target.value
    keyed, late = [], []
    for number, (began, ended) in enumerate(spans):
        stop = None if ended is None else NOW - timedelta(microseconds=min(began, ended))
        keyed.append((f"{number:02}", Contribution(start=NOW - timedelta(microseconds=began), stop=stop)))
        took = Fraction(began - (0 if ended is None else min(began, ended)), 1_000_000)
        late += [(-took, f"{number:02}")] if took > target else []
    worst, others = blamed(OBJECTIVES["days"], keyed, NOW, STATE.zone, most)
    assert [(-(how.seconds or 0), key) for key, how in worst] == sorted(late)[:most]
    assert others == len(late) - len(worst)


def test_evidence_names_entities_and_where_the_time_went() -> None:
    realm = Realm()
    slow = [application(ago(20), ago(2), promised=(NOW - timedelta(days=12)).date()) for _ in range(3)]
    realm.look(numbered([*slow, application(ago(30))]), NOW)
    (opened,) = realm.events
    data = GapSnapshot.model_validate(opened.data)
    rules = {rule.name: rule for rule in data.rules}
    assert data.key == "*"
    assert rules["days"].measured is not None
    assert [one.key for one in rules["days"].measured.contributors] == ["A-3", "A-0", "A-1", "A-2"]
    trace = rules["days"].measured.trace
    assert trace is not None
    assert [(step.begin, step.end, step.entities) for step in trace.steps] == [
        ("promised", "closed", 3), ("opened", "promised", 3)
    ]  # fmt: skip
    assert [(wait.after, wait.whose, wait.entities, wait.longest_s) for wait in trace.waits] == [
        ("opened", "ours", 1, 30 * 86_400)
    ]
    assert application(ago(1))["closed"] is NONE


def test_too_few_to_tell_keep_the_case_open_and_open_none() -> None:
    realm = Realm()
    few = numbered([application(ago(3), ago(0.1), reworked=True)])
    realm.look(few, NOW)
    assert "rework" not in open_rules(realm), "one of the two that it takes"
    realm.look(few | {"B": application(ago(3), ago(0.2), reworked=True)}, NOW)
    assert open_rules(realm)["rework"] == "missed"
    realm.look(few, NOW + timedelta(hours=1))
    assert open_rules(realm)["rework"] == "unknown", "open until it is met"


def test_a_population_that_shrinks_is_an_alarm_though_nothing_was_missed() -> None:
    realm = Realm()
    done = numbered([application(ago(9), ago(1), reworked=True)] * 3)
    realm.look(done, NOW)
    assert "left" not in open_rules(realm)
    realm.look(dict(list(done.items())[1:]), NOW + timedelta(hours=1))
    assert open_rules(realm)["left"] == "unknown"
