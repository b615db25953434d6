"""Laws that hold for all values: Unknown never excuses, order never matters."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from common.declarations.evaluation import CompiledDesiredState, Counted, EntityView, Evaluation, Origin, evaluate
from common.declarations.values import Decimal, Slot, Status, Unknown, ValueType
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

RULES = """\
    - {name: a, when: "status == 'open'", expect: "paid || copies > 2", says: "{due}"}
    - {name: b, expect: known(due), says: "-"}
    - {name: c, when: paid, expect: "due > today - days(30) && !('x' in tags)", says: "-"}
    - {name: d, expect: "paid ? copies < 3 : amount > 1.5", says: "-"}
    - {name: e, expect: "status.matches('^o') || (done && copies != 2)", says: "-"}
  deadlines:
    - {name: f, when: "copies >= 1", expect: paid, by: due, says: "-"}
    - {name: g, expect: done, by: due, plus: 3 business days, says: "-"}
"""
OLD = '    - {name: ruled, expect: "status == \'open\'", says: "It is {status}."}\n'
VALUES: dict[ValueType, st.SearchStrategy[Any]] = {
    "text": st.sampled_from(["open", "draft", "shut"]),
    "decimal": st.sampled_from([Decimal("1"), Decimal("2"), Decimal("2000")]),
    "number": st.integers(0, 4),
    "yes/no": st.booleans(),
    "date": st.dates(date(2023, 6, 1), date(2023, 7, 10)),
    "moment": st.datetimes(datetime(2023, 6, 1), datetime(2023, 7, 10)).map(lambda at: at.replace(tzinfo=UTC)),
    "list": st.lists(st.sampled_from(["x", "y"]), max_size=2).map(tuple),
}
ATTRIBUTES: dict[str, ValueType] = {
    "status": "text", "amount": "decimal", "copies": "number", "paid": "yes/no", "due": "date", "seen": "moment",
    "tags": "list",
}  # fmt: skip
KNOWN = st.fixed_dictionaries({name: VALUES[kind] for name, kind in ATTRIBUTES.items()})
KINDS = st.sampled_from(["absent", "unreadable", "stale", "undecided"])
HIDDEN = st.dictionaries(st.sampled_from(sorted(ATTRIBUTES)), KINDS)
INSTANTS = st.datetimes(datetime(2023, 6, 1), datetime(2023, 7, 20)).map(lambda at: at.replace(tzinfo=UTC))
ONE_PER_TEST = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def state(compiled: Callable[..., CompiledDesiredState]) -> CompiledDesiredState:
    return compiled((OLD, RULES))


def view_of(values: dict[str, Slot]) -> EntityView:
    return EntityView("invoice", "I-1", values, Origin("entity/invoice/I-1", "e-1"), {"reminded": Counted(0)})


def hide(values: dict[str, Slot], hidden: dict[str, Any]) -> dict[str, Slot]:
    return {name: Unknown(hidden[name], "hidden") if name in hidden else value for name, value in values.items()}


def statuses(evaluation: Evaluation) -> dict[str, Status]:
    return {rule.name: rule.status for rule in evaluation.rules}


@ONE_PER_TEST
@given(values=KNOWN, hidden=HIDDEN, at=INSTANTS)
def test_knowing_less_never_turns_missed_into_met(
    state: CompiledDesiredState, values: dict[str, Slot], hidden: dict[str, Any], at: datetime
) -> None:
    full, less = (evaluate(state, view_of(row), at) for row in (values, hide(values, hidden)))
    if full.selected.status is not Status.MET or less.selected.status is not Status.MET:
        assert less.selected.status in (full.selected.status, Status.UNKNOWN)
        return
    before, after = statuses(full), statuses(less)
    for name, status in before.items():
        if status is not Status.MET:
            assert after[name] is not Status.MET, name
    assert less.standing != "met" or full.standing == "met"
    assert [level for level, _ in state.severity].index(less.severity) <= [
        level for level, _ in state.severity
    ].index(full.severity)


@ONE_PER_TEST
@given(values=KNOWN, at=INSTANTS)
def test_what_is_all_known_is_decided(state: CompiledDesiredState, values: dict[str, Slot], at: datetime) -> None:
    evaluation = evaluate(state, view_of(values), at)
    assert evaluation.selected.status is not Status.UNKNOWN
    assert Status.UNKNOWN not in statuses(evaluation).values()


@ONE_PER_TEST
@given(values=KNOWN, hidden=HIDDEN, at=INSTANTS, order=st.randoms())
def test_the_order_of_attributes_and_of_evaluations_is_irrelevant(
    state: CompiledDesiredState, values: dict[str, Slot], hidden: dict[str, Any], at: datetime, order: Any
) -> None:
    row = hide(values, hidden)
    names = list(row)
    order.shuffle(names)
    first = evaluate(state, view_of(row), at)
    evaluate(state, view_of(values), at + timedelta(days=1))  # what was decided before leaves no trace
    again = evaluate(state, view_of({name: row[name] for name in names}), at)
    assert first == again
    assert [rule.facts for rule in first.rules] == [rule.facts for rule in again.rules]


@ONE_PER_TEST
@given(values=KNOWN, hidden=HIDDEN, at=INSTANTS, later=st.integers(1, 60 * 24 * 40))
def test_nothing_changes_between_timers(
    state: CompiledDesiredState, values: dict[str, Slot], hidden: dict[str, Any], at: datetime, later: int
) -> None:
    view = view_of(hide(values, hidden))
    now = evaluate(state, view, at)
    then = at + timedelta(minutes=later)
    if not now.next_timers or then < now.next_timers[0]:
        after = evaluate(state, view, then)
        assert (statuses(after), after.standing, after.severity) == (statuses(now), now.standing, now.severity)
