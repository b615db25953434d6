"""What people write in conditions because another language has it, and what to write instead.

Asked only once a condition was refused: a habit explains a fault, and never makes one.
"""

import re
from collections.abc import Callable, Iterable

from common.declarations.problems import Wrong, did_you_mean

_QUOTED = re.compile(r"'[^'\n]*'|\"[^\"\n]*\"")
_COMPARED_WITH = re.compile(r"(?:==|!=|\bin\s*\[)\s*([A-Za-z_][\w-]*)")
_OFTEN_A_HABIT = frozenset({"syntax", "unknown_attribute", "unknown_function", "type", "bad_template"})

Habit = tuple[str, Callable[[re.Match[str]], tuple[str, str]]]
_OPERATORS = {"<>": "!=", "===": "==", "=>": ">=", "=<": "<="}
_WORDS = {"and": "&&", "or": "||", "not": "!"}


def _operator(found: re.Match[str]) -> tuple[str, str]:
    return f"{found[0]!r} is not an operator of conditions.", f"Write {_OPERATORS[found[0]]} instead."


def _word(found: re.Match[str]) -> tuple[str, str]:
    word = found[0]
    return f"{word!r} is not a word of conditions.", f"Write {_WORDS[word.lower()]} for {word.lower()}."


def _is(found: re.Match[str]) -> tuple[str, str]:
    if found["null"]:
        return "Nothing is ever null here: what is missing is Unknown.", f"Write, alone: known({found['name']})"
    wanted = f"{found['name']} {'!=' if found['not'] else '=='} 'open'"
    return "'is' is not a word of conditions.", f"Write, with a text in quotes: {wanted}"


def _number(found: re.Match[str]) -> tuple[str, str]:
    plain = re.sub(r"[^\d.]", "", found[0])
    return f"{found[0]!r} is not how a number is written.", f"Write digits alone: {plain}"


_HABITS: tuple[Habit, ...] = (
    (r"<>|===|=>|=<", _operator),
    (r"\b(?P<name>[a-z]\w*)\s+(?i:is)\s+(?P<not>(?i:not)\s+)?(?P<null>(?i:null))?", _is),
    (r"\b(?i:and|or|not)\b", _word),
    (r"\b(?i:like)\b", lambda _: ("'like' is not a word of conditions.",
                                  "Write: name.startsWith('A'), name.contains('A') or name.matches('[AB]').")),
    (r"\b(?i:between)\b", lambda _: ("'between' is not a word of conditions.",
                                     "Write: 5 <= amount && amount < 9")),
    (r"\bif\b", lambda _: ("'if' is not a word of conditions.",
                           "Say where a rule applies with when:, and what must hold with expect:.")),
    (r"\bin\s*\(", lambda _: ("What may be chosen stands in square brackets.", "Write: in ['open', 'answered']")),
    (r"\b\d+\s+business\s+days?\b", lambda _: ("Business days are not counted in conditions.",
                                               "Write a deadline: by: a date, plus: 10 business days.")),
    (r"\b(\d+)\s+days?\b", lambda found: (f"{found[0]!r} is not how days are written in a condition.",
                                          f"Write: today - days({found[1]})")),
    (r"\b\d{4}-\d{2}-\d{2}\b", lambda found: (f"A day cannot be written out in a condition ({found[0]}).",
                                              "Compare with a date attribute, today, or today - days(90).")),
    (r"[$€£]\s*\d[\d,.]*|\d{1,3}(?:,\d{3})+(?:\.\d+)?", _number),
    (r"\b(count|sum|avg|average|min|max)\s*\(", lambda found: (
        f"{found[1]}(...) is not asked of an attribute.",
        "Declare a relation: related: {reminders: {count: reminder, through: invoice}}; then: reminders > 1")),
    (r"\b(?P<name>[a-z]\w*)\.(?:length|len)\b", lambda found: ("length is called size here.",
                                                              f"Write: {found['name']}.size() > 3")),
)  # fmt: skip


def explained(fault: Wrong, source: str, known: Iterable[str]) -> Wrong:
    """The same fault, told as the habit behind it where there is one; `known` are the attributes."""
    if fault.reason_code not in _OFTEN_A_HABIT:
        return fault
    bare = _QUOTED.sub(lambda found: "'" + " " * (len(found[0]) - 2) + "'", source)
    for pattern, told in _HABITS:
        if (found := re.search(pattern, bare)) is not None:
            return Wrong(fault.reason_code, *told(found))
    if re.search(r"'\d{4}-\d{2}-\d{2}'", source) and fault.reason_code == "type":
        return Wrong(fault.reason_code, *_dated(source))
    if fault.reason_code == "syntax" and (told_of := _brackets(bare)):
        return Wrong(fault.reason_code, *told_of)
    if fault.reason_code == "unknown_attribute":
        return _unquoted(fault, bare, [*known])
    return fault


def _dated(source: str) -> tuple[str, str]:
    found = re.search(r"'\d{4}-\d{2}-\d{2}'", source)
    told = f"A day cannot be written out in a condition ({found[0] if found else source})."
    return told, "Compare with a date attribute, today, or today - days(90)."


def _brackets(bare: str) -> tuple[str, str] | None:
    for opens, closes in ("()", "[]"):
        more = bare.count(opens) - bare.count(closes)
        if more:
            told = f"{opens!r} is not closed." if more > 0 else f"{closes!r} closes what was not opened."
            return told, f"Write as many {opens} as {closes}."
    return None


def _unquoted(fault: Wrong, bare: str, known: list[str]) -> Wrong:
    """A word to the right of == that is no attribute is most often a text without its quotes."""
    for word in _COMPARED_WITH.findall(bare):
        if repr(word.partition("-")[0]) in fault.message:
            near = did_you_mean(word, known)
            others = near if near.startswith("Did") else f"Attributes: {', '.join(sorted(known))}."
            return Wrong(fault.reason_code, fault.message, f"If it is a text, write it in quotes: '{word}'. {others}")
    return fault
