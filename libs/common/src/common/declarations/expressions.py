"""Conditions: CEL with typed variables, decided with three values.

A condition is first read word by word (`_checked`), so that what CEL would accept but the language does not mean
(`has`, `dyn`, `null`, comprehensions) is refused with words a person understands; then it is compiled by CEL.
A variable without a value is never bound: CEL's own error semantics are Kleene logic, and whatever is not a
BOOL at the end is Unknown.
"""

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from functools import lru_cache
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

from cel_expr_python import cel

from common.declarations import habits, refusals
from common.declarations.problems import Wrong, did_you_mean
from common.declarations.values import Decimal, Sensitive, Slot, Status, Unknown, Value, ValueType

Scope: TypeAlias = Mapping[str, ValueType]
"""The variables an expression may read, by dotted name."""

CLOCK: dict[str, ValueType] = {"today": "date", "now": "moment"}

MOST_ANSWERS = 2_048
"""Of how many different values the answers of one condition are kept."""
MOST_PROGRAMS = 1_024
"""How many conditions over the same variables are kept compiled."""
_CEL_TYPES = {
    "text": cel.Type.STRING,
    "yes/no": cel.Type.BOOL,
    "number": cel.Type.INT,
    "decimal": cel.Type.DOUBLE,
    "date": cel.Type.TIMESTAMP,
    "moment": cel.Type.TIMESTAMP,
    "list": cel.Type.List(cel.Type.STRING),
}
_TOKEN = re.compile(
    r"\s+|(?P<string>'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\")|(?P<number>\d+(?:\.\d+)?)"
    r"|(?P<word>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)|(?P<method>\.[A-Za-z_]\w*)|(?P<op>&&|\|\||==|!=|<=|>=|[-+*/%<>!?:(),\[\]])"
)
_KNOWN = re.compile(r"\s*known\(\s*([A-Za-z_][\w.]*)\s*\)\s*")
_DAYS = re.compile(r"\(\s*(\d{1,5})\s*\)")
_DEEPEST = 50
MOST_DIGITS = 30
"""Digits before and after the point of any number that is read, or written in a condition."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one condition. `reason` is empty unless the status is Unknown."""

    status: Status
    reason: str = ""


MET, MISSED = Outcome(Status.MET), Outcome(Status.MISSED)


@dataclass(frozen=True, slots=True)
class Condition:
    """A compiled condition.

    `reads` are the variables it depends on, in order of first use. `known` is the variable when the whole
    condition is `known(x)`; otherwise `program` is the compiled CEL. `answers` are the results it has come to, by
    the values that it read (`evaluation`).
    """

    source: str
    reads: tuple[str, ...]
    known: str | None = None
    program: Any = None
    answers: dict[Any, Outcome] = field(default_factory=dict, repr=False, compare=False)

    def keep(self, key: Any, outcome: Outcome, slots: Mapping[str, Slot]) -> None:
        """Keep the answer to the values of `key`, unless it is Unknown, follows the moment or rests on what is
        sensitive."""
        read = [slots[name] for name in self.reads]
        if outcome.status is Status.UNKNOWN or "now" in self.reads:
            return
        if any(isinstance(slot, Unknown | Sensitive) for slot in read):
            return
        if len(self.answers) >= MOST_ANSWERS:
            self.answers.clear()
        self.answers[key] = outcome

    @property
    def follows_clock(self) -> tuple[str, ...]:
        """`today`, `now` or both, when the result may change without a message."""
        return tuple(name for name in self.reads if name in CLOCK)


@dataclass(frozen=True, slots=True)
class Bound:
    """One entity's variables, bound once for all its conditions."""

    slots: Mapping[str, Slot]
    activation: Any


@lru_cache(maxsize=64)
def _environment(scope: tuple[tuple[str, ValueType], ...]) -> tuple[Any, dict[str, Any]]:
    """The runtime's environment for these variables, and what was compiled in it, by its text: a page is checked,
    then compiled, and one policy is compiled for each of its cases."""
    return cel.NewEnv(variables={name: _CEL_TYPES[kind] for name, kind in scope}), {}


