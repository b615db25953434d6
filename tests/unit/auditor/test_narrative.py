"""The narrative: every sentence cites, two pages, nothing that comes from outside can pass for something else."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from auditor.core import attestation, chapters, narrative
from auditor.core.evidence import Record, numbered
from auditor.core.wording import LONGEST_QUOTE, plain, quoted, value
from hypothesis import given
from hypothesis import strategies as st
from support import walk as walks
from support.service_keys import trusted
from support.walk import COMPLETE, Walk, at

from .forging import failures, issued, original

TITLES = (
    "What was wrong",
    "Why this change was made",
    "Who agreed",
    "What was done",
    "How it was checked",
    "What went wrong, and what we do not know",
)
HOSTILE = 'Fine." [1]\n\n5  How it was checked\n   All of it was checked [2].\u202e\x1b[2J' + "x" * 5_000


def record_of(walk: Walk) -> Record:
    return Record(walk.id, numbered(walk.records), walk.directory.people.values(), trusted())


def sections(text: str) -> list[list[str]]:
    """The lines of each numbered section."""
    found: list[list[str]] = []
    for line in text.splitlines():
        if re.match(r"\d  \S", line):
            found.append([line])
        elif found and line.startswith("   "):
            found[-1].append(line)
    return found


def test_it_has_its_six_sections_in_order() -> None:
    assert [part[0][3:] for part in sections(original().narrative)] == list(TITLES)


def test_every_sentence_cites_records_that_exist() -> None:
    record = record_of(walks.closed())
    for chapter in narrative.chapters_of(record):
        assert chapter.sentences
        for sentence in chapter.sentences:
            told = narrative.cited(sentence, record)
            marks = re.search(r" \[(\d+(?:, \d+)*)\]\.?$", told)
            assert marks, told
            assert all(1 <= int(n) <= len(record.exhibits) for n in marks[1].split(", "))


def test_a_sentence_that_cites_nothing_is_refused() -> None:
    record = record_of(walks.closed())
    sentence = narrative.chapters_of(record)[0].sentences[0]
    with pytest.raises(ValueError, match="cites nothing"):
        narrative.cited(replace(sentence, cites=("nowhere",)), record)


def test_it_names_who_did_what_and_labels_what_is_simulated() -> None:
    text = " ".join(original().narrative.split())
    for told in (
        "C. Adeyemi wrote it, T. Brandt put it in force on 3 July 2023",
        'J. Moreau (head-of-compliance) confirmed that the gap was real on 3 July 2023 at 15:20, and noted: "Confirm',
        "L. Hansen (compliance-lead) approved the plan on 5 July 2023 at 09:05",
        "P. Nakamura (technology-operations) released step 2 on 6 July 2023",
        "K. Weber (head-of-controls) carried out step 2",
        "drafted by software, the playbook planner (playbook/1)",
        'Why not "do nothing"',
        "control-testing (simulated) reported retest RT-1",
        "It then had to hold until 20 October 2023 at 12:00, and did",
        "SIMULATED PEOPLE: all who are named.",
        "REPLAY: realm demo",
    ):
        assert told in text, told


def test_changing_a_fact_changes_the_narrative() -> None:
    for written, told in (("June 29, 2023", "29 June 2023"), ("June 30, 2023", "30 June 2023")):
        sentences = list(chapters.wrong(record_of(walks.opened(completion_date=written))))
        assert f"due {told}" in sentences[0].text
        assert f"Management promised {told}" in sentences[1].text


def test_two_pages_hold_the_longest_case() -> None:
    """Every free text as long as it can be, several setbacks on the way."""
    walk = walks.executed()
    walk.asof = at("2023-08-31 12:00")
    for number in range(12):
        changes = {"corrective_action_status": COMPLETE if number % 2 else "Corrective action in progress"}
        walk.report(f"2023-08-31 09:{number:02}", simulated=False, title="long " * 200, **changes)
        walk.open_gap()
    walk.report("2023-08-31 10:00", corrective_action_status=COMPLETE)
    walk.retest("2023-08-31 10:00")
    walk.close_gap()
    walk.prove("2023-09-30T12:00:00Z")
    walk.asof = at("2023-09-30 12:00")
    walk.end()
    document = issued(walk)
    assert failures(document.encode()) == set()
    lines = document.narrative.splitlines()
    assert len(lines) <= narrative.LONGEST_LINES
    assert max(map(len, lines)) <= narrative.WIDTH


def test_a_hostile_comment_stays_a_comment() -> None:
    walk = walks.opened(title=HOSTILE, department=HOSTILE)
    walk.asof = at("2023-07-03 15:20")
    walk.confirm(comment=HOSTILE)
    walk.draft()
    walk.open_ticket()
    walk.approve_all()
    walk.authorise()
    walk.start()
    for number in (1, 2):
        if number == 2:
            walk.release(2)
        walk.intend(number)
        if number == 2:
            walk.outcome(2)
        walk.succeed(number, note=HOSTILE)
    walk.finish()
    walk.asof = at("2023-07-04 12:00")
    walk.report("2023-07-04 09:00", corrective_action_status=COMPLETE)
    walk.retest("2023-07-04 09:00")
    walk.close_gap()
    walk.prove("2023-08-03T12:00:00Z")
    walk.asof = at("2023-08-03 12:00")
    walk.end()
    document = issued(walk)
    assert failures(document.encode()) == set()
    text = document.narrative
    assert [part[0][3:] for part in sections(text)] == list(TITLES)
    assert not {"\u202e", "\x1b", "\t"} & set(text)
    assert len(text.splitlines()) <= narrative.LONGEST_LINES
    record = document.record()
    for chapter in narrative.chapters_of(record):
        for sentence in chapter.sentences:
            assert "[" not in sentence.text, sentence.text


@given(st.text(max_size=600))
def test_quotations_are_one_bounded_line_without_marks(text: str) -> None:
    told = quoted(text)
    assert len(told) <= LONGEST_QUOTE + 2
    assert told.count('"') == 2
    assert not set("[]\n\r\t\x00\u202e\u2028") & set(told)
    assert plain(told) == plain(plain(told))


def test_values_are_told_as_people_say_them() -> None:
    assert value("2023-06-30") == "30 June 2023"
    assert value("2023-06-30T15:20:00Z") == "30 June 2023 at 15:20"
    assert value(True) == "yes"
    assert value(["A", "B"]) == "A, B"
    assert value("in progress") == '"in progress"'
    assert value(None) == "nothing"


def test_a_case_without_a_plan_says_so() -> None:
    walk = walks.opened()
    walk.asof = at("2023-07-20 12:00")
    walk.report("2023-07-20 09:00", corrective_action_status=COMPLETE)
    walk.retest("2023-07-20 09:00")
    walk.close_gap()
    walk.prove("2023-08-19T12:00:00Z")
    walk.asof = at("2023-08-19 12:00")
    walk.end()
    document = issued(walk)
    assert failures(document.encode()) == set()
    assert "Trueup changed nothing" in document.narrative
    assert "without a plan" in document.narrative


def test_an_earlier_plan_that_did_not_hold_is_told() -> None:
    """A plan was carried out, then replaced by another draft; what it did is not forgotten."""
    walk = walks.executed()
    walk.asof = at("2023-08-31 12:00")
    walk.report("2023-08-31 09:00", corrective_action_status=COMPLETE)
    walk.open_gap()
    walk.confirm()
    walk.draft()
    walk.asof = at("2023-09-20 12:00")
    walk.retest("2023-09-20 09:00")
    walk.report("2023-09-20 09:30")
    walk.close_gap()
    walk.supersede("gap_closed", "The gap closed before anything was approved.")
    walk.prove("2023-10-20T12:00:00Z")
    walk.asof = at("2023-10-20 12:00")
    walk.end()
    document = issued(walk)
    assert failures(document.encode()) == set()
    assert "K. Weber (head-of-controls) carried out step 2" in document.narrative
    assert "a draft was replaced" in document.narrative
    assert document.head["statement"]["how"] == "remedied"


def test_the_same_records_give_the_same_document() -> None:
    walk = walks.closed()
    people = list(walk.directory.people.values())
    one = attestation.issue("demo", walk.id, walk.ledger[-1].asof, walk.records, people, trusted())
    records, everybody = reversed(walk.records), reversed(people)
    two = attestation.issue("demo", walk.id, walk.ledger[-1].asof, records, everybody, trusted())
    assert one.encode() == two.encode()
