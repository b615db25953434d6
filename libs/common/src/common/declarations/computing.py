"""What is computed from the events of a case: when something happened first and last, whether it did, between what.

The events are a set: they are put in order here (time, sequence, id), so that the result is the same in whatever
order they arrived, and however late. Pure.
"""

import re
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal, NamedTuple, TypeAlias

from pydantic import AfterValidator

from common.declarations.fields import Sentence, Strict
from common.declarations.problems import Wrong, refuse
from common.declarations.values import Intervals, Json, Row, Slot, Unknown

MAX_CASE_EVENTS = 10_000
"""Of a case with more events nothing is told: reading them again for every change would hold up all others."""
_TOKEN = re.compile(r"\s*(?:(?P<text>'[^'\n]{1,200}')|(?P<word>[a-z]+)|(?P<op>&&|\|\||[!(),]))")
_HINT = "Write: first('X'), last(), seen('X'), between('A', 'B'), or seen('X') with &&, || and !."
_DEEPEST = 20

Kind: TypeAlias = Literal["moment", "yes/no", "intervals"]


class Happened(NamedTuple):
    """One event of a case: at what time, as what row. Events of one time stand in the order of `sequence`."""

    at: datetime
    sequence: int
    event_id: str
    row: Row


class History:
    """The events of one case, in order: which activity happened when."""

    def __init__(self, ordered: Sequence[Happened], column: str) -> None:
        """Of `ordered_events`. `column` says what happened."""
        self.last = ordered[-1].at if ordered else None
        self.first = ordered[0].at if ordered else None
        self.times: dict[str, list[tuple[int, datetime]]] = {}
        for place, event in enumerate(ordered):
            self.times.setdefault(str(event.row.get(column)), []).append((place, event.at))


Compute: TypeAlias = Callable[[History], Slot]


@dataclass(frozen=True, slots=True)
class Computed:
    """An attribute computed from a case's events. `activities` are those that it asks for."""

    source: str
    kind: Kind
    compute: Compute
    activities: tuple[str, ...]


def ordered_events(events: Iterable[Happened]) -> list[Happened]:
    """The events, each once, in their order."""
    # As tuples: ids differ, so that two rows are never compared.
    return sorted({event.event_id: event for event in events}.values())


def merged(events: Sequence[Happened]) -> dict[str, Json]:
    """The row that the events (in order) come to: of each column the newest cell that is not empty."""
    row: dict[str, Json] = {}
    for event in events:
        row.update({name: cell for name, cell in event.row.items() if cell is not None and cell != ""})
    return row


def newest_cells(events: Sequence[Happened], columns: Iterable[str]) -> dict[str, Json]:
    """Of what `merged` says of the events (in order) these columns."""
    row: dict[str, Json] = {}
    for name in columns:
        for event in reversed(events):
            cell = event.row.get(name)
            if cell is not None and cell != "":
                row[name] = cell
                break
    return row


def parse(source: str) -> Computed:
    """What `source` says. Raises Wrong with what to write instead."""
    return _Parser(source).whole()


def computations(sources: Mapping[str, str]) -> dict[str, Computed]:
    """What each name is computed by. `sources` were checked when they were read."""
    return {name: parse(source) for name, source in sources.items()}