class Language:
    """Compiles conditions over one scope and decides them. Compiling is done once; deciding is cheap."""

    def __init__(self, scope: Scope, zone: ZoneInfo, with_clock: bool = True) -> None:
        self.scope: Scope = {**scope, **CLOCK} if with_clock else dict(scope)
        self.zone = zone
        self._env, self._programs = _environment(tuple(sorted(self.scope.items())))

    def compile(self, source: str, done: Condition | None = None, may_ask_known: bool = False) -> Condition:
        """The condition that `source` says. `done` is what the word `done` stands for, where it may be used.

        `known(x)` is accepted as a whole condition and only with `may_ask_known` (in `expect`, `done`, `proof`):
        as a `when` it would let missing information excuse an entity. Raises Wrong with what to write instead.
        """
        try:
            return self._compiled(source, done, may_ask_known)
        except Wrong as fault:
            raise habits.explained(fault, source, self.scope) from fault

    def _compiled(self, source: str, done: Condition | None, may_ask_known: bool) -> Condition:
        if (whole := _KNOWN.fullmatch(source)) is not None:
            if not may_ask_known:
                raise Wrong("known_not_here", "known(x) is an expectation of its own.", "Use it after expect: alone.")
            self._require(whole[1])
            return Condition(source, (whole[1],), known=whole[1])
        if source.strip() == "done" and done is not None:
            if done.known and not may_ask_known:
                raise Wrong("known_not_here", "done is known(x), which stands alone.", "Use it after expect: alone.")
            return Condition(source, done.reads, done.known, done.program)
        text, reads = self._checked(source, done)
        program = self._program(text, source)
        if program.return_type() != cel.Type.BOOL:
            raise Wrong(
                "not_a_condition", f"{source!r} is neither true nor false.", f"Compare it: {source} == 'open'."
            )
        return Condition(source, reads, program=program)

    def _program(self, text: str, source: str) -> Any:
        if (known := self._programs.get(text)) is not None:
            return known
        try:
            program = self._env.compile(text)
        except Exception as error:  # the runtime raises RuntimeError and others: all mean that it does not compile
            raise refusals.human(str(error), source) from error
        if len(self._programs) >= MOST_PROGRAMS:
            self._programs.clear()
        self._programs[text] = program
        return program

    def bind(self, slots: Mapping[str, Slot], only: tuple[str, ...] | None = None) -> Bound:
        """Bind one entity's values; Unknown ones stay unbound. `only` limits the work to the variables needed."""
        zone = self.zone
        data: dict[str, object] = {}
        for name in only if only is not None else slots:
            value = slots[name]
            kind = type(value)
            if kind is str or kind is bool or kind is int:
                data[name] = value
            elif not isinstance(value, Unknown):
                data[name] = _cel_value(value, zone)
        return Bound(slots, self._env.Activation(data))

    def decide(self, condition: Condition, bound: Bound) -> Outcome:
        """Met, Missed, or Unknown with the reason naming the attributes."""
        if condition.known is not None:
            return _known(condition.known, bound.slots[condition.known])
        result = condition.program.eval(bound.activation).value()
        if result is True:  # an error's value is a truthy text: only the two booleans decide
            return MET
        if result is False:
            return MISSED
        return Outcome(Status.UNKNOWN, _why(condition, bound.slots, result))

    def answer(self, condition: Condition, slots: Mapping[str, Slot]) -> Outcome:
        """As `decide`, of one entity's values that are not bound yet: they only are where nothing was decided of the
        same ones before."""
        reads = condition.reads
        key = slots[reads[0]] if len(reads) == 1 else tuple([slots[name] for name in reads])  # as `Sight.decide`
        if (found := condition.answers.get(key)) is None:
            found = self.decide(condition, self.bind(slots, reads))
            condition.keep(key, found, slots)
        return found

    def _require(self, name: str) -> None:
        if name not in self.scope:
            raise Wrong("unknown_attribute", f"There is no attribute {name!r}.", did_you_mean(name, self.scope))

    def _checked(self, source: str, done: Condition | None) -> tuple[str, tuple[str, ...]]:
        """The CEL text of a condition, and what it reads. Raises Wrong for what the language does not have."""
        parts: list[str] = []
        reads: dict[str, None] = {}
        tokens = list(_tokens(source))
        skip = -1
        for index, (token, at) in enumerate(tokens):
            if at < skip:
                continue
            kind = token.lastgroup
            after = tokens[index + 1][0][0] if index + 1 < len(tokens) else ""
            if kind == "word" and token[0] == "days" and after == "(":
                count = _DAYS.match(source, tokens[index + 1][1])
                if count is None:
                    raise Wrong("bad_days", "days(...) takes a whole number up to 99999.", "Write: today - days(90).")
                parts.append(f"duration('{int(count[1]) * 24}h')")
                skip = count.end()
            elif kind == "number":
                parts.append(_number(token[0]))
            elif kind == "word":
                parts.append(self._word(token[0], after, done, reads))
            elif kind == "method":
                refusals.method(token[0][1:], after)
                parts.append(token[0])
            else:
                parts.append(token[0])
                if token[0] == "(" and index and tokens[index - 1][0][0].endswith("matches"):
                    self._pattern(tokens[index + 1][0] if index + 1 < len(tokens) else None)
        return " ".join(parts), tuple(reads)

    def _word(self, word: str, after: str, done: Condition | None, reads: dict[str, None]) -> str:
        if word in ("true", "false", "in"):
            return word
        if word == "done" and done is not None:
            if done.known:
                raise Wrong("known_not_here", "done is known(x), which stands alone.", "Use it after expect: alone.")
            reads.update(dict.fromkeys(done.reads))
            text, _ = self._checked(done.source, None)
            return f"({text})"
        if word in refusals.REFUSED_WORDS:
            raise Wrong(*refusals.REFUSED_WORDS[word])
        owner, _, last = word.rpartition(".")
        asked = after == "(" or (last in refusals.METHODS and owner in self.scope and word not in self.scope)
        name, method = (owner, last) if asked else (word, "")
        if asked and not name:
            raise refusals.function(method)
        if method:
            refusals.method(method, after)
        self._require(name)
        reads[name] = None
        return word

    def _pattern(self, token: re.Match[str] | None) -> None:
        if token is None or token.lastgroup != "string":
            raise Wrong("bad_pattern", "matches(...) takes a text in quotes.", "Write: areas.matches('[ABC]').")
        result = self._env.compile(f"''.matches({token[0]})").eval(self._env.Activation({}))
        if result.type() != cel.Type.BOOL:
            raise Wrong("bad_pattern", f"{token[0]} is not a regular expression.", "Check its brackets.")


