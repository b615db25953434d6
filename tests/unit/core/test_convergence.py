"""Success, then drift: counted from the events alone; and what undid it is named."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from common.clock import instant, parse_instant
from common.convergence import NOBODY, cycles, named, says, too_many
from common.events.approver import CaseResumed
from common.events.differ import GapChanged, GapClosed, GapMet, GapOpened
from common.events.envelope import Event
from common.events.executor import ActionSucceeded
from hypothesis import given
from hypothesis import strategies as st

NOW = parse_instant("2023-07-03T00:00:00Z")


def event(number: int, type_: str, data: dict[str, Any], actor: str = "service:differ", day: int = 0) -> Event:
    moment = instant(NOW + timedelta(days=day))
    return Event(
        id=f"e-{number}", source="differ", type=type_, subject="gap/s/F-1/1", time=moment, asof=moment, actor=actor,
        data=data, caseid="s/F-1/1",
    )  # fmt: skip


def rule(name: str = "open", value: str = "yes", observed: str = "o", status: str = "missed") -> dict[str, Any]:
    facts = [
        {"name": "access", "value": value, "event_id": observed},
        {"name": "owner", "value": "x", "event_id": "o"},
    ]
    return {"name": name, "status": status, "facts": facts}


def missed(number: int, *rules: dict[str, Any], type_: str = GapOpened.TYPE, day: int = 0) -> Event:
    return event(number, type_, {"rules": list(rules or [rule(observed=f"o-{number}")])}, day=day)


def mended(number: int, reason: str = "met") -> Event:
    facts = [{"name": "access", "value": "no", "event_id": "p"}, {"name": "owner", "value": "x", "event_id": "p"}]
    return event(number, GapClosed.TYPE, {"reason": reason, "facts": facts})


def done(number: int) -> Event:
    return event(number, ActionSucceeded.TYPE, {})


def test_a_fix_that_is_undone_is_a_cycle_and_names_what_undid_it() -> None:
    history = [missed(1), done(2), mended(3), missed(4)]
    (cycle,) = cycles(history)
    assert (cycle.rule, cycle.action, cycle.drift) == ("open", "e-2", "e-4")
    assert (cycle.observation, cycle.attributes) == ("o-4", ["access"]), "owner is what it was"
    (told,) = named([cycle], {"o-4": event(9, "x", {"feed": "hr-sync"})})
    assert told.writer == "feed:hr-sync"
    assert says([told]) == "open: mended once and undone again (access) by feed:hr-sync"
    assert named([cycle], {})[0].writer == NOBODY


def test_what_is_undone_before_the_gap_had_closed_is_a_cycle_all_the_same() -> None:
    settling = replace(mended(3), type=GapMet.TYPE)
    assert cycles([missed(1), done(2), settling, missed(4, type_=GapChanged.TYPE)]) == cycles(
        [missed(1), done(2), mended(3), missed(4, type_=GapChanged.TYPE)]
    )
    assert len(cycles([missed(1), done(2), settling, missed(4, type_=GapChanged.TYPE)])) == 1
    assert len(cycles([missed(1), done(2), settling, mended(4), missed(5)])) == 1, "met once, and closed"


def test_of_a_population_those_are_named_who_keep_it_from_its_target() -> None:
    (cycle,) = cycles([missed(1), done(2), mended(3), missed(4)])
    against = {"keys": [f"F-{number}" for number in range(1, 8)], "others": 40}
    measure = event(9, "trueup.objective.missed.v1", {"entity_type": "finding", "against": against})
    (told,) = named([cycle], {"o-4": measure})
    assert told.writer == "finding F-1, F-2, F-3, F-4, F-5 and 42 more"
    nobody = event(9, "trueup.objective.missed.v1", {"entity_type": "finding"})
    assert named([cycle], {"o-4": nobody})[0].writer == NOBODY


def test_what_was_not_mended_by_an_action_is_none() -> None:
    assert cycles([missed(1), mended(2), missed(3)]) == [], "it mended itself: flapping"
    assert cycles([missed(1), done(2), mended(3, "withdrawn"), missed(4)]) == []
    assert cycles([missed(1), done(2), mended(3, "accepted"), missed(4)]) == []
    assert cycles([missed(1), done(2), missed(3, rule(value="half"), type_=GapChanged.TYPE)]) == []
    unknown = missed(3, rule(status="unknown"), type_=GapChanged.TYPE)
    assert cycles([missed(1), done(2), unknown, missed(4, type_=GapChanged.TYPE)]) == [], "Unknown mends nothing"


def test_each_rule_is_counted_for_itself_also_while_another_goes_on_failing() -> None:
    both = missed(1, rule(), rule("late"))
    only = missed(3, rule("late"), type_=GapChanged.TYPE)
    again = missed(4, rule(), rule("late"), type_=GapChanged.TYPE)
    assert [cycle.rule for cycle in cycles([both, done(2), only, again])] == ["open"]


def test_a_rule_that_is_merely_left_alone_was_not_mended() -> None:
    both = missed(1, rule(), rule("late"))
    for why in ("accepted (board)", "ignored (on its way out)"):
        left = event(3, GapChanged.TYPE, {"rules": [rule("late")], "changed": [f"open: {why}"]})
        assert cycles([both, done(2), left, missed(4, rule(), rule("late"), type_=GapChanged.TYPE)]) == []
    holds = event(3, GapChanged.TYPE, {"rules": [rule("late")], "changed": ["open: no longer fails"]})
    assert len(cycles([both, done(2), holds, missed(4, rule(), rule("late"), type_=GapChanged.TYPE)])) == 1


def test_a_rule_that_is_renamed_keeps_what_was_counted() -> None:
    turn = [missed(1), done(2), mended(3), missed(4), done(5), missed(6, rule("shut"), type_=GapChanged.TYPE)]
    found = cycles([*turn, mended(7), missed(8, rule("shut"))], {"open": "shut"})
    assert [cycle.rule for cycle in found] == ["shut", "shut"]


def test_a_person_who_resumes_it_begins_the_count_anew() -> None:
    turn = [missed(1), done(2), mended(3), missed(4)]
    assert cycles([*turn, event(5, CaseResumed.TYPE, {})]) == []
    assert len(cycles([*turn, event(5, CaseResumed.TYPE, {}), done(6), mended(7), missed(8)])) == 1


def test_only_those_of_the_period_count_and_only_rules_that_have_enough() -> None:
    history = [missed(0)]
    for number, day in enumerate((0, 60, 100), 1):
        history += [done(10 * number), mended(10 * number + 1), missed(10 * number + 2, day=day)]
    found = cycles(history)
    at = NOW + timedelta(days=100)
    assert len(found) == 3
    assert too_many(found, 3, timedelta(days=90), at) == []
    assert len(too_many(found, 2, timedelta(days=90), at)) == 2
    assert len(too_many(found, 3, timedelta(days=101), at)) == 3


@given(st.lists(st.sampled_from(["missed", "done", "met", "withdrawn"]), max_size=30), st.integers(0, 30))
def test_counting_is_a_fold_and_never_counts_more_than_there_were_actions(steps: list[str], cut: int) -> None:
    history = []
    for number, step in enumerate(steps):
        make = {"missed": missed, "done": done, "met": mended}.get(step)
        history.append(make(number) if make is not None else mended(number, "withdrawn"))
    found = cycles(history)
    assert len(found) <= sum(step == "done" for step in steps)
    assert cycles(history[:cut]) == [cycle for cycle in found if cycle.drift in {one.id for one in history[:cut]}]
    assert len({cycle.action for cycle in found}) == len(found)
