"""Each trap of the language's table, and its neighbours."""

from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from common.declarations.expressions import Language, Outcome
from common.declarations.problems import Wrong, did_you_mean
from common.declarations.refusals import METHODS
from common.declarations.values import Decimal, Slot, Status, Unknown

SCOPE = {
    "status": "text", "copies": "number", "amount": "decimal", "paid": "yes/no", "due": "date",
    "tags": "list", "check.result": "text", "reminded": "number",
}  # fmt: skip
LANGUAGE = Language(SCOPE, ZoneInfo("America/New_York"))  # type: ignore[arg-type]
KNOWN: dict[str, Slot] = {
    "status": "open", "copies": 2, "amount": Decimal("10.50"), "paid": True, "due": date(2023, 6, 30),
    "tags": ("A", "B"), "check.result": "passed", "reminded": 0,
    "today": date(2023, 7, 3), "now": datetime(2023, 7, 3, 12, tzinfo=UTC),
}  # fmt: skip


def decide(source: str, may_ask_known: bool = False, **slots: Slot) -> Outcome:
    condition = LANGUAGE.compile(source, may_ask_known=may_ask_known)
    values = {**KNOWN, **{name.replace("__", "."): slot for name, slot in slots.items()}}
    return LANGUAGE.decide(condition, LANGUAGE.bind(values))


MISSING = Unknown("absent", "status is empty")

REFUSED = [
    ("sttus == 'a'", "unknown_attribute", "Did you mean status?"),
    ("entity.status == 'a'", "unknown_attribute", ""),
    ("check.reslt == 'a'", "unknown_attribute", "Did you mean check.result?"),
    ("!has(status) || due > now", "no_has", "known(x)"),
    ("has(check.result)", "no_has", "known(x)"),
    ("dyn(status) == 1", "no_dyn", "same type"),
    ("status == null", "no_null", "known(x)"),
    ("tags.all(t, t == 'A')", "no_comprehension", "count"),
    ("tags.exists(t, t == 'A')", "no_comprehension", "count"),
    ("tags.map(t, t) == tags", "no_comprehension", "count"),
    ("tags.filter(t, t == 'A').size() > 0", "no_comprehension", "count"),
    ("[1, 2].all(t, t > 0)", "no_comprehension", "count"),
    ("due > today - duration('90d')", "no_duration", "days(90)"),
    ("due > timestamp('2023-01-01T00:00:00Z')", "no_timestamp", "today - days(90)"),
    ("due > today - days(copies)", "bad_days", "days(90)"),
    ("copies > 2.0", "type", "point on both sides"),
    ("amount > 100", "type", "amount > 100.0"),
    ("status > 1", "type", "same kind"),
    ("due > '2023-01-01'", "type", "date"),
    ("tags.matches('[AB]')", "type", "'A' in areas"),
    ("status.matches('[AB')", "bad_pattern", "brackets"),
    ("status.matches(status)", "bad_pattern", "matches('[ABC]')"),
    ("known(status) && paid", "known_not_here", "alone"),
    ("!known(status)", "known_not_here", "alone"),
    ("known(status)", "known_not_here", "expect: alone"),
    ("unchanged(status)", "unchanged_not_here", "watch: [{expect: unchanged(x)"),
    ("seen('ask')", "computed_not_here", "computed: {name: \"seen('A')\"}"),
    ("between('ask', 'answer') > 1", "computed_not_here", "computed: {name: \"between('A', 'B')\"}"),
    ("type(status) == string", "no_type", ""),
    ("sizee(status)", "unknown_function", "size"),
    ("size(status) > 3", "unknown_function", "areas.size() > 1"),
    ("tags.size > 1", "unknown_function", "areas.size() > 1"),
    ("'a'.size > 1", "unknown_function", "areas.size() > 1"),
    ("copies.size() > 1", "type", "of a text or a list"),
    ("copies.contains('1')", "type", "of a text and takes a text"),
    ("tags.contains('A')", "type", "'A' in areas"),
    ("status.startsWith()", "type", "takes a text"),
    ("status.size(1) > 1", "type", "takes nothing"),
    ("due.getMonth() == 6", "unknown_function", ""),
    ("status = 'open'", "syntax", "Write =="),
    ("paid and paid", "syntax", "&&"),
    ("not paid", "syntax", "!"),
    ("status == ‘open’", "syntax", "straight quotes"),
    ("status == 'open", "syntax", "not closed"),
    ("status == 'a' ; paid", "syntax", ""),
    ("{'a': paid}.a", "syntax", "Maps"),
    ("paid ||", "syntax", "operators"),
    ("copies + 1", "not_a_condition", "Compare"),
    ("otherwise", "syntax", ""),
    ("done", "no_done", "Write the condition out"),
    ("(" * 60 + "paid" + ")" * 60, "too_deep", ""),
]


@pytest.mark.parametrize(("source", "code", "hint"), REFUSED, ids=[row[0][:40] for row in REFUSED])
def test_what_the_language_does_not_mean_is_refused_in_words(source: str, code: str, hint: str) -> None:
    with pytest.raises(Wrong) as refused:
        LANGUAGE.compile(source)
    assert refused.value.reason_code == code
    assert hint in refused.value.hint
    assert refused.value.message and "RuntimeError" not in refused.value.message


