"""What a change does elsewhere: watched from the beginning of an execution, and the same measure on both sides."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from auditor.core import effects
from auditor.core.effects import Look
from common.declarations.catalogue import Catalogue
from common.declarations.checks import check
from common.declarations.evaluation import CompiledDesiredState
from common.declarations.loader import load
from common.declarations.values import Slot, Unknown
from common.objectives.contributing import Contribution

PAGE = (Path(__file__).parents[2] / "loop" / "accounts.yaml").read_text()
NOW = datetime(2023, 8, 1, tzinfo=UTC)
WATCH = "      - {share: withdrawn, mayRiseBy: 2 %, says: More customers give up.}\n"


def compiled(text: str = PAGE) -> CompiledDesiredState:
    loaded = load(text, "accounts.yaml")
    problems = [*loaded.problems, *check(loaded.documents)]
    assert not problems, problems
    return Catalogue().with_documents(loaded.documents).compiled("accounts-in-time")


STATE = compiled()


def shares(yes: int, no: int, unknown: int = 0) -> dict[str, list[Contribution]]:
    answers = [True] * yes + [False] * no + [None] * unknown
    return {effects.watch_name(0): [Contribution(answer=answer) for answer in answers]}


def look(parts: dict[str, list[Contribution]], slots: dict[str, Slot] | None = None) -> Look:
    return Look(parts, slots, NOW)


@pytest.mark.parametrize(
    ("after", "held"),
    [((2, 98), True), ((3, 97), True), ((4, 96), False), ((1, 99, 2), True), ((1, 96, 3), False), ((0, 0), True)],
)
def test_a_share_may_rise_as_far_as_is_declared_and_what_is_unknown_counts_as_risen(
    after: tuple[int, ...], held: bool
) -> None:
    before = effects.begun(STATE, look(shares(1, 99)))
    assert [(one.what, one.before, one.before_value) for one in before] == [
        ("share: withdrawn", "1 % of 100", "1/100")
    ]
    (found,) = effects.now(STATE, before, look(shares(*after)))
    assert found.held is held, found
    assert bool(effects.breaches([found])) is not held


def test_what_may_not_change_is_asked_of_the_cases_own_entity_alone() -> None:
    slots: dict[str, Slot] = {name: Unknown("absent", "none") for name in STATE.language.scope}
    day = datetime(2023, 7, 1, tzinfo=UTC).date()
    before = effects.begun(STATE, look(shares(0, 1), {**slots, "opened": day}))
    assert [one.what for one in before] == ["share: withdrawn", "expect: unchanged(opened)"]
    for opened, held in ((day, True), (day + timedelta(days=1), False), (Unknown("stale", "stale"), None)):
        found = effects.now(STATE, before, look(shares(0, 1), {**slots, "opened": opened}))
        assert found[1].held is held
    assert effects.untold(found) == ["expect: unchanged(opened)"], "nobody can tell: nothing is proven meanwhile"
    assert len(effects.begun(STATE, look(shares(0, 1)))) == 1, "a whole population has no attributes"


def test_a_watch_that_was_declared_since_the_beginning_is_not_asked() -> None:
    without = compiled(PAGE.replace(WATCH, ""))
    assert effects.now(STATE, effects.begun(without, look({})), look(shares(9, 1))) == []


def test_both_cohorts_are_looked_at_for_as_long() -> None:
    """Of what began before the change, what ended after it ran at the change: as what began lately runs now."""
    changed = NOW - timedelta(days=30)

    def took(began: int, days: int) -> Contribution:
        start = NOW - timedelta(days=began)
        return Contribution(start=start, stop=start + timedelta(days=days))

    parts = {"mean-days": [took(50, 8), took(40, 10), took(31, 20), took(20, 2), took(10, 2), took(61, 1)]}
    (found,) = effects.cohorts(STATE, ["mean-days"], parts, changed, NOW)
    assert found.before.says == "9 days on average over 2"
    assert found.after.says == "2 days on average over 2"
    assert (found.before.until, found.after.since) == ("2023-07-02T00:00:00Z", "2023-07-02T00:00:00Z")
    assert effects.cohorts(STATE, [], parts, changed, NOW) == []
    (soon,) = effects.cohorts(STATE, ["mean-days"], parts, changed, changed + timedelta(days=5))
    assert soon.after.until == "2023-07-07T00:00:00Z", "not yet all of the days after"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{share: withdrawn, says: More.}", "bad_watch"),
        ("{share: withdrawn, mayRiseBy: 3, says: More.}", "bad_watch"),
        ("{count: withdrawn, mayRiseBy: 3 %, says: More.}", "bad_watch"),
        ("{share: withdrawn, count: withdrawn, mayRiseBy: 3, says: More.}", "bad_watch"),
        ("{expect: unchanged(tier), says: Moved.}", "unknown_attribute"),
        ("{expect: unchanged(opened), mayRiseBy: 0, says: Moved.}", "bad_watch"),
        ("{count: not_met('kyc'), mayRiseBy: 0, says: KYC suffers.}", "unknown_rule"),
    ],
)
def test_a_watch_that_says_nothing_is_refused_where_it_is_written(line: str, reason: str) -> None:
    text = PAGE.replace(WATCH, f"      - {line}\n")
    loaded = load(text, "accounts.yaml")
    problems: list[Any] = [*loaded.problems, *(check(loaded.documents) if not loaded.problems else [])]
    at = text[: text.index(line)].count("\n") + 1
    assert [(problem.reason_code, problem.line) for problem in problems] == [(reason, at)], problems
