"""A sentence, and the records it rests on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sentence:
    """`text` says one thing; `cites` are the ids of the events that show it."""

    text: str
    cites: tuple[str, ...]


def says(text: str, *cites: str | None) -> Sentence:
    """A sentence; missing ids are left out."""
    return Sentence(text, tuple(event_id for event_id in cites if event_id))