def test_a_word_that_is_known_is_not_suggested_in_its_own_place() -> None:
    assert did_you_mean("sizee", ["size", "sizes"]) == "Did you mean size?"
    assert did_you_mean("size", ["size", "sizes"]) == ""


def test_a_method_asked_of_the_wrong_type_is_told_what_it_goes_with() -> None:
    with pytest.raises(Wrong) as refused:
        LANGUAGE.compile("copies.size() > 1")
    assert refused.value.message == "size does not go with whole number in 'copies.size() > 1'."
    assert refused.value.hint == "size() is asked of a text or a list and takes nothing: areas.size() > 1."


@pytest.mark.parametrize("method", METHODS)
def test_the_example_given_for_each_method_compiles(method: str) -> None:
    language = Language({"reference": "text", "title": "text", "areas": "list"}, ZoneInfo("UTC"))
    for example in METHODS[method].split(": ")[1:]:
        language.compile(example.partition(". Of a list")[0].rstrip("."))


def test_a_missing_value_is_never_bound_so_unequal_is_not_true() -> None:
    assert decide("status != 'open'", status=MISSING) == Outcome(Status.UNKNOWN, "status: status is empty")


def test_an_error_is_a_truthy_text_for_the_runtime_and_unknown_for_us() -> None:
    condition = LANGUAGE.compile("1 / (copies - 2) == 1")
    value = condition.program.eval(LANGUAGE.bind(KNOWN).activation).value()
    assert value and value is not True
    outcome = LANGUAGE.decide(condition, LANGUAGE.bind(KNOWN))
    assert outcome.status is Status.UNKNOWN
    assert "divide by zero" in outcome.reason


@pytest.mark.parametrize(
    ("source", "status"),
    [
        ("status == 'x' && paid", Status.MISSED),  # false && unknown
        ("paid && status == 'x'", Status.MISSED),
        ("copies == 2 || paid", Status.MET),  # true || unknown
        ("paid || copies == 2", Status.MET),
        ("copies == 2 && paid", Status.UNKNOWN),
        ("copies == 3 || paid", Status.UNKNOWN),
        ("!paid", Status.UNKNOWN),
        ("paid ? true : true", Status.UNKNOWN),
        ("paid in [true, false]", Status.UNKNOWN),
    ],
)
def test_kleene_logic_with_paid_unknown(source: str, status: Status) -> None:
    assert decide(source, paid=Unknown("absent", "no")).status is status


def test_a_dotted_variable_is_one_typed_variable() -> None:
    assert decide("check.result == 'passed'").status is Status.MET
    outcome = decide("check.result == 'passed'", check__result=Unknown("absent", "there is no check"))
    assert outcome == Outcome(Status.UNKNOWN, "check.result: there is no check")


def test_the_reason_names_every_unknown_attribute() -> None:
    outcome = decide("paid || status == 'x'", paid=Unknown("absent", "p"), status=Unknown("stale", "s"))
    assert outcome.reason == "paid: p; status: s"


@pytest.mark.parametrize(
    ("slot", "status"),
    [
        ("open", Status.MET),
        (Unknown("absent", "-"), Status.MISSED),
        (Unknown("unreadable", "-"), Status.MISSED),
        (Unknown("stale", "-"), Status.UNKNOWN),
        (Unknown("undecided", "-"), Status.UNKNOWN),
    ],
)
def test_known_is_missed_when_there_is_none_and_unknown_when_nobody_can_tell(slot: Slot, status: Status) -> None:
    assert decide("known(status)", may_ask_known=True, status=slot).status is status


def test_days_are_calendar_days_also_across_summer_time() -> None:
    # clocks went forward on the 12th
    march_13: dict[str, Any] = {"today": date(2023, 3, 13), "due": date(2023, 3, 12)}
    assert decide("due == today - days(1)", **march_13).status is Status.MET
    assert decide("due > today - days(1)", **march_13).status is Status.MISSED


def test_a_moment_is_compared_in_the_declarations_own_time() -> None:
    language = Language({"seen": "moment", "due": "date"}, ZoneInfo("America/New_York"))
    condition = language.compile("seen < due")
    slots: dict[str, Slot] = {"seen": datetime(2023, 6, 30, 3, tzinfo=UTC), "due": date(2023, 6, 30)}
    assert language.decide(condition, language.bind(slots)).status is Status.MET  # still the 29th in New York


def test_done_stands_for_its_condition_in_brackets() -> None:
    done = LANGUAGE.compile("status == 'x' || paid")
    condition = LANGUAGE.compile("done && copies == 3", done)
    assert LANGUAGE.decide(condition, LANGUAGE.bind(KNOWN)).status is Status.MISSED
    assert condition.reads == ("status", "paid", "copies")


def test_quoted_words_are_texts_and_not_variables() -> None:
    assert decide("status != 'has(null) and done.all'").status is Status.MET


def test_reads_name_the_variables_of_a_condition() -> None:
    assert LANGUAGE.compile("due > today - days(90) && 'A' in tags").reads == ("due", "today", "tags")
    assert LANGUAGE.compile("due > today").follows_clock == ("today",)
