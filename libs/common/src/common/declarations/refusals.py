"""What conditions are refused for, in words of the language: by what stands there, or by what the runtime said."""

import re

from common.declarations.problems import Wrong, did_you_mean

METHODS = {
    "matches": "matches(...) is asked of a text and takes a pattern in quotes: reference.matches('[ABC]').",
    "startsWith": "startsWith(...) is asked of a text and takes a text: reference.startsWith('A').",
    "endsWith": "endsWith(...) is asked of a text and takes a text: reference.endsWith('A').",
    "contains": "contains(...) is asked of a text and takes a text: title.contains('A'). Of a list: 'A' in areas.",
    "size": "size() is asked of a text or a list and takes nothing: areas.size() > 1.",
}
"""What may be asked of a value, and how: of which types, with what."""


def strange(source: str, at: int) -> Wrong:
    """Of a character that no word of the language begins with."""
    char = source[at]
    hints = {
        "=": "Write == to compare.",
        "&": "Write && for and.",
        "|": "Write || for or.",
        "{": "Maps are not part of conditions.",
        "\u2018": "Use straight quotes: 'open'.",
        "\u2019": "Use straight quotes: 'open'.",
        "\u201c": "Use straight quotes: 'open'.",
        "'": "A quoted text is not closed.",
        '"': "A quoted text is not closed.",
    }
    return Wrong("syntax", f"{char!r} at character {at + 1} does not belong here.", hints.get(char, ""))


REFUSED_WORDS: dict[str, tuple[str, str, str]] = {
    "null": ("no_null", "Nothing is ever null here: what is missing is Unknown.",
             "For an expectation that something is known, write: expect: known(x)."),
    "otherwise": ("syntax", "otherwise stands alone, as the last severity.", ""),
    "done": ("no_done", "done cannot be used here.", "Write the condition out."),
    "and": ("syntax", "'and' is not a word of conditions.", "Write && for and."),
    "or": ("syntax", "'or' is not a word of conditions.", "Write || for or."),
    "not": ("syntax", "'not' is not a word of conditions.", "Write ! for not."),
}  # fmt: skip
_FUNCTIONS: dict[str, tuple[str, str, str]] = {
    "has": ("no_has", "has(...) is not offered: absent would count as a result.",
            "What is absent is Unknown by itself; to expect that it is there, write: expect: known(x)."),
    "dyn": ("no_dyn", "dyn(...) is not offered: it switches the type check off.", "Compare values of the same type."),
    "duration": ("no_duration", "duration(...) is not offered: it does not know days.", "Write: days(90)."),
    "timestamp": ("no_timestamp", "timestamp(...) is not offered.", "Compare with a date, or today - days(90)."),
    "known": ("known_not_here", "known(x) cannot be combined with other conditions.",
              "Write it alone after expect:, and the rest as a rule of its own."),
    "unchanged": ("unchanged_not_here", "unchanged(x) is of secondary effects, and no condition of a rule.",
                  "Write it under verification: watch: [{expect: unchanged(x), says: ...}]."),
    **{word: ("computed_not_here", f"{word}(...) is asked of the events of a case, and not in a condition.",
              f"Declare it in the EntityType, computed: {{name: \"{word}('A'{more})\"}}, and use the name.")
       for word, more in (("first", ""), ("last", ""), ("seen", ""), ("between", ", 'B'"))},
    "type": ("no_type", "type(...) is not offered: every attribute has one declared type.", ""),
}  # fmt: skip
_MACROS = frozenset({"all", "exists", "exists_one", "map", "filter", "existsOne"})


def function(name: str) -> Wrong:
    """Of a function that conditions do not have."""
    if name in _FUNCTIONS:
        return Wrong(*_FUNCTIONS[name])
    if name in METHODS:
        return Wrong("unknown_function", f"{name}(...) does not stand alone: it is asked of a value.", METHODS[name])
    known = {"known", "days", *METHODS}
    return Wrong("unknown_function", f"There is no function {name!r}.", did_you_mean(name, known))


def method(name: str, after: str) -> None:
    """Raise Wrong unless `name`, followed by `after`, may be asked of a value."""
    if name in _MACROS:
        raise Wrong(
            "no_comprehension",
            f"{name}(...) over a list is not offered: over nothing it would be true.",
            "Declare a count or the latest under related, and compare that.",
        )
    if name not in METHODS:
        raise Wrong("unknown_function", f"There is no {name!r} of a value.", did_you_mean(name, METHODS))
    if after != "(":
        raise Wrong("unknown_function", f"{name} stands without its brackets.", METHODS[name])


_OVERLOAD = re.compile(r"no matching overload for '([^']*)' applied to '\((.*)\)'")
_UNDECLARED = re.compile(r"undeclared reference to '(\w+)'")
_PLAIN_TYPES = {
    "string": "text", "int": "whole number", "double": "decimal", "bool": "yes/no",
    "google.protobuf.Timestamp": "date", "timestamp": "date", "google.protobuf.Duration": "number of days",
    "duration": "number of days", "list(string)": "list", "list(int)": "list of numbers",
}  # fmt: skip


def human(message: str, source: str) -> Wrong:
    """Of what the runtime would not compile, by what it said."""
    found = _OVERLOAD.search(message)
    if found is None:
        return _unreadable(message, source)
    operator = found[1].strip("_").replace("@in", "in").replace("_", " ").strip()
    kinds = [_PLAIN_TYPES.get(part.strip(), part.strip()) for part in found[2].split(", ")]
    return Wrong("type", f"{operator} does not go with {' and '.join(kinds)} in {source!r}.", _goes(operator, kinds))


def _unreadable(message: str, source: str) -> Wrong:
    name = _UNDECLARED.search(message)
    if name is not None and name[1] in METHODS:
        return Wrong("type", f"{name[1]}(...) is given too few or too many values in {source!r}.", METHODS[name[1]])
    first = re.sub(r"^.*ERROR: <input>:\d+:\d+: ", "", message.splitlines()[0])
    return Wrong("syntax", f"{source!r} cannot be read: {first}.", "Check brackets, quotes and operators.")


def _goes(operator: str, kinds: list[str]) -> str:
    """What to write where the operator does not take these kinds of value."""
    if set(kinds) == {"whole number", "decimal"}:
        return "Write decimals with a point on both sides: amount > 100.0."
    if operator == "matches" and kinds[0] == "list":
        return "Ask whether it contains one value: 'A' in areas."
    if operator in METHODS:
        return METHODS[operator]
    if set(kinds) == {"yes/no", "text"}:
        return "What is yes or no stands alone: paid, or !paid."
    if "date" in kinds and "text" in kinds:
        return "Compare a date with a date attribute, today, or today - days(90)."
    return "Compare values of the same kind."
