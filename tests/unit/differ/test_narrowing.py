"""A review that looks at what is new alone comes to what a look at everything comes to."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from differ import rounds
from differ.core.narrowing import MOST_VERSIONS, Glances, narrow
from hypothesis import assume, event, given
from hypothesis import strategies as st
from support.casework import FINDINGS, without_objectives
from support.populations import STATE, Population, Row, catalogue_of

NOW = datetime(2023, 7, 3, 12, tzinfo=UTC)
TYPE = """\
apiVersion: trueup/v1alpha1
kind: EntityType
metadata: {{name: vendor}}
spec:
  about: A vendor.
  source: bench
  key: id
  freshFor: 20 days
  attributes:
    status:   {{from: status, read: [active, ending, ended]}}
    tier:     {{from: tier, read: number}}
    critical: {{from: critical, read: {{"Y": true, "N": false}}}}
    score:    {{from: {column}, read: number}}
    renewal:  {{from: renewal, read: "yyyy-MM-dd"}}
  checks: [tier < 9]
"""
PAGE = """\
---
apiVersion: trueup/v1alpha1
kind: DesiredState
metadata: {{name: vendors-assessed}}
spec:
  statement: {statement}
  basis: A test
  owner: nobody
  effective: {effective}
  timezone: UTC
  selector: {{entity: vendor{where}}}
  done: {done}
  severity: {{high: {severe}, medium: otherwise}}
  expectations:
    - {{name: {tiered}, expect: tier >= 1 && tier <= {most}, says: It has no tier.}}
    - {{name: scored, when: {when}, expect: score >= {least}, says: Its score is too low.}}
    - {{name: recent, expect: {recent}, says: It was long ago.}}
  deadlines:
    - {{name: renewed, expect: {renewed}, by: renewal, plus: {plus}{lead}, says: It is to be renewed.}}
{objectives}{ignore}  verification: {{proof: done, soak: 1 day, within: 9 days}}
  remediation: {{autonomy: L1}}
"""
ACCEPTED = """\
---
apiVersion: trueup/v1alpha1
kind: AcceptedGap
metadata: {name: low-scores}
spec:
  desiredState: vendors-assessed
  where: tier == 2
  rules: [scored]
  reason: They are replaced anyway.
  until: 2023-07-09
"""
OBJECTIVE = """\
  objectives:
    - {name: many, share: "met('scored')", atLeast: 90%}
"""
IGNORE = """\
  ignore:
    - {where: critical, because: They are looked after elsewhere.}
