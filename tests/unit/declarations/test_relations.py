"""What other entities say about one: the latest, the earliest, the count, under a condition on the far side."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from common.declarations.catalogue import Catalogue
from common.declarations.checks import check
from common.declarations.evaluation import Counted, EntityView, Origin, Related, evaluate, slots_of
from common.declarations.loader import load
from common.declarations.relations import Candidate, keys_named, targets, with_relations
from common.declarations.values import Slot, Status, Unknown
from hypothesis import given
from hypothesis import strategies as st

PAGE = """\
apiVersion: trueup/v1alpha1
kind: EntityType
metadata: {name: vendor}
spec:
  about: One vendor.
  source: vendor-master
  key: id
  attributes:
    tier:      {from: tier}
    listed_as: {from: listed_as, read: list}
  related:
    a_news:     {count: exploit, through: vendor, as: listed_as, where: "added > this.review.signed_on"}
    b_first:    {earliest: exploit, through: vendor, as: listed_as, by: added,
                 where: "added > this.review.signed_on && ransomware"}
    c_alarming: {count: exploit, through: vendor, as: listed_as, where: "this.a_news > 1 && ransomware"}
    review:     {latest: review, through: vendor, by: signed_on}
---
apiVersion: trueup/v1alpha1
kind: EntityType
metadata: {name: review}
spec:
  about: One review.
  source: vendor-risk
  key: id
  attributes:
    vendor:    {from: vendor}
    signed_on: {from: signed_on, read: "yyyy-MM-dd"}
---
apiVersion: trueup/v1alpha1
kind: EntityType
metadata: {name: exploit}
spec:
  about: One exploit.
  source: cisa-kev
  key: id
  attributes:
    vendor:     {from: vendor}
    added:      {from: added, read: "yyyy-MM-dd"}
    ransomware: {from: ransomware, read: {"Y": true, "N": false}}
---
apiVersion: trueup/v1alpha1
kind: DesiredState
metadata: {name: vendors-reviewed}
spec:
  statement: Every vendor is reviewed again when something happens.
  basis: Vendor Standard
  owner: vendor-risk
  effective: 2023-01-01
  selector: {entity: vendor}
  done: a_news == 0
  severity: {high: c_alarming > 0, medium: otherwise}
  expectations:
    - {name: news, expect: done, says: "{a_news} since {review.signed_on}, first {b_first.added}."}
  verification: {proof: done, soak: 1 day, within: 30 days}
  remediation: {autonomy: L1}
---
apiVersion: trueup/v1alpha1
kind: ApprovalPolicy
metadata: {name: vendor-approvals}
spec:
  covers: vendors-reviewed
  confirmGap: {analyst: 1}
  approvePlan: [{when: "true", roles: {analyst: 1}}]
  releaseStep: {operations: 1}
  apart: [author, confirmer, approver, releaser, implementer]
  expires: 5 business days