def _number(text: str) -> str:
    """A number as it is written. One that no cell can be (`reading`) might be infinite, and decide anything."""
    if len(text.partition(".")[0].lstrip("0")) > MOST_DIGITS:
        told = f"{text[:20]}… has more than {MOST_DIGITS} digits, which no cell that is read as a number can have."
        raise Wrong("number_too_large", told, "Write a smaller one.")
    return text


def _tokens(source: str) -> Iterator[tuple[re.Match[str], int]]:
    at = depth = 0
    while at < len(source):
        token = _TOKEN.match(source, at)
        if token is None:
            raise refusals.strange(source, at)
        depth += (token[0] in "([") - (token[0] in ")]")
        if depth > _DEEPEST:
            raise Wrong("too_deep", f"More than {_DEEPEST} brackets are open at once.")
        if token.lastgroup:
            yield token, at
        at = token.end()


def compared(source: str) -> Iterator[tuple[str, str]]:
    """The (variable, text) pairs of a condition that compiles: what `==`, `!=` and `in [...]` compare with a quoted
    text."""
    tokens = [(token.lastgroup, token[0]) for token, _ in _tokens(source)]
    for (left, one), (_, operator), (right, two) in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if operator in ("==", "!=") and {left, right} == {"word", "string"}:
            yield (one, two[1:-1]) if left == "word" else (two, one[1:-1])
    for index, (kind, name) in enumerate(tokens):
        if kind == "word" and [text for _, text in tokens[index + 1 : index + 3]] == ["in", "["]:
            among = itertools.takewhile(lambda token: token[1] != "]", tokens[index + 3 :])
            yield from ((name, text[1:-1]) for inner, text in among if inner == "string")


def _cel_value(value: Value | Sensitive, zone: ZoneInfo) -> object:
    """Days and moments as the declaration's own calendar shows them, labelled UTC: so that a day is always
    24 hours long for `days(n)`, also across a change to summer time."""
    match value:
        case Sensitive():
            return _cel_value(value.value, zone)
        case datetime():
            local = value.astimezone(zone) if value.tzinfo else value
            return local.replace(tzinfo=UTC)
        case date():
            return datetime.combine(value, time(), UTC)
        case Decimal():
            return float(value.text)
        case tuple():
            return list(value)
        case _:
            return value


def _known(name: str, slot: Slot) -> Outcome:
    if not isinstance(slot, Unknown):
        return MET
    if slot.kind in ("absent", "unreadable"):
        return MISSED
    return Outcome(Status.UNKNOWN, f"{name}: {slot.reason}")


def _why(condition: Condition, slots: Mapping[str, Slot], result: object) -> str:
    missing = [f"{name}: {slot.reason}" for name in condition.reads if isinstance(slot := slots[name], Unknown)]
    return "; ".join(missing) or f"the condition {condition.source!r} cannot be computed: {str(result)[:200]}"