"""


@dataclass(frozen=True)
class Edit:
    """A version of the declarations; each field the alternatives of one place, the first ones being the plainest."""

    statement: str = "Every vendor is assessed."
    severe: str = "critical"
    most: str = "3"
    least: str = "10"
    when: str = "critical"
    plus: str = "2 days"
    lead: str = ""
    renewed: str = "status == 'ending'"
    recent: str = "known(renewal)"
    tiered: str = "tiered"
    ignore: str = ""
    accepted: str = ""
    where: str = ", where: status != 'ended'"
    done: str = "score > 20"
    objectives: str = ""
    effective: str = "2023-01-01"
    column: str = "score"

    @property
    def text(self) -> str:
        told = {one.name: getattr(self, one.name) for one in fields(self)}
        return TYPE.format_map(told) + PAGE.format_map(told) + self.accepted


OTHERWISE: dict[str, tuple[str, ...]] = {
    "statement": ("Every vendor is known.",),
    "severe": ("tier == 1",),
    "most": ("2", "4"),
    "least": ("12", "20"),
    "when": ("tier <= 2", "critical && tier == 1"),
    "plus": ("1 day", "30 days"),
    "lead": (", lead: 3 days",),
    "renewed": ("critical", "done"),
    "recent": ("renewal > today - days(5)", "renewal > now - days(5)", "1 == 1"),
    "tiered": ("in-a-tier, formerly: [tiered]",),
    "ignore": (IGNORE,),
    "accepted": (ACCEPTED,),
    "where": ("", ", where: score > 9"),
    "done": ("score > 11",),
    "objectives": (OBJECTIVE,),
    "effective": ("2023-07-06",),
    "column": ("other",),
}
PLAIN = Edit()
OFTEN = sorted(OTHERWISE.keys() - {"where", "done", "effective", "column", "objectives"})


@st.composite
def edits(draw: st.DrawFn, of: Edit, names: list[str]) -> Edit:
    """Another version, in one place or two."""
    places = draw(st.lists(st.sampled_from(names), min_size=1, max_size=2, unique=True))
    told = {name: draw(st.sampled_from((getattr(PLAIN, name), *OTHERWISE[name]))) for name in places}
    return replace(of, **told)


FINE: Row = {"status": "active", "tier": "1", "critical": "N", "score": "21", "other": "21", "renewal": "2023-08-20"}
CELLS: dict[str, tuple[Any, ...]] = {
    "status": ("ending", "ended", "?", None),
    "tier": ("2", "3", "4", "9", "x", 1, True, None),
    "critical": ("Y", None, ["Y"]),
    "score": ("9", "11", "12", None, "1.5"),
    "other": ("9",),
    "renewal": tuple(str(date(2023, 7, 3) + timedelta(days=days)) for days in (-9, -1, 0, 2, 9)),
}


@st.composite
def rows(draw: st.DrawFn) -> Row:
    """Nothing is wrong with it but for a few cells: of most entities nothing is said."""
    places = draw(st.lists(st.sampled_from(sorted(CELLS)), max_size=3, unique=True))
    return {**FINE, **{name: draw(st.sampled_from(CELLS[name])) for name in places}}


KEYS = [f"V-{number}" for number in range(7)]


@st.composite
def stories(draw: st.DrawFn) -> Population:
    """A population that was looked at by one version; after that others were declared, and more was observed."""
    first = draw(st.just(PLAIN) | edits(PLAIN, sorted(OTHERWISE)))
    population = Population(first.text, NOW)
    vendors = draw(st.lists(rows(), min_size=3, max_size=len(KEYS)))
    for key, row in zip(KEYS, vendors, strict=False):
        population.observe(key, row)
    version, fires = first, draw(st.booleans())
    names = draw(st.sampled_from([OFTEN, sorted(OTHERWISE)]))
    for _ in range(draw(st.integers(1, 3))):
        population.wait(population.now + timedelta(hours=draw(st.sampled_from([0, 5, 30, 130]))), fires=fires)
        version = draw(edits(version, names))
        population.declare(version.text)
        for key in draw(st.lists(st.sampled_from(KEYS[: len(vendors)]), max_size=2)):
            population.observe(key, draw(rows() | st.none()))
    return population


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "REVIEW_BATCH", 2)
    monkeypatch.setattr(rounds, "GLANCE_BATCH", 5)


@given(stories(), st.integers(0, 400))
def test_a_review_comes_to_what_a_look_at_everything_comes_to(population: Population, hours: int) -> None:
    whole = population.copied()
    begun = len(population.told)
    looked = {key for one in population.review() for _, key in one.refs}
    whole.review(whole=True)
    event(f"passed over: {len(population.stored) - len(looked)}, told: {len(population.told) - begun}")
    assert population.noted == whole.noted
    for one in (population, whole):
        one.wait(one.now + timedelta(hours=hours), fires=True)
    assert population.noted == whole.noted


@given(st.data(), st.lists(rows(), min_size=2, max_size=20))
def test_rows_that_are_glanced_at_together_come_to_what_each_comes_to_alone(
    data: st.DataObject, many: list[Row]
) -> None:
    found = narrow(STATE, catalogue_of(data.draw(edits(PLAIN, OFTEN)).text), [catalogue_of(PLAIN.text)])
    assume(found is not None and not found.nothing)
    assert found is not None
    together = Glances(found, NOW)
    assert [together.at(row) for row in many] == [Glances(found, NOW).at(row) for row in many]


def asked(before: Edit, after: Edit, *between: Edit) -> Any:
    """The rules that are new, and the columns that count for them; None: everything is new."""
    known = [catalogue_of(one.text) for one in (before, *between)]
    found = narrow(STATE, catalogue_of(after.text), known)
    return None if found is None else ([rule.name for rule in found.state.rules], sorted(found.columns))


@pytest.mark.parametrize("name", ["statement", "severe", "ignore", "accepted", "tiered"])
def test_of_what_changes_no_rule_nothing_is_new(name: str) -> None:
    after = replace(PLAIN, **{name: OTHERWISE[name][0]})
    assert asked(PLAIN, after) == ([], [])


@pytest.mark.parametrize("name", ["where", "done", "effective", "column", "objectives"])
def test_on_what_every_rule_rests_everything_is_new(name: str) -> None:
    after = replace(PLAIN, **{name: OTHERWISE[name][0]})
    assert asked(PLAIN, after) is None
    assert asked(PLAIN, after, after) is None


def test_a_rule_that_asks_otherwise_is_new_with_what_the_selector_and_the_checks_read() -> None:
    assert asked(PLAIN, replace(PLAIN, least="12")) == (["scored"], ["critical", "score", "status", "tier"])
    assert asked(PLAIN, replace(PLAIN, plus="1 day")) == (["renewed"], ["renewal", "status", "tier"])


def test_a_rule_is_known_if_every_version_before_had_it() -> None:
    other = replace(PLAIN, least="12")
    assert asked(PLAIN, PLAIN, other) == (["scored"], ["critical", "score", "status", "tier"])
    assert asked(PLAIN, other, replace(other, severe="tier == 1")) == (
        ["scored"],
        ["critical", "score", "status", "tier"],
    )
    assert asked(PLAIN, replace(PLAIN, severe="tier == 1"), PLAIN) == ([], [])


def test_a_version_that_must_look_every_day_is_new_unless_the_one_before_did() -> None:
    daily = replace(PLAIN, recent=OTHERWISE["recent"][0])
    assert asked(PLAIN, daily) is None
    assert asked(daily, PLAIN) == (["recent"], ["renewal", "status", "tier"])
    assert asked(daily, replace(daily, severe="tier == 1")) == ([], [])


def test_with_objectives_a_new_rule_is_contributed_by_all_and_other_changes_by_nobody() -> None:
    measured = replace(PLAIN, objectives=OBJECTIVE)
    assert asked(measured, replace(measured, least="12")) is None
    assert asked(measured, replace(measured, severe="tier == 1")) == ([], [])
    assert asked(measured, replace(measured, ignore=IGNORE)) is None


def test_what_was_not_declared_or_changed_too_often_leaves_everything_new() -> None:
    nothing = catalogue_of(TYPE.format(column="score"))
    assert narrow(STATE, catalogue_of(PLAIN.text), [nothing]) is None
    many = [replace(PLAIN, statement=f"Version {number}.") for number in range(MOST_VERSIONS + 1)]
    assert asked(many[0], PLAIN, *many[1:-2]) == ([], [])
    assert asked(many[0], PLAIN, *many[1:]) is None


def test_what_is_read_of_relations_for_the_first_time_makes_everything_new() -> None:
    name, text = "money-findings-closed", without_objectives(FINDINGS.read_text())
    related = text.replace("high: weakness == 'material' || repeat", "high: recurrences > 0")
    simple = text.replace("high: weakness == 'material' || repeat", "high: repeat")
    assert narrow(name, catalogue_of(related), [catalogue_of(text)]) is None
    for before, after in ((related, text), (text, simple)):
        found = narrow(name, catalogue_of(after), [catalogue_of(before)])
        assert found is not None
        assert found.nothing


def test_most_of_a_population_is_passed_over() -> None:
    population = Population(PLAIN.text, NOW)
    for key in KEYS:
        population.observe(key, {**FINE, "critical": "Y", "score": "11" if key == "V-4" else "12"})
    population.declare(replace(PLAIN, least="12").text)
    (one, *others) = population.review()
    assert [ref for part in (one, *others) for ref in part.refs] == [("vendor", "V-4")]
    assert [decision.after.case for _, decision in population.told] == ["vendors-assessed/V-4/1"]