class _Parser:
    """Reads `first('X')`, `last()`, `between('A', 'B')`, and `seen('X')` with `&&`, `||`, `!` and brackets."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._tokens = list(_tokens(source))
        self._at = 0
        self._depth = 0
        self._activities: dict[str, None] = {}

    def whole(self) -> Computed:
        kind, compute = self._either()
        if self._at < len(self._tokens):
            raise self._wrong(f"nothing is expected after {self._tokens[self._at - 1]!r}")
        return Computed(self._source, kind, compute, tuple(self._activities))

    def _either(self) -> tuple[Kind, Compute]:
        found = [self._both()]
        while self._next("||"):
            found.append(self._both())
        return self._joined(found, any)

    def _both(self) -> tuple[Kind, Compute]:
        found = [self._one()]
        while self._next("&&"):
            found.append(self._one())
        return self._joined(found, all)

    def _joined(
        self, found: list[tuple[Kind, Compute]], join: Callable[[Iterable[object]], bool]
    ) -> tuple[Kind, Compute]:
        if len(found) == 1:
            return found[0]
        self._only_yes_no(kind for kind, _ in found)
        parts = [compute for _, compute in found]
        return "yes/no", lambda history: join(part(history) for part in parts)

    def _one(self) -> tuple[Kind, Compute]:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self._wrong(f"more than {_DEEPEST} brackets and ! stand in one another")
        if self._next("!"):
            kind, compute = self._one()
            self._only_yes_no([kind])
            self._depth -= 1
            return "yes/no", lambda history: not compute(history)
        if self._next("("):
            inner = self._either()
            self._must(")")
            self._depth -= 1
            return inner
        word = self._word()
        names = self._names(word)
        self._depth -= 1
        return _FUNCTIONS[word](*names)

    def _only_yes_no(self, kinds: Iterable[Kind]) -> None:
        if set(kinds) != {"yes/no"}:
            raise self._wrong("only seen(...) can be combined with others")

    def _word(self) -> str:
        word = self._tokens[self._at] if self._at < len(self._tokens) else ""
        if word not in _FUNCTIONS:
            raise self._wrong(f"{word!r} is none of {', '.join(_FUNCTIONS)}" if word else "it ends too early")
        self._at += 1
        return word

    def _names(self, word: str) -> list[str]:
        names: list[str] = []
        self._must("(")
        while self._at < len(self._tokens) and self._tokens[self._at].startswith("'"):
            names.append(self._tokens[self._at][1:-1])
            self._at += 1
            if not self._next(","):
                break
        self._must(")")
        least, most = _TAKES[word]
        if not least <= len(names) <= most:
            wanted = {0: "nothing, or one name", 1: "one name", 2: "two names"}[least]
            raise self._wrong(f"{word}(...) takes {wanted} in quotes")
        self._activities.update(dict.fromkeys(names))
        return names

    def _next(self, token: str) -> bool:
        found = self._at < len(self._tokens) and self._tokens[self._at] == token
        self._at += found
        return found

    def _must(self, token: str) -> None:
        if not self._next(token):
            there = repr(self._tokens[self._at]) if self._at < len(self._tokens) else "the end"
            raise self._wrong(f"{token!r} is expected where {there} stands")

    def _wrong(self, told: str) -> Wrong:
        return Wrong("bad_computed", f"{self._source!r} can't be computed from events: {told}.", _HINT)


def _tokens(source: str) -> Iterable[str]:
    at, end = 0, len(source.rstrip())
    while at < end:
        token = _TOKEN.match(source, at)
        if token is None:
            told = f"{source!r} can't be computed from events: {source[at:].strip()[:1]!r} does not belong there."
            raise Wrong("bad_computed", told, _HINT)
        yield token[0].strip()
        at = token.end()


def _first(name: str = "") -> tuple[Kind, Compute]:
    if not name:
        return "moment", lambda history: history.first or Unknown("absent", "nothing has happened")
    return "moment", lambda history: history.times[name][0][1] if name in history.times else _never(name)


def _last(name: str = "") -> tuple[Kind, Compute]:
    if not name:
        return "moment", lambda history: history.last or Unknown("absent", "nothing has happened")
    return "moment", lambda history: history.times[name][-1][1] if name in history.times else _never(name)


def _never(name: str) -> Unknown:
    return Unknown("absent", f"{name} has not happened")


def _seen(name: str) -> tuple[Kind, Compute]:
    return "yes/no", lambda history: name in history.times


def _between(start: str, stop: str) -> tuple[Kind, Compute]:
    def compute(history: History) -> Slot:
        marks = [(place, at, True) for place, at in history.times.get(start, ())]
        marks += [(place, at, False) for place, at in history.times.get(stop, ())]
        spans: list[tuple[datetime, datetime | None]] = []
        begun: datetime | None = None
        for _, at, starts in sorted(marks):
            if starts and begun is None:
                begun = at
            elif not starts and begun is not None:
                spans.append((begun, at))
                begun = None
        return Intervals((*spans, *(((begun, None),) if begun is not None else ())))

    return "intervals", compute


_FUNCTIONS: Mapping[str, Callable[..., tuple[Kind, Compute]]] = {
    "first": _first,
    "last": _last,
    "seen": _seen,
    "between": _between,
}
_TAKES = {"first": (0, 1), "last": (0, 1), "seen": (1, 1), "between": (2, 2)}


def _checked(source: str) -> str:
    try:
        parse(source)
    except Wrong as fault:
        refuse(fault.reason_code, fault.message, fault.hint)
    return source


ComputedText = Annotated[str, AfterValidator(_checked)]


class Events(Strict):
    """The source is a log: each row is one event of an entity, which is then called a case. `at` has the time (RFC
    3339) where events come in a file; a message has its own."""

    activity: Sentence
    at: Sentence


def check_events(
    events: Events | None,
    computed: Iterable[str],
    attributes: Container[str],
    fresh: tuple[str, int | None],
    sensitive: AbstractSet[str],
) -> None:
    """Refuse (inside a validator) what an entity type says of events and contradicts. `fresh`: its source, and
    the days of its freshFor; `sensitive` are columns."""
    if events is None:
        if list(computed):
            refuse(
                "no_events",
                "computed needs the events of a case, and nothing says that rows are events.",
                "Say so, with the columns: events: {activity: activity, at: time}.",
                ("computed",),
            )
        return
    for name in computed:
        if name in attributes:
            told = f"{name!r} is both an attribute and computed."
            refuse("bad_name", told, "Rename one of them.", ("computed", name))
    source, fresh_days = fresh
    if fresh_days is not None:
        refuse(
            "fresh_case",
            "A case in which nothing happens is not stale, so that freshFor says nothing of a log's cases. That "
            "the log itself has gone quiet is said of its source, and makes all of its cases Unknown.",
            f"Drop freshFor, and declare: kind: Source, metadata: {{name: {source}}}, "
            f"spec: {{about: ..., quietAfter: {fresh_days} days}}",
            ("freshFor",),
        )
    if hidden := {events.activity, events.at} & sensitive:
        told = f"{', '.join(sorted(hidden))} says what happened when, and can't be sensitive."
        refuse("sensitive_event", told, "Drop it from sensitive.", ("sensitive",))
