"""One desired state, one entity, one instant."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from common.declarations.evaluation import (
    CompiledDesiredState,
    Counted,
    EntityView,
    Evaluation,
    Origin,
    Related,
    RuleResult,
    evaluate,
    proof,
    slots_of,
)
from common.declarations.values import Decimal, Slot, Status, Unknown

Compiled = Callable[..., CompiledDesiredState]
Invoice = Callable[..., EntityView]

RULES = '    - {name: ruled, expect: "status == \'open\'", says: "It is {status}."}\n'
DEADLINE = (
    "  expectations: []\n  deadlines:\n"
    "    - {name: paid-by, WHEN expect: paid, by: due, says: 'Promised for {due}.'}\n"
)
MIDNIGHT = datetime(2023, 7, 1, 4, tzinfo=UTC)  # the end of 30 June in New York
UNREAD = Unknown("unreadable", 'due "N/A" is not one date')


def with_deadline(compiled: Compiled, when: str = "", plus: str = "") -> CompiledDesiredState:
    text = DEADLINE.replace("WHEN", f"when: {when}," if when else "").replace("by: due", f"by: due{plus}")
    return compiled(("  expectations:\n" + RULES, text))


def rule(evaluation: Evaluation, name: str) -> RuleResult:
    return next(item for item in evaluation.rules if item.name == name)


def deadline(state: CompiledDesiredState, view: EntityView, at: datetime) -> RuleResult:
    return rule(evaluate(state, view, at), "paid-by")


@pytest.mark.parametrize(
    ("paid", "due", "before", "after"),
    [
        (True, date(2023, 6, 30), Status.MET, Status.MET),
        (False, date(2023, 6, 30), Status.PENDING, Status.MISSED),
        (UNREAD, date(2023, 6, 30), Status.PENDING, Status.UNKNOWN),
        (True, UNREAD, Status.MET, Status.MET),
        (False, UNREAD, Status.UNKNOWN, Status.UNKNOWN),
        (UNREAD, UNREAD, Status.UNKNOWN, Status.UNKNOWN),
    ],
)
def test_a_deadline(
    compiled: Compiled, invoice: Invoice, paid: Slot, due: Slot, before: Status, after: Status
) -> None:
    state = with_deadline(compiled)
    view = invoice(status="open", paid=paid, due=due)
    assert deadline(state, view, MIDNIGHT - timedelta(microseconds=1)).status is before
    assert deadline(state, view, MIDNIGHT).status is after


def test_a_missed_deadline_says_so_with_the_facts(compiled: Compiled, invoice: Invoice) -> None:
    view = invoice(status="open", paid=False, due=date(2023, 6, 30))
    result = deadline(with_deadline(compiled), view, MIDNIGHT)
    assert (result.kind, result.says, result.due) == ("deadline", "Promised for 30 June 2023.", MIDNIGHT)
    assert [(fact.name, fact.value, fact.event_id) for fact in result.facts] == [
        ("paid", False, "e-1"),
        ("due", "2023-06-30", "e-1"),
    ]


def test_a_deadline_ahead_is_a_timer(compiled: Compiled, invoice: Invoice) -> None:
    state = with_deadline(compiled)
    view = invoice(status="open", paid=False, due=date(2023, 6, 30))
    before = evaluate(state, view, MIDNIGHT - timedelta(days=10))
    assert (before.standing, before.next_timers) == ("on track", (MIDNIGHT,))
    assert evaluate(state, view, MIDNIGHT).next_timers == ()


@pytest.mark.parametrize(
    ("plus", "due"),
    [(", plus: 60 days", datetime(2023, 8, 30, 4, tzinfo=UTC)),
     (", plus: 5 business days", datetime(2023, 7, 8, 4, tzinfo=UTC)),
     (", plus: 140 days", datetime(2023, 11, 18, 5, tzinfo=UTC))],
)  # fmt: skip
def test_plus_counts_days_of_the_declarations_calendar(
    compiled: Compiled, invoice: Invoice, plus: str, due: datetime
) -> None:
    view = invoice(status="open", paid=False, due=date(2023, 6, 30))
    assert deadline(with_deadline(compiled, plus=plus), view, MIDNIGHT).due == due


def test_a_deadline_by_a_moment_is_that_moment(compiled: Compiled, invoice: Invoice) -> None:
    state = with_deadline(compiled, plus="").spec
    assert state.deadlines[0].by == "due"
    by_moment = compiled(
        (
            "  expectations:\n" + RULES,
            DEADLINE.replace("WHEN", "").replace("by: due", "by: seen").replace("{due}", "now"),
        )
    )
    seen = datetime(2023, 6, 30, 10, 30, tzinfo=UTC)
    view = invoice(status="open", paid=False, seen=seen)
    assert deadline(by_moment, view, seen - timedelta(seconds=1)).status is Status.PENDING
    assert deadline(by_moment, view, seen).status is Status.MISSED


@pytest.mark.parametrize(
    ("when", "expect", "status", "applies"),
    [
        ("open", True, Status.MET, True),
        ("open", False, Status.MISSED, True),
        ("shut", False, Status.MET, False),
        ("shut", UNREAD, Status.MET, False),
        (UNREAD, True, Status.MET, True),
        (UNREAD, False, Status.UNKNOWN, True),
        (UNREAD, UNREAD, Status.UNKNOWN, True),
        ("open", UNREAD, Status.UNKNOWN, True),
    ],
)
def test_when_implies_expect(
    compiled: Compiled, invoice: Invoice, when: Slot, expect: Slot, status: Status, applies: bool
) -> None:
    new = "    - {name: ruled, when: \"status == 'open'\", expect: paid, says: No.}\n"
    state = compiled((RULES, new), ("where: \"status != 'draft'\"", 'where: "true"'))
    result = rule(evaluate(state, invoice(status=when, paid=expect), MIDNIGHT), "ruled")
    assert (result.status, result.applies) == (status, applies)


@pytest.mark.parametrize(
    ("amount", "severity"), [(Decimal("1000.01"), "high"), (Decimal("1000"), "low"), (UNREAD, "high")]
)
def test_a_severity_that_cannot_be_told_is_the_graver(
    compiled: Compiled, invoice: Invoice, amount: Slot, severity: str
) -> None:
    assert evaluate(compiled(), invoice(status="late", amount=amount), MIDNIGHT).severity == severity


@pytest.mark.parametrize(
    ("status", "selected", "standing"),
    [
        ("draft", Status.MISSED, "not selected"),
        (UNREAD, Status.UNKNOWN, "selector unknown"),
        ("late", Status.MET, "gap"),
    ],
)
def test_the_selector(compiled: Compiled, invoice: Invoice, status: Slot, selected: Status, standing: str) -> None:
    evaluation = evaluate(compiled(), invoice(status=status), MIDNIGHT)
    assert (evaluation.selected.status, evaluation.standing) == (selected, standing)
    assert bool(evaluation.rules) == (selected is Status.MET)


def test_nothing_counts_before_the_day_it_takes_effect(compiled: Compiled, invoice: Invoice) -> None:
    state = compiled()
    start = datetime(2023, 1, 1, 5, tzinfo=UTC)
    before = evaluate(state, invoice(status="late"), start - timedelta(seconds=1))
    assert (before.standing, before.next_timers) == ("not selected", (start,))
    assert evaluate(state, invoice(status="late"), start).standing == "gap"


ALL = ("where: \"status != 'draft'\"", 'where: "true"')


def test_a_stale_row_is_unknown_and_says_since_when(compiled: Compiled, invoice: Invoice) -> None:
    state = compiled(ALL)
    view = invoice(fresh_until=MIDNIGHT, status="open", paid=True)
    fresh = evaluate(state, view, MIDNIGHT - timedelta(seconds=1))
    assert (fresh.standing, fresh.next_timers) == ("met", (MIDNIGHT,))
    assert rule(fresh, "fresh").kind == "freshness"
    stale = evaluate(state, view, MIDNIGHT)
    assert (stale.standing, stale.next_timers) == ("undecided", ())
    assert "stale since 2023-07-01 04:00 UTC" in rule(stale, "ruled").reason
    assert rule(stale, "fresh").status is Status.UNKNOWN


def test_what_was_absent_in_a_stale_row_is_not_missed(compiled: Compiled, invoice: Invoice) -> None:
    state = compiled(ALL, (RULES, "    - {name: ruled, expect: known(due), says: No date.}\n"))
    view = invoice(fresh_until=MIDNIGHT)
    assert rule(evaluate(state, view, MIDNIGHT - timedelta(seconds=1)), "ruled").status is Status.MISSED
    assert rule(evaluate(state, view, MIDNIGHT), "ruled").status is Status.UNKNOWN


CHECKED = "    - {name: ruled, expect: \"check.result == 'passed' && reminded == 0\", says: No check.}\n"


def passed(fresh_until: datetime | None) -> Related:
    values: dict[str, Slot] = {"invoice": "I-1", "result": "passed", "made_on": date(2023, 6, 1)}
    return Related("C-1", values, Origin("entity/check/C-1", "e-2", fresh_until))


def test_related_rows_have_their_own_freshness_and_event(compiled: Compiled, invoice: Invoice) -> None:
    state = compiled((RULES, CHECKED))
    view = invoice(status="open", check=passed(MIDNIGHT))
    fresh = evaluate(state, view, MIDNIGHT - timedelta(seconds=1))
    assert fresh.next_timers == (MIDNIGHT,)
    result = rule(fresh, "ruled")
    assert result.status is Status.MET
    assert [(fact.name, fact.event_id) for fact in result.facts] == [("check.result", "e-2"), ("reminded", None)]
    assert rule(evaluate(state, view, MIDNIGHT), "ruled").status is Status.UNKNOWN


@pytest.mark.parametrize(
    ("related", "status"),
    [({}, Status.UNKNOWN), ({"check": passed(None)}, Status.UNKNOWN),
     ({"check": passed(None), "reminded": Counted(0)}, Status.MET),
     ({"check": passed(None), "reminded": Counted(1)}, Status.MISSED), ({"reminded": Counted(1)}, Status.MISSED),
     ({"check": Unknown("undecided", "which?"), "reminded": Counted(0)}, Status.UNKNOWN)],
)  # fmt: skip
def test_relations_that_are_not_there(
    compiled: Compiled, invoice: Invoice, related: dict[str, Any], status: Status
) -> None:
    state = compiled((RULES, CHECKED))
    known = invoice(status="open")
    view = EntityView("invoice", "I-1", known.values, known.origin, related)
    assert rule(evaluate(state, view, MIDNIGHT), "ruled").status is status


def test_an_entity_never_observed_is_unknown(compiled: Compiled) -> None:
    state = compiled(ALL)
    evaluation = evaluate(state, EntityView("invoice", "I-9", {}, None), MIDNIGHT)
    assert evaluation.standing == "undecided"
    assert "it was not read" in evaluation.failing[0].reason or "nothing was observed" in evaluation.failing[0].reason


def test_a_condition_on_today_is_looked_at_again_at_local_midnight(compiled: Compiled, invoice: Invoice) -> None:
    state = compiled((RULES, "    - {name: ruled, expect: due > today - days(2), says: Old.}\n"))
    view = invoice(status="open", due=date(2023, 6, 29))
    evening = evaluate(state, view, MIDNIGHT - timedelta(hours=1))
    assert (evening.standing, evening.next_timers) == ("met", (MIDNIGHT,))
    assert evaluate(state, view, MIDNIGHT).standing == "gap"


def test_a_condition_on_now_is_looked_at_again_every_hour(compiled: Compiled, invoice: Invoice) -> None:
    state = compiled((RULES, "    - {name: ruled, expect: seen > now - days(2), says: Old.}\n"))
    at = datetime(2023, 7, 1, 10, 20, tzinfo=UTC)
    assert evaluate(state, invoice(status="open", seen=at), at).next_timers == (datetime(2023, 7, 1, 11, tzinfo=UTC),)


@pytest.mark.parametrize(("paid", "people_only"), [(True, True), (False, False), (UNREAD, True)])
def test_people_only_also_when_it_cannot_be_told(
    compiled: Compiled, invoice: Invoice, paid: Slot, people_only: bool
) -> None:
    state = compiled(("autonomy: L1", "autonomy: L1, peopleOnly: paid"))
    assert evaluate(state, invoice(status="late", paid=paid), MIDNIGHT).people_only is people_only


def test_done_and_proof_are_decided_beside_the_rules(compiled: Compiled, invoice: Invoice) -> None:
    state = compiled()
    for paid, status in ((True, Status.MET), (False, Status.MISSED), (UNREAD, Status.UNKNOWN)):
        view = invoice(status="open", paid=paid)
        evaluation = evaluate(state, view, MIDNIGHT)
        assert evaluation.done is not None and evaluation.done.status is status
        assert proof(state, view, MIDNIGHT).status is status
        assert evaluation.standing == "met"  # done opens no case of its own


def test_slots_hold_every_variable_with_today_as_the_local_day(compiled: Compiled, invoice: Invoice) -> None:
    state = compiled()
    slots = slots_of(state, invoice(status="open", check=passed(None)), MIDNIGHT - timedelta(hours=1))
    assert slots["today"] == date(2023, 6, 30)
    assert slots["check.result"] == "passed"
    assert set(slots) == set(state.language.scope)


def test_a_date_at_the_end_of_the_calendar_is_unknown_and_not_a_crash(compiled: Compiled, invoice: Invoice) -> None:
    state = with_deadline(compiled, plus=", plus: 60 days")
    result = deadline(state, invoice(status="open", paid=False, due=date(9999, 12, 31)), MIDNIGHT)
    assert result.status is Status.UNKNOWN and "beyond the calendar" in result.reason
