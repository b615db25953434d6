"""Incremental equals full recomputation: any order, duplicates and late arrivals come to the same gaps.

An entity store in memory stands in for PostgreSQL (the real one is put to the same test in the integration suite);
everything that decides is the real thing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from common.clock import instant, parse_instant
from common.declarations.evaluation import EntityView
from common.declarations.relations import with_relations
from common.entities.links import named
from common.entities.rows import Observation, Ref, StoredEntity, newest, read_observation
from common.entities.views import candidate_of, view_of
from common.events import Event
from common.events.observer import EntityObserved, EntityWithdrawn
from common.ledger import Recorded
from differ.core.deciding import CaseKey, CaseState
from differ.core.diffing import diff
from differ.core.findings import find, fingerprint
from differ.core.planning import Declared
from hypothesis import given, settings
from hypothesis import strategies as st
from support.casework import findings_catalogue

NOW = parse_instant("2023-07-03T12:00:00Z")
CATALOGUE = findings_catalogue()
DECLARED = Declared(CATALOGUE)


@dataclass
class Reality:
    """What one differ knows and has said."""

    asof: datetime = NOW
    known: list[Observation] = field(default_factory=list)
    cases: dict[CaseKey, CaseState] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)

    def deliver(self, batch: Iterable[Observation]) -> None:
        before = newest(self.known)
        self.known += batch
        after = newest(self.known)
        changed = {ref for ref in after if before.get(ref) != after[ref]}
        for ref in list(changed):
            for state in (before, after):
                changed |= {("finding", key) for key in _names(state.get(ref))}
        self.look(sorted(changed), after)

    def look(self, refs: Sequence[Ref], state: dict[Ref, Observation]) -> None:
        views = {ref: view for ref in refs if (view := self.view(ref, state)) is not None}
        result = diff(DECLARED, DECLARED.looks(refs), views, self.cases, self.asof)
        for decision in result.decisions:
            self.cases[decision.after.key] = decision.after
            if decision.data is not None:
                self.said.append(f"{decision.after.case} {decision.data.TYPE}")

    def view(self, ref: Ref, state: dict[Ref, Observation]) -> EntityView | None:
        found = state.get(ref)
        if found is None or found.row is None:
            return None
        spec = CATALOGUE.entity_types[ref[0]]
        view = view_of(spec, CATALOGUE.readers[ref[0]], _stored(found))
        if ref[0] != "finding":
            return view
        retests = [
            candidate_of(CATALOGUE.entity_types["retest"], CATALOGUE.readers["retest"], _stored(item))
            for other, item in state.items()
            if other[0] == "retest" and ref[1] in _names(item)
        ]
        return with_relations(view, CATALOGUE.relations["finding"], {"retest": retests})

    def open(self) -> dict[CaseKey, str]:
        """What is open, by what was found."""
        return {key: f"{case.condition} {case.fingerprint}" for key, case in self.cases.items() if case.open}

    def recomputed(self) -> dict[CaseKey, str]:
        """What a differ would find that looks at everything once. An unknown selector decides nothing."""
        state = newest(self.known)
        found = {}
        for look in DECLARED.looks(sorted(state)):
            finding = find(DECLARED.states[look.desired_state], look.ref, self.view(look.ref, state), self.asof)
            if finding.standing in ("gap", "undecided"):
                found[(look.desired_state, look.ref[1])] = f"{finding.standing} {fingerprint(finding)}"
        return found


def _names(item: Observation | None) -> tuple[str, ...]:
    if item is None or item.ref[0] != "retest":
        return ()
    return named(CATALOGUE.readers["retest"], ["finding"], item.row).get("finding", ())


def _stored(item: Observation) -> StoredEntity:
    at = item.order[0]
    return StoredEntity(item.ref, item.row or {}, item.feed, at, item.order[2], 0, at, None, item.row is None)


def observation(entity_type: str, key: str, row: dict[str, Any] | None, minutes: int, id_: str) -> Observation:
    data: dict[str, Any] = {
        "entity_type": entity_type,
        "key": key,
        "feed": "f",
        "source_time": instant(NOW - timedelta(days=30) + timedelta(minutes=minutes)),
        "upstream_id": id_,
    }
    if row is not None:
        data["row"] = row
    event = Event(
        id=id_,
        source="observer",
        type=EntityWithdrawn.TYPE if row is None else EntityObserved.TYPE,
        subject=f"entity/{entity_type}/{key}",
        time="2023-07-01T00:00:00Z",
        asof="2023-07-01T00:00:00Z",
        actor="feed:f",
        data=data,
    )
    read = read_observation(Recorded(0, event, b""))
    assert read is not None
    return read


UNREADABLE = {"corrective_action_status": "?", "completion_date": "soon", "compliance_requirements": ""}
FINDING_KEYS = ["F-1", "F-2"]
POSITIONS = ["Corrective action in progress", "Corrective action complete", "see below", None]
DUE = ["June 30, 2023", "March 1, 2023", "December 31, 2023", "soon"]
IDS = st.uuids().map(lambda value: value.hex)


def _finding(key: str, areas: str, position: str | None, due: str, repeat: str) -> dict[str, Any]:
    return {
        "reference": key,
        "compliance_requirements": areas,
        "corrective_action_status": position,
        "completion_date": due,
        "material_weakness": "N",
        "repeat_finding": repeat,
    }


def _retest(of: str, result: str, on: str) -> dict[str, Any]:
    return {"finding": of, "result": result, "team": "internal-audit", "tested_on": on}


@st.composite
def _observed(draw: st.DrawFn) -> Observation:
    minutes, id_ = draw(st.integers(0, 5)), draw(IDS)
    gone = draw(st.integers(0, 9)) == 0
    if draw(st.booleans()):
        key = draw(st.sampled_from(FINDING_KEYS))
        row = _finding(
            key,
            draw(st.sampled_from(["C", "L"])),
            draw(st.sampled_from(POSITIONS)),
            draw(st.sampled_from(DUE)),
            draw(st.sampled_from(["Y", "N", "?"])),
        )
        return observation("finding", key, None if gone else row, minutes, id_)
    row = _retest(
        draw(st.sampled_from(FINDING_KEYS)),
        draw(st.sampled_from(["passed", "failed", "??"])),
        draw(st.sampled_from(["2023-07-01", "2023-07-02", "unreadable"])),
    )
    return observation("retest", draw(st.sampled_from(["R-1", "R-2"])), None if gone else row, minutes, id_)


# No row here leaves open whether it is selected: such a row keeps a case open and opens none, so what it comes to
# depends, by design, on what was known before.
HISTORY = st.lists(_observed(), max_size=10, unique_by=lambda item: item.order[2])


def batches(data: st.DataObject, items: Sequence[Observation]) -> list[list[Observation]]:
    """Any cut of any order of `items`, some of them delivered twice."""
    again = data.draw(st.lists(st.sampled_from(items), max_size=4)) if items else []
    arrived = data.draw(st.permutations([*items, *again]))
    cuts = sorted(data.draw(st.sets(st.integers(0, len(arrived)), max_size=4)))
    return [list(arrived[start:end]) for start, end in zip([0, *cuts], [*cuts, len(arrived)], strict=True)]


@given(st.data(), HISTORY)
def test_any_order_comes_to_what_a_full_recomputation_finds(data: st.DataObject, history: list[Observation]) -> None:
    arrived, in_order = Reality(), Reality()
    for batch in batches(data, history):
        arrived.deliver(batch)
    for item in sorted(history, key=lambda item: item.order):
        in_order.deliver([item])
    assert arrived.open() == in_order.open() == arrived.recomputed()


@settings(max_examples=20)
@given(HISTORY)
def test_the_same_batches_again_say_the_same(history: list[Observation]) -> None:
    first, second = Reality(), Reality()
    for reality in (first, second):
        for item in history:
            reality.deliver([item])
    said = list(first.said)
    assert second.said == said
    assert first.cases == second.cases
    first.deliver(history)
    assert first.said == said


@settings(max_examples=30)
@given(HISTORY, st.sampled_from(list(UNREADABLE)))
def test_what_becomes_unreadable_or_stale_never_closes_a_gap(history: list[Observation], column: str) -> None:
    reality = Reality()
    reality.deliver(history)
    opened = {key for key, case in reality.cases.items() if case.condition == "gap"}
    for _, key in opened:
        state = newest(reality.known)
        row = dict(state[("finding", key)].row or {})
        row[column] = UNREADABLE[column]
        reality.deliver([observation("finding", key, row, 99, f"x-{key}")])
    assert opened <= {key for key, case in reality.cases.items() if case.open}
    reality.asof = NOW + timedelta(days=400)
    reality.look(sorted(newest(reality.known)), newest(reality.known))
    assert opened <= {key for key, case in reality.cases.items() if case.open}
