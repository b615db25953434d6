"""Which proposals wait, and what is said of them: what they would change. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from common.declarations.loader import Document, parse_spec
from common.events import Event
from common.events.approver import DeclarationActivated, DeclarationProposed
from common.events.differ import ChangedState, ChangePreviewed

MOST_WAITING = 20
"""Of how many proposals, the newest, what they would change is worked out."""
MOST_CASES = 300
"""How many changing cases one preview names; all are counted."""
FEWEST_CASES = 3


@dataclass(slots=True)
class Waiting:
    """One proposal that nobody has activated. `event` is the first of those that made it, at `position`."""

    proposal: str
    event: Event
    position: int
    author: str
    set_digest: str
    proposed: list[DeclarationProposed] = field(default_factory=list)

    def documents(self) -> list[Document]:
        """What it would bring into force. Raises `Wrong` where this release can't read it."""
        return [parse_spec(item.kind, item.name, item.spec, item.file) for item in self.proposed]

    @property
    def names(self) -> set[tuple[str, str]]:
        return {(item.kind, item.name) for item in self.proposed}


def waiting(events: Iterable[tuple[int, Event]]) -> list[Waiting]:
    """The proposals that wait, the newest first, at most `MOST_WAITING`; `events` with their positions, in ledger
    order. Left out: what its author proposed anew."""
    found: dict[str, Waiting] = {}
    for position, event in events:
        if event.type == DeclarationProposed.TYPE:
            data = DeclarationProposed.of(event)
            first = Waiting(data.proposal, event, position, data.decision.person, data.set_digest)
            found.setdefault(data.proposal, first).proposed.append(data)
        elif event.type == DeclarationActivated.TYPE:
            found.pop(DeclarationActivated.of(event).proposal, None)
    newest = list(found.values())[::-1]
    kept = [item for index, item in enumerate(newest) if not _superseded(item, newest[:index])]
    return kept[:MOST_WAITING]


def _superseded(item: Waiting, later: Sequence[Waiting]) -> bool:
    return any(other.author == item.author and item.names <= other.names for other in later)


def most_cases(desired_states: int) -> int:
    """How many cases are named of each of so many desired states: an event is bounded."""
    return max(FEWEST_CASES, MOST_CASES // max(desired_states, 1))


def previewed(item: Waiting, active: str, states: Sequence[ChangedState]) -> ChangePreviewed:
    """What is said of it. `active`: the digest of what it was compared with."""
    return ChangePreviewed(proposal=item.proposal, set_digest=item.set_digest, active=active, states=list(states))
