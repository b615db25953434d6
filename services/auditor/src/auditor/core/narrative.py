"""The narrative of an attestation: two pages of plain words in which every sentence cites its records.

It is a pure function of the records: whoever has them can write it again and compare. What it quotes is bounded and
cannot imitate a citation or a heading (see `wording`). Instants are UTC.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from dataclasses import dataclass

from auditor.core import chapters, wording
from auditor.core.evidence import Record
from auditor.core.sentences import Sentence

WIDTH = 96
"""Fits a terminal of 100 columns."""
LONGEST_LINES = 120
"""Two pages of sixty lines."""


@dataclass(frozen=True, slots=True)
class Chapter:
    """One numbered section."""

    title: str
    sentences: tuple[Sentence, ...]


def chapters_of(record: Record) -> tuple[Chapter, ...]:
    """What is said, in order. Every sentence cites at least one record."""
    told = (
        ("What was wrong", chapters.wrong(record)),
        ("Why this change was made", chapters.why(record)),
        ("Who agreed", chapters.agreed(record)),
        ("What was done", chapters.done(record)),
        ("How it was checked", chapters.checked(record)),
        ("What went wrong, and what we do not know", chapters.unknown(record)),
    )
    return tuple(Chapter(title, tuple(sentences)) for title, sentences in told)


def write(record: Record, issued: str) -> str:
    """The text, lines of at most `WIDTH` characters, ending in a newline. `issued` is an instant (realm clock)."""
    lines = [*_heading(record, issued), ""]
    for number, chapter in enumerate(chapters_of(record), start=1):
        lines.append(f"{number}  {chapter.title}")
        for sentence in chapter.sentences:
            lines += _wrapped(cited(sentence, record))
        lines.append("")
    lines += _footing(record)
    return "\n".join(lines) + "\n"


def cited(sentence: Sentence, record: Record) -> str:
    """The sentence with its citations: before the stop, or after a quotation that ends it."""
    numbers = record.numbers(sentence.cites)
    if not numbers:
        raise ValueError(f"a sentence cites nothing: {sentence.text}")
    marks = f"[{', '.join(str(number) for number in numbers)}]"
    if sentence.text.endswith(('."', '?"', '!"', '…"')):
        return f"{sentence.text} {marks}"
    return f"{sentence.text.rstrip('.')} {marks}."


def _heading(record: Record, issued: str) -> list[str]:
    gap = record.wrong.data
    left = f"ATTESTATION  Case {gap.entity_type} {gap.key}, {gap.desired_state}, occurrence {gap.occurrence}"
    right = f"issued {wording.day(issued)}"
    room = WIDTH - len(left) - len(right)
    lines = [f"{left}{' ' * room}{right}"] if room > 1 else [left, right]
    headline = chapters.headline(record)
    if headline:
        lines += textwrap.wrap(wording.plain(headline, 200), WIDTH)
    return [*lines, *textwrap.wrap(" ".join([*labels(record), _LEGEND]), WIDTH)]


_LEGEND = "[n] is record n of the evidence index in this file; instants are UTC."


def labels(record: Record) -> Iterable[str]:
    """What was made up for a demonstration, said before anything else."""
    people = sorted(person.name for person in record.people.values() if person.simulated)
    simulated = record.numbers(said.event.id for said in record.simulated)
    if record.realm is not None and record.realm.mode == "replay":
        yield f"REPLAY: realm {record.realm.realm} runs on a clock that people move; instants are that clock's."
    if people:
        everyone = len(people) == len(record.people)
        yield "SIMULATED PEOPLE: all who are named." if everyone else f"SIMULATED PEOPLE: {', '.join(people)}."
    if simulated:
        yield f"SIMULATED RECORDS: [{', '.join(str(number) for number in simulated)}]."


def _footing(record: Record) -> list[str]:
    return [
        "To check all of this without us and without a network:",
        "  trueup audit verify FILE --directory YOUR-DIRECTORY --service-keys YOUR-LIST",
        f"To compare it with the ledger of realm {record.realm.realm if record.realm else '?'}:",
        "  trueup audit verify FILE --against URL",
    ]


def _wrapped(sentence: str) -> list[str]:
    """A sentence begins a line; what does not fit goes on below it, further in."""
    return textwrap.wrap(
        sentence,
        WIDTH,
        initial_indent="   ",
        subsequent_indent="     ",
        break_long_words=True,
        break_on_hyphens=False,
    )
