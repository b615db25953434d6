"""A gap opens at once and closes when it has been met for as long as is declared, without a break: `steady`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import pytest
from common.cases import Case
from common.clock import instant, parse_instant
from common.declarations.evaluation import EntityView
from common.declarations.relations import with_relations
from common.entities.rows import StoredEntity
from common.entities.views import view_of
from common.events import Event, Origin, new_event
from common.events.differ import GapChanged, GapClosed, GapMet, GapUndecided, Steady
from differ.core import suspending
from differ.core.deciding import CaseKey, CaseState, Decision, ended
from differ.core.folding import fold
from differ.core.planning import Declared, Look
from differ.core.sweeping import sweep
from hypothesis import given
from hypothesis import strategies as st
from support.casework import FINDINGS, ROW, catalogue_of, without_objectives

TEXT = without_objectives(FINDINGS.read_text())
STATE = "money-findings-closed"
REF = ("finding", "2022-090")
KEY: CaseKey = (STATE, REF[1])
LOOK = Look(STATE, REF)
NOW = parse_instant("2023-07-03T12:00:00Z")
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
ROWS: dict[str, dict[str, Any] | None] = {
    "missed": {},
    "unknown": {"corrective_action_status": "see below"},
    "met": {"completion_date": "July 20, 2023"},
    "doubted": {"completion_date": "July 20, 2023", "compliance_requirements": ""},
    "left": {"compliance_requirements": "L"},
    "gone": None,
}


@cache
def declared(steady: str | None = "2 hours", text: str = TEXT) -> Declared:
    said = "" if steady is None else f"\n  steady: {steady}"
    return Declared(catalogue_of(text.replace("\n  verification:", f"{said}\n  verification:", 1)))


STEADY, AT_ONCE = declared(), declared(None)


def view(kind: str, of: Declared = STEADY) -> EntityView | None:
    changes = ROWS[kind]
    if changes is None:
        return None
    catalogue = of.catalogue
    stored = StoredEntity(REF, {**ROW, **changes}, "audit-tracker", NOW, f"e-{kind}", 0, NOW, None, False)
    seen = view_of(catalogue.entity_types["finding"], catalogue.readers["finding"], stored)
    return with_relations(seen, catalogue.relations["finding"], {})


VIEWS = {kind: view(kind) for kind in ROWS}


@dataclass
class Story:
    """One entity as time goes by, with its timer, which fires in time unless `late`."""

    of: Declared = STEADY
    late: bool = False
    case: CaseState = field(default_factory=lambda: CaseState(STATE, REF))
    kind: str = "gone"
    timer: datetime | None = None
    said: list[tuple[datetime, Decision]] = field(default_factory=list)

    def see(self, at: datetime, kind: str) -> Story:
        """It is `kind` from `at` on; what was due until then comes first, or is still due."""
        if not self.late:
            self.until(at)
        self.kind = kind
        self._look(at, at)
        return self

    def until(self, at: datetime) -> Story:
        while self.timer is not None and self.timer <= at:
            due, self.timer = self.timer, None
            self._look(due, at)
        return self

    def _look(self, at: datetime, until: datetime) -> None:
        seen = VIEWS[self.kind]
        found = sweep(self.of, [(at, LOOK)], {} if seen is None else {REF: seen}, {KEY: self.case}, until)
        assert [asof for asof, _ in found.decisions] == sorted(asof for asof, _ in found.decisions)
        for _, decision in found.decisions:
            assert decision.before == self.case
            self.case = decision.after
        self.said += found.decisions
        assert all(again > until for _, again in found.alarms), "or it would be looked at for ever"
        alarms = [again for _, again in found.alarms] + ([self.timer] if self.timer else [])
        self.timer = min(alarms, default=None)

    @property
    def events(self) -> list[Event]:
        return [
            new_event(
                decision.data,
                f"gap/{decision.after.case}",
                Origin(source="differ", actor="service:differ", time=asof, asof=asof),
                str(decision.after.stream_version),
                case=decision.after.case,
            )
            for asof, decision in self.said
            if decision.data is not None
        ]

    @property
    def words(self) -> list[str]:
        return [event.type.split(".")[2] for event in self.events]


def story(steps: Iterable[tuple[float, str]], of: Declared = STEADY, late: bool = False) -> Story:
    """`steps`: hours from the beginning, and how the entity is from then on."""
    told = Story(of, late)
    for hours, kind in steps:
        told.see(NOW + hours * HOUR, kind)
    return told


def test_it_waits_until_it_has_lasted_and_then_closes_as_of_that_instant() -> None:
    told = story([(0, "missed"), (1, "met")])
    assert told.words == ["opened", "met"]
    (_, _), (asof, waits) = told.said
    assert isinstance(waits.data, GapMet)
    assert (waits.data.reason, waits.data.since, waits.data.until) == ("met", instant(asof), instant(asof + 2 * HOUR))
    assert {fact.name: fact.value for fact in waits.data.facts} == {"position": "in progress", "due": "2023-07-20"}
    assert told.case.open
    told.until(NOW + 100 * HOUR)
    asof, closed = told.said[-1]
    assert asof == NOW + 3 * HOUR
    assert isinstance(closed.data, GapClosed)
    assert closed.data.reason == "met"
    assert closed.data.steady == Steady(since=instant(NOW + HOUR), until=instant(asof))


def test_what_fails_again_meanwhile_is_one_gap_that_says_so_and_begins_to_wait_anew() -> None:
    told = story([(0, "missed"), (1, "met"), (2, "missed"), (3, "met"), (4.5, "missed"), (5, "met")])
    told.until(NOW + 100 * HOUR)
    assert told.words == ["opened", "met", "changed", "met", "changed", "met", "closed"]
    again = told.said[2][1].data
    assert isinstance(again, GapChanged)
    assert again.changed == ["it was met from 2023-07-03T13:00:00Z on, and is not any more"]
    assert told.said[-1][0] == NOW + 7 * HOUR
    case = Case.fold(told.case.case, list(enumerate(told.events)))
    assert (case.flips, case.flips_since, case.stage) == (2, instant(NOW + 2 * HOUR), "to-verify")


@pytest.mark.parametrize(
    ("kind", "word"), [("unknown", "undecided"), ("doubted", "undecided"), ("missed", "changed")]
)
def test_unknown_is_not_met_and_the_time_begins_anew(kind: str, word: str) -> None:
    told = story([(0, "missed"), (1, "met"), (2, kind), (3, "met")]).until(NOW + 100 * HOUR)
    assert told.words == ["opened", "met", word, "met", "closed"]
    assert told.said[-1][0] == NOW + 5 * HOUR


def test_what_can_no_longer_be_said_to_be_selected_names_what_failed_before() -> None:
    told = story([(0, "missed"), (1, "met"), (2, "doubted")])
    data = told.said[-1][1].data
    assert isinstance(data, GapUndecided)
    assert [(rule.name, rule.status) for rule in data.rules] == [("fixed", "unknown")]
    assert "whether it is selected" in (data.rules[0].reason or "")
    assert data.severity == told.said[0][1].after.gap["severity"]


@pytest.mark.parametrize("kind", ["left", "gone"])
def test_what_is_gone_or_not_selected_closes_at_once(kind: str) -> None:
    told = story([(0, "missed"), (1, kind)])
    assert told.words == ["opened", "closed"]
    told = story([(0, "missed"), (1, "met"), (2, kind)])
    assert told.words == ["opened", "met", "closed"]
    asof, closed = told.said[-1]
    assert (asof, closed.data.steady) == (NOW + 2 * HOUR, None)  # type: ignore[union-attr]


ACCEPTED = f"""
---
apiVersion: trueup/v1alpha1
kind: AcceptedGap
metadata: {{name: archive-closes}}
spec: {{desiredState: {STATE}, entity: {REF[1]}, rules: [fixed], reason: The archive is closed., until: 2023-08-31}}
"""


def test_what_fails_again_and_is_accepted_closes_as_that_at_once() -> None:
    told = story([(0, "missed"), (1, "met")])
    told.of = declared(text=TEXT + ACCEPTED)
    told.see(NOW + 1.5 * HOUR, "met")
    assert told.words == ["opened", "met"], "nothing is missed that could be accepted"
    told.see(NOW + 2 * HOUR, "missed")
    assert told.words == ["opened", "met", "closed"]
    closed = told.said[-1][1].data
    assert isinstance(closed, GapClosed)
    assert (closed.reason, closed.steady) == ("accepted", None)


def test_a_time_that_is_declared_anew_counts_from_when_it_was_met() -> None:
    told = story([(0, "missed"), (1, "met")])
    for steady, words, until in (("3 hours", ["met"], 4), ("1 hour", ["closed"], 2), (None, ["closed"], None)):
        other = replace(told, of=declared(steady), said=[])
        other.see(NOW + 2.5 * HOUR, "met")
        assert other.words == words, steady
        data = other.said[-1][1].data
        if isinstance(data, GapMet):
            assert (data.since, data.until) == (instant(NOW + HOUR), instant(NOW + 4 * HOUR))
            assert data.reason == "declaration_changed"
        else:
            assert isinstance(data, GapClosed)
            steadied = data.steady
            assert (None if steadied is None else steadied.until) == (until and instant(NOW + until * HOUR))
            assert other.said[-1][0] == NOW + 2.5 * HOUR


def test_what_comes_late_never_closes_it_before_and_what_still_holds_closes_it_as_of_then() -> None:
    """The timer has not fired yet: the differ was down, or something else came first."""
    told = story([(0, "missed"), (1, "met"), (9, "met")], late=True)
    assert (told.words[-1], told.said[-1][0]) == ("closed", NOW + 3 * HOUR)
    told = story([(0, "missed"), (1, "met"), (9, "missed")], late=True)
    assert (told.words[-1], told.said[-1][0]) == ("changed", NOW + 9 * HOUR)
    told = story([(0, "missed"), (1, "met"), (9, "gone")], late=True)
    assert (told.said[-1][0], told.said[-1][1].data.steady) == (NOW + 9 * HOUR, None)  # type: ignore[union-attr]


def test_what_closed_before_its_look_is_told_in_its_place_among_the_others() -> None:
    """F-1 was to close at 15:00 and is looked at a day later, F-2 at 13:00."""
    waits = story([(0, "missed"), (1, "met")]).case
    other = ("finding", "F-2")
    seen, failing = VIEWS["met"], VIEWS["missed"]
    assert seen is not None
    assert failing is not None
    due = [(NOW + 24 * HOUR, LOOK), (NOW + HOUR, Look(STATE, other))]
    found = sweep(STEADY, due, {REF: seen, other: failing}, {KEY: waits}, NOW + 24 * HOUR)
    told = [(asof, decision.after.ref[1]) for asof, decision in found.decisions]
    assert told == [(NOW + HOUR, "F-2"), (NOW + 3 * HOUR, REF[1])]


def test_a_case_that_ends_while_it_waits_waits_no_more() -> None:
    case = ended(story([(0, "missed"), (1, "met")]).case, 1)
    assert (case.met_since, case.closes_at, case.condition) == (None, None, "closed")


def test_what_is_undone_while_it_waits_is_drift_all_the_same() -> None:
    told = story([(0, "missed"), (1, "met"), (2, "missed")])
    assert [suspending.drifts(decision) for _, decision in told.said] == [False, False, True]


KINDS = ("missed", "unknown", "met", "left", "gone", "doubted")
STEPS = st.lists(
    st.tuples(st.integers(1, 180), st.one_of(st.sampled_from(("met", "missed")), st.sampled_from(KINDS))),
    min_size=1,
    max_size=12,
)
END = 60 * 200
"""Minutes, after all of them, and before any date that matters."""


def timed(steps: Iterable[tuple[int, str]]) -> list[tuple[int, str]]:
    """Minutes after one another, as minutes from the beginning."""
    minutes, found = 0, []
    for more, kind in steps:
        minutes += more
        found.append((minutes, kind))
    return found


def lived(steps: Iterable[tuple[int, str]], of: Declared = STEADY, late: bool = False) -> Story:
    """As `story`, in minutes."""
    told = Story(of, late)
    for minutes, kind in steps:
        told.see(NOW + minutes * MINUTE, kind)
    return told


def wanted(steps: Iterable[tuple[int, str]], steady: timedelta) -> tuple[list[datetime], list[datetime]]:
    """When gaps open and close, told from the beginning: `since` is when all that is known began to be met."""
    opens: list[datetime] = []
    closes: list[datetime] = []
    since: datetime | None = None
    is_open = False
    for minutes, kind in [*steps, (END, "")]:
        at = NOW + minutes * MINUTE
        if is_open and since is not None and since + steady <= at:
            closes.append(since + steady)
            is_open = False
        if kind in ("missed", "unknown"):
            opens += [] if is_open else [at]
            is_open = True
        elif is_open and kind in ("left", "gone"):
            closes.append(at)
            is_open = False
        keeps = is_open and since is not None and kind in ("met", "")
        since = since if keeps else at if kind == "met" and is_open else None
    return opens, closes


def opened_and_closed(told: Story) -> tuple[list[datetime], list[datetime]]:
    opens = [asof for asof, item in told.said if item.after.open and not item.before.open]
    closes = [asof for asof, item in told.said if item.before.open and not item.after.open]
    return opens, closes


@given(STEPS, st.sampled_from(["30 minutes", "1 hour", "2 hours", "5 hours"]))
def test_it_closes_exactly_when_it_has_been_met_for_so_long_and_opens_at_once(
    steps: list[tuple[int, str]], steady: str
) -> None:
    of = declared(steady)
    told = lived(timed(steps), of).until(NOW + END * MINUTE)
    span = of.states[STATE].spec.steady
    assert span is not None
    assert opened_and_closed(told) == wanted(timed(steps), span)
    assert fold(STATE, REF, told.events) == replace(told.case, selector_unknown=None, exempt=None, ref=REF), (
        "the ledger alone tells the same"
    )


@given(STEPS)
def test_whenever_its_timer_fires_nothing_closes_as_met_that_was_not_met_for_so_long(
    steps: list[tuple[int, str]],
) -> None:
    told = lived(timed(steps), late=True)
    known = timed(steps)
    for asof, decision in told.said:
        if isinstance(decision.data, GapClosed) and decision.data.steady is not None:
            end = (asof - NOW) // MINUTE
            there = [kind for minutes, kind in known if minutes <= end - 120][-1:]
            there += [kind for minutes, kind in known if end - 120 < minutes <= end]
            assert set(there) == {"met"}
            assert decision.data.steady.until == instant(asof)


@given(STEPS)
def test_it_opens_and_closes_no_more_often_and_says_no_more_but_that_it_waits(steps: list[tuple[int, str]]) -> None:
    """What doubt of the selector says of a case that is still open it says of none that has closed."""
    known = [(at, "met" if kind == "doubted" else kind) for at, kind in timed(steps)]
    damped = lived(known).until(NOW + END * MINUTE)
    plain = lived(known, AT_ONCE).until(NOW + END * MINUTE)
    for fewer, more in zip(opened_and_closed(damped), opened_and_closed(plain), strict=True):
        assert len(fewer) <= len(more)
    assert opened_and_closed(damped)[0][:1] == opened_and_closed(plain)[0][:1], "a gap is never delayed"
    assert len(damped.events) <= len(plain.events) + damped.words.count("closed")


@given(STEPS, st.lists(st.integers(0, 60 * 40), max_size=9))
def test_how_often_it_is_looked_at_makes_no_difference(steps: list[tuple[int, str]], looks: list[int]) -> None:
    known = timed(steps)
    more = sorted([*((minutes, 0, kind) for minutes, kind in known), *((minutes, 1, "") for minutes in looks)])
    told = Story()
    for minutes, _, kind in more:
        told.see(NOW + minutes * MINUTE, kind or told.kind)
    once = lived(known)
    last = NOW + END * MINUTE
    assert [event.data for event in told.until(last).events] == [event.data for event in once.until(last).events]


@given(STEPS, st.lists(st.integers(1, END), max_size=4))
def test_a_clock_that_jumps_comes_to_what_one_that_creeps_comes_to(
    steps: list[tuple[int, str]], stops: list[int]
) -> None:
    jumps, creeps = lived(timed(steps)), lived(timed(steps))
    for minutes in sorted(stops):
        creeps.until(NOW + minutes * MINUTE)
    assert jumps.until(NOW + END * MINUTE).said == creeps.until(NOW + END * MINUTE).said