"""
SIGNED = date(2023, 6, 1)
AT = datetime(2023, 7, 1, tzinfo=UTC)
LATER = datetime(2023, 7, 9, tzinfo=UTC)


def loaded(text: str = PAGE) -> Catalogue:
    documents = load(text, "page.yaml")
    problems = [*documents.problems, *check(documents.documents)]
    assert problems == [], list(map(str, problems))
    return Catalogue().with_documents(documents.documents)


CATALOGUE = loaded()
RELATIONS = CATALOGUE.relations["vendor"]


def exploit(key: str, added: Slot, ransomware: Slot = False, fresh: datetime | None = None) -> Candidate:
    values: dict[str, Slot] = {"vendor": "Acme", "added": added, "ransomware": ransomware}
    return Candidate(key, values, Origin(f"entity/exploit/{key}", f"e-{key}", fresh))


def reviewed(on: Slot = SIGNED) -> Candidate:
    return Candidate("R-1", {"vendor": "V-1", "signed_on": on}, Origin("entity/review/R-1", "e-R-1"))


def vendor(exploits: list[Candidate], reviews: list[Candidate], listed: Slot = ("Acme",)) -> EntityView:
    view = EntityView("vendor", "V-1", {"tier": "high", "listed_as": listed}, Origin("entity/vendor/V-1", "e-V-1"))
    rows = dict.fromkeys(("a_news", "b_first", "c_alarming"), exploits)
    return with_relations(view, RELATIONS, {**rows, "review": reviews})


def key_of(found: object) -> str | None:
    assert not isinstance(found, Counted)
    return found.key if isinstance(found, Related) else None


DATES = st.dates(date(2023, 5, 20), date(2023, 6, 12))
ROWS = st.lists(
    st.builds(
        lambda key, added, bad: exploit(f"CVE-{key}", added, bad),
        st.integers(0, 20),
        DATES | st.just(Unknown("absent", "none")),
        st.booleans() | st.just(Unknown("unreadable", "?")),
    ),
    unique_by=lambda row: row.key,
    max_size=6,
)


def completions(rows: list[Candidate]) -> list[list[Candidate]]:
    """What the rows may be in truth: every Unknown as each of some values."""
    worlds: list[list[Candidate]] = [[]]
    for row in rows:
        days = (
            [date(2023, 5, 1), date(2023, 6, 30)]
            if isinstance(row.values["added"], Unknown)
            else [row.values["added"]]
        )
        bad = [True, False] if isinstance(row.values["ransomware"], Unknown) else [row.values["ransomware"]]
        worlds = [[*world, exploit(row.key, day, one)] for world in worlds for day in days for one in bad][:256]
    return worlds


def truth(rows: list[Candidate]) -> tuple[int, str | None, int]:
    """By plain counting, where everything is known."""
    news = [row for row in rows if row.values["added"] > SIGNED]  # type: ignore[operator]
    bad = sorted((row.values["added"], row.key) for row in news if row.values["ransomware"])
    alarming = [row for row in rows if row.values["ransomware"] and len(news) > 1]
    return len(news), bad[0][1] if bad else None, len(alarming)


@given(ROWS)
def test_what_is_told_for_sure_is_so_whatever_the_unknown_turns_out_to_be(rows: list[Candidate]) -> None:
    related = vendor(rows, [reviewed()]).related
    for world in completions(rows):
        news, first, alarming = truth(world)
        assert isinstance(related["a_news"], Unknown) or related["a_news"] == Counted(news)
        assert isinstance(related["c_alarming"], Unknown) or related["c_alarming"] == Counted(alarming)
        undecided = isinstance(related["b_first"], Unknown) and related["b_first"].kind == "undecided"
        assert undecided or key_of(related["b_first"]) == first


@given(ROWS, st.randoms())
def test_the_order_of_rows_is_irrelevant(rows: list[Candidate], order: Any) -> None:
    shuffled = list(rows)
    order.shuffle(shuffled)
    assert vendor(rows, [reviewed()]).related == vendor(shuffled, [reviewed()]).related


@given(st.lists(DATES | st.just(Unknown("absent", "none")), max_size=5))
def test_the_latest_is_undecided_while_one_date_is_unknown(days: list[Slot]) -> None:
    reviews = [replace(reviewed(day), key=f"R-{number}") for number, day in enumerate(days)]
    latest = vendor([], reviews).related["review"]
    if not days:
        assert isinstance(latest, Unknown) and latest.kind == "absent"
    elif any(isinstance(day, Unknown) for day in days):
        assert isinstance(latest, Unknown) and latest.kind == "undecided"
    else:
        assert key_of(latest) == max(zip(days, (one.key for one in reviews), strict=True))[1]


def test_an_earliest_that_no_doubt_can_come_before_is_known() -> None:
    rows = [exploit("CVE-2", date(2023, 6, 5), True), exploit("CVE-3", date(2023, 6, 7), Unknown("unreadable", "?"))]
    assert key_of(vendor(rows, [reviewed()]).related["b_first"]) == "CVE-2"
    rows.append(exploit("CVE-1", date(2023, 6, 2), Unknown("unreadable", "?")))
    doubtful = vendor(rows, [reviewed()]).related["b_first"]
    assert isinstance(doubtful, Unknown)
    assert "whether exploit CVE-1 counts is not known: ransomware" in doubtful.reason


def test_relations_are_known_in_the_order_they_need_whatever_their_names() -> None:
    assert [item.name for item in RELATIONS] == ["review", "a_news", "b_first", "c_alarming"]


def test_without_a_review_nothing_tells_which_exploits_are_new() -> None:
    related = vendor([exploit("CVE-1", date(2023, 6, 5))], []).related["a_news"]
    assert isinstance(related, Unknown) and "this.review.signed_on" in related.reason
    assert vendor([], []).related["a_news"] == Counted(0)  # none is new, whatever the review says


@pytest.mark.parametrize(
    ("listed", "named"), [(("Acme", "Acme", "B"), ("Acme", "B")), (Unknown("absent", "no value"), ())]
)
def test_far_entities_are_found_by_an_attribute_of_ones_own(listed: Slot, named: tuple[str, ...]) -> None:
    assert targets(RELATIONS[1].relation, "V-1", {"listed_as": listed}) == named
    assert targets(RELATIONS[0].relation, "V-1", {}) == ("V-1",)
    assert keys_named({"listed_as": listed}, "listed_as") == named


def test_an_unknown_name_of_ones_own_makes_it_undecided() -> None:
    related = vendor([], [reviewed()], Unknown("unreadable", "?")).related
    assert related["a_news"] == Unknown("undecided", "listed_as: ?")


def test_a_count_is_stale_when_the_first_of_its_rows_is() -> None:
    state = CATALOGUE.compiled("vendors-reviewed")
    rows = [exploit("CVE-1", date(2023, 6, 5), fresh=LATER), exploit("CVE-2", date(2023, 5, 5), fresh=None)]
    view = vendor(rows, [reviewed()])
    before = evaluate(state, view, AT)
    assert (before.standing, before.next_timers) == ("gap", (LATER,))
    after = evaluate(state, view, LATER)
    assert after.rules[0].status is Status.UNKNOWN
    assert "stale since 2023-07-09" in after.rules[0].reason


def test_what_a_condition_reads_of_this_entity_makes_the_result_stale_with_it() -> None:
    state = CATALOGUE.compiled("vendors-reviewed")
    review = replace(reviewed(), origin=Origin("entity/review/R-1", "e-R-1", LATER))
    view = vendor([exploit("CVE-1", date(2023, 6, 5), True)], [review])
    for name in ("a_news", "b_first.added", "c_alarming"):
        assert not isinstance(slots_of(state, view, AT)[name], Unknown)
        assert isinstance(slots_of(state, view, LATER)[name], Unknown), name


@pytest.mark.parametrize(
    ("old", "new", "code", "told"),
    [
        ("{count: exploit, through: vendor, as: listed_as, where: \"added", "{count: exploit, through: vendor, as: "
         "listed_a, where: \"added", "unknown_name", "Did you mean listed_as?"),
        ("this.review.signed_on\"", "this.review.signed_o\"", "unknown_attribute", "mean this.review.signed_on?"),
        ("this.review.signed_on\"", "review.signed_on\"", "unknown_attribute", "this.review.signed_on"),
        ("this.review.signed_on\"", "today\"", "unknown_attribute", ""),
        ("added > this.review.signed_on\"", "this.c_alarming > 0\"", "bad_relation", "known before"),
        ("{earliest: exploit,", "{earliest: exploit, latest: exploit,", "bad_relation", "{latest: retest"),
        (", by: added,", ",", "bad_relation", "Add by:"),
        ("read: list}", "read: number}", "bad_relation", "text or list"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_relation_is_said(old: str, new: str, code: str, told: str) -> None:
    assert old in PAGE
    documents = load(PAGE.replace(old, new, 1), "page.yaml")
    problems = list(documents.problems) or check(documents.documents)
    assert code in {problem.reason_code for problem in problems}, list(map(str, problems))
    assert told in " ".join(problem.hint for problem in problems)
